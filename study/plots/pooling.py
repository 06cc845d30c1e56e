"""Before and after a pooling layer: over epochs, over noise and bins, and filter by filter."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.names import PARAMETERS, estimator_named
from iblib.plotting.planes import (
    equal_limits,
    hollow_handles,
    padded,
    plot_over_epochs,
    seed_handles,
)
from iblib.plotting.style import (
    OKABE_ITO,
    LayerStyle,
    figure_legend,
    layer_handles,
    marks,
    panels,
    reference_line,
)
from iblib.plotting.tables import (
    ceilings,
    data_note,
    estimator_rows,
    facets,
    plane_points,
    seeds_text,
    shown_name,
    values_of,
)
from iblib.summaries import select
from study.plots.bounds import value_axis

_SIDES = {"before": LayerStyle(OKABE_ITO[0], "o"), "after": LayerStyle(OKABE_ITO[1], "s")}


def pooling_figure(
    table: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    estimator: str = "kde",
    view: str = "layer",
    title: str = "",
) -> Figure:
    """What pooling does to I(X;T) and I(T;Y) [bits]: the tensors just before and just after it.

    Parameters
    ----------
    table : DataFrame
        Plane table with the layers of ``pairs``.
    pairs : sequence of (str, str)
        Layer names before and after each pooling layer.
    estimator, view : str
        Which measurement (of the KDE the upper value).
    title : str
        Above all panels; by default the estimator.

    Returns
    -------
    Figure
        Two columns of panels a pair; equal limits for equal quantities.
    """
    chosen = select(table, estimator=estimator, view=view)
    for name in dict.fromkeys(layer for pair in pairs for layer in pair):
        select(chosen, layer=name)
    grid = facets(chosen, "activation", None)
    columns = [(pair, quantity) for quantity in ("I_XT", "I_TY") for pair in pairs]
    drawn, by_quantity = [], {}
    title = title or estimator_named(estimator).shown()
    with panels(len(grid), len(columns), panel=(2.4, 2.0), title=title) as (figure, axes):
        for facet in grid:
            for ax, (pair, quantity) in zip(axes[facet.row], columns, strict=True):
                what = {"quantity": quantity, "estimator": estimator}
                styles = dict(zip(pair, _SIDES.values(), strict=True))
                plot_over_epochs(ax, facet.table, styles=styles, **what)
                ax.set_title(", ".join(filter(None, [facet.title, f"{pair[0]} → {pair[1]}"])))
                by_quantity.setdefault(quantity, []).append(ax)
                drawn.append(estimator_rows(facet.table, **what))
        for same in by_quantity.values():
            equal_limits(same)
        names = {f"{side} pooling": look for side, look in _SIDES.items()}
        handles = [*layer_handles(names, coloured=True), *seed_handles(drawn)]
        figure_legend(figure, [*handles, *hollow_handles(drawn)], data_note(pd.concat(drawn)))
    return figure


_SWEEPS = ("kde", "kde_relative", "binning")  # columns of panels, from the left


def before_after_sweep(table: pd.DataFrame, pair: tuple[str, str], *, title: str = "") -> Figure:
    """Share of saturated epochs, and I(X;T) untrained and at the end [bits], by noise and bins.

    Parameters
    ----------
    table : DataFrame
        Plane table of one model, with several noise variances, relative noises, numbers of bins.
    pair : (str, str)
        Layers before and after the pooling.

    Returns
    -------
    Figure
        One column of panels per sweep; for each activation a row for the share and one for I(X;T).
    """
    rows = table[table["layer"].isin(pair) & (table["view"] == "layer")]
    sweeps = [name for name in _SWEEPS if (rows["estimator"] == name).any()]
    activations = values_of(rows, "activation")
    with panels(2 * len(activations), len(sweeps), panel=(2.5, 1.45), title=title) as (
        figure,
        axes,
    ):
        for j, estimator in enumerate(sweeps):
            found = estimator_rows(rows, estimator, "I_XT")
            for i, activation in enumerate(activations):
                part = found[found["activation"] == activation]
                column = axes[2 * i : 2 * i + 2, j]
                _sweep_panels(column, part, pair)
                words = PARAMETERS[values_of(found, "parameter")[0]]
                label = estimator_named(estimator).label.split(",")[0]
                column[0].set_title("" if i else f"{label}: {words}")
                shown = shown_name(activation)
                column[0].set_ylabel("" if j else f"{shown}: saturated")
                column[1].set_ylabel("" if j else f"{shown}: I(X;T) [bits]")
        equal_limits(axes[1::2].flat)
        handles = layer_handles(dict(zip(pair, _SIDES.values(), strict=True)), coloured=True)
        for width, name in ((1.4, "last epoch"), (0.6, "untrained")):
            handles.append(Line2D([], [], color="0.4", lw=width, label=f"I(X;T), {name}"))
        note = f"{data_note(rows)}   {seeds_text([rows])}"
        figure_legend(figure, [*handles, *hollow_handles([rows.assign(hollow=True)])[:1]], note)
    return figure


def _sweep_panels(axes: np.ndarray, rows: pd.DataFrame, pair: tuple[str, str]) -> None:
    """Share of saturated epochs above; bits of the first (thin) and the last epoch below."""
    share_axes, bits_axes = axes
    known = estimator_named(rows["estimator"].iloc[0])
    ends = [rows[rows["epoch"] == epoch] for epoch in (rows["epoch"].min(), rows["epoch"].max())]
    for layer, look in zip(pair, _SIDES.values(), strict=True):
        share = rows[rows["layer"] == layer].groupby("value")["hollow"].mean()
        line = {"color": look.colour, "ls": known.line}
        share_axes.plot(share.index, share, marker=look.marker, **line)
        for end, width, size in zip(ends, (0.6, 1.4), (8, 20), strict=True):
            found = end[end["layer"] == layer].groupby("value")[["bits", "hollow"]].mean()
            bits_axes.plot(found.index, found["bits"], lw=width, **line)
            marks(bits_axes, found.index, found["bits"], look, found["hollow"] >= 0.5, size=size)
    heights = ceilings(rows, "I_XT")
    for height, label in heights.items():
        reference_line(bits_axes, height, label, "y")
    share_axes.set(ylim=(-0.08, 1.08), yticks=[0, 0.5, 1])
    bits_axes.set_ylim(padded([*pd.concat(ends)["bits"], *heights], 0.25))
    for ax in axes:
        value_axis(ax, rows["value"])


def before_after_filters(
    table: pd.DataFrame, pairs: dict[str, tuple[str, str]], *, title: str = ""
) -> Figure:
    """KDE's bits of each filter at the last epoch: its map before, one value after.

    Parameters
    ----------
    table : DataFrame
        Plane table with the view "filter" of the layers of ``pairs``.
    pairs : dict
        Model -> layers before and after the pooling; a column of panels per activation of each.
    """
    rows = table[(table["view"] == "filter") & table["model"].isin(pairs)]
    cases = [(m, a) for m in pairs for a in values_of(rows[rows["model"] == m], "activation")]
    drawn = []
    with panels(2, len(cases), panel=(2.4, 1.8), sharey="row", title=title) as (figure, axes):
        for j, (model, activation) in enumerate(cases):
            here = rows[(rows["model"] == model) & (rows["activation"] == activation)]
            points = filters_before_after(here, pairs[model], "kde")
            for ax, names, quantity in zip(axes[:, j], _COLUMNS, ("I(X;T)", "I(T;Y)"), strict=True):
                _filter_panel(ax, points, names)
                ax.set_ylabel("" if j else f"{quantity} [bits]")
            shown = shown_name(activation)
            axes[0, j].set_title(f"{_MODELS.get(model, model)}, {shown}")
            drawn.append(points)
        _filter_limits(axes, pd.concat(drawn))
        handles = layer_handles(
            {f"{side} pooling, one filter": look for side, look in _SIDES.items()}, coloured=True
        )
        note = f"{data_note(rows)}   {seeds_text(drawn)}"
        figure_legend(figure, [*handles, *hollow_handles(drawn)], note)
    return figure


_COLUMNS = (("before", "after"), ("label_before", "label_after"))
_MODELS = {"simple_cnn": "SimpleCNN", "mini_resnet": "MiniResNet"}


def _filter_limits(axes: np.ndarray, points: pd.DataFrame) -> None:
    """Ceilings, and one scale for each quantity."""
    for row, names, quantity in zip(axes, _COLUMNS, ("I_XT", "I_TY"), strict=True):
        heights = ceilings(points, quantity)
        for height, text in heights.items():
            for ax in row:
                reference_line(ax, height, text, "y")
        row[0].set_ylim(padded([0.0, *heights, *points[[*names]].to_numpy().ravel()], 0.2))


def filters_before_after(
    table: pd.DataFrame, pair: tuple[str, str], estimator: str
) -> pd.DataFrame:
    """Each filter's bits at the last epoch: I(X;T) in ``before`` and ``after``.

    I(T;Y) is in ``label_before`` and ``label_after``; ``hollow`` and ``hollow_after`` say where
    the estimate is saturated.

    Parameters
    ----------
    table : DataFrame
        Plane table of one model and activation with the view "filter".
    pair : (str, str)
        Layers before and after the pooling.
    estimator : str
        Which estimator.
    """
    points = plane_points(table[table["layer"].isin(pair)], estimator)
    points = points[points["epoch"] == points["epoch"].max()]
    first, second = (points[points["layer"] == layer] for layer in pair)
    second = second[["run", "seed", "channel", "x", "y", "hollow"]]
    joined = first.merge(second, on=["run", "seed", "channel"], suffixes=("", "_after"))
    names = {"x": "before", "x_after": "after", "y": "label_before", "y_after": "label_after"}
    return joined.rename(columns=names)


def _filter_panel(ax: Axes, points: pd.DataFrame, names: tuple[str, str]) -> None:
    """A pair of dots a filter; filters ordered by the value after pooling."""
    points = points.sort_values(names[1])
    for name, look, side in zip(names, _SIDES.values(), ("hollow", "hollow_after"), strict=True):
        marks(ax, range(1, len(points) + 1), points[name], look, points[side], size=13)
    ax.set_xlabel("filters, in order of the value after")
