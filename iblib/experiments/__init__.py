"""What each notebook computes: which runs, measured how, into which file of results/."""

from iblib.experiments.session import Session, StaleResultError, open_session

__all__ = ["Session", "StaleResultError", "open_session"]
