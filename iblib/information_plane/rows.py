"""All numbers of one layer of one network at one epoch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from iblib.config import Binning, MeasureConfig
from iblib.estimators import binning, exact_information, label_entropy
from iblib.estimators.combined import of_distances
from iblib.tidy import rows_of
from iblib.views import View, has_diverged


def layer_rows(
    views: list[View],
    y: np.ndarray,
    config: MeasureConfig,
    limits: Mapping[str, tuple[float, float] | None],
    about: Mapping[str, Any],
) -> list[dict]:
    """All rows of one layer; without bits, and with status ``diverged``, where it has diverged."""
    rows = []
    for view in views:
        if has_diverged(view.values):
            rows += _diverged_rows(view, y, config, about)
        else:
            rows += _rows(view, y, config, limits[view.name], about)
    return rows


def epoch_rows(
    layers: Iterable[tuple[int, str, list[View]]],
    y: np.ndarray,
    config: MeasureConfig,
    ranges: Mapping[tuple[int, str, str], tuple[float, float]],
    about: Mapping[str, Any],
) -> list[dict]:
    """All rows of one epoch; ``layers`` gives (member, layer, its views), one after the other.

    ``ranges`` is what ``ranges_over`` gave, empty where no bins need it; ``about`` the columns that
    all rows share, in which ``seed`` is that of member 0.
    """
    rows: list[dict] = []
    for member, layer, views in layers:
        limits = {view.name: ranges.get((member, layer, view.name)) for view in views}
        whose = {**about, "seed": about["seed"] + member, "layer": layer}
        rows += layer_rows(views, y, config, limits, whose)
    return rows


def ranges_over(
    epochs: Iterable[int], layers: Callable[[int], Iterable[tuple[int, str, list[View]]]]
) -> dict[tuple[int, str, str], tuple[float, float]]:
    """Smallest and largest value of each (member, layer, view) over all epochs and channels.

    ``layers(epoch)`` gives (member, layer, its views). Diverged ones are left out.
    """
    found: dict[tuple[int, str, str], tuple[float, float]] = {}
    for epoch in epochs:
        for member, layer, views in layers(epoch):
            for view in views:
                ends = float(view.values.min()), float(view.values.max())
                if not has_diverged(np.array(ends)):
                    key = (member, layer, view.name)
                    low, high = found.get(key, ends)
                    found[key] = min(low, ends[0]), max(high, ends[1])
    return found


def _diverged_rows(
    view: View, y: np.ndarray, config: MeasureConfig, about: Mapping[str, Any]
) -> list[dict]:
    """The rows that finite values would have had (those of a stand-in), without numbers."""
    stand_in = replace(view, values=np.arange(len(view.values), dtype=np.float64)[:, None])
    unknown = {"bits": np.nan, "unique_share": np.nan, "saturated": False, "zero_radius": 0}
    unknown |= {"clipped": 0, "dimension": view.values.shape[1], "status": "diverged"}
    return [row | unknown for row in _rows(stand_in, y, config, (0.0, 1.0), about)]


def _rows(
    view: View,
    y: np.ndarray,
    config: MeasureConfig,
    run_range: tuple[float, float] | None,
    about: Mapping[str, Any],
) -> list[dict]:
    """All rows of one view: exact, binnings, KDE by all noises and neighbours from one pass."""
    t, asked = view.values, config.estimators
    rows: list[dict] = []
    if "exact" in asked:
        rows += rows_of(exact_information(t, y), "exact")
    for bins in config.bins if "binning" in asked else ():
        if bins.kind == "pooled":
            found = binning.pooled_information(t, y, width=bins.value)
        else:
            found = binning.information(t, y, **_bins_argument(bins, t, run_range))
        rows += rows_of(found, bins.estimator, bins.value, bins.parameter)
    noises = _noises(config, t) if "kde" in asked else []
    resolution = config.resolution if noises else ()
    k = config.k if "kraskov" in asked else 0
    found, neighbours = of_distances(t, y, [noise[2] for noise in noises], resolution, k)
    noises += [("kde_resolution", r, 0.0) for r in resolution]
    for (name, value, _), one in zip(noises, found, strict=True):
        rows += rows_of(one, name, value)
    if neighbours is not None:
        rows += rows_of(neighbours, "kraskov", config.k)
    common = {
        **about,
        "view": view.name,
        "channel": view.channel,
        "n_samples": len(t),
        "dimension": t.shape[1],
        "label_entropy": label_entropy(y),
    }
    return [common | row for row in rows]


def _noises(config: MeasureConfig, t: np.ndarray) -> list[tuple[str, float, float]]:
    """Estimator, value and noise variance of each of KDE's fixed noises."""
    noises = [("kde", v, v) for v in (config.noise_variance, *config.more_noise)]
    spread = float(t.var(axis=0, dtype=np.float64).mean()) if config.relative_noise else 0.0
    if spread > 0:  # equal rows have no scale that noise could be relative to
        noises += [("kde_relative", r, r**2 * spread) for r in config.relative_noise]
    return noises


def _bins_argument(bins: Binning, t: np.ndarray, run_range: tuple[float, float] | None) -> dict:
    """Arguments of ``binning.information`` for one convention."""
    if bins.kind == "width":
        return {"width": bins.value}
    n_bins = int(bins.value)
    if bins.kind == "net_input":
        return {"edges": np.unique(np.tanh(np.linspace(-50.0, 50.0, n_bins + 1)))}
    low, high = bins.low, bins.high
    if bins.kind == "run":
        low, high = run_range
    elif bins.kind == "epoch":
        low, high = float(t.min()), float(t.max())
    size = max(abs(low), abs(high))
    if not high - low > max(1e-9 * size, 1e-300):  # a dead layer: one value but for rounding
        n_bins, low, high = 1, low - size - 0.5, high + size + 0.5
    return {"n_bins": n_bins, "range": (low, high)}
