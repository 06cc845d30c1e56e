"""Command line of the report: ``python -m study report | publish``."""

import time

import click

from iblib import paths
from iblib.console import (
    RunEcho,
    StepEcho,
    debug_option,
    device_option,
    duration,
    jobs_option,
    run_cli,
    scheduler_option,
)
from iblib.datasets import AUDIO as AUDIO_SETS
from study import ReportError
from study.lab import HOME, folder_of, open_lab
from study.plan import PROFILES
from study.text import counted


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@debug_option
def cli():
    """The report: every notebook executed, its tables, figures and pages.

    \b
    Begin here:
      python -m study report                    the whole report in small (make report)
      python -m study report --profile smoke    does it all run?
      python -m study report --only 03          one notebook
    """


@cli.command(short_help="Execute every notebook; write figures, tables and HTML under build/.")
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="report",
    show_default=True,
    help="How much is computed; study/profiles.toml says what.",
)
@click.option(
    "--dataset",
    type=click.Choice(sorted(AUDIO_SETS)),
    default="synthetic",
    show_default=True,
    help="Synthetic clips, FMA-small, or a folder with one folder of clips per class.",
)
@click.option("--data-dir", default="", metavar="DIR", help="Folder of the audio.")
@click.option(
    "--clip-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Length measured of each clip of fma_small or folder; 29.9 by default.",
)
@click.option("--out", default="", metavar="DIR", help="Folder to write; under build/ by default.")
@device_option
@jobs_option
@scheduler_option
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
@click.option("--strict", is_flag=True, help="A warning in a cell ends the report.")
def report(profile, dataset, data_dir, clip_seconds, out, device, seed, **options):
    """Execute every notebook in order; write notebooks, figures, results and an HTML report.

    Everything goes under build/ (or where --out says); tracked files stay as they are. Finished
    runs are kept in runs/ and never trained twice.

    \b
    Examples:
      python -m study report --jobs 2
      python -m study report --only 03 --only 04
      python -m study report --profile full --dataset fma_small --data-dir data --device cuda
      python -m study report --dataset folder --data-dir path/to/genres --clip-seconds 9.9
    """
    from study.run import run_report

    out = out or folder_of(profile, dataset, seed)
    paths.settle(out)
    audio = {"dataset": dataset, "data_dir": data_dir, "clip_seconds": clip_seconds}
    lab = open_lab(profile=profile, **audio, out_dir=out, seed=seed, device=device)
    start = time.monotonic()
    made = run_report(lab, **options, **_echoes())
    _say_warnings(made.warnings)
    click.echo(f"report: {duration(time.monotonic() - start)}; open {made.index}")


@cli.command(short_help="Renew the committed notebooks, results, figures and README numbers.")
@jobs_option
@scheduler_option
@click.option("--fresh", is_flag=True, help="Make every result again, from the runs.")
def publish(**options):
    """Make the committed report beside, then put it in place (maintainers).

    Committed results whose keys hold are taken over, the rest is computed. A warning in a cell is
    an error.
    """
    from study.run import publish as put_in_place

    lab = open_lab(**HOME, out_dir=str(folder_of(**HOME)))
    start = time.monotonic()
    placed = put_in_place(lab, **options, **_echoes())
    click.echo(f"published: {duration(time.monotonic() - start)}; {len(placed)} files changed")


def _echoes() -> dict:
    echoes = {"on_run": RunEcho(), "on_result": StepEcho(), "on_notebook": StepEcho()}
    return echoes | {"on_data": click.echo}


def _say_warnings(warnings: list[str]) -> None:
    """What cells warned of, at the end, where it is seen."""
    if warnings:
        click.echo(f"{counted(len(warnings), 'warning')} of cells:")
    for warning in warnings:
        click.echo(f"  {warning}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    run_cli(cli, arguments, prog_name="python -m study", known={ReportError: 1})


if __name__ == "__main__":
    main()
