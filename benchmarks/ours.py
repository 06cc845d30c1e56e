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


def _noises(settings: dict) -> list[float]:
    return [settings["noise_variance"] * 10 ** (i / 4) for i in range(8)]


def noises(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """The same at eight noises in one call; the first one's values."""
    result = estimators.kde.information(t, y, noise_variance=_noises(settings))
    return _named("kde", result[0])


def one_by_one(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """The same in eight calls."""
    results = [kde(t, y, {"noise_variance": one}) for one in _noises(settings)]
    return results[0]


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
