"""The information plane: I(X;T) against I(T;Y), by epoch or by layer; and both over epochs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from iblib.names import estimator_named
from iblib.plotting.style import (
    PANEL,
    LayerStyle,
    epoch_axis,
    epoch_colour_bar,
    epoch_colours,
    epoch_norm,
    figure_legend,
    filled_panels,
    layer_handles,
    layer_styles,
    marks,
    panels,
    reference_line,
    ringed_marks,
    say_outside,
)
from iblib.plotting.tables import (
    ceilings,
    data_note,
    estimator_rows,
    facets,
    n_seeds,
    plane_points,
    require_one,
    seed_counts,
    seeds_text,
    values_of,
)

_PAD = 0.05
_PAD_TOP = 0.1  # room for the label of H(Y)


@dataclass(frozen=True)
class PlaneLimits:
    """Axis limits of a plane [bits]."""

    x: tuple[float, float]
    y: tuple[float, float]


def plane_limits(table: pd.DataFrame, estimator: str, bound: str = "upper") -> PlaneLimits:
    """Limits [bits] that hold every point of a table and both ceilings, for all panels and frames.

    All binning variants and KDE share one pair of limits; Kraskov, whose H(T) has no zero and
    no ceiling, and the pooled histogram have their own. Kraskov points with zero-radius samples
    (each worth -53 bits per dimension) do not stretch the limits unless there are no others. A
    table without a point of this estimator is a ValueError.
    """
    family = estimator_named(estimator).family
    members = [e for e in values_of(table, "estimator") if estimator_named(e).family == family]
    points = pd.concat([plane_points(table, name, bound) for name in members or [estimator]])
    if points.empty:
        raise ValueError(f"estimator must have pairs of I(X;T) and I(T;Y); got none: {estimator!r}")
    return _limits_of(points, family)


def _limits_of(points: pd.DataFrame, family: str) -> PlaneLimits:
    """Limits of points of one family of estimators."""
    if family == "entropy" and not points["hollow"].all():
        points = points[~points["hollow"]]
    x, y = [*points["x"], *ceilings(points, "I_XT")], [0.0, *points["y"], *ceilings(points, "I_TY")]
    if family != "entropy":
        x.append(0.0)
    return PlaneLimits(padded(x), padded(y, _PAD_TOP))


def padded(values: Sequence[float], top: float = _PAD) -> tuple[float, float]:
    """Range of the values with a margin below and (``top``, a share of the range) above."""
    low, high = float(min(values)), float(max(values))
    size = (high - low) or 1.0
    return low - _PAD * size, high + top * size


def plot_plane(
    ax: Axes,
    points: pd.DataFrame,
    *,
    colour: str = "epoch",
    limits: PlaneLimits | None = None,
    layers: Sequence[str] | None = None,
    norm: LogNorm | None = None,
) -> None:
    """Draw one information plane [bits]: the mean over seeds, with a thin line for each seed.

    Points that say little are hollow: saturated at log2 P, or (Kraskov) with zero-radius samples;
    a mean is hollow where at least half of its seeds are. The last epoch's marker is large.

    ``points`` are from `plane_points`, of one configuration. ``colour`` is that of the "epoch" (the
    marker tells the layer) or of the "layer". Where panels must agree, ``limits`` are those of the
    whole table (`plane_limits`), ``layers`` all layers in network order, and ``norm`` the colour
    scale of the epochs; by default those of these points.
    """
    if colour not in ("epoch", "layer"):
        raise ValueError(f'colour must be "epoch" or "layer"; got {colour!r}')
    require_one(points)
    still_plane(ax, points, limits)
    line = estimator_named(points["estimator"].iloc[0]).line
    styles = layer_styles(layers or values_of(points, "layer"))
    norm = norm or epoch_norm(points["epoch"])
    for layer, rows in points.groupby("layer", sort=False):
        look, mean = styles[layer], seed_mean(rows)
        stroke = look.colour if colour == "layer" else "0.6"
        if n_seeds(rows) > 1:
            seeds = rows.groupby([key for key in ("run", "seed") if key in rows], sort=False)
            ways = [one.sort_values("epoch")[["x", "y"]].to_numpy() for _, one in seeds]
            thin = {"linewidths": 0.5, "alpha": 0.45, "zorder": 2}
            ax.add_collection(LineCollection(ways, colors=stroke, **thin))
        ax.plot(mean["x"], mean["y"], color=stroke, lw=1.0, ls=line, zorder=3)
        colours = epoch_colours(mean["epoch"], norm)
        if colour == "layer":
            colours[:] = to_rgba(look.colour)
        size = np.full(len(mean), 18.0 if colour == "epoch" else 9.0)
        size[-1] = 42.0
        hollow = mean["hollow"].to_numpy() >= 0.5
        ringed_marks(ax, mean["x"], mean["y"], size, colours, hollow, look.marker)


def still_plane(ax: Axes, points: pd.DataFrame, limits: PlaneLimits | None) -> None:
    """A plane's limits (by default those of the points) and labels, and what stands still in it.

    The lines no estimate can pass, log2 P (not for Kraskov) and H(Y), and how many points are
    outside the limits.
    """
    if points.empty:
        raise ValueError("table must hold pairs of I(X;T) and I(T;Y); got none")
    known = estimator_named(values_of(points, "estimator")[0])
    limits = limits or _limits_of(points, known.family)
    ax.set(xlim=limits.x, ylim=limits.y, xlabel=known.axis("I_XT"), ylabel=known.axis("I_TY"))
    for axis, quantity in (("x", "I_XT"), ("y", "I_TY")):
        for value, label in ceilings(points, quantity).items():
            reference_line(ax, value, label, axis)
    say_outside(ax, points["x"].between(*limits.x) & points["y"].between(*limits.y))


def seed_mean(points: pd.DataFrame) -> pd.DataFrame:
    """Mean of ``x``, ``y`` [bits] and ``hollow`` (a share) over seeds, by epoch."""
    return points.groupby("epoch")[["x", "y", "hollow"]].mean().reset_index()


def plane_grid(
    table: pd.DataFrame,
    *,
    rows: str | None = "activation",
    columns: str | None = "estimator",
    colour: str = "epoch",
    bound: str = "upper",
    title: str = "",
    panel: tuple[float, float] = PANEL,
    whole: pd.DataFrame | None = None,
) -> Figure:
    """Information planes side by side, with one colour scale and one legend.

    ``rows`` and ``columns`` are the columns of ``table`` that make the rows and columns of panels;
    any other must have one value. Limits are equal in all panels of one family of estimators
    (binning and KDE; Kraskov; pooled histogram); where several figures must agree, the larger plane
    table ``whole`` sets them. ``colour`` is that of the "epoch" or the "layer", ``bound`` the KDE's
    "upper" or "lower" value, ``panel`` the width and height of a panel [inch].
    """
    grid = facets(table, rows, columns, bound)
    grid = [replace(facet, table=_facet_points(facet.table, bound)) for facet in grid]
    found = [facet.table for facet in grid if not facet.table.empty]
    if not found:
        raise ValueError("table must hold pairs of I(X;T) and I(T;Y); got none")
    whole = table if whole is None else whole
    names = dict.fromkeys(values_of(points, "estimator")[0] for points in found)
    limits = {name: plane_limits(whole, name, bound) for name in names}
    layers, norm = values_of(table, "layer"), epoch_norm(whole["epoch"])
    shared = {"layers": layers, "norm": norm, "colour": colour}
    with panels(grid[-1].row + 1, grid[-1].column + 1, panel=panel, title=title) as (figure, axes):
        for ax, facet in filled_panels(axes, grid):
            name = values_of(facet.table, "estimator")[0]
            plot_plane(ax, facet.table, limits=limits[name], **shared)
        if colour == "epoch":
            epoch_colour_bar(figure, axes, norm)
        handles = layer_handles(layer_styles(layers), coloured=colour == "layer")
        figure_legend(figure, [*handles, *_plane_handles(found)], data_note(table))
    return figure


def _facet_points(table: pd.DataFrame, bound: str) -> pd.DataFrame:
    """Points of a panel; none where the table holds none."""
    require_one(table[["estimator"]])
    names = values_of(table, "estimator")
    return plane_points(table, names[0], bound) if names else table


def _plane_handles(found: Sequence[pd.DataFrame]) -> list[Line2D]:
    """Legend entries that say what lines and markers mean."""
    told = mean_told(found)
    lines = {told: 1.2, "one seed": 0.5} if told else {}
    handles = [Line2D([], [], color="0.4", lw=lw, label=label) for label, lw in lines.items()]
    last = Line2D([], [], color="0.25", marker="o", ls="", ms=6, label="large: last epoch")
    return [*handles, *hollow_handles(found), last]


def plot_over_epochs(
    ax: Axes,
    table: pd.DataFrame,
    *,
    quantity: str = "I_XT",
    estimator: str = "binning",
    bound: str = "upper",
    styles: dict[str, LayerStyle] | None = None,
    ceiling: bool = True,
) -> None:
    """Draw I(X;T) or I(T;Y) [bits] of every layer against the epoch, on a log axis with epoch 0.

    ``table`` holds one configuration; for Kraskov and the pooled histogram H(T) stands for I(X;T).
    By layer: the band from the lowest to the highest seed (several seeds), the mean line, and the
    means' markers (hollow where saturated, or for Kraskov with zero-radius samples). ``styles``
    chooses and orders the layers, with their colours and markers; ``ceiling``: draw log2 P or H(Y).
    """
    rows, known = estimator_rows(table, estimator, quantity, bound), estimator_named(estimator)
    styles = styles or layer_styles(values_of(rows, "layer"))
    rows = rows[rows["layer"].isin(styles)]
    require_one(rows)
    heights = ceilings(rows, quantity) if ceiling and len(rows) else {}
    for height, label in heights.items():
        reference_line(ax, height, label, "y")
    for name in [layer for layer in styles if (rows["layer"] == layer).any()]:
        _draw_layer(ax, rows[rows["layer"] == name], styles[name], known.line)
    epoch_axis(ax, int(table["epoch"].max()))
    ax.set_ylabel(known.axis(quantity))
    values = rows["bits"]
    if known.family == "entropy" and not rows["hollow"].all():
        values = values[~rows["hollow"]]  # zero-radius values do not stretch the axis
    ax.set_ylim(padded([*values, *heights], 0.12))
    say_outside(ax, rows["bits"].between(*ax.get_ylim()))


def _draw_layer(ax: Axes, rows: pd.DataFrame, look: LayerStyle, line: str) -> None:
    """One layer: band over seeds, mean line, markers of a dozen epochs spread over the axis."""
    groups = rows.groupby("epoch")
    mean, bits = groups[["bits", "hollow"]].mean(), groups["bits"]
    if n_seeds(rows) > 1:
        band = {"color": look.colour, "alpha": 0.18, "linewidth": 0}
        ax.fill_between(mean.index, bits.min(), bits.max(), **band)
    ax.plot(mean.index, mean["bits"], color=look.colour, ls=line)
    place = np.log10(mean.index.to_numpy() + 0.5)
    wanted = np.linspace(place[0], place[-1], 12)
    shown = mean.iloc[np.unique([np.abs(place - at).argmin() for at in wanted])]
    marks(ax, shown.index, shown["bits"], look, shown["hollow"] >= 0.5, size=14)


def over_epochs_grid(
    table: pd.DataFrame,
    *,
    rows: str | None = "activation",
    columns: str | None = "estimator",
    quantity: str = "I_XT",
    bound: str = "upper",
    title: str = "",
    panel: tuple[float, float] = (2.6, 2.1),
) -> Figure:
    """Bits of every layer against the epoch, in panels with equal limits per estimator family.

    ``quantity`` is "I_XT" or "I_TY"; everything else is as in `plane_grid`.
    """
    grid = facets(table, rows, columns, bound)
    styles = layer_styles(values_of(table, "layer"))
    drawn, by_family = [], {}
    with panels(grid[-1].row + 1, grid[-1].column + 1, panel=panel, title=title) as (figure, axes):
        for ax, facet in filled_panels(axes, grid):
            require_one(facet.table[["estimator"]])
            name = values_of(facet.table, "estimator")[0]
            chosen = {"quantity": quantity, "estimator": name, "bound": bound}
            plot_over_epochs(ax, facet.table, styles=styles, **chosen)
            drawn.append(estimator_rows(facet.table, **chosen))
            by_family.setdefault(estimator_named(name).family, []).append(ax)
        for same in by_family.values():
            equal_limits(same)
        handles = [*layer_handles(styles, coloured=True), *seed_handles(drawn)]
        figure_legend(figure, [*handles, *hollow_handles(drawn)], data_note(pd.concat(drawn)))
    return figure


def equal_limits(axes: Iterable[Axes], *, room: bool = False) -> None:
    """Give axes that show the same quantity the same y limits, with room for labels above."""
    axes = list(axes)
    ends = [end for ax in axes for end in ax.get_ylim()]
    limits = padded(ends, 0.14) if room else (min(ends), max(ends))
    for ax in axes:
        ax.set_ylim(limits)


def seed_handles(drawn: Sequence[pd.DataFrame]) -> list[Artist]:
    """Legend entries of mean and band; none where every curve is one network's."""
    band = Patch(color="0.4", alpha=0.25, lw=0, label="lowest to highest seed")
    told = mean_told(drawn)
    return [Line2D([], [], color="0.4", label=told), band] if told else []


def mean_told(found: Sequence[pd.DataFrame]) -> str:
    """``mean, n = 3 seeds``; empty where every curve is one network's."""
    return f"mean, {seeds_text(found)}" if max(seed_counts(found), default=0) > 1 else ""


def hollow_handles(found: Sequence[pd.DataFrame]) -> list[Line2D]:
    """Legend entries that say what hollow markers mean, where there are some."""
    marked = [rows for rows in found if rows["hollow"].any()]
    columns = {estimator_named(values_of(rows, "estimator")[0]).hollow for rows in marked}
    look = {"color": "0.25", "marker": "o", "ls": "", "mfc": "white"}
    return [Line2D([], [], label=_HOLLOW[name], **look) for name in _HOLLOW if name in columns]


_HOLLOW = {
    "saturated": r"hollow: within 1 % of $\log_2 P$",
    "zero_radius": "hollow (Kraskov): duplicates, r = 0",
}
