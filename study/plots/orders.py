"""What puts layers in order by H(T): depth, width or dimension, with widths reversed to tell."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.names import estimator_named
from iblib.plotting.planes import hollow_handles
from iblib.plotting.style import (
    OKABE_ITO,
    SMALLEST_PT,
    LayerStyle,
    figure_legend,
    layer_handles,
    marks,
    panels,
    say_missing,
)
from iblib.plotting.tables import (
    data_note,
    estimator_rows,
    seeds_text,
    shown_name,
    values_of,
)

_WIDTHS = {"normal": LayerStyle(OKABE_ITO[0], "o"), "reversed": LayerStyle(OKABE_ITO[1], "s")}
_CAUSES = ("depth", "width", "dimension")
_VIEWS = {"layer": "whole layers", "spatial_mean": "means of maps", "pca": "3 components"}


def layer_points(
    table: pd.DataFrame, layers: Sequence[str], widths: pd.Series, *, network: str = ""
) -> pd.DataFrame:
    """H(T) [bits] of some layers at the last epoch that every model of the table has.

    Parameters
    ----------
    table : DataFrame
        Plane table of one view; a network with its widths as they are and reversed are two models.
    layers : sequence of str
        In network order.
    widths : Series
        Units or filters, indexed by model and layer.
    network : str
        Name in the column ``network``.

    Returns
    -------
    DataFrame
        The H(T) rows with ``network``, ``widths`` ("normal" or "reversed": a model whose name
        holds sizes), ``depth`` (1 is the first layer), ``width`` and ``per_unit`` = bits / d.
    """
    rows = estimator_rows(table[table["layer"].isin(layers)], "kraskov", "I_XT")
    epochs = [set(part["epoch"]) for _, part in rows.groupby("model")]
    rows = rows[rows["epoch"] == max(set.intersection(*epochs))]
    keys = pd.MultiIndex.from_frame(rows[["model", "layer"]])
    return rows.assign(
        network=network,
        widths=np.where(rows["model"].str.contains(" "), "reversed", "normal"),
        depth=[list(layers).index(layer) + 1 for layer in rows["layer"]],
        width=widths.reindex(keys).to_numpy(),
        per_unit=rows["bits"] / rows["dimension"],
    )


def order_correlations(points: pd.DataFrame, value: str = "bits") -> pd.DataFrame:
    """What H(T) goes with in each network: its layers' order, and rank correlations.

    Parameters
    ----------
    points : DataFrame
        From `layer_points`; several networks and views.
    value : {"bits", "per_unit"}
        What the layers are ordered by.

    Returns
    -------
    DataFrame
        One row per network, view, activation and widths: ``order`` (layers by depth, highest
        mean first), Spearman's correlation of the value with ``depth``, ``width`` and ``dimension``
        (mean over seeds; NaN where all are equal), ``positive`` (share of H(T) > 0), ``seeds``,
        ``epoch``, ``zero_radius`` (largest count).
    """
    found = []
    keys = ["network", "view", "activation", "widths"]
    for names, part in points.groupby(keys, sort=False):
        means = part.groupby("depth")[value].mean().sort_values(ascending=False)
        row = dict(zip(keys, names, strict=True))
        row["order"] = " > ".join(str(depth) for depth in means.index)
        ranks = [one[[value, *_CAUSES]].rank() for _, one in part.groupby(["run", "seed"])]
        row |= {
            cause: np.mean([_correlation(r[value], r[cause]) for r in ranks]) for cause in _CAUSES
        }
        row["positive"] = (part["bits"] > 0).mean()
        row |= {"seeds": len(ranks), "epoch": part["epoch"].iloc[0]}
        found.append(row | {"zero_radius": part["zero_radius"].max()})
    return pd.DataFrame(found)


def _correlation(a: pd.Series, b: pd.Series) -> float:
    """Pearson's correlation; NaN where one of them is constant."""
    return float(np.corrcoef(a, b)[0, 1]) if a.nunique() > 1 < b.nunique() else np.nan


def order_grid(
    points: pd.DataFrame,
    *,
    value: str = "bits",
    label: str = "H(T) + const [bits]",
    title: str = "",
) -> Figure:
    """H(T) of every layer by depth, with its width beside the dot: widths as they are, reversed.

    If width decides the order the two lines mirror each other; if depth does they run alike.

    Parameters
    ----------
    points : DataFrame
        From `layer_points`; one column of panels per network and view, one row per activation.
    value : {"bits", "per_unit"}
        What is drawn.
    label : str
        Of the y axes.
    """
    cases = points[["network", "view"]].drop_duplicates().to_numpy().tolist()
    activations = values_of(points, "activation")
    drawn = []
    with panels(len(activations), len(cases), panel=(2.0, 2.0), title=title) as (figure, axes):
        for i, activation in enumerate(activations):
            for j, (network, view) in enumerate(cases):
                here = (points["network"] == network) & (points["view"] == view)
                part = points[here & (points["activation"] == activation)]
                _order_panel(axes[i, j], part, value)
                axes[i, j].set_title(
                    f"{network}, {shown_name(activation)}\n{_VIEWS.get(view, view)}"
                )
                axes[i, j].set_ylabel("" if j else label)
                drawn += [one for _, one in part.groupby("widths", sort=False)]
        looks = {f"widths {name}": look for name, look in _WIDTHS.items()}
        handles = layer_handles(looks, coloured=True)
        bar = Line2D([], [], color="0.4", lw=0.9, label="lowest to highest seed")
        number = Line2D([], [], ls="", label="number: units or filters of the layer")
        figure_legend(figure, [*handles, bar, number, *hollow_handles(drawn)], _counts(drawn))
    return figure


def _counts(drawn: Sequence[pd.DataFrame]) -> str:
    """What the dots come from."""
    return f"{data_note(pd.concat(drawn))}   {seeds_text(drawn)}"


def _order_panel(ax: Axes, part: pd.DataFrame, value: str) -> None:
    """Dots by depth, one line for each order of the widths."""
    if part.empty:
        say_missing(ax)
        return
    middle = part.groupby(["depth", "widths"])[value].mean().groupby("depth").mean()
    for name, one in part.groupby("widths", sort=False):
        look, groups = _WIDTHS[name], one.groupby("depth")
        mean, empty = groups[value].mean(), groups["hollow"].mean() >= 0.5
        ax.plot(mean.index, mean, color=look.colour, ls=estimator_named("kraskov").line, lw=0.9)
        ax.vlines(mean.index, groups[value].min(), groups[value].max(), color=look.colour, lw=0.9)
        marks(ax, mean.index, mean, look, empty, size=22, width=1.0)
        for depth, width in groups["width"].first().items():
            above = mean[depth] > middle[depth] or (
                mean[depth] == middle[depth] and name == "normal"
            )
            write = {"xytext": (0, 5 if above else -11), "textcoords": "offset points"}
            write |= {"ha": "center", "color": look.colour, "fontsize": SMALLEST_PT}
            ax.annotate(f"{width:.0f}", (depth, mean[depth]), **write)
    ax.set(xlabel="layer", xticks=sorted(part["depth"].unique()))
    ax.margins(x=0.12, y=0.26)
