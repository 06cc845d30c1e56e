"""The one cell tagged ``parameters``: what it declares, and other values written into it."""

import ast
import json
from typing import Any

from nbformat import NotebookNode

from study import ReportError

TAG = "parameters"


def tags(cell: NotebookNode) -> list[str]:
    """Tags of a cell."""
    return cell.metadata.get("tags", [])


def parameters_cell(notebook: NotebookNode) -> NotebookNode:
    """The code cell tagged ``parameters``.

    Raises
    ------
    ReportError
        Where there is none, or more than one.
    """
    found = [c for c in notebook.cells if c.cell_type == "code" and TAG in tags(c)]
    if len(found) != 1:
        raise ReportError(f"exactly one code cell must be tagged {TAG!r}; found {len(found)}")
    return found[0]


def declared(notebook: NotebookNode) -> dict[str, Any]:
    """Name -> default of the parameters a notebook declares.

    Raises
    ------
    ReportError
        Where the cell holds anything but ``name: type = literal``.
    """
    return {name: ast.literal_eval(value) for name, value in _assignments(notebook)}


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


def write_values(notebook: NotebookNode, values: dict[str, Any]) -> None:
    """Replace defaults in the parameters cell; types and comments stay as they are."""
    cell = parameters_cell(notebook)
    lines = cell.source.encode().splitlines()  # ast counts bytes
    for name, node in reversed(_assignments(notebook)):
        if name in values:
            line, value = lines[node.lineno - 1], _literal(values[name]).encode()
            lines[node.lineno - 1] = line[: node.col_offset] + value + line[node.end_col_offset :]
    cell.source = b"\n".join(lines).decode()


def _assignments(notebook: NotebookNode) -> list[tuple[str, ast.expr]]:
    """(name, node of the literal) of each line, in order."""
    found = []
    for statement in ast.parse(parameters_cell(notebook).source).body:
        target = getattr(statement, "target", None) or getattr(statement, "targets", [None])[0]
        value = getattr(statement, "value", None)
        if not isinstance(target, ast.Name) or not _is_literal(value):
            raise ReportError(f"line {statement.lineno} of the {TAG} cell is no `name = literal`")
        found.append((target.id, value))
    return found


def _is_literal(node: ast.expr | None) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return node.lineno == node.end_lineno


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
