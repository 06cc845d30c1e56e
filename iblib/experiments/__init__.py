"""What each notebook computes: which runs, measured how, into which file of results/."""

from iblib.experiments.session import Session, StaleResultError, check_device, open_session

__all__ = ["Session", "StaleResultError", "check_device", "open_session"]
