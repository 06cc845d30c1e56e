"""The committed notebooks' form, and that the check of it catches what nbval lets pass."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import nbformat
import pytest
from notebook_form import form_problems
from small_notebooks import write_notebook

from study.notebooks import execute

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SAVED = re.compile(r'"(\d\d-[a-z0-9-]+)\\"')  # names of figures in a notebook's JSON


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    assert form_problems(path) == []


def test_they_are_numbered_without_a_gap():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{n:02d}-" for n in range(17)]


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    path = write_notebook(tmp_path_factory.mktemp("good") / "00-a.ipynb", "print(1)", "profile")
    execute(path, path, {})
    return path.read_bytes()


def _strip_outputs(notebook):
    notebook.cells[2].update(outputs=[], execution_count=None)


def _strip_outputs_only(notebook):
    notebook.cells[2].outputs = []


def _strip_count(notebook):
    notebook.cells[2].execution_count = None


def _run_again(notebook):
    notebook.cells[3].execution_count = 9


def _stderr(notebook):
    notebook.cells[2].outputs[0].name = "stderr"


def _widgets(notebook):
    notebook.metadata["widgets"] = {}


def _other_kernel(notebook):
    notebook.metadata.kernelspec.name = "my-kernel"


def _second_parameters(notebook):
    notebook.cells[3].metadata["tags"] = ["parameters"]


def _unknown_parameter(notebook):
    notebook.cells[1].source += "\nrecompute: bool = False"


def _many_cells(notebook):
    notebook.cells += [nbformat.v4.new_markdown_cell("more") for _ in range(40)]


def _source(text):
    def change(notebook):
        notebook.cells[2].source = text

    return change


def _dead_link(notebook):
    notebook.cells[0].source += "\n[next](01-none.ipynb)"


def _old_answer(notebook):
    made = nbformat.v4.new_output("display_data", {"text/markdown": "**Answer.** 3 bits."})
    notebook.cells[2].outputs.append(made)
    notebook.cells[2].metadata["tags"] = ["answer"]


SPOILED = {
    "no outputs, no count": (_strip_outputs, "cell 2 .* was not run"),
    "no outputs": (_strip_outputs_only, "cell 2 shows nothing"),
    "no count": (_strip_count, "was not run"),
    "out of order": (_run_again, "in order"),
    "stderr": (_stderr, "stderr"),
    "widget state": (_widgets, "widget"),
    "kernel": (_other_kernel, "kernelspec"),
    "two parameters cells": (_second_parameters, "found 2"),
    "unknown parameter": (_unknown_parameter, "parameters must be"),
    "too long": (_many_cells, "more than 40"),
    "long cell": (_source("x = 1\n" * 31), "31 lines"),
    "pip": (_source("%pip install x"), "pip command"),
    "path": (_source("import sys\nsys.path.append('..')"), "sys.path"),
    "star": (_source("from numpy import *"), "star import"),
    "class": (_source("class Net:\n    pass"), "class definition"),
    "absolute": (_source("open('/usr/share/x')"), "absolute path"),
    "old answer": (_old_answer, "the Answer is not that of the cell"),
    "dead link": (_dead_link, "01-none.ipynb leads nowhere"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILED.values(), ids=SPOILED)
def test_a_spoiled_notebook_fails_the_check(good, tmp_path, spoil, message):
    path = tmp_path / "00-a.ipynb"
    path.write_bytes(good)
    assert form_problems(path) == []
    notebook = nbformat.read(path, as_version=4)
    spoil(notebook)
    nbformat.write(notebook, path)
    problems = "\n".join(form_problems(path))
    assert re.search(message, problems), problems


def test_every_figure_that_the_index_of_result_pages_names_exists():
    """A reader with the slides at hand finds each of their result pages."""
    root = NOTEBOOKS[0].parents[1]
    text = next(path for path in NOTEBOOKS if path.stem == "13-conclusions").read_text("utf-8")
    names = set(re.findall(r"`(\d\d-[a-z0-9-]+\*?)`", text))
    assert len(names) > 25
    shown = {n for path in NOTEBOOKS for n in SAVED.findall(path.read_text("utf-8"))}
    for name in names:
        assert [n for n in shown if fnmatchcase(n, name)], name
    tables = set(re.findall(r"`([a-z-]+\.csv)`", text))
    assert {"verdicts.csv", "confusion.csv"} <= tables
    assert [name for name in tables if not (root / "results" / name).is_file()] == []


def test_every_figure_is_of_a_notebook():
    """No picture of an earlier report is left behind."""
    saved = {name for path in NOTEBOOKS for name in SAVED.findall(path.read_text("utf-8"))}
    figures = {path.stem for path in (NOTEBOOKS[0].parents[1] / "figures").glob("[0-9]*.*")}
    assert figures - saved == set()
