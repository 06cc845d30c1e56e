"""Inside small networks: histograms of activations, one neuron's bins, falls by layer and seed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.plotting.style import (
    OKABE_ITO,
    REFERENCE_GREY,
    SMALLEST_PT,
    VALUE_CMAP,
    LayerStyle,
    epoch_axis,
    figure_legend,
    layer_handles,
    layer_styles,
    panels,
    reference_line,
)
from iblib.plotting.tables import Facet, facets, n_seeds, seeds_text, shown_name, values_of

# Shares of activations below this are drawn in one colour.
LEAST_SHARE = 1e-3
UNIT_LABELS = {
    "at_bounds": "share of |T| > 0.95",
    "zero": "share of T = 0",
    "deviation": "deviation of T",
}


def plot_seeds(
    ax: Axes,
    table: pd.DataFrame,
    column: str,
    *,
    x: str = "epoch",
    colour: str = OKABE_ITO[0],
    label: str | None = None,
) -> list[Line2D]:
    """Draw a column against epoch or updates: a thin line for each seed, a thick one for the mean.

    Parameters
    ----------
    ax : Axes
        Where to draw; its x axis is left as it is.
    table : DataFrame
        One setting: columns ``seed``, ``x`` and ``column``.
    column : str
        What to draw.
    x : {"epoch", "updates"}
        Against what.
    label : str, optional
        Legend entry of the mean.
    """
    lines: list[Line2D] = []
    if n_seeds(table) > 1:
        for _, one in table.groupby("seed", sort=False):
            lines += ax.plot(one[x], one[column], color=colour, lw=0.5, alpha=0.45)
    mean = table.groupby(x)[column].mean()
    return [*lines, *ax.plot(mean.index, mean, color=colour, lw=1.6, label=label)]


def minimal_model_figure(
    shares: Mapping[float, np.ndarray],
    curves: Mapping[str, Sequence[float]],
    weights: Sequence[float],
) -> Figure:
    """One neuron T = f(wX): the bins' shares at some weights, and I(X;T) [bits] against the weight.

    Parameters
    ----------
    shares : dict of float to ndarray, shape (n_bins,)
        By weight, the share of inputs in each of the bins on [-1, 1].
    curves : dict of str to sequence of float
        By activation, I(X;T) at each of ``weights``.
    weights : sequence of float
        Weights of the curves.
    """
    count = len(shares)
    options = {"width_ratios": [1.0] * count + [1.7]}
    with panels(1, count + 1, panel=(1.75, 1.9), **options) as (figure, axes):
        for ax, (weight, share) in zip(axes[0], shares.items(), strict=False):
            edges = np.linspace(-1, 1, len(share) + 1)
            ax.stairs(share, edges, fill=True, color=OKABE_ITO[0])
            ax.set(title=f"tanh, w = {weight:g}", xlabel="bin of T", ylabel="share of inputs")
            ax.set(xlim=(-1, 1), ylim=(0, 1.08 * max(map(np.max, shares.values()))))
            ax.label_outer()
        ax = axes[0, -1]
        for (name, bits), colour in zip(curves.items(), OKABE_ITO, strict=False):
            ax.plot(weights, bits, color=colour, label=shown_name(name))
        reference_line(ax, 1.0, "", "y")
        write = {"color": REFERENCE_GREY, "fontsize": SMALLEST_PT, "va": "top", "ha": "right"}
        ax.text(weights[-1], 0.9, "1 bit: the sign of X", **write)
        ax.legend(loc="upper left")
        ax.set(xscale="log", xlabel="weight w", ylabel="I(X;T) [bits]", title="one neuron, exact")
        ax.set_ylim(0, None)
    return figure


def plot_histogram_map(
    ax: Axes, shares: np.ndarray, edges: np.ndarray, epochs: Sequence[int]
) -> QuadMesh:
    """Draw a layer's histogram of activations at every epoch as columns of a heat map.

    Parameters
    ----------
    shares : ndarray, shape (n_epochs, n_bins)
        Share of activations in each bin, in [0, 1].
    edges : ndarray, shape (n_bins + 1,)
        Of the bins, in the activation's unit.
    epochs : sequence of int, shape (n_epochs,)
        Rising.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    if shares.shape != (len(epochs), len(edges) - 1):
        raise ValueError(
            f"shares must have shape (epochs, bins) = {(len(epochs), len(edges) - 1)}; "
            f"got {shares.shape}"
        )
    at = np.asarray(epochs, dtype=float)
    inner = np.where(at[:-1] > 0, np.sqrt(at[:-1] * at[1:]), 0.5 * at[1:])
    borders = [-0.15, *inner, max(at[-1], 1) * 1.15]
    norm, look = LogNorm(LEAST_SHARE, 1.0), {"cmap": VALUE_CMAP, "rasterized": True}
    mesh = ax.pcolormesh(borders, edges, np.maximum(shares, LEAST_SHARE).T, norm=norm, **look)
    epoch_axis(ax, int(at[-1]))
    ax.set_ylabel("activation")
    return mesh


