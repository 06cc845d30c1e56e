"""Bands between KDE's two bounds over epochs, and sweeps of an estimator's parameter."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from iblib.names import estimator_named
from iblib.plotting.over_epochs import equal_limits
from iblib.plotting.planes import hollow_handles
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
    value_axis,
)
from iblib.plotting.tables import (
    ceilings,
    data_note,
    estimator_rows,
    facets,
    n_seeds,
    require_one,
    seeds_text,
    values_of,
)

QUANTITIES = {"I_XT": ("I(X;T)", OKABE_ITO[0]), "I_TY": ("I(T;Y)", OKABE_ITO[1])}


def plot_bounds(
    ax: Axes,
    table: pd.DataFrame,
    *,
    quantities: Sequence[str] = ("I_XT", "I_TY"),
    estimator: str = "kde",
) -> list[Artist]:
    """Draw KDE's lower and upper value of a layer [bits] against the epoch, as a band.

    Parameters
    ----------
    table : DataFrame
        Plane table of one configuration and one layer.
    quantities : sequence of {"I_XT", "I_TY"}
        What to draw, each with its ceiling (log2 P, H(Y)).
    estimator : {"kde", "kde_relative"}
        Which of the table's.

    Returns
    -------
    list of Artist
        Ceilings; by quantity the band between the means over seeds, the lower and the upper mean
        line, thin lines of the seeds (several seeds), and the upper means' markers, hollow where
        at least half of the seeds are saturated.

    Raises
    ------
    ValueError
        If a setting, or the layer, has several values.
    """
    artists, known = [], estimator_named(estimator)
    for quantity in quantities:
        colour = QUANTITIES[quantity][1]
        found = {
            bound: estimator_rows(table, estimator, quantity, bound) for bound in ("lower", "upper")
        }
        require_one(found["upper"])
        require_one_layer(found["upper"])
        artists += ceiling_line(ax, found["upper"], quantity)
        lower, upper = (found[b].groupby("epoch")["bits"].mean() for b in ("lower", "upper"))
        band = {"color": colour, "alpha": 0.25, "linewidth": 0}
        artists.append(ax.fill_between(upper.index, lower, upper, **band))
        look = {"color": colour, "lw": 1.0, "ls": known.line}
        artists += [*ax.plot(lower.index, lower, **look), *ax.plot(upper.index, upper, **look)]
        for rows in found.values():
            artists += thin_lines(ax, rows, "epoch", colour)
        artists += markers(ax, found["upper"], "epoch", LayerStyle(colour, "o"))
    epoch_axis(ax, int(table["epoch"].max()))
    ax.set_ylabel("information [bits]" if len(quantities) > 1 else known.axis(quantities[0]))
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
    table: pd.DataFrame,
    *,
    rows: str | None = "activation",
    columns: str | None = "layer",
    quantities: Sequence[str] = ("I_XT", "I_TY"),
    estimator: str = "kde",
    title: str = "",
    panel: tuple[float, float] = (1.75, 1.7),
) -> Figure:
    """KDE's lower and upper values against the epoch, as bands: a panel a layer, equal limits.

    Parameters
    ----------
    table : DataFrame
        Plane table; whatever is in neither ``rows`` nor ``columns`` must have one value.
    rows, columns : str or None
        Table columns that make the rows and columns of panels.
    quantities, estimator
        As in `plot_bounds`.
    """
    grid = facets(table[table["estimator"] == estimator], rows, columns)
    last = grid[-1]
    with panels(last.row + 1, last.column + 1, panel=panel, title=title) as (figure, axes):
        for ax, facet in filled_panels(axes, grid):
            plot_bounds(ax, facet.table, quantities=quantities, estimator=estimator)
        equal_limits(axes.flat, room=True)
        for ax in axes.flat:
            ax.label_outer()
        names = [QUANTITIES[q] for q in quantities]
        handles: list[Artist] = [
            Patch(color=colour, alpha=0.25, lw=0, label=f"{name}, lower to upper")
            for name, colour in names
        ]
        counts = [n_seeds(facet.table) for facet in grid if not facet.table.empty]
        handles += line_handles(counts, estimator_named(estimator).line)
        drawn = [estimator_rows(table, estimator, q) for q in quantities]
        figure_legend(figure, [*handles, *hollow_handles(drawn)], data_note(table))
    return figure


def line_handles(counts: Sequence[int], line: str, what: str = "seed") -> list[Line2D]:
    """What thick and thin lines mean."""
    if max(counts, default=0) < 2:
        return []
    mean = "median of the filters" if what == "filter" else f"mean, {seeds_text(counts)}"
    thick = Line2D([], [], color="0.4", ls=line, label=mean)
    return [thick, Line2D([], [], color="0.4", lw=0.45, label=f"one {what}")]


def plot_sweep(
    ax: Axes,
    table: pd.DataFrame,
    *,
    quantity: str = "I_XT",
    estimator: str = "kde",
    bound: str = "upper",
    styles: dict[str, LayerStyle] | None = None,
) -> list[Artist]:
    """Draw a quantity [bits] of every layer against the estimator's parameter, on a log axis.

    Parameters
    ----------
    table : DataFrame
        Plane table of one configuration and one epoch, with several ``value`` of one parameter.
    quantity, estimator, bound : str
        Which measurement.
    styles : dict of str to LayerStyle, optional
        Colours and markers, where panels must agree.

    Returns
    -------
    list of Artist
        Ceiling; by layer thin lines of the seeds (several seeds), the line of their mean, its
        markers (hollow where at least half are saturated).
    """
    rows, known = estimator_rows(table, estimator, quantity, bound), estimator_named(estimator)
    require_one(rows, but=["value"])
    styles = styles or layer_styles(values_of(rows, "layer"))
    artists = ceiling_line(ax, rows, quantity)
    for name in [layer for layer in styles if (rows["layer"] == layer).any()]:
        one, look = rows[rows["layer"] == name], styles[name]
        middle = middle_of(one, "value")
        artists += thin_lines(ax, one, "value", look.colour)
        line = {"color": look.colour, "ls": known.line, "lw": 1.1}
        artists += ax.plot(middle.index, middle, **line)
        artists += markers(ax, one, "value", look)
    value_axis(ax, rows["value"])
    ax.set(xlabel=str(values_of(rows, "parameter")[0]).replace("_", " "))
    ax.set_ylabel(known.axis(quantity))
    return artists


def sweep_grid(
    table: pd.DataFrame,
    *,
    rows: str | None = "activation",
    columns: str | None = "parameter",
    quantity: str = "I_XT",
    bound: str = "upper",
    title: str = "",
    panel: tuple[float, float] = (2.5, 2.0),
) -> Figure:
    """Bits of every layer against an estimator's parameter, in panels with equal limits.

    Parameters
    ----------
    table : DataFrame
        Plane table of one epoch (of each run); whatever is in neither ``rows`` nor ``columns``
        must have one value, but for ``value``.
    rows, columns : str or None
        Table columns that make the rows and columns of panels.
    quantity, bound : str
        Which measurement.
    """
    grid, styles = facets(table, rows, columns), layer_styles(values_of(table, "layer"))
    titles = [f.title.replace("parameter ", "").replace("_", " ") for f in grid]
    grid = [replace(facet, title=words) for facet, words in zip(grid, titles, strict=True)]
    drawn, size = [], {"panel": panel, "title": title}
    with panels(grid[-1].row + 1, grid[-1].column + 1, **size) as (figure, axes):
        for ax, facet in filled_panels(axes, grid):
            require_one(facet.table[["estimator"]])
            estimator = values_of(facet.table, "estimator")[0]
            chosen = {"quantity": quantity, "estimator": estimator, "bound": bound}
            plot_sweep(ax, facet.table, styles=styles, **chosen)
            drawn.append(estimator_rows(facet.table, **chosen))
        equal_limits(axes.flat, room=True)
        handles = [*layer_handles(styles, coloured=True), *hollow_handles(drawn)]
        figure_legend(figure, handles, data_note(table))
    return figure
