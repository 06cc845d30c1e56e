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
    return _of_measurement(estimators.measure(t, y, **_options(settings)))


def parts_together(parts: list[np.ndarray], y: np.ndarray, settings: dict) -> dict:
    """`iblib.estimators.measure_parts`: every part and the whole."""
    measured, whole = estimators.measure_parts(parts[:-1], y, **_options(settings))
    return _of_parts([*measured, whole])


def parts_separately(parts: list[np.ndarray], y: np.ndarray, settings: dict) -> dict:
    """`iblib.estimators.measure` of every part and of the whole."""
    return _of_parts([estimators.measure(part, y, **_options(settings)) for part in parts])


def _options(settings: dict) -> dict:
    return {name: settings[name] for name in ("width", "noise_variance", "k")}


def _of_measurement(result) -> dict:
    values = {}
    for name in ("kde", "binning", "kraskov"):
        values |= _named(name, getattr(result, name))
    return values


def _of_parts(results: list) -> dict:
    return {
        f"{part}.{name}": value
        for part, result in enumerate(results)
        for name, value in _of_measurement(result).items()
    }
