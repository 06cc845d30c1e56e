"""For all of pytest, the notebooks under nbval included (tests/conftest.py is for tests/ only)."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent
OUTPUT_SECONDS = 120
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
CACHES = {".pytest_cache", ".ruff_cache", ".hypothesis", "__pycache__"}

# Inherited by the notebooks' kernels: no live widgets in stored outputs.
os.environ["IBLIB_STATIC"] = "1"
if IS_WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported anywhere


def checkout() -> set[str]:
    """What git says of the checkout, and the names in it that git is told to ignore."""
    told = subprocess.run(
        ["git", "status", "--porcelain"], cwd=CHECKOUT, capture_output=True, text=True
    )
    return {*told.stdout.splitlines(), *os.listdir(CHECKOUT)} - CACHES


def pytest_configure(config):
    """Runs, data and figures go to a folder of this session, which all its workers share."""
    if IS_WORKER:
        return
    root = Path(tempfile.mkdtemp(prefix="iblib-tests-"))
    for name in ("notebooks", "results"):  # read there; what writes to them is found at the end
        (root / name).symlink_to(CHECKOUT / name)
    os.environ["IBLIB_ROOT"] = str(root)
    config.iblib = {"root": root, "before": checkout(), "changed": set()}


def pytest_collection_modifyitems(items):
    """Give a cell's outputs more than nbval's five seconds to arrive."""
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            item.output_timeout = OUTPUT_SECONDS


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    """Tests that change the checkout have failed, all together."""
    if not IS_WORKER:
        own = session.config.iblib
        own["changed"] = checkout() ^ own["before"]
        if own["changed"]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    """Say what the tests changed."""
    if not IS_WORKER and config.iblib["changed"]:
        terminalreporter.section("the checkout is not what it was before the tests", red=True)
        for line in sorted(config.iblib["changed"]):
            terminalreporter.line(line)


def pytest_unconfigure(config):
    """Remove the session's folder."""
    if not IS_WORKER:
        shutil.rmtree(config.iblib["root"], ignore_errors=True)
