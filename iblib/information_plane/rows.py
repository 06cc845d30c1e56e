"""All numbers of one layer of one network at one epoch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from iblib.config import Binning, MeasureConfig
from iblib.estimators import Measurement, binning, kde, label_entropy, measure
from iblib.names import ESTIMATORS
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


def _measured(t: np.ndarray, y: np.ndarray, config: MeasureConfig, bins: dict) -> Measurement:
    """All three at once, or without the pass over the neighbours where those are not asked for."""
    asked, noise = config.estimators, {"noise_variance": config.noise_variance}
    if "kraskov" in asked:
        return measure(t, y, k=config.k, **noise, **bins)
    return Measurement(
        binning.information(t, y, **bins) if "binning" in asked else None,
        kde.information(t, y, **noise) if "kde" in asked else None,
        None,
    )


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
                if not has_diverged(view.values):
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
    """All rows of one view: the estimators of the one pass, then the other binnings."""
    t, first = view.values, config.bins[0]
    # a pooled histogram comes after the pass that measures everything else
    bins = {} if first.kind == "pooled" else _bins_argument(first, t, run_range)
    result = _measured(t, y, config, bins)
    common = {
        **about,
        "view": view.name,
        "channel": view.channel,
        "n_samples": len(t),
        "dimension": t.shape[1],
        "label_entropy": label_entropy(y),
        "saturated": False,
        "zero_radius": 0,
        "unique_share": np.nan,
        "clipped": 0,
        "status": "ok",
    }
    rows: list[dict] = []
    if "binning" in config.estimators:
        for bins in config.bins:
            if bins.kind == "pooled":
                found = binning.pooled_information(t, y, width=bins.value)
                rows += _estimate(common, bins.estimator, bins.value, found.h_t, found.ty)
                continue
            found = result.binning
            if bins is not first:
                found = binning.information(t, y, **_bins_argument(bins, t, run_range))
            rows += _binning_rows(bins, found, common)
    if "kde" in config.estimators:
        rows += _kde_rows(config.noise_variance, result.kde, common)
        rows += _noise_sweep_rows(config, t, y, common)
    if "kraskov" in config.estimators:
        rows += _kraskov_rows(config.k, result.kraskov, common)
    return rows


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
    if not high > low:  # a dead layer: one value, one bin
        low, high = low - 0.5, low + 0.5
    return {"edges": binning.uniform_edges(low, high, n_bins)}


def _estimate(common: dict, name: str, value: float, *numbers, parameter: str = "") -> list[dict]:
    """One row per quantity of the estimator; ``None`` leaves the number empty."""
    known = ESTIMATORS[name]
    about = {"estimator": name, "parameter": parameter or known.parameters[0], "value": value}
    return [
        {**common, **about, "quantity": quantity, "bits": np.nan if bits is None else bits}
        for quantity, bits in zip(known.quantities, numbers, strict=True)
    ]


def _binning_rows(bins: Binning, found, common: dict) -> list[dict]:
    marks = {name: getattr(found, name) for name in ("saturated", "unique_share", "clipped")}
    how = {"parameter": bins.parameter}
    return _estimate(common | marks, bins.estimator, bins.value, found.xt, found.ty, **how)


def _noise_sweep_rows(config: MeasureConfig, t: np.ndarray, y: np.ndarray, common) -> list[dict]:
    """KDE at further noise variances, absolute and relative to the activation's own."""
    shares = config.relative_noise
    spread = float(t.var(axis=0, dtype=np.float64).mean()) if shares else 0.0
    if not spread > 0:  # equal rows have no scale that noise could be relative to
        shares = ()
    noises = (*config.more_noise, *(share**2 * spread for share in shares))
    found = iter(kde.information(t, y, noise_variance=noises))
    rows = []
    for value in config.more_noise:
        rows += _kde_rows(value, next(found), common)
    for value in shares:
        rows += _kde_rows(value, next(found), common, "kde_relative")
    return rows


def _kde_rows(value: float, found, common: dict, name: str = "kde") -> list[dict]:
    numbers = (found.xt_upper, found.xt_lower, found.ty_upper, found.ty_lower)
    return _estimate(common | {"saturated": found.saturated}, name, value, *numbers)


def _kraskov_rows(k: int, found, common: dict) -> list[dict]:
    common = common | {"zero_radius": found.zero_radius}
    if found.degenerate:
        common["status"] = "degenerate"
    elif found.high_dimension:
        common["status"] = "high_dimension"
    rows = _estimate(common, "kraskov", k, found.h_t, found.ty)
    for row in rows:
        if np.isnan(row["bits"]):
            row["status"] = "too_few_samples"
    return rows
