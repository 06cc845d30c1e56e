"""One notebook: executed aside, accepted only whole, cleaned, and moved into place."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbstripout import strip_output
from papermill.exceptions import PapermillExecutionError

from iblib import files
from iblib.paths import HOME, is_home, root
from study import ReportError
from study.lab import is_where_text_was_written
from study.pages.alts import describe_pictures
from study.parameters import changed, tags, write_values

# What they log about a cell that fails, ReportError says.
for _name in ("papermill", "traitlets"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

INJECTED = "injected-parameters"
ANSWER = "answer"  # its output, one paragraph of Markdown, goes below the title
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}

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


def execute(
    source: Path, target: Path, parameters: dict[str, Any], cell_timeout: float = 0.0
) -> float:
    """Run a notebook with parameters and put the result in place, or leave everything as it was.

    Parameters
    ----------
    source : Path
        The notebook; its folder is the working folder.
    target : Path
        Where the executed notebook goes; may be ``source`` itself.
    parameters : dict
        Values for the parameters cell. All but ``recompute``, which is for this run only, are
        written into the target's own parameters cell, so that *Run All* there re-draws it.
    cell_timeout : float
        Seconds that a cell may take; 0: as long as it wants.

    Returns
    -------
    float
        Seconds it took.

    Raises
    ------
    ReportError
        Naming notebook, cell and message, where a cell failed, was not run, wrote to stderr or
        took too long, or where the kernel died.
    """
    start = time.monotonic()
    notebook = nbformat.read(source, as_version=4)
    try:
        executed = _run(source, changed(notebook, parameters), cell_timeout)
        if problems := output_problems(executed):
            raise ReportError(problems[0])
    except ReportError as error:
        raise ReportError(f"{source.name}: {error}") from error.__cause__
    recomputed = bool(parameters.get("recompute", False))
    clean(executed, {k: v for k, v in parameters.items() if k != "recompute"}, recomputed)
    files.write_atomic(target, nbformat.writes(executed) + "\n")
    return time.monotonic() - start


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
            elif output.output_type == "stream" and output.name == "stderr":
                text = output.text.strip().splitlines() or [""]
                problems.append(f"{place} wrote to stderr: {text[-1]}")
    return problems


def clean(notebook: NotebookNode, values: dict[str, Any], recomputed: bool = False) -> None:
    """Make an executed notebook look as if it had been run by hand, top to bottom, once.

    The injected cell goes and its values move into the parameters cell; runs are numbered 1..n;
    times, widget state and version noise go. Pictures get alternative texts.
    """
    cells = [cell for cell in notebook.cells if INJECTED not in tags(cell)]
    notebook.cells = cells
    write_values(notebook, changed(notebook, values))
    _say_whose_numbers(notebook, _whose_numbers(values, recomputed), answer_of(notebook))
    for number, cell in _numbered(notebook):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    for cell in cells:
        if not tags(cell):
            cell.metadata.pop("tags", None)
    strip_output(notebook, keep_output=True, keep_count=True, keep_id=False, extra_keys=_TRACES)
    describe_pictures(notebook)
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(metadata)


_NOTE = "outputs, tables and figures are its own"
_QUOTED = (
    ", but the numbers quoted in the text (Answer, Readings, Limits) are those of the committed "
    "report."
)
_GENERATED = ", and so are the numbers in Answer and Readings."


def _whose_numbers(values: dict[str, Any], recomputed: bool) -> str:
    """What a report is, where it is not the one that the text was written for; else nothing."""
    names = ("profile", "dataset", "seed")
    profile, dataset, seed = (values.get(n, home) for n, home in zip(names, HOME, strict=True))
    if not is_home(profile, dataset, seed):
        first = f", first seed {seed}" if seed else ""
        return f"**A copy**, computed with profile `{profile}` on `{dataset}`{first}"
    if not is_where_text_was_written(root() / "results", recomputed):
        return "**Computed on another kind of machine** than the text"
    return ""


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


def _say_whose_numbers(notebook: NotebookNode, how: str, answer: str) -> None:
    """Below the title: whose numbers these are, and the answer where a cell makes it.

    A notebook with an answer of its own writes its Readings itself too; on another kind of machine
    they are right as they are.
    """
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        return
    title, *paragraphs = first.source.split("\n\n")
    notes = (_NOTE + _QUOTED, _NOTE + _GENERATED)
    paragraphs = [text for text in paragraphs if not text.endswith(notes)]
    if answer:
        paragraphs = [answer if text.startswith("**Answer.") else text for text in paragraphs]
        how = how if how.startswith("**A copy") else ""
    note = [f"> {how}: {_NOTE}{_GENERATED if answer else _QUOTED}"] if how else []
    first.source = "\n\n".join([title, *note, *paragraphs])


def _run(source: Path, values: dict[str, Any], cell_timeout: float) -> NotebookNode:
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
            )
        except PapermillExecutionError as error:
            message = (error.evalue.strip().splitlines() or [""])[-1]
            raise ReportError(f"{_stopped(aside)} failed: {error.ename}: {message}") from error
        except DeadKernelError as error:
            raise ReportError(f"{_stopped(aside)}: the kernel died (out of memory?)") from error
        except CellTimeoutError as error:
            limit = f"longer than the {cell_timeout:g} s that a cell may"
            raise ReportError(f"{_stopped(aside)} took {limit}") from error


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
