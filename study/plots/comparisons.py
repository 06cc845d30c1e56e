"""Settings compared line by line (training modes, noises, bins), and the plane of every filter."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.names import estimator_named
from iblib.plotting.planes import PlaneLimits, equal_limits, hollow_handles, plane_limits
from iblib.plotting.style import (
    MARKERS,
    VALUE_CMAP,
    LayerStyle,
    epoch_axis,
    epoch_colour_bar,
    epoch_colours,
    epoch_norm,
    figure_legend,
    filled_panels,
    layer_handles,
    layer_styles,
    panels,
    reference_line,
    ringed_marks,
)
from iblib.plotting.tables import (
    ceilings,
    data_note,
    estimator_rows,
    facets,
    plane_points,
    require_one,
    shown_name,
    values_of,
)
from study.plots.bounds import (
    ceiling_line,
    curve,
    line_handles,
    require_one_layer,
)


def plot_compared(
    ax: Axes,
    table: pd.DataFrame,
    *,
    by: str,
    x: str = "epoch",
    quantity: str = "I_XT",
    estimator: str = "binning",
    styles: dict[object, LayerStyle] | None = None,
    until: float | None = None,
) -> list[Artist]:
    """Draw one quantity of a layer [bits], a line for each value of a setting.

    Parameters
    ----------
    table : DataFrame
        Plane table of one layer; whatever is not ``by`` must have one value (but for filters).
    by : str
        Table column whose values are compared, such as ``batch_mode`` or ``value``.
    x : {"epoch", "updates"}
        Column against which to draw, on a log axis with 0.
    quantity, estimator : str
        Which measurement (of the KDE the upper value).
    styles : dict, optional
        Colour and marker of each value, from `compared_styles`.
    until : float, optional
        Largest x drawn.

    Returns
    -------
    list of Artist
        By value: thin lines of seeds or filters (where there are several), the line of their mean
        (filters: median), and its markers, hollow where at least half are saturated.
    """
    rows, known = estimator_rows(table, estimator, quantity), estimator_named(estimator)
    require_one(rows, but=[by, "channel"])
    require_one_layer(rows)
    rows = rows if until is None else rows[rows[x] <= until]
    styles = styles or compared_styles(values_of(table, by))
    artists = ceiling_line(ax, rows, quantity) if not rows.empty else []
    for value in [value for value in styles if (rows[by] == value).any()]:
        artists += curve(ax, rows[rows[by] == value], x, styles[value], known.line)
    epoch_axis(ax, int(rows[x].max()) if len(rows) else 1, x)
    ax.set_ylabel(known.axis(quantity))
    return artists


def compared_styles(values: Sequence[object]) -> dict[object, LayerStyle]:
    """Colour and marker of compared values: dark to light for numbers, apart for names."""
    if all(isinstance(value, int | float) for value in values):
        shades = plt.get_cmap(VALUE_CMAP)(np.linspace(0.08, 0.78, max(len(values), 1)))
        looks = [LayerStyle(tuple(map(float, s)), MARKERS[i]) for i, s in enumerate(shades)]
        return dict(zip(sorted(values), looks, strict=True))
    return layer_styles(values)


def compared_grid(
    table: pd.DataFrame,
    *,
    by: str,
    rows: str | None = "activation",
    columns: str | None = "layer",
    x: Sequence[str] = ("epoch",),
    quantities: Sequence[str] = ("I_XT",),
    estimator: str = "binning",
    title: str = "",
    label: str = "{}",
    panel: tuple[float, float] = (1.8, 1.6),
) -> Figure:
    """Settings compared, line by line, in panels with equal limits and an equal range of x.

    Parameters
    ----------
    table : DataFrame
        Plane table; with the columns of ``x``.
    by : str
        Table column whose values are compared.
    rows, columns : str or None
        Table columns that make rows and columns of panels; all rows again for every ``x``, and
        for every quantity.
    x : sequence of {"epoch", "updates"}
        Equal epochs, equal updates: each is drawn as far as all compared values reach.
    quantities : sequence of {"I_XT", "I_TY"}
        What to draw; limits are equal for equal quantities.
    estimator : str
        Whose bits (of the KDE the upper values).
    title, label : str
        Above all panels; how a compared value is named in the legend.
    """
    table = table[table["estimator"] == estimator]
    grid, styles = facets(table, rows, columns), compared_styles(values_of(table, by))
    until = {name: float(table.groupby(by)[name].max().min()) for name in x}
    blocks = [(name, quantity) for quantity in quantities for name in x]
    height, width = grid[-1].row + 1, grid[-1].column + 1
    with panels(height * len(blocks), width, panel=panel, title=title) as (figure, axes):
        for i, (name, quantity) in enumerate(blocks):
            block = axes[i * height : (i + 1) * height]
            look = {"by": by, "x": name, "styles": styles, "until": until[name]}
            look |= {"quantity": quantity, "estimator": estimator}
            for ax, facet in filled_panels(block, grid):
                plot_compared(ax, facet.table, **look)
            for ax in block[:, 1:].flat:
                ax.set_ylabel("")
        for quantity in quantities:
            chosen = [i for i, block in enumerate(blocks) if block[1] == quantity]
            same = [ax for i in chosen for ax in axes[i * height : (i + 1) * height].flat]
            equal_limits(same, room=True)
        shown = estimator_rows(table, estimator, quantities[0])
        handles = layer_handles({_named(label, v): s for v, s in styles.items()}, coloured=True)
        filters = len(values_of(shown, "channel")) > 1
        drawn = [one for _, one in shown.groupby(by, sort=False)]
        line, what = estimator_named(estimator).line, "filter" if filters else "seed"
        handles += [*line_handles(drawn, line, what), *hollow_handles([shown])]
        figure_legend(figure, handles, data_note(table))
    return figure


def _named(label: str, value: object) -> str:
    """A compared value as a reader says it."""
    return shown_name(label.format(value if isinstance(value, str) else f"{value:g}"))


def plot_filter_planes(
    ax: Axes, points: pd.DataFrame, *, limits: PlaneLimits, norm: LogNorm
) -> list[Artist]:
    """Draw the way of every filter of a layer through the information plane [bits].

    Parameters
    ----------
    points : DataFrame
        From `plane_points`: one layer, one view of single filters.
    limits : PlaneLimits
        From `plane_limits`.
    norm : LogNorm
        Colour scale of the epochs, from `epoch_norm`.

    Returns
    -------
    list of Artist
        Ceilings, all ways, the points (hollow where saturated; the last epoch's large).
    """
    require_one(points, but=["channel"])
    require_one_layer(points)
    known = estimator_named(values_of(points, "estimator")[0])
    artists = ceiling_line(ax, points, "I_TY")
    for height, label in ceilings(points, "I_XT").items():
        artists += reference_line(ax, height, label, "x")
    points = points.sort_values("epoch", kind="stable")
    curves = points.groupby(["run", "seed", "channel"], sort=False)
    ways = [one[["x", "y"]].to_numpy(float) for _, one in curves]
    thin = LineCollection(ways, colors="0.6", linewidths=0.45, alpha=0.7, zorder=2)
    artists.append(ax.add_collection(thin))
    colours = epoch_colours(points["epoch"].to_numpy(), norm)
    size = np.where(points["epoch"] == points["epoch"].max(), 22.0, 8.0)
    hollow = points["hollow"].to_numpy(bool)
    at = (points["x"], points["y"], size, colours, hollow)
    artists += ringed_marks(ax, *at, ring=1.0, outline=1.8)
    ax.set(xlim=limits.x, ylim=limits.y, xlabel=known.axis("I_XT"), ylabel=known.axis("I_TY"))
    return artists


def filter_planes_grid(
    table: pd.DataFrame,
    *,
    title: str = "",
    columns: str = "layer",
    panel: tuple[float, float] = (1.9, 1.75),
) -> Figure:
    """Information planes by binning of single filters: one grey way a filter, equal limits.

    Filters have nothing in common but their number, so no mean is drawn.

    Parameters
    ----------
    table : DataFrame
        Plane table of one view of single filters and one seed; activations make the rows of panels.
    columns : str
        Table column that makes the columns of panels.
    """
    table = table[table["estimator"] == "binning"]
    grid, norm = facets(table, "activation", columns), epoch_norm(table["epoch"])
    limits, drawn = plane_limits(table, "binning"), []
    size = {"panel": panel, "title": title}
    with panels(grid[-1].row + 1, grid[-1].column + 1, **size) as (figure, axes):
        for ax, facet in filled_panels(axes, grid):
            drawn.append(plane_points(facet.table, "binning"))
            ax.set_title(f"{facet.title}, {drawn[-1]['channel'].nunique()} filters")
            plot_filter_planes(ax, drawn[-1], limits=limits, norm=norm)
        for ax in axes.flat:
            ax.label_outer()
        epoch_colour_bar(figure, axes, norm)
        look = {"color": "0.35", "marker": "o", "ls": ""}
        last = Line2D([], [], ms=5, label="large: last epoch", **look)
        way = Line2D([], [], color="0.6", lw=0.7, label="one filter")
        figure_legend(figure, [way, last, *hollow_handles(drawn)], data_note(table))
    return figure
