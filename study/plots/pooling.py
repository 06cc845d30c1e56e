"""Before and after a pooling layer: over noise and bins, and filter by filter."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.plotting.over_epochs import share_y
from iblib.plotting.planes import hollow_handles, padded
from iblib.plotting.style import (
    OKABE_ITO,
    LayerStyle,
    estimator_line,
    figure_legend,
    layer_handles,
    panels,
    reference_line,
)
from iblib.plotting.tables import (
    data_note,
    estimator_label,
    estimator_rows,
    n_seeds,
    plane_points,
    quantity_name,
    seeds_text,
    shown_name,
    values_of,
)

_SIDES = {"before": LayerStyle(OKABE_ITO[0], "o"), "after": LayerStyle(OKABE_ITO[1], "s")}
_SWEEPS = {
    "kde": "KDE: noise variance",
    "kde_relative": "KDE: noise deviation / deviation of T",
    "binning": "binning: number of bins",
}


def before_after_sweep(
    table: pd.DataFrame, pair: tuple[str, str], *, view: str = "layer", title: str = ""
) -> Figure:
    """Share of saturated epochs, and I(X;T) untrained and at the end [bits], by noise and bins.

    Parameters
    ----------
    table : DataFrame
        Plane table of one model, with several noise variances, relative noises, numbers of bins.
    pair : (str, str)
        Layers before and after the pooling.
    view : str
        Which T of them.

    Returns
    -------
    Figure
        One column of panels per sweep; for each activation a row for the share and one for I(X;T).
    """
    rows = table[table["layer"].isin(pair) & (table["view"] == view)]
    sweeps = [name for name in _SWEEPS if (rows["estimator"] == name).any()]
    activations = values_of(rows, "activation")
    with panels(2 * len(activations), len(sweeps), panel=(2.5, 1.45)) as (figure, axes):
        for j, estimator in enumerate(sweeps):
            found = estimator_rows(rows, estimator, quantity_name(estimator, "I_XT"))
            for i, activation in enumerate(activations):
                part = found[found["activation"] == activation]
                column = axes[2 * i : 2 * i + 2, j]
                _sweep_panels(column, part, pair)
                column[0].set_title("" if i else _SWEEPS[estimator])
                shown = shown_name(activation)
                column[0].set_ylabel("" if j else f"{shown}: saturated")
                column[1].set_ylabel("" if j else f"{shown}: I(X;T) [bits]")
        share_y(list(axes[1::2].flat))
        handles = layer_handles(dict(zip(pair, _SIDES.values(), strict=True)), coloured=True)
        for width, name in ((1.4, "last epoch"), (0.6, "untrained")):
            handles.append(Line2D([], [], color="0.4", lw=width, label=f"I(X;T), {name}"))
        note = f"{data_note(rows)}   {seeds_text([n_seeds(rows) // len(activations)])}"
        figure_legend(figure, [*handles, *hollow_handles([rows.assign(hollow=True)])[:1]], note)
    return figure


def _sweep_panels(axes: np.ndarray, rows: pd.DataFrame, pair: tuple[str, str]) -> None:
    """Share of saturated epochs above; bits of the first (thin) and the last epoch below."""
    share_axes, bits_axes = axes
    estimator = rows["estimator"].iloc[0]
    ends = [rows[rows["epoch"] == epoch] for epoch in (rows["epoch"].min(), rows["epoch"].max())]
    for layer, look in zip(pair, _SIDES.values(), strict=True):
        share = rows[rows["layer"] == layer].groupby("value")["hollow"].mean()
        line = {"color": look.colour, "ls": estimator_line(estimator)}
        share_axes.plot(share.index, share, marker=look.marker, **line)
        for end, width, size in zip(ends, (0.6, 1.4), (8, 20), strict=True):
            found = end[end["layer"] == layer].groupby("value")[["bits", "hollow"]].mean()
            bits_axes.plot(found.index, found["bits"], lw=width, **line)
            faces = ["white" if empty >= 0.5 else look.colour for empty in found["hollow"]]
            mark = {"marker": look.marker, "s": size, "facecolors": faces}
            mark |= {"edgecolors": look.colour, "linewidths": 0.9, "zorder": 3}
            bits_axes.scatter(found.index, found["bits"], **mark)
    ceiling = float(np.log2(rows["n_samples"].iloc[0]))
    reference_line(bits_axes, ceiling, rf"$\log_2 P$ = {ceiling:.3g}", "y")
    share_axes.set(ylim=(-0.08, 1.08), yticks=[0, 0.5, 1])
    bits_axes.set_ylim(padded([*pd.concat(ends)["bits"], ceiling], 0.25))
    for ax in axes:
        ax.set_xscale("log")
        values = sorted(rows["value"].unique())
        ax.set_xticks(values, labels=[f"{v:g}" for v in values])
        ax.minorticks_off()


def before_after_filters(
    table: pd.DataFrame,
    pairs: dict[str, tuple[str, str]],
    *,
    estimator: str = "kde",
    title: str = "",
) -> Figure:
    """I(X;T) and I(T;Y) of each filter at the last epoch [bits]: its map before, one value after.

    Parameters
    ----------
    table : DataFrame
        Plane table with the view "filter" of the layers of ``pairs``.
    pairs : dict
        Model -> layers before and after the pooling; a column of panels per activation of each.
    estimator : str
        Which estimator.
    title : str
        Above all panels; by default the estimator.
    """
    rows = table[(table["view"] == "filter") & table["model"].isin(pairs)]
    cases = [(m, a) for m in pairs for a in values_of(rows[rows["model"] == m], "activation")]
    drawn = []
    with panels(2, len(cases), panel=(2.4, 1.8), sharey="row") as (figure, axes):
        for j, (model, activation) in enumerate(cases):
            here = rows[(rows["model"] == model) & (rows["activation"] == activation)]
            points = filters_before_after(here, pairs[model], estimator)
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
        note = f"{data_note(rows)}   {seeds_text([n_seeds(d) for d in drawn])}"
        figure_legend(figure, [*handles, *hollow_handles(drawn)], note)
        figure.suptitle(title or estimator_label(estimator))
    return figure


_COLUMNS = (("before", "after"), ("label_before", "label_after"))
_MODELS = {"simple_cnn": "SimpleCNN", "mini_resnet": "MiniResNet"}


def _filter_limits(axes: np.ndarray, points: pd.DataFrame) -> None:
    """Ceilings, and one scale for each quantity."""
    ceiling = float(np.log2(points["n_samples"].iloc[0]))
    label_entropy = float(points["label_entropy"].iloc[0])
    tops = (rf"$\log_2 P$ = {ceiling:.3g}", f"H(Y) = {label_entropy:.3g}")
    for row, names, height, text in zip(
        axes, _COLUMNS, (ceiling, label_entropy), tops, strict=True
    ):
        for ax in row:
            reference_line(ax, height, text, "y")
        row[0].set_ylim(padded([0.0, height, *points[[*names]].to_numpy().ravel()], 0.2))


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
        faces = ["white" if hollow else look.colour for hollow in points[side]]
        mark = {"marker": look.marker, "s": 13, "facecolors": faces, "edgecolors": look.colour}
        ax.scatter(range(1, len(points) + 1), points[name], zorder=3, linewidths=0.9, **mark)
    ax.set_xlabel("filters, in order of the value after")
