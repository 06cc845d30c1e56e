"""The form every committed notebook has: what a reader, git and nbval rely on."""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from study import ReportError
from study.notebooks import KERNELSPEC, answer_of, output_problems
from study.parameters import declared

PARAMETERS = ("profile", "dataset", "data_dir", "out_dir", "seed", "device", "clip_seconds")
MAX_CELLS, MAX_LINES = 40, 30
MAX_BYTES, MAX_BYTES_WITH_SLIDERS = 1_500_000, 3_000_000

FORBIDDEN = {
    "a shell or pip command": r"^\s*(!|%pip|%conda)",
    "sys.path": r"\bsys\.path\b",
    "a star import": r"^\s*from\s+\S+\s+import\s+\*",
    "a class definition": r"^\s*class\s+\w+",
    "an absolute path": r"""["'](/(home|root|tmp|usr|work|mnt|Users)/|[A-Za-z]:\\)""",
}


def form_problems(path: Path) -> list[str]:
    """Everything about a notebook that is not as it must be, one line each."""
    notebook = nbformat.read(path, as_version=4)
    return [
        *_parameters(notebook),
        *output_problems(notebook),
        *_order(notebook),
        *_metadata(notebook),
        *_sources(notebook),
        *_answer(notebook),
        *_size(path, notebook),
        *_links(path, notebook),
    ]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _parameters(notebook: NotebookNode) -> list[str]:
    try:
        names = tuple(declared(notebook))
    except ReportError as error:
        return [str(error)]
    return [] if names == PARAMETERS else [f"parameters must be {PARAMETERS}; got {names}"]


def _order(notebook: NotebookNode) -> list[str]:
    cells = code_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    problems = []
    if counts != list(range(1, len(cells) + 1)):
        problems.append(f"cells must be run in order 1..{len(cells)}; got {counts}")
    if not any(cell.outputs for cell in cells):
        problems.append("no cell has an output")
    problems += [f"cell {n} shows nothing" for n, c in enumerate(cells, 1) if _mute(c)]
    for number, cell in enumerate(cells, 1):
        if any(output.get("name") == "stderr" for output in cell.outputs):
            problems.append(f"cell {number} stores what it wrote to stderr")
        results = [o for o in cell.outputs if o.output_type == "execute_result"]
        if any(o.execution_count != cell.execution_count for o in results):
            problems.append(f"cell {number}: its result has another number")
    return problems


def _mute(cell: NotebookNode) -> bool:
    """A cell whose last line is a bare expression or a print, and that stores no output."""
    lines = [line for line in cell.source.rstrip().splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    shows = re.match(r"(print|display)\(|[A-Za-z_][\w.]*(\[[^\]]*\])?$", last)
    keyword = re.match(r"(pass|break|continue|return)\b", last)
    return bool(shows) and not keyword and not cell.outputs


def _metadata(notebook: NotebookNode) -> list[str]:
    problems = []
    if dict(notebook.metadata.get("kernelspec", {})) != KERNELSPEC:
        problems.append(f"kernelspec must be {KERNELSPEC}")
    if "widgets" in notebook.metadata:
        problems.append("widget state must not be stored")
    traces = {"papermill", "execution", "ExecuteTime"}
    if any(traces & set(cell.metadata) for cell in notebook.cells):
        problems.append("times of an execution must not be stored")
    return problems


def _sources(notebook: NotebookNode) -> list[str]:
    problems = []
    if len(notebook.cells) > MAX_CELLS:
        problems.append(f"{len(notebook.cells)} cells, more than {MAX_CELLS}")
    for number, cell in enumerate(code_cells(notebook), 1):
        n_lines = len(cell.source.splitlines())
        if n_lines > MAX_LINES:
            problems.append(f"cell {number} has {n_lines} lines, more than {MAX_LINES}")
        for what, pattern in FORBIDDEN.items():
            if re.search(pattern, cell.source, re.M):
                problems.append(f"cell {number} holds {what}")
    return problems


def _answer(notebook: NotebookNode) -> list[str]:
    """The answer below the title is the one that the notebook's own cell made."""
    made = answer_of(notebook)
    shown = made in notebook.cells[0].source.split("\n\n")
    return [] if shown or not made else ["the Answer is not that of the cell tagged answer"]


def _size(path: Path, notebook: NotebookNode) -> list[str]:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    pages = (str(output.get("data", {}).get("text/html", "")) for output in outputs)
    sliders = any('class="ib-player"' in page for page in pages)
    limit = MAX_BYTES_WITH_SLIDERS if sliders else MAX_BYTES
    size = path.stat().st_size
    return [f"{size} bytes, more than {limit}"] if size > limit else []


def _links(path: Path, notebook: NotebookNode) -> list[str]:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)\s#]+)", text)
    return [f"link to {t} leads nowhere" for t in targets if not (path.parent / t).exists()]
