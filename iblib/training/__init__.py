"""Training: seeds, loop, checkpoints, resume; one run, one folder under ``runs/``."""

from iblib.training.loop import model_options, train
from iblib.training.runs import Run, environment

__all__ = ["Run", "environment", "model_options", "train"]
