"""Curves that are no information planes: learning curves, class shares, estimate against truth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.names import estimator_named
from iblib.plotting.planes import seed_handles
from iblib.plotting.style import (
    OKABE_ITO,
    REFERENCE_GREY,
    SMALLEST_PT,
    epoch_axis,
    figure_legend,
    panels,
    reference_line,
)
from iblib.plotting.tables import data_note, facets, n_seeds, require_one
from study.text import shortened

# Splits differ in colour and in line style, so that they stay apart in greyscale.
SPLITS = {
    "training": (OKABE_ITO[0], "-"),
    "validation": (OKABE_ITO[1], "--"),
    "test": (OKABE_ITO[4], "-."),
}


def plot_learning_curves(
    ax: Axes,
    history: pd.DataFrame,
    *,
    metric: str = "accuracy",
    x: str = "epoch",
    log: bool = False,
    chance: float | None = None,
) -> list[Artist]:
    """Draw loss or accuracy of training, validation and test: mean over seeds with their spread.

    Parameters
    ----------
    history : DataFrame
        History table of one configuration.
    metric : {"loss", "accuracy"}
        Loss in the unit it was trained with; accuracy in [0, 1].
    x : {"epoch", "updates"}
        Equal epochs, or equal numbers of gradient steps.
    log : bool
        Logarithmic x axis on which 0 has its place.
    chance : float, optional
        Value of guessing, drawn as a grey dotted line.

    Returns
    -------
    list of Artist
        By split: the band from the lowest to the highest seed (several seeds), then the mean line.

    Raises
    ------
    ValueError
        If an argument is none of the values above, or a setting has several values.
    """
    _check_choice("metric", metric, ("loss", "accuracy"))
    _check_choice("x", x, ("epoch", "updates"))
    require_one(history)
    artists: list[Artist] = []
    if chance is not None:
        artists += reference_line(ax, chance, f"chance = {chance:.3g}", "y", end=True)
    for split, (colour, line) in SPLITS.items():
        rows = history[(history["split"] == split) & history[metric].notna()]
        if rows.empty:
            continue
        groups = rows.groupby(x)[metric]
        if n_seeds(rows) > 1:
            low, high = groups.min(), groups.max()
            band = {"color": colour, "alpha": 0.18, "linewidth": 0}
            artists.append(ax.fill_between(low.index, low, high, **band))
        mean = groups.mean()
        artists += ax.plot(mean.index, mean, color=colour, ls=line, label=split)
    if log:
        epoch_axis(ax, int(history[x].max()), x)
    ax.set(xlabel=x, ylabel=metric)
    return artists


def _check_choice(name: str, value: str, legal: Sequence[str]) -> None:
    """Refuse a value outside a short list."""
    if value not in legal:
        raise ValueError(f"{name} must be one of {', '.join(legal)}; got {value!r}")


def learning_curves_grid(
    history: pd.DataFrame,
    *,
    metrics: Sequence[str] = ("loss", "accuracy"),
    columns: str | Sequence[str] = ("activation", "batch_mode"),
    x: str = "epoch",
    log: bool = False,
    n_classes: int | None = None,
    title: str = "",
) -> Figure:
    """Learning curves: one row of panels a metric, one column a configuration, equal limits.

    Parameters
    ----------
    history : DataFrame
        History table; what is not in ``columns`` must have one value.
    metrics : sequence of {"loss", "accuracy"}
        Rows of panels.
    columns : str or sequence of str
        Table columns whose combinations make the columns of panels.
    x, log
        As in `plot_learning_curves`.
    n_classes : int, optional
        Draws chance, 1 / n_classes, into the accuracy panels.
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    tagged = history.assign(configuration=history[names].astype(str).agg(", ".join, axis=1))
    grid = facets(tagged, None, "configuration")
    options = {"panel": (2.2, 1.8), "sharex": True, "sharey": "row", "title": title}
    with panels(len(metrics), len(grid), **options) as (figure, axes):
        for facet in grid:
            for i, metric in enumerate(metrics):
                chance = 1 / n_classes if n_classes and metric == "accuracy" else None
                look = {"x": x, "log": log, "chance": chance}
                plot_learning_curves(axes[i, facet.column], facet.table, metric=metric, **look)
            axes[0, facet.column].set_title(facet.title)
        for ax in axes.flat:
            if log:
                epoch_axis(ax, int(history[x].max()), x)
            ax.label_outer()
        handles = _split_handles(history, [facet.table for facet in grid])
        figure_legend(figure, handles, data_note(history))
    return figure


def _split_handles(history: pd.DataFrame, drawn: Sequence[pd.DataFrame]) -> list[Artist]:
    """Legend entries of the splits, and what line and band mean."""
    shown = [split for split in SPLITS if (history["split"] == split).any()]
    lines = [Line2D([], [], color=SPLITS[s][0], ls=SPLITS[s][1], label=s) for s in shown]
    return [*lines, *seed_handles(drawn)]


