"""For the tests in this folder: figures without a screen, workers of one thread."""

import os
from pathlib import Path

import matplotlib as mpl
import pytest
import torch

# Not by MPLBACKEND: the notebooks that tests execute would inherit it and show no figure.
mpl.use("Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]
