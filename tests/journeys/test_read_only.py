"""A checkout that cannot be written to; everything goes where --out says."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def read_only(clone):
    """The clone, with every permission to write taken away for the while."""
    paths = [clone.folder, *(Path(at, name) for at, _, names in os.walk(clone.folder)
                             for name in [".", *names])]  # fmt: skip
    modes = {path.resolve(): path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    yield clone
    for path, mode in modes.items():
        path.chmod(mode)


def test_a_read_only_checkout(read_only, eight_clips, tmp_path):
    music = ("--dataset", "folder", "--data-dir", eight_clips)
    done = read_only.report(*music, "--only", "01", "--out", tmp_path / "out")
    assert done.report == tmp_path / "out"
    assert done.table("class-shares")["clips"].sum() == 8
