"""What command lines share: errors in one line, exit codes, and lines that say how far it is."""

import errno
import logging
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import click

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # the machine's, whoever writes


def _keep_traceback(context: click.Context, _, asked: bool) -> None:
    context.obj.debug = context.obj.debug or asked
    if asked:
        logging.basicConfig()
        logging.getLogger("iblib").setLevel(logging.DEBUG)


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_keep_traceback,
    help="Show where an error came from.",
)


jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes at once on this machine, one thread each (more than 1 needs iblib[dask]).",
)
scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask scheduler that trains and measures instead, e.g. tcp://host:8786.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where networks are trained and replayed.",
)


def run_cli(
    group: click.Group,
    arguments: Sequence[str] | None,
    prog_name: str,
    known: Mapping[type[Exception], int] | None = None,
) -> None:
    """Run a command line; what the user can mend is one line, what is our fault a traceback.

    Exit codes: 0 done, 2 a setting, data or a file of the user cannot be used, 130 interrupted;
    commands end with ``sys.exit(1)`` where a run failed. The group has ``debug_option``; arguments
    are those of this process by default; ``known`` are further exceptions that are told in one
    line, and their exit codes.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    state = SimpleNamespace(debug=False)
    # end as on Ctrl-C, so that kernels and workers are shut down
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        group.main(arguments, prog_name, standalone_mode=False, obj=state)
    except getattr(click.exceptions, "NoArgsIsHelpError", ()) as error:  # since click 8.2
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that nobody waits for
        _fail("interrupted; finished runs are kept", 130)
    except Exception as error:
        code = _exit_code(error, arguments, known or {})
        if code is None:
            raise
        if state.debug:
            traceback.print_exc()
        told = error.format_message() if isinstance(error, click.ClickException) else str(error)
        _fail(told, code)


def _exit_code(error: Exception, arguments: list[str], known: Mapping) -> int | None:
    """Code of an error that the user can mend, None for a fault of the program."""
    from iblib.config import ConfigError

    known = {click.ClickException: 2, ConfigError: 2, ImportError: 2, **known}
    if data := sys.modules.get("iblib.datasets.base"):  # else nobody can have raised it
        known[data.DataError] = 2
    if codes := [code for kind, code in known.items() if isinstance(error, kind)]:
        return codes[-1]
    return 2 if isinstance(error, OSError) and _is_users(error, arguments) else None


def _is_users(error: OSError, arguments: list[str]) -> bool:
    """Whether an error of the operating system is about the disk, or about files the user named.

    One without a number was raised by a ``raise`` statement: ours are meant for the user.
    """
    from iblib import paths

    if error.errno is None:
        frame = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
        return frame.f_globals.get("__name__", "").partition(".")[0] in ("iblib", "study")
    if error.errno in _DISK or not isinstance(error.filename, str):
        return error.errno in _DISK
    named = filter(None, (argument.rpartition("=")[2] for argument in arguments))
    folders = [*map(Path, named), paths.runs_dir(), paths.data_dir()]
    file = Path(error.filename).resolve()
    folders = [folder.expanduser().resolve() for folder in folders]
    return any(file.is_relative_to(f) or f.is_relative_to(file) for f in folders)


def _fail(message: str, code: int) -> None:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(code)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


class StepEcho:
    """A line for each step as it ends: its name, its own seconds and the time left."""

    def __init__(self):
        self._made, self._first, self._begun = time.monotonic(), 0, 0.0

    @property
    def total(self) -> str:
        """The time since this was made."""
        return duration(time.monotonic() - self._made)

    def __call__(self, number: int, total: int, name: str, seconds: float, more: str = "") -> None:
        now = time.monotonic()
        if not self._first:  # what comes before it was there already
            self._first, self._begun = number, now - seconds
        done, left = number - self._first + 1, ""
        if number < total and done >= max(2, (total - self._first + 1) / 10):
            left = f"{duration((now - self._begun) / done * (total - number))} left"
        told = ", ".join(filter(None, [more, left]))
        click.echo(f"[{number:3d}/{total:3d}] {name:44s} {seconds:7.1f} s  {told}".rstrip())


class RunEcho(StepEcho):
    """A line for each run's ``sweep.Outcome``: how it ended, its label, the time left."""

    _n_failed = 0

    def __call__(self, number: int, total: int, outcome) -> None:
        self._n_failed += outcome.status == "failed"
        name = f"{outcome.status:8s} {outcome.label}"
        more = f"{self._n_failed} failed" if self._n_failed else ""
        super().__call__(number, total, name, outcome.seconds, more)
        if outcome.error:
            click.echo(f"          {' '.join(outcome.error.split())}")
