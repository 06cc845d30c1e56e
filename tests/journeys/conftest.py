"""Journeys: whole paths of users, by the real command line, in a clone of their own.

Each is a story with one end. They are tiny: seconds of tones, one notebook, profile smoke.
"""

import shutil
from pathlib import Path

import pytest
from clips import write_folder
from clone import Clone, copy_checkout


def pytest_collection_modifyitems(items):
    """Every test of this folder is a journey."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("original"))


@pytest.fixture
def clone(original, tmp_path):
    """A fresh clone; at the end of the story its tracked files are as they were."""
    clone = Clone(shutil.copytree(original, tmp_path / "clone"))
    yield clone
    assert clone.changes() == ""


@pytest.fixture(scope="session")
def eight_clips(tmp_path_factory):
    """A folder of two classes with four clips each, to be read only."""
    return write_folder(tmp_path_factory.mktemp("music") / "eight", 4)
