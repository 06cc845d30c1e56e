"""For the tests in this folder: figures without a screen, workers of one thread."""

import os
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from small_grid import GRID, write_grid

from iblib.estimators._engine import threads
from iblib.estimators._engine.threads import COMPILED_ON
from iblib.grid import read_grid
from iblib.plotting import panels

# Not by MPLBACKEND: the notebooks that tests execute would inherit it and show no figure.
mpl.use("Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def ax():
    """Axes of a new figure in the package's style."""
    with panels() as (_, axes):
        yield axes[0, 0]


@pytest.fixture(autouse=True)
def _no_open_figures():
    """Whatever draws leaves no figure open."""
    yield
    assert plt.get_fignums() == []


@pytest.fixture(scope="module", params=["compiled", "torch"])
def engine(request):
    """Selects what the estimators compute with; tests of their values run on each."""
    with patch.object(threads, "COMPILED_ON", ()) if request.param == "torch" else nullcontext():
        yield request.param


@pytest.fixture(autouse=True)
def _engine_of_ones_own(request, monkeypatch):
    """A module's engine, which outlasts its tests, is not that of a test that asks for none."""
    if "engine" not in request.fixturenames:
        monkeypatch.setattr(threads, "COMPILED_ON", COMPILED_ON)


@pytest.fixture
def specs(tmp_path):
    """Four small runs of a sweep."""
    small = GRID.replace("[[12, 4, 2], [12, 3, 2]]", "[[12, 4, 2]]").replace("[0, 1, 2]", "[0, 1]")
    found = read_grid(write_grid(tmp_path, small))
    assert len(found) == 4
    return found


@pytest.fixture
def folders(tmp_path):
    """Where a sweep of a test writes."""
    return {"out": tmp_path / "out", "runs_dir": tmp_path / "runs"}
