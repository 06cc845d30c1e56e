"""How far to trust a plane: shares, sweeps of a setting, geometry, compression against the gap."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.names import estimator_named
from iblib.plotting.style import (
    MARKERS,
    OKABE_ITO,
    SMALLEST_PT,
    LayerStyle,
    epoch_axis,
    figure_legend,
    layer_handles,
    layer_styles,
    panels,
    reference_line,
)
from iblib.plotting.tables import shown_name, values_of
from study.plots.bounds import value_axis

ACTIVATION_COLOURS = {
    "tanh": OKABE_ITO[0],
    "relu": OKABE_ITO[1],
    "softsign": OKABE_ITO[2],
    "softplus": OKABE_ITO[3],
}


def plot_shares(ax: Axes, table: pd.DataFrame, *, title: str = "") -> list[Artist]:
    """Draw a table of shares in [0, 1] as cells from white to dark, each with its number.

    Parameters
    ----------
    table : DataFrame
        Shares; NaN where nothing was measured. Index and columns become labels.
    title : str
        Above the cells.
    """
    values = table.to_numpy(dtype=float)
    image = ax.imshow(values, cmap="Greys", vmin=0, vmax=1.25, aspect="auto")
    artists: list[Artist] = [image]
    for (i, j), share in np.ndenumerate(values):
        text = "-" if np.isnan(share) else f"{share:.2f}"
        look = {"ha": "center", "va": "center", "fontsize": SMALLEST_PT}
        artists.append(ax.text(j, i, text, color="white" if share > 0.6 else "black", **look))
    ax.set_xticks(range(table.shape[1]), labels=[_words(name) for name in table.columns])
    ax.set_yticks(range(table.shape[0]), labels=[_words(name) for name in table.index])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    return artists


def _words(label: object) -> str:
    """A label of one or several levels."""
    parts = label if isinstance(label, tuple) else (label,)
    return "\n".join(shown_name(part).replace("kde", "KDE") for part in parts)


def shares_figure(tables: dict[str, pd.DataFrame]) -> Figure:
    """Tables of shares side by side, as wide as their columns.

    Parameters
    ----------
    tables : dict
        By title.
    """
    widths = [max(table.shape[1], 2) for table in tables.values()]
    rows = max(len(table) for table in tables.values())
    size = (0.5 * sum(widths) + 0.8 * len(tables) + 0.3, 0.22 * rows + 1.0)
    with panels(1, len(tables), figsize=size, width_ratios=widths) as (figure, axes):
        for ax, (name, table) in zip(axes[0], tables.items(), strict=True):
            plot_shares(ax, table, title=name)
    return figure


def plot_sweep_of_falls(
    ax: Axes, falls: pd.DataFrame, *, estimators: Sequence[str], parameter: str
) -> list[Artist]:
    """Draw the fall of I(X;T) [bits] against a setting, by activation: mean and range over seeds.

    Parameters
    ----------
    falls : DataFrame
        Rows of ``summaries.compression`` (columns activation, estimator, parameter, value, seed,
        fall) of one layer.
    estimators : sequence of str
        Which to draw: solid, then dotted, ...
    parameter : str
        Name of the setting on the x axis, which is logarithmic.
    """
    artists: list[Artist] = []
    rows = falls[falls["parameter"] == parameter]
    for estimator, line in zip(estimators, ("-", ":", "--"), strict=False):
        chosen = rows[rows["estimator"] == estimator]
        for activation, one in chosen.groupby("activation", sort=False):
            groups = one.groupby("value")["fall"]
            colour = ACTIVATION_COLOURS[activation]
            mean = groups.mean()
            band = {"color": colour, "alpha": 0.15, "linewidth": 0}
            if groups.size().max() > 1:
                artists.append(ax.fill_between(mean.index, groups.min(), groups.max(), **band))
            look = {"color": colour, "ls": line, "marker": "o", "ms": 3.5}
            label = f"{shown_name(activation)}, {estimator_named(estimator).shown()}"
            artists += ax.plot(mean.index, mean, label=label, **look)
    ax.set(xlabel=parameter.replace("_", " "), ylabel="fall of I(X;T) [bits]")
    value_axis(ax, rows.loc[rows["estimator"].isin(list(estimators)), "value"])
    return artists


def geometry_figure(
    planes: pd.DataFrame, geometry: pd.DataFrame, *, bits_label: str, title: str = ""
) -> Figure:
    """I(X;T) [bits] above the ratio of distances within and between classes, by activation.

    Parameters
    ----------
    planes : DataFrame
        Plane rows of one quantity, view and setting (columns activation, layer, epoch, bits).
    geometry : DataFrame
        Columns activation, layer, epoch, ratio; the same layers.
    bits_label : str
        Label of the upper axes.
    """
    activations = values_of(planes, "activation")
    styles = layer_styles(values_of(geometry, "layer"))
    size = {"panel": (2.9, 1.9), "sharex": "col", "sharey": "row"}
    with panels(2, len(activations), **size, title=title) as (figure, axes):
        for j, activation in enumerate(activations):
            for ax, table, column in zip(
                axes[:, j], (planes, geometry), ("bits", "ratio"), strict=True
            ):
                _lines(ax, table[table["activation"] == activation], column, styles)
            axes[0, j].set_title(shown_name(activation))
            epoch_axis(axes[1, j], int(planes["epoch"].max()))
        axes[0, 0].set_ylabel(bits_label)
        axes[1, 0].set_ylabel("distance within /\nbetween classes")
        for ax in axes[1]:
            reference_line(ax, 1.0, "classes not told apart", "y", end=True)
        figure_legend(figure, layer_handles(styles, coloured=True), "mean over seeds")
    return figure


def _lines(ax: Axes, rows: pd.DataFrame, column: str, styles: dict[str, LayerStyle]) -> None:
    for layer, look in styles.items():
        mean = rows[rows["layer"] == layer].groupby("epoch")[column].mean()
        ax.plot(mean.index, mean, color=look.colour, marker=look.marker, ms=3, lw=1)


def plot_compression_and_gap(
    ax: Axes, table: pd.DataFrame, *, marker: str = "setting"
) -> list[Artist]:
    """Draw the gap between training and test accuracy against the fall of I(X;T) [bits].

    Parameters
    ----------
    table : DataFrame
        Columns activation (colour), fall, gap, and the one that gives the marker.
    marker : str
        A column; its values take markers in order of first appearance.
    """
    artists: list[Artist] = []
    shapes = dict(zip(values_of(table, marker), MARKERS, strict=False))
    for (activation, kind), one in table.groupby(["activation", marker], sort=False):
        look = {"s": 20, "linewidths": 0.8, "facecolors": "none", "alpha": 0.9}
        colour = ACTIVATION_COLOURS[activation]
        look |= {"edgecolors": colour, "marker": shapes[kind]}
        artists.append(ax.scatter(one["fall"], one["gap"], **look))
    reference_line(ax, 0.0, "", "y")
    ax.set_xscale("symlog", linthresh=0.1, linscale=0.6)
    ticks = [0, 0.1, 1, 10]
    ax.set_xticks(ticks, labels=[str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="fall of I(X;T) from its maximum [bits]")
    return artists


def compression_gap_figure(parts: dict[str, tuple[pd.DataFrame, str]], *, note: str) -> Figure:
    """Gap against compression, one panel a part, equal limits, one legend.

    Parameters
    ----------
    parts : dict
        Title -> (table, column that gives the marker).
    note : str
        What one dot is, and what was measured.
    """
    options = {"panel": (3.0, 2.8), "sharex": True, "sharey": True}
    with panels(1, len(parts), **options) as (figure, axes):
        for ax, (name, (table, marker)) in zip(axes[0], parts.items(), strict=True):
            plot_compression_and_gap(ax, table, marker=marker)
            ax.set_title(name)
            shapes = dict(zip(values_of(table, marker), MARKERS, strict=False))
            entries = [
                Line2D([], [], ls="", marker=m, mfc="none", color="0.3", label=str(kind))
                for kind, m in shapes.items()
            ]
            ax.legend(handles=entries, loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
        axes[0, 0].set_ylabel("training - test accuracy")
        seen = pd.concat([table for table, _ in parts.values()])
        colours = [
            Line2D([], [], ls="", marker="s", color=ACTIVATION_COLOURS[a], label=shown_name(a))
            for a in values_of(seen, "activation")
        ]
        figure_legend(figure, colours, note)
    return figure
