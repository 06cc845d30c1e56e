"""H(T) against epochs, network beside network, layer by layer and map by map; duplicates."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from iblib.plotting.planes import equal_limits, hollow_handles, plot_over_epochs, seed_handles
from iblib.plotting.style import (
    OKABE_ITO,
    SMALLEST_PT,
    LayerStyle,
    figure_legend,
    layer_handles,
    layer_styles,
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

# Largest share of samples with r = 0; at 0.01 they move H(T) by about half a bit per unit.
MOST_DUPLICATES = 0.01
_LOOKS = [LayerStyle(c, m) for c, m in zip(OKABE_ITO[:4], "os^D", strict=True)]


def per_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Kraskov's H(T) rows with ``bits`` divided by the dimension: bits per unit of the layer.

    H(T) is d times the mean logarithm of the neighbours' distance, up to a constant of d and P; a
    change of H(T)/d is the change of that logarithm, whatever d is.
    """
    rows = estimator_rows(table, "kraskov", "I_XT").drop(columns="hollow")
    return rows.assign(bits=rows["bits"] / rows["dimension"])


def few_duplicates(
    table: pd.DataFrame, by: Sequence[str] = ("run", "seed", "layer")
) -> pd.DataFrame:
    """Kraskov rows without the curves whose level the constant in the code decides.

    Parameters
    ----------
    table : DataFrame
        Kraskov rows.
    by : sequence of str
        What is kept or left out as a whole: a layer's curve of one seed, or a network.
    """
    share = table["zero_radius"] / table["n_samples"]
    return table[share.groupby([table[name] for name in by]).transform("max") <= MOST_DUPLICATES]


def networks_grid(
    tables: Mapping[str, pd.DataFrame], *, label: str | None = None, title: str = ""
) -> Figure:
    """H(T) [bits] of all layers against the epoch, networks side by side, one activation a row.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Plane table by the heading of its column; layers of equal depth share a colour.
    label : str, optional
        Label of the y axes where they show something else, such as `per_unit`.

    Returns
    -------
    Figure
        Limits are equal within a network's column: H(T) grows with a layer's dimension.
    """
    activations = list(
        dict.fromkeys(a for t in tables.values() for a in values_of(t, "activation"))
    )
    drawn: list[pd.DataFrame] = []
    with panels(len(activations), len(tables), panel=(3.1, 2.1), title=title) as (figure, axes):
        for j, (name, table) in enumerate(tables.items()):
            styles = layer_styles(values_of(table, "layer"))
            for ax, activation in zip(axes[:, j], activations, strict=True):
                ax.set_title(f"{name}, {shown_name(activation)}")
                rows = table[table["activation"] == activation]
                if rows.empty:
                    say_missing(ax)
                    continue
                plot_over_epochs(ax, rows, estimator="kraskov", styles=styles)
                drawn.append(estimator_rows(rows, "kraskov", "I_XT"))
                if label:
                    ax.set_ylabel(label)
            equal_limits([ax for ax in axes[:, j] if ax.lines])
        handles = layer_handles(_by_depth(tables.values()), coloured=True)
        notes = dict.fromkeys(data_note(table) for table in tables.values())
        handles += [*seed_handles(drawn), *hollow_handles(drawn)]
        figure_legend(figure, handles, "\n".join(notes))
    return figure


def _by_depth(tables: Sequence[pd.DataFrame]) -> dict[str, LayerStyle]:
    """Styles of the deepest network, named by the layers of all networks at that depth."""
    names = [values_of(table, "layer") for table in tables]
    depth = max(map(len, names))
    joined = [" · ".join(dict.fromkeys(n[i] for n in names if i < len(n))) for i in range(depth)]
    return layer_styles(joined)


