"""Command line: ``python -m iblib report | sweep | data``."""

import logging
import signal
import sys
import time
from pathlib import Path

import click

from iblib.config import AUDIO_SETS, PROFILES

_DEVICE = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where networks are trained and replayed.",
)
_JOBS = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs at once on this machine, one thread each (more than 1 needs iblib[dask]).",
)
_SCHEDULER = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask scheduler to use instead of this machine, e.g. tcp://host:8786.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli():
    """Information planes of neural networks, from audio files to a report.

    \b
    Begin here:
      python -m iblib report                    the committed report, embedded data (25 minutes)
      python -m iblib report --profile smoke    the same in small: does it all run? (6 minutes)
      python -m iblib data fma-small --tracks 1000 --data-dir data
      python -m iblib sweep grid.toml --out report/sweep --jobs 2
    """


@cli.command(short_help="Execute every notebook; write figures, tables and HTML.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="report",
    show_default=True,
    help="How much is computed: smoke (minutes), report (20 to 25 minutes), full (GPU, hours).",
)
@click.option(
    "--dataset",
    type=click.Choice(AUDIO_SETS),
    default="synthetic",
    show_default=True,
    help="Embedded clips, FMA-small, or a folder with one folder of clips per class.",
)
@click.option("--data-dir", default="", metavar="DIR", help="Folder of the audio.")
@click.option("--out", default="", metavar="DIR", help="Folder of the copy that is written.")
@_DEVICE
@_JOBS
@_SCHEDULER
@click.option("--only", multiple=True, metavar="NN", help="Only this notebook; may be repeated.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="First seed of the networks; the others follow it.",
)
@click.option(
    "--cell-timeout",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Stop where one cell of a notebook takes longer; no limit by default.",
)
def report(profile, dataset, data_dir, out, device, jobs, scheduler, only, seed, cell_timeout):
    """Execute every notebook in order; write notebooks, figures, results and an HTML report.

    Profile report on synthetic with seed 0 writes into this checkout: notebooks/, figures/,
    results/. All else writes a whole copy under report/<profile>-<dataset>/, or where --out says.
    Finished runs are kept in runs/ and never trained twice, so a second call takes minutes less.

    \b
    Examples (times on 2 cores):
      python -m iblib report                            20 to 25 minutes, 4 when repeated
      python -m iblib report --profile smoke            6 minutes
      python -m iblib report --only 03 --only 04        two notebooks
      python -m iblib report --profile full --dataset fma_small --data-dir data --device cuda
      python -m iblib report --profile smoke --dataset folder --data-dir path/to/genres
    """
    from study.run import run_report

    index = run_report(
        profile,
        dataset,
        data_dir,
        out,
        device,
        jobs,
        scheduler,
        only,
        seed,
        cell_timeout,
        on_run=_RunEcho(),
        on_step=_echo_step,
        on_data=click.echo,
    )
    click.echo(f"report: {index}")


@cli.command(short_help="Train and measure a grid of settings.")
@click.argument("grid", type=click.Path(path_type=Path), metavar="GRID.toml")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR")
@_JOBS
@_SCHEDULER
@_DEVICE
def sweep(grid, out, jobs, scheduler, device):
    """Train and measure every combination of the lists in GRID.toml.

    Writes one sealed result file per run, then planes.csv and history.csv, into --out. Runs that
    have a valid result are not run again; failed ones are listed in failures.jsonl (exit code 1).

    \b
    A grid of 4 runs, about a minute:
      [data]
      name = "binary_patterns"
      [run]
      model = "mlp"
      activation = ["tanh", "relu"]
      seed = [0, 1]
      epochs = 200
      batch_size = 256
      [run.options]
      sizes = [[12, 10, 7, 5, 4, 3, 2]]   # a list is a choice: one list here
      [measure]                           # [[measure]], repeated: several of every run
      split = "all"
      n_samples = 0
      estimators = ["binning", "kde"]     # of binning, kde, kraskov; all of them by default

    On a cluster: --scheduler takes the address of any Dask scheduler, tcp:// or tls://, whose
    workers see the same folders; README says how SLURM and Kubernetes give one.
    """
    from iblib.sweep import read_grid, run_all, write_tables

    specs = read_grid(grid)
    result = run_all(
        specs, out=out, jobs=jobs, scheduler=scheduler, device=device, on_done=_RunEcho()
    )
    digest = write_tables(specs, out)
    n_reused = len(result.outcomes) - result.submitted
    click.echo(f"{result.submitted} run, {n_reused} reused, {len(result.failed)} failed")
    click.echo(f"tables: {out}/planes.csv, {out}/history.csv (digest {digest[:16]})")
    if result.failed:
        click.echo(f"Error: failed runs are listed in {out / 'failures.jsonl'}", err=True)
        sys.exit(1)


@cli.group()
def data():
    """Fetch data."""


@data.command("fma-small", short_help="The FMA-small data set, whole or some clips of it.")
@click.option(
    "--tracks",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only so many clips, balanced over genres, by HTTP ranges; all 8000 (7.2 GiB) otherwise.",
)
@click.option("--data-dir", default="", metavar="DIR", help="Where it goes; data/ by default.")
def fma_small(tracks, data_dir):
    """Download FMA-small and its metadata; checked by checksum, resumed where it stopped.

    \b
    Examples:
      python -m iblib data fma-small --tracks 1000      about 1 GiB
      python -m iblib data fma-small                    7.2 GiB, and 342 MiB of metadata
    """
    from iblib import paths
    from iblib.datasets.download import fma_small as fetch

    folder = fetch(data_dir or paths.data_dir(), tracks=tracks)
    click.echo(f"FMA-small: {folder}")


def _echo_step(number: int, total: int, name: str, seconds: float) -> None:
    click.echo(f"[{number:2d}/{total:2d}] {name:32s} {seconds:7.1f} s")


class _RunEcho:
    """A line for each run as it ends: how many are done and have failed, and the time left."""

    def __init__(self):
        self.start, self.first, self.n_failed = time.monotonic(), 0, 0

    def __call__(self, number: int, total: int, outcome) -> None:
        self.first = self.first or number  # those before it were there already
        self.n_failed += outcome.status == "failed"
        run = outcome.spec["run"]
        about = f"{run['model']} {run['activation']} batch {run['batch_size']} seed {run['seed']}"
        left = (time.monotonic() - self.start) / (number - self.first + 1) * (total - number)
        state = f"{self.n_failed} failed, {_duration(left)} left"
        error = " ".join(outcome.error.split())
        ended = f"{outcome.status}: {error}" if error else outcome.status
        click.echo(f"[{number:3d}/{total:3d}] {outcome.id} {about:36s} {ended} ({state})")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; what the user can cure is one line, and no traceback.

    Exit codes: 0 done, 1 a notebook or a run failed, 2 a setting or data cannot be used, 130
    interrupted.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        cli.main(arguments, prog_name="python -m iblib", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that nobody waits for
        _fail("interrupted; finished runs and notebooks are kept", 130)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _fail(str(error), code)


def _exit_code(error: Exception) -> int | None:
    """Code of an error that the user can cure, None for a fault of the program."""
    from iblib.config import ConfigError
    from iblib.datasets.base import DataError
    from study import ReportError

    if isinstance(error, ReportError):
        return 1
    return 2 if isinstance(error, (ConfigError, DataError, OSError)) else None


def _fail(message: str, code: int) -> None:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(code)


def _interrupt(number, frame) -> None:
    """End as on Ctrl-C, so that kernels and workers are shut down."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
