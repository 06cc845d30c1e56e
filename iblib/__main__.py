"""Command line: ``iblib sweep | data | info``."""

import sys
from pathlib import Path

import click

from iblib import __version__, console

_FOLDER = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="iblib %(version)s")
@console.debug_option
def cli():
    """Information planes of neural networks: many runs, their data, and what is installed.

    \b
    Begin here:
      iblib sweep grid.toml --out build/sweep --jobs 2
      iblib data fma-small --tracks 1000 --data-dir data
      iblib info
    """


@cli.command(short_help="Train and measure a grid of settings.")
@click.argument("grid", type=_FOLDER, metavar="GRID.toml")
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="Where the tables go.")
@console.jobs_option
@console.scheduler_option
@console.device_option
def sweep(grid, out, jobs, scheduler, device):
    """Train and measure every combination of the lists in GRID.toml.

    Writes planes.csv and history.csv into --out. Every run has a folder in runs/, in the checkout
    or else in --out; one that is whole there is not run again. Failed runs are listed in
    failures.jsonl (exit code 1).

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
      estimators = ["binning", "kde"]     # of exact, binning, kde, kraskov; all by default

    On a cluster: --scheduler takes the address of any Dask scheduler, tcp:// or tls://, whose
    workers see the same folders (docs/cluster.md).
    """
    from iblib import paths
    from iblib.grid import read_grid
    from iblib.sweep import run_all, write_tables

    paths.settle(out)
    echo = console.RunEcho()
    result = run_all(
        read_grid(grid), out=out, jobs=jobs, scheduler=scheduler, device=device, on_done=echo
    )
    digest = write_tables(result, out)
    n_reused = len(result.outcomes) - result.submitted
    n_failed = len(result.failed)
    click.echo(f"{result.submitted} run, {n_reused} reused, {n_failed} failed in {echo.total}")
    click.echo(f"open {out / 'planes.csv'} and {out / 'history.csv'} (digest {digest[:16]})")
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
      iblib data fma-small --tracks 1000      about 1 GiB
      iblib data fma-small                    7.2 GiB, and 342 MiB of metadata
    """
    from iblib import paths
    from iblib.datasets.download import fma_small as fetch

    folder = fetch(data_dir or paths.data_dir(), tracks=tracks)
    click.echo(f"FMA-small: {folder}")


@cli.command(short_help="Versions, processor, threads, folders.")
def info():
    """Say what numbers can depend on: versions, the kind of processor, threads; and the folders."""
    import platform
    from importlib.metadata import version

    import torch

    from iblib import paths

    facts = {"iblib": __version__, "python": platform.python_version()}
    facts |= {name: version(name) for name in ("torch", "numpy", "scipy", "numba", "pandas")}
    facts |= {
        "system": platform.platform(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "runs": paths.runs_dir() if paths.has_home() else "runs/ in a sweep's --out",
        "data": paths.data_dir() if paths.has_home() else "data/ here; of a sweep, in its --out",
    }
    for name, fact in facts.items():
        click.echo(f"{name:8s} {fact}")


@cli.command(
    hidden=True,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def report():
    """It is the study's."""
    from iblib import paths

    made = "is made by `python -m study report` (or make report)"
    needs = "needs a clone of the project: see its README"
    raise click.ClickException(f"the report {made if paths.has_home() else needs}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    name = "python -m iblib" if Path(sys.argv[0]).name == "__main__.py" else "iblib"
    console.run_cli(cli, arguments, name)


if __name__ == "__main__":
    main()