def layer_panels(table: pd.DataFrame, *, title: str = "") -> Figure:
    """H(T) [bits] of each layer alone, its activations together, on its own scale.

    Parameters
    ----------
    table : DataFrame
        Plane table of one model and view.
    """
    rows = estimator_rows(table, "kraskov", "I_XT")
    layers, activations = values_of(rows, "layer"), values_of(rows, "activation")
    looks = dict(zip(map(shown_name, activations), _LOOKS, strict=False))
    columns = min(4, len(layers))
    size = {"panel": (2.2, 1.75), "title": title}
    with panels(-(-len(layers) // columns), columns, **size) as (figure, axes):
        for number, (ax, layer) in enumerate(zip(axes.flat, layers, strict=False)):
            parts = [
                rows[(rows["layer"] == layer) & (rows["activation"] == a)] for a in activations
            ]
            _overlay(ax, parts, [{layer: look} for look in looks.values()])
            ax.set_title(f"{layer}, d = {_one(parts, 'dimension')}")
            if number % columns:
                ax.set_ylabel("")
        for ax in list(axes.flat)[len(layers) :]:
            ax.set_visible(False)
        drawn = [rows[rows["activation"] == activation] for activation in activations]
        handles = [*layer_handles(looks, coloured=True), *seed_handles(drawn)]
        figure_legend(figure, [*handles, *hollow_handles(drawn)], data_note(rows))
    return figure


def _overlay(ax: Axes, parts: Sequence[pd.DataFrame], styles: Sequence) -> None:
    """Several tables' curves on one pair of axes, with limits that hold them all."""
    limits = []
    for part, look in zip(parts, styles, strict=True):
        if not part.empty:
            plot_over_epochs(ax, part, estimator="kraskov", styles=look)
            limits.append(ax.get_ylim())
    ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _one(parts: Sequence[pd.DataFrame], column: str) -> str:
    """The value of a column as text; several with a slash between."""
    return " / ".join(dict.fromkeys(f"{v:.0f}" for part in parts for v in part[column]))


def map_panels(table: pd.DataFrame, layer: str, *, title: str = "") -> Figure:
    """H(T) [bits] of each feature map of a layer: whole maps and their means, one line a filter.

    Parameters
    ----------
    table : DataFrame
        Plane table of one model and seed with the views of single filters.
    layer : str
        Which layer; of at most seven filters, so that colours tell them apart.
    """
    rows = estimator_rows(table[table["layer"] == layer], "kraskov", "I_XT")
    views, activations = values_of(rows, "view"), values_of(rows, "activation")
    rows = rows.assign(layer=[f"filter {c}" for c in rows["channel"]], channel=-1)
    looks = layer_styles(sorted(values_of(rows, "layer"), key=lambda name: int(name.split()[1])))
    with panels(len(activations), len(views), panel=(3.1, 1.9), title=title) as (figure, axes):
        for i, activation in enumerate(activations):
            for j, view in enumerate(views):
                part = rows[(rows["activation"] == activation) & (rows["view"] == view)]
                plot_over_epochs(axes[i, j], part, estimator="kraskov", styles=looks)
                name = {"filter": "whole maps", "filter_mean": "means of maps"}.get(view, view)
                axes[i, j].set_title(
                    f"{shown_name(activation)}, {name}, d = {_one([part], 'dimension')}"
                )
        for column in axes.T:
            equal_limits(column)
        handles = [*layer_handles(looks, coloured=True), *hollow_handles([rows])]
        figure_legend(figure, handles, f"{data_note(rows)}   {seeds_text([rows])}")
    return figure


def zero_radius_bars(tables: Mapping[str, pd.DataFrame], *, title: str = "") -> Figure:
    """Share of samples that have more than k equal ones, by layer: untrained and at the end.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Plane table by the heading of its column; where it holds single filters, their mean.

    Returns
    -------
    Figure
        A row of panels for the first and one for the last epoch; bars are means over seeds (and
        filters), lines reach from the lowest to the highest.
    """
    parts = {name: estimator_rows(table, "kraskov", "I_XT") for name, table in tables.items()}
    looks = dict(zip(values_of(pd.concat(parts.values()), "activation"), _LOOKS, strict=False))
    with panels(2, len(parts), panel=(2.9, 1.9), title=title) as (figure, axes):
        for j, (name, rows) in enumerate(parts.items()):
            first, last = rows["epoch"].min(), rows["epoch"].max()
            for ax, epoch in zip(axes[:, j], (first, last), strict=True):
                _bars(ax, rows[rows["epoch"] == epoch], looks)
                ax.set_title(f"{name}, epoch {epoch}")
                ax.set(ylabel="" if j else "share with r = 0", ylim=(0, 1.02))
        shown = {shown_name(activation): look for activation, look in looks.items()}
        handles = [Patch(color=look.colour, label=name) for name, look in shown.items()]
        range_ = Line2D([], [], color="0.2", lw=0.9, label="lowest to highest seed or filter")
        notes = [f"{data_note(rows)}   {seeds_text([rows])}" for rows in parts.values()]
        figure_legend(figure, [*handles, range_], "\n".join(dict.fromkeys(notes)))
    return figure


def _bars(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, LayerStyle]) -> None:
    """Bars of one epoch: layers along the axis, activations side by side."""
    layers = values_of(rows, "layer")
    size = 0.8 / len(looks)
    for i, (activation, look) in enumerate(looks.items()):
        one = rows[rows["activation"] == activation]
        share = (one["zero_radius"] / one["n_samples"]).groupby(one["layer"], sort=False)
        at = np.array([layers.index(layer) for layer in share.mean().index])
        at = at + (i - (len(looks) - 1) / 2) * size
        ax.bar(at, share.mean(), 0.9 * size, color=look.colour)
        ax.vlines(at, share.min(), share.max(), color="0.2", lw=0.9)
        for x in at[share.max().to_numpy() == 0]:
            ax.text(x, 0.01, "0", ha="center", va="bottom", color=look.colour, fontsize=SMALLEST_PT)
    ax.set_xticks(range(len(layers)), labels=layers, rotation=25, ha="right")
