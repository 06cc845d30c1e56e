"""Bands between KDE's two bounds over epochs, and sweeps of an estimator's parameter."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from iblib.names import ESTIMATORS, estimator_named
from iblib.plotting.planes import equal_limits, hollow_handles, mean_told
from iblib.plotting.style import (
    OKABE_ITO,
    LayerStyle,
    epoch_axis,
    figure_legend,
    filled_panels,
    layer_handles,
    layer_styles,
    marks,
    panels,
    reference_line,
)
from iblib.plotting.tables import (
    ceilings,
    data_note,
    estimator_rows,
    facets,
    require_one,
    values_of,
)

QUANTITIES = {"I_XT": ("I(X;T)", OKABE_ITO[0]), "I_TY": ("I(T;Y)", OKABE_ITO[1])}


def plot_bounds(ax: Axes, table: pd.DataFrame) -> list[Artist]:
    """Draw KDE's lower and upper values of a layer [bits] against the epoch, as two bands.

    Parameters
    ----------
    table : DataFrame
        Plane table of one configuration and one layer.

    Returns
    -------
    list of Artist
        By quantity its ceiling (log2 P, H(Y)), the band between the means over seeds, the lower and
        the upper mean line, thin lines of the seeds (several seeds), and the upper means' markers,
        hollow where at least half of the seeds are saturated.

    Raises
    ------
    ValueError
        If a setting, or the layer, has several values.
    """
    artists: list[Artist] = []
    for quantity, (_, colour) in QUANTITIES.items():
        found = {b: estimator_rows(table, "kde", quantity, b) for b in ("lower", "upper")}
        require_one(found["upper"])
        require_one_layer(found["upper"])
        artists += ceiling_line(ax, found["upper"], quantity)
        lower, upper = (found[b].groupby("epoch")["bits"].mean() for b in ("lower", "upper"))
        band = {"color": colour, "alpha": 0.25, "linewidth": 0}
        artists.append(ax.fill_between(upper.index, lower, upper, **band))
        look = {"color": colour, "lw": 1.0, "ls": ESTIMATORS["kde"].line}
        artists += [*ax.plot(lower.index, lower, **look), *ax.plot(upper.index, upper, **look)]
        for rows in found.values():
            artists += thin_lines(ax, rows, "epoch", colour)
        artists += markers(ax, found["upper"], "epoch", LayerStyle(colour, "o"))
    epoch_axis(ax, int(table["epoch"].max()))
    ax.set_ylabel("information [bits]")
    return artists


def require_one_layer(rows: pd.DataFrame) -> None:
    """Refuse to average over layers."""
    layers = values_of(rows, "layer")
    if len(layers) > 1:
        raise ValueError(f"layer must have one value in a panel; got {layers}: select one")


def ceiling_line(ax: Axes, rows: pd.DataFrame, quantity: str) -> list[Artist]:
    """What the quantity cannot pass [bits]; nothing for an entropy."""
    artists: list[Artist] = []
    for height, text in ceilings(rows, quantity).items():
        artists += reference_line(ax, height, text, "y", end=True)
    for label in artists[1::2]:  # readable on a band
        label.set(
            zorder=5, path_effects=[patheffects.withStroke(linewidth=1.6, foreground="white")]
        )
    return artists


def thin_lines(ax: Axes, rows: pd.DataFrame, x: str, colour: object) -> list[Artist]:
    """One thin line a seed (and filter), where there are several."""
    curves = [one for _, one in rows.groupby(["run", "seed", "channel"], sort=False, dropna=False)]
    if len(curves) < 2:
        return []
    ways = [one.sort_values(x)[[x, "bits"]].to_numpy(float) for one in curves]
    thin = LineCollection(ways, colors=[colour], linewidths=0.45, alpha=0.5, zorder=1.8)
    return [ax.add_collection(thin)]


def curve(ax: Axes, rows: pd.DataFrame, x: str, look: LayerStyle, line: str) -> list[Artist]:
    """Thin lines of the seeds or filters, the line through the middle, and its markers."""
    middle, artists = middle_of(rows, x), thin_lines(ax, rows, x, look.colour)
    artists += ax.plot(middle.index, middle, color=look.colour, ls=line, lw=1.1)
    return [*artists, *markers(ax, rows, x, look)]


def markers(ax: Axes, rows: pd.DataFrame, x: str, look: LayerStyle) -> list[Artist]:
    """Middle values as markers, hollow where at least half of the curves are saturated."""
    middle = middle_of(rows, x)
    empty = rows.groupby(x)["hollow"].mean().to_numpy() >= 0.5
    return [marks(ax, middle.index, middle, look, empty, size=9, width=0.8)]


def middle_of(rows: pd.DataFrame, x: str) -> pd.Series:
    """Mean over seeds by x; the median where the curves are filters."""
    filters = "channel" in rows and len(values_of(rows, "channel")) > 1
    return rows.groupby(x)["bits"].agg("median" if filters else "mean")


def bounds_grid(
    table: pd.DataFrame, *, title: str = "", panel: tuple[float, float] = (1.75, 1.7)
) -> Figure:
    """KDE's lower and upper values against the epoch, as bands: a panel a layer, equal limits.

    Parameters
    ----------
    table : DataFrame
        Plane table; activations make the rows of panels, layers the columns.
    """
    grid = facets(table[table["estimator"] == "kde"], "activation", "layer")
    size = {"panel": panel, "title": title}
    with panels(grid[-1].row + 1, grid[-1].column + 1, **size) as (figure, axes):
        for ax, facet in filled_panels(axes, grid):
            plot_bounds(ax, facet.table)
        equal_limits(axes.flat, room=True)
        for ax in axes.flat:
            ax.label_outer()
        handles: list[Artist] = [
            Patch(color=colour, alpha=0.25, lw=0, label=f"{name}, lower to upper")
            for name, colour in QUANTITIES.values()
        ]
        drawn = [estimator_rows(table, "kde", quantity) for quantity in QUANTITIES]
        handles += line_handles(drawn, ESTIMATORS["kde"].line)
        figure_legend(figure, [*handles, *hollow_handles(drawn)], data_note(table))
    return figure


def value_axis(ax: Axes, values: Iterable[float]) -> None:
    """Logarithmic x axis with one labelled tick at each distinct value, and no other."""
    ticks = sorted(set(values))
    ax.set_xscale("log")
    ax.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def line_handles(drawn: Sequence[pd.DataFrame], line: str, what: str = "seed") -> list[Line2D]:
    """What thick and thin lines mean: several filters, or the seeds of each table."""
    mean = "median of the filters" if what == "filter" else mean_told(drawn)
    if not mean:
        return []
    thick = Line2D([], [], color="0.4", ls=line, label=mean)
    return [thick, Line2D([], [], color="0.4", lw=0.45, label=f"one {what}")]


def plot_sweep(
    ax: Axes, table: pd.DataFrame, estimator: str, styles: dict[str, LayerStyle]
) -> list[Artist]:
    """Draw I(X;T) [bits] of every layer against the estimator's parameter, on a log axis.

    Parameters
    ----------
    table : DataFrame
        Plane table of one configuration and one epoch, with several ``value`` of one parameter.
    estimator : str
        Whose I(X;T) (the KDE's upper value).
    styles : dict of str to LayerStyle
        Colours and markers of the layers.

    Returns
    -------
    list of Artist
        Ceiling; by layer thin lines of the seeds (several seeds), the line of their mean, its
        markers (hollow where at least half are saturated).
    """
    rows, known = estimator_rows(table, estimator, "I_XT"), estimator_named(estimator)
    require_one(rows, but=["value"])
    artists = ceiling_line(ax, rows, "I_XT")
    for name in [layer for layer in styles if (rows["layer"] == layer).any()]:
        artists += curve(ax, rows[rows["layer"] == name], "value", styles[name], known.line)
    value_axis(ax, rows["value"])
    ax.set(xlabel=str(values_of(rows, "parameter")[0]).replace("_", " "))
    ax.set_ylabel(known.axis("I_XT"))
    return artists


def sweep_grid(table: pd.DataFrame, *, title: str = "") -> Figure:
    """I(X;T) [bits] of every layer against an estimator's parameter, in panels with equal limits.

    Parameters
    ----------
    table : DataFrame
        Plane table of one epoch (of each run); activations make the rows of panels, parameters the
        columns, and whatever else must have one value, but for ``value``.
    """
    grid = facets(table, "activation", "parameter")
    titles = [facet.title.replace("parameter ", "").replace("_", " ") for facet in grid]
    grid = [replace(facet, title=words) for facet, words in zip(grid, titles, strict=True)]
    styles, drawn = layer_styles(values_of(table, "layer")), []
    size = {"panel": (2.5, 2.0), "title": title}
    with panels(grid[-1].row + 1, grid[-1].column + 1, **size) as (figure, axes):
        for ax, facet in filled_panels(axes, grid):
            require_one(facet.table[["estimator"]])
            estimator = values_of(facet.table, "estimator")[0]
            plot_sweep(ax, facet.table, estimator, styles)
            drawn.append(estimator_rows(facet.table, estimator, "I_XT"))
        equal_limits(axes.flat, room=True)
        handles = [*layer_handles(styles, coloured=True), *hollow_handles(drawn)]
        figure_legend(figure, handles, data_note(table))
    return figure