def plot_class_shares(ax: Axes, counts: pd.DataFrame) -> list[Artist]:
    """Draw the share [%] of every class in every split, as grouped horizontal bars.

    Parameters
    ----------
    counts : DataFrame
        Number of clips; rows are classes, columns splits.

    Returns
    -------
    list of Artist
        One container of bars a split, with the equal share as a grey dotted line.
    """
    height = 0.8 / counts.shape[1]
    shares = 100 * counts / counts.sum()
    place = np.arange(len(counts))
    hatches = ("", "///", "\\\\\\")
    artists: list[Artist] = []
    for i, split in enumerate(counts.columns):
        colour = SPLITS.get(str(split), (OKABE_ITO[i % len(OKABE_ITO)],))[0]
        label = f"{split} (n = {counts[split].sum():.0f})"
        fill = {"facecolor": colour if i == 0 else "white", "hatch": hatches[i % 3]}
        look = {"edgecolor": colour, "linewidth": 0.8, "label": label, **fill}
        at = place + (i - (counts.shape[1] - 1) / 2) * height
        artists.append(ax.barh(at, shares[split], height=height * 0.85, **look))
    ax.set_yticks(place, labels=[shortened(name) for name in counts.index])
    ax.set_ylim(len(counts) - 0.4, -0.6)
    equal = 100 / len(counts)
    ax.axvline(equal, color=REFERENCE_GREY, ls=":", lw=1.1)
    ax.annotate("equal shares", (equal, 1), xycoords=("data", "axes fraction"), **_ABOVE)
    ax.set_xlabel("share of the split [%]")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return artists


_ABOVE = {
    "xytext": (0, 2),
    "textcoords": "offset points",
    "ha": "center",
    "color": REFERENCE_GREY,
    "fontsize": SMALLEST_PT,
}


def plot_against_truth(
    ax: Axes,
    x: Sequence[float],
    estimate: np.ndarray,
    truth: float | Sequence[float] | None,
    *,
    label: str = "estimate",
    estimator: str = "binning",
    colour: str = OKABE_ITO[0],
    marker: str = "o",
    truth_label: str = "truth",
    log_x: bool = False,
    xlabel: str = "",
    ylabel: str = "bits",
) -> list[Artist]:
    """Draw estimates with their spread over seeds against a known truth (grey dotted).

    Parameters
    ----------
    ax : Axes
        Where to draw; call it again for a second estimator, with ``truth=None``.
    x : sequence of float, shape (n,)
        What is varied: dimension, samples, bin width, ...
    estimate : ndarray, shape (n,) or (n_seeds, n)
        Estimates; several seeds give the mean and a band of one standard deviation.
    truth : float, sequence of float or None
        Exact value, one for all or one for each x.
    label, truth_label : str
        For the legend (the number of seeds is added), and on the truth's line.
    estimator : str
        Sets the line style.
    colour, marker : str
        Of the estimates.
    log_x : bool
        Logarithmic x axis.
    xlabel, ylabel : str
        Axis labels, with units.

    Returns
    -------
    list of Artist
        Truth line and label, band (several seeds), mean line.

    Raises
    ------
    ValueError
        If the last axis of ``estimate`` is not as long as ``x``.
    """
    values = np.atleast_2d(np.asarray(estimate, dtype=float))
    at = np.asarray(x, dtype=float)
    if values.ndim != 2 or values.shape[1] != len(at):
        raise ValueError(
            f"estimate must have shape (n,) or (n_seeds, n) with n = len(x) = {len(at)}; "
            f"got {np.shape(estimate)}"
        )
    artists = [] if truth is None else _truth(ax, at, truth, truth_label)
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1 if len(values) > 1 else 0)
    if len(values) > 1:
        band = {"color": colour, "alpha": 0.2, "linewidth": 0}
        artists.append(ax.fill_between(at, mean - spread, mean + spread, **band))
        label = f"{label} (mean ± sd, n = {len(values)})"
    look = {"color": colour, "marker": marker, "ls": estimator_named(estimator).line}
    artists += ax.plot(at, mean, label=label, **look)
    if log_x:
        ax.set_xscale("log")
        ticks = _log_ticks(at)
        ax.set_xticks(ticks, labels=[f"{value:g}" for value in ticks])
        ax.minorticks_off()
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return artists


def _log_ticks(values: np.ndarray, most: int = 8) -> list[float]:
    """Those of the values whose labels have room beside each other on a log axis."""
    ordered = np.unique(values)
    room = np.log(ordered[-1] / ordered[0]) / most
    ticks: list[float] = []
    for value in ordered:
        if not ticks or np.log(value / ticks[-1]) >= room:
            ticks.append(float(value))
    return ticks


def _truth(ax: Axes, x: np.ndarray, truth: float | Sequence[float], label: str) -> list[Artist]:
    """Grey dotted truth: a level line, or a curve with its label at the right end."""
    if np.ndim(truth) == 0:
        return reference_line(ax, float(truth), label, "y", end=True)
    curve = np.asarray(truth, dtype=float)
    line = ax.plot(x, curve, color=REFERENCE_GREY, ls=":", lw=1.4, zorder=2.5)
    write = {"color": REFERENCE_GREY, "fontsize": SMALLEST_PT, "va": "center"}
    end = {"xytext": (4, 0), "textcoords": "offset points", "annotation_clip": False}
    return [*line, ax.annotate(label, (x[-1], curve[-1]), **end, **write)]
