"""One notebook: executed aside, accepted only whole, cleaned, and moved into place."""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
import zmq
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbstripout import strip_output
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from iblib import files
from study import ReportError
from study.lab import HOME
from study.pages.alts import describe_pictures
from study.parameters import changed, declared, tags

log = logging.getLogger(__name__)

# What they log about a cell that fails, ReportError says.
for _name in ("papermill", "traitlets"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

INJECTED = "injected-parameters"
ANSWER = "answer"  # its output, one paragraph of Markdown, goes below the title
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
_LONGEST_SOCKET = 90  # characters of a folder; the system allows 107 for a socket
STARTS = 3  # of a kernel: on a busy machine one start in some thirty fails

# What execution leaves behind and no reader needs.
_TRACES = [
    "metadata.papermill",
    "metadata.widgets",
    "metadata.signature",
    "cell.metadata.papermill",
    "cell.metadata.execution",
    "cell.metadata.ExecuteTime",
    "cell.metadata.collapsed",
    "cell.metadata.scrolled",
]


@dataclass(frozen=True)
class Executed:
    """What became of one notebook."""

    name: str
    seconds: float
    warnings: tuple[str, ...] = ()  # what cells wrote to stderr: notebook, cell, text


def execute(
    source: Path,
    target: Path,
    parameters: dict[str, Any],
    *,
    cell_timeout: float = 0.0,
    strict: bool = False,
    keep_parameters: bool = True,
) -> Executed:
    """Run a notebook with parameters and put the result in place, or leave everything as it was.

    Parameters
    ----------
    source : Path
        The notebook; its folder is the working folder.
    target : Path
        Where the executed notebook goes; may be ``source`` itself.
    parameters : dict
        Values for the parameters cell; those that differ from its own are injected behind it.
    cell_timeout : float
        Seconds that a cell may take; 0: as long as it wants.
    strict : bool
        Whether a cell that writes to stderr fails; otherwise what it wrote is collected, and left
        out of the target.
    keep_parameters : bool
        Whether the target shows the injected values, so that *Run All* there re-draws it.

    Raises
    ------
    ReportError
        Naming notebook, cell and message, where a cell failed, was not run, took too long or (if
        strict) wrote to stderr, or where the kernel died or did not start.
    """
    start = time.monotonic()
    notebook = nbformat.read(source, as_version=4)
    try:
        executed = _run(source, changed(notebook, parameters), cell_timeout)
        if problems := output_problems(executed):
            raise ReportError(problems[0])
        warnings = _take_stderr(executed)
        if strict and warnings:
            raise ReportError(warnings[0])
    except ReportError as error:
        raise ReportError(f"{source.name}: {error}") from error.__cause__
    clean(executed, parameters, keep_parameters)
    files.write_atomic(target, nbformat.writes(executed) + "\n")
    said = tuple(f"{source.name}: {warning}" for warning in warnings)
    return Executed(source.stem, time.monotonic() - start, said)


def output_problems(notebook: NotebookNode) -> list[str]:
    """What keeps an executed notebook from being accepted, one line each."""
    problems = []
    for number, cell in _numbered(notebook):
        place = _place(number, cell.source)
        if cell.get("execution_count") is None:
            problems.append(f"{place} was not run")
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                problems.append(f"{place} failed: {output.ename}: {output.evalue}")
    return problems


def _take_stderr(notebook: NotebookNode) -> list[str]:
    """What cells wrote to stderr, one line each; it is taken out of the notebook."""
    found = []
    for number, cell in _numbered(notebook):
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                lines = [line.strip() for line in output.text.splitlines() if line.strip()]
                # a warning's text comes before the line of code that it quotes
                said = next((line for line in lines if "Warning:" in line), (lines or [""])[-1])
                found.append(f"{_place(number, cell.source)} wrote to stderr: {said}")
            else:
                kept.append(output)
        cell.outputs = kept
    return found


def clean(notebook: NotebookNode, values: dict[str, Any], keep_parameters: bool = True) -> None:
    """Make an executed notebook look as if it had been run by hand, top to bottom, once.

    Runs are numbered 1..n; times, widget state and version noise go. Pictures get alternative
    texts. A copy says below its title what it is.
    """
    if not keep_parameters:
        notebook.cells = [cell for cell in notebook.cells if INJECTED not in tags(cell)]
    _say_whose_numbers(notebook, declared(notebook) | values)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(codes, start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    for cell in notebook.cells:
        if not tags(cell):
            cell.metadata.pop("tags", None)
    strip_output(notebook, keep_output=True, keep_count=True, keep_id=False, extra_keys=_TRACES)
    describe_pictures(notebook)
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(metadata)


_COPY = "> **A copy**, computed with profile"
_QUOTED = (
    ", but the numbers quoted in the text (Answer, Readings, Limits) are those of the committed "
    "report."
)
_GENERATED = ", and so are the numbers in Answer and Readings."


def answer_of(notebook: NotebookNode) -> str:
    """What the cell tagged ``answer`` says, or nothing where there is no such cell."""
    for cell in notebook.cells:
        if ANSWER in tags(cell):
            found = [output.get("data", {}) for output in cell.outputs]
            shown = [data["text/markdown"] for data in found if "text/markdown" in data]
            if len(shown) != 1:
                raise ReportError(f"the cell tagged {ANSWER!r} must show one paragraph of Markdown")
            return shown[0]
    return ""


def _say_whose_numbers(notebook: NotebookNode, values: dict[str, Any]) -> None:
    """Below the title: whose numbers these are, and the answer where a cell makes it."""
    first, answer = notebook.cells[0], answer_of(notebook)
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        return
    title, *paragraphs = first.source.split("\n\n")
    paragraphs = [text for text in paragraphs if not text.startswith(_COPY)]
    if answer:
        paragraphs = [answer if text.startswith("**Answer.") else text for text in paragraphs]
    note = []
    if any(values.get(name, home) != home for name, home in HOME.items()):
        how = f"{_COPY} `{values['profile']}` on `{values['dataset']}`"
        how += f", first seed {values['seed']}" if values.get("seed") else ""
        whose = _GENERATED if answer else _QUOTED
        note = [f"{how}: outputs, tables and figures are its own{whose}"]
    first.source = "\n\n".join([title, *note, *paragraphs])


class _NotStarted(RuntimeError):
    """A kernel did not come up; another may."""


def _run(source: Path, values: dict[str, Any], cell_timeout: float) -> NotebookNode:
    """Execute aside; a kernel that does not start is tried again."""
    for _ in range(STARTS):
        try:
            return _run_once(source, values, cell_timeout)
        except _NotStarted as error:
            reason = error
            log.info("%s: its kernel did not start: %s", source.name, error)
    raise ReportError(f"its kernel did not start in {STARTS} tries: {reason}") from reason


def _run_once(source: Path, values: dict[str, Any], cell_timeout: float) -> NotebookNode:
    with tempfile.TemporaryDirectory() as scratch, _kernel_environment(scratch):
        aside = Path(scratch) / source.name
        try:
            return papermill.execute_notebook(
                _plain(source),
                _plain(aside),
                parameters=values,
                kernel_name="python3",
                cwd=source.parent,
                progress_bar=False,
                log_output=False,
                coalesce_streams=True,
                execution_timeout=cell_timeout or None,
                # that it listens locally, or is interrupted when it ends, is no news
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                **_transport(scratch),
            )
        except PapermillExecutionError as error:
            message = (error.evalue.strip().splitlines() or [""])[-1]
            raise ReportError(f"{_stopped(aside)} failed: {error.ename}: {message}") from error
        except DeadKernelError as error:
            raise ReportError(f"{_stopped(aside)}: the kernel died (out of memory?)") from error
        except CellTimeoutError as error:
            limit = f"longer than the {cell_timeout:g} s that a cell may"
            raise ReportError(f"{_stopped(aside)} took {limit}") from error
        except (RuntimeError, OSError, zmq.ZMQError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            if not _has_begun(aside):
                raise _NotStarted(reason) from error
            raise ReportError(f"{_stopped(aside)}: its kernel was lost: {reason}") from error


def _transport(scratch: str) -> dict[str, Any]:
    """Sockets in the run's own folder on Linux: ports are chosen, closed, and bound too late."""
    if not sys.platform.startswith("linux") or len(scratch) > _LONGEST_SOCKET:
        return {}
    return {"config": Config({"KernelManager": {"transport": "ipc", "ip": f"{scratch}/k"}})}


def _has_begun(aside: Path) -> bool:
    """Whether a cell was run."""
    if not aside.is_file():
        return False
    cells = nbformat.read(aside, as_version=4).cells
    return any(cell.metadata.get("papermill", {}).get("start_time") for cell in cells)


def _plain(path: Path) -> str:
    """A path that papermill, which formats paths, leaves as it is."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def _kernel_environment(scratch: str) -> Iterator[None]:
    """What kernels inherit: no live widgets, inline figures, and this very package."""
    before = dict(os.environ)
    package = str(Path(__file__).resolve().parents[1])
    search = [package, *filter(None, [before.get("PYTHONPATH")])]
    os.environ.update(IBLIB_STATIC="1", PYTHONPATH=os.pathsep.join(search))
    os.environ["JUPYTER_RUNTIME_DIR"] = scratch  # connection files go with the kernel
    os.environ.pop("MPLBACKEND", None)  # any value would switch inline figures off
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _numbered(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Code cells and their numbers as the author counts them; an injected one shares a number."""
    number = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            number += INJECTED not in tags(cell)
            yield number, cell


def _stopped(aside: Path) -> str:
    """The cell at which an execution stopped, as the notebook's author counts cells."""
    stopped = 0, ""
    for number, cell in _numbered(nbformat.read(aside, as_version=4)):
        if cell.metadata.get("papermill", {}).get("start_time"):
            stopped = number, cell.source
    return _place(*stopped)


def _place(number: int, source: str) -> str:
    first_line = (source.strip().splitlines() or [""])[0]
    return f"cell {number} (`{first_line}`)"
