"""One notebook by hand, with papermill, as CONTRIBUTING shows it."""

import sys

import nbformat
from clone import Started


def test_a_notebook_by_hand(clone, tmp_path):
    target = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar"]
    command += ["notebooks/00-introduction.ipynb", target, "-p", "device", "cpu"]
    Started(command, clone.folder, clone.environment()).wait(120).exits(0)
    tags = [cell.metadata.get("tags", []) for cell in nbformat.read(target, as_version=4).cells]
    assert ["injected-parameters"] in tags
