"""iblib's side: its public functions, their values under the names that all sides use."""

import numpy as np
import torch

from iblib import estimators


def prepare(threads: int) -> None:
    """Before the first operation."""
    torch.set_num_threads(threads)


def _named(estimator: str, result) -> dict:
    names = {
        "kde": ("xt_upper", "xt_lower", "ty_upper", "ty_lower"),
        "binning": ("xt", "ty"),
        "kraskov": ("h_t", "ty"),
    }
    return {f"{estimator}.{name}": getattr(result, name) for name in names[estimator]}


def kde(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """`iblib.estimators.kde.information`."""
    result = estimators.kde.information(t, y, noise_variance=settings["noise_variance"])
    return _named("kde", result)


def binning(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """`iblib.estimators.binning.information`."""
    return _named("binning", estimators.binning.information(t, y, width=settings["width"]))


def kraskov(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """`iblib.estimators.kraskov.information`."""
    return _named("kraskov", estimators.kraskov.information(t, y, k=settings["k"]))


def measure(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """`iblib.estimators.measure`: all three at once."""
    options = {name: settings[name] for name in ("width", "noise_variance", "k")}
    result, values = estimators.measure(t, y, **options), {}
    for name in ("kde", "binning", "kraskov"):
        values |= _named(name, getattr(result, name))
    return values
