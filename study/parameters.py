"""The one cell tagged ``parameters``: what it declares."""

import ast
from typing import Any

from nbformat import NotebookNode

from study import ReportError

TAG = "parameters"


def tags(cell: NotebookNode) -> list[str]:
    """Tags of a cell."""
    return cell.metadata.get("tags", [])


def declared(notebook: NotebookNode) -> dict[str, Any]:
    """Name -> default of the parameters that a notebook declares.

    Raises
    ------
    ReportError
        Where not exactly one code cell is tagged, or it holds anything but ``name = literal``.
    """
    found = [c for c in notebook.cells if c.cell_type == "code" and TAG in tags(c)]
    if len(found) != 1:
        raise ReportError(f"exactly one code cell must be tagged {TAG!r}; found {len(found)}")
    values = {}
    for statement in ast.parse(found[0].source).body:
        target = getattr(statement, "target", None) or getattr(statement, "targets", [None])[0]
        try:
            values[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError, TypeError) as error:
            line = f"line {statement.lineno} of the {TAG} cell"
            raise ReportError(f"{line} is no `name = literal`") from error
    return values


def changed(notebook: NotebookNode, wanted: dict[str, Any]) -> dict[str, Any]:
    """Those of the wanted values that differ from a notebook's own defaults.

    Raises
    ------
    ReportError
        Where the notebook does not declare one of them (papermill itself would only warn).
    """
    defaults = declared(notebook)
    if unknown := sorted(set(wanted) - set(defaults)):
        raise ReportError(f"its parameters cell does not declare {', '.join(unknown)}")
    return {name: value for name, value in wanted.items() if value != defaults[name]}