def activity_figure(
    arrays: Mapping[str, np.ndarray],
    units: pd.DataFrame,
    curves: Mapping[str, str],
) -> Figure:
    """Histograms of activations over the epochs, by activation and layer, with a curve beside them.

    Parameters
    ----------
    arrays : dict of str to ndarray
        ``<activation>-<layer>`` (epochs, bins), ``<activation>-<layer>-edges`` and
        ``<activation>-epochs``.
    units : DataFrame
        Columns activation, seed, epoch, layer, and those that ``curves`` names.
    curves : dict of str to {"at_bounds", "zero", "deviation"}
        By activation (a row of panels), what the last column of panels shows.
    """
    layers = values_of(units, "layer")
    styles = layer_styles(layers)
    size = {"figsize": (1.45 * (len(layers) + 1) + 1.0, 1.35 * len(curves) + 0.7)}
    with panels(len(curves), len(layers) + 1, **size) as (figure, axes):
        for row, (name, column) in zip(axes, curves.items(), strict=True):
            for ax, layer in zip(row, layers, strict=False):
                key = f"{name}-{layer}"
                epochs = arrays[f"{name}-epochs"]
                mesh = plot_histogram_map(ax, arrays[key], arrays[f"{key}-edges"], epochs)
                ax.set(title=f"{shown_name(name)}, {layer}", ylabel="")
            row[0].set_ylabel("activation T")
            _unit_curves(row[-1], units[units["activation"] == name], column, styles)
        sparse_epochs(axes)
        bar = figure.colorbar(mesh, ax=axes, fraction=0.03, pad=0.01, aspect=40)
        bar.set_label("share of the layer's activations")
        seeds = seeds_text([units[units["activation"].isin(list(curves))]])
        note = f"{seeds}; on the right the mean and the range over seeds"
        figure_legend(figure, layer_handles(styles, coloured=True), note)
    return figure


def sparse_epochs(axes: np.ndarray) -> None:
    """Fewer epochs are named in small panels, and the axis only below the last row."""
    for i, row in enumerate(axes):
        for ax in row:
            last = ax.get_xlim()[1]
            ticks = [0, *(t for t in (1, 10, 100, 1000, 10_000) if t <= last)]
            ax.set_xticks(ticks, labels=[f"{t:g}" for t in ticks])
            if i < len(axes) - 1:
                ax.set_xlabel("")


def _unit_curves(
    ax: Axes, units: pd.DataFrame, column: str, styles: Mapping[str, LayerStyle]
) -> None:
    """Mean and range over seeds of a share or deviation, a line a layer."""
    for layer, rows in units.groupby("layer", sort=False):
        band_over_seeds(ax, rows, column, styles[str(layer)])
    epoch_axis(ax, int(units["epoch"].max()))
    ax.set_title(UNIT_LABELS[column])
    ax.set_ylim((-0.03, 1.03) if column != "deviation" else (0, None))


def band_over_seeds(ax: Axes, rows: pd.DataFrame, column: str, look: LayerStyle) -> list[Artist]:
    """One layer against the epoch: band from the lowest to the highest seed, mean, markers."""
    groups = rows.groupby("epoch")[column]
    mean, artists = groups.mean(), []
    if n_seeds(rows) > 1:
        band = {"color": look.colour, "alpha": 0.18, "linewidth": 0}
        artists.append(ax.fill_between(mean.index, groups.min(), groups.max(), **band))
    mark = {"marker": look.marker, "markevery": max(len(mean) // 8, 1), "ms": 3.2}
    return [*artists, *ax.plot(mean.index, mean, color=look.colour, **mark)]


def plot_falls(ax: Axes, falls: pd.DataFrame, styles: Mapping[str, LayerStyle]) -> list[Artist]:
    """Draw the fall [bits] of every seed as a dot above its layer, and the mean as a black bar.

    Parameters
    ----------
    falls : DataFrame
        One setting and estimator: columns layer, seed and fall.
    styles : dict of str to LayerStyle
        The layers to show, from left to right.

    Returns
    -------
    list of Artist
        By layer: the dots and the bar.
    """
    artists: list[Artist] = []
    for place, (layer, look) in enumerate(styles.items()):
        values = falls.loc[falls["layer"] == layer, "fall"].to_numpy(float)
        if not len(values):
            continue
        at = place + (np.linspace(-0.26, 0.26, len(values)) if len(values) > 1 else np.zeros(1))
        mark = {"marker": look.marker, "s": 13, "color": look.colour, "alpha": 0.75, "lw": 0}
        artists.append(ax.scatter(at, values, **mark))
        mean = float(values.mean())
        artists += ax.plot([place - 0.38, place + 0.38], [mean, mean], color="black", lw=1.4)
    ax.set_xticks(range(len(styles)), labels=[name.replace("hidden", "") for name in styles])
    ax.set_xlim(-0.6, len(styles) - 0.4)
    return artists


def falls_grid(
    falls: pd.DataFrame,
    *,
    rows: str = "convention",
    columns: str = "activation",
) -> Figure:
    """Falls of I(X;T) [bits] of every seed, by hidden layer, in panels with one scale.

    Parameters
    ----------
    falls : DataFrame
        From ``summaries.compression``, with the columns named below.
    rows, columns : str
        Columns that make the rows and columns of panels.
    """
    grid = facets(falls, rows, columns)
    styles = layer_styles(values_of(falls, "layer"))
    last, options = grid[-1], {"sharex": True, "sharey": True}
    with panels(last.row + 1, last.column + 1, panel=(1.9, 1.45), **options) as (
        figure,
        axes,
    ):
        for facet in grid:
            ax = axes[facet.row, facet.column]
            plot_falls(ax, facet.table, styles)
            ax.set_title(_heading(facet, rows, columns))
            ax.set(xlabel="hidden layer", ylabel="fall of I(X;T) [bits]")
            ax.label_outer()
        dot = {"color": "0.35", "marker": "o", "ls": "", "ms": 3.5, "label": "one seed"}
        bar = Line2D([], [], color="black", lw=1.4, label=f"mean, {seeds_text([falls])}")
        figure_legend(figure, [Line2D([], [], **dot), bar])
    return figure


def _heading(facet: Facet, *names: str) -> str:
    """Panel title: the values alone, without the names of their columns."""
    if facet.table.empty:
        return ""
    return ", ".join(shown_name(facet.table[name].iloc[0]) for name in names)
