"""A Python that is too old: one line names the versions, and no environment of it stays."""

import shutil
import sys

import pytest
from clone import Started

OLD = """
import sys
from collections import namedtuple

fields = "major minor micro releaselevel serial"
sys.version_info = namedtuple("version_info", fields)(3, 10, 13, "final", 0)
sys.version = "3.10.13 (main)"
"""
# but for its version it is the Python of these tests
PYTHON = """#!/bin/sh
case "$1" in -V|--version) echo "Python 3.10.13"; exit ;; esac
PYTHONPATH='{folder}' exec '{python}' "$@"
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_wrong_python(clone, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(OLD)
    old = tmp_path / "python3"
    old.write_text(PYTHON.format(folder=tmp_path, python=sys.executable))
    old.chmod(0o755)
    environment = clone.environment(PIP_NO_INDEX="1")  # what gets so far ends there
    make = Started(["make", "venv", f"PYTHON={old}"], clone.folder, environment)
    done = make.wait(60).exits(2)
    [line] = [line for line in (done.out + done.err).splitlines() if "3.10" in line]
    assert "3.11" in line
    assert "Traceback" not in done.err
    assert not (clone.folder / ".venv").exists()
