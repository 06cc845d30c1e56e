"""Training: seeds, loop, checkpoints, resume; one run, one folder under ``runs/``."""

from iblib.training.checkpoints import Checkpoints
from iblib.training.loop import model_options, planned, train
from iblib.training.runs import Run, environment

__all__ = ["Checkpoints", "Run", "environment", "model_options", "planned", "train"]
