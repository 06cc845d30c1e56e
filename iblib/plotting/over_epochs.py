"""Bits of every layer against the epoch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from iblib.plotting.planes import hollow_handles, padded
from iblib.plotting.style import (
    LayerStyle,
    epoch_axis,
    estimator_line,
    figure_legend,
    layer_handles,
    layer_styles,
    panels,
    reference_line,
    say_missing,
    say_outside,
)
from iblib.plotting.tables import (
    axis_label,
    data_note,
    estimator_rows,
    facets,
    family,
    n_seeds,
    quantity_name,
    require_one,
    seeds_text,
    values_of,
)


def plot_over_epochs(
    ax: Axes,
    table: pd.DataFrame,
    *,
    quantity: str = "I_XT",
    estimator: str = "binning",
    bound: str = "upper",
    layers: Sequence[str] | None = None,
    styles: dict[str, LayerStyle] | None = None,
    ceiling: bool = True,
) -> list[Artist]:
    """Draw I(X;T) or I(T;Y) [bits] of every layer against the epoch, on a log axis with epoch 0.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : DataFrame
        Plane table of one configuration.
    quantity : {"I_XT", "I_TY"}
        What to draw; Kraskov and the pooled histogram have H(T) in the place of I(X;T).
    estimator : str
        One of the table's; it sets the line style.
    bound : {"upper", "lower"}
        Which KDE value.
    layers : sequence of str, optional
        Which layers, in this order; by default all.
    styles : dict of str to LayerStyle, optional
        Colours and markers, where panels must agree.
    ceiling : bool
        Draw log2 P or H(Y).

    Returns
    -------
    list of Artist
        By layer: the band from the lowest to the highest seed (several seeds), the mean line, and
        the scatter of means (hollow where saturated, or for Kraskov with zero-radius samples).
    """
    rows = shown_rows(table, quantity, estimator, bound, layers)
    require_one(rows)
    styles = styles or layer_styles(layers or values_of(rows, "layer"))
    ceilings = _ceilings(rows, quantity, estimator) if ceiling else {}
    artists: list[Artist] = []
    for height, label in ceilings.items():
        artists += reference_line(ax, height, label, "y")
    for name in [layer for layer in styles if (rows["layer"] == layer).any()]:
        one = rows[rows["layer"] == name]
        artists += _trend(ax, one, styles[name], estimator_line(estimator))
    epoch_axis(ax, int(table["epoch"].max()))
    ax.set_ylabel(axis_label(estimator, quantity))
    return artists + _y_limits(ax, rows, list(ceilings))


def shown_rows(
    table: pd.DataFrame,
    quantity: str,
    estimator: str,
    bound: str,
    layers: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rows of a quantity and of some layers."""
    rows = estimator_rows(table, estimator, quantity_name(estimator, quantity, bound))
    return rows if layers is None else rows[rows["layer"].isin(list(layers))]


def _y_limits(ax: Axes, rows: pd.DataFrame, ceilings: Sequence[float]) -> list[Artist]:
    """Room for all values and labels; Kraskov's zero-radius values do not stretch the axis."""
    values = rows["bits"]
    if family(values_of(rows, "estimator")[0]) == "entropy" and not rows["hollow"].all():
        values = values[~rows["hollow"]]
    ax.set_ylim(padded([*values, *ceilings], 0.12))
    return say_outside(ax, rows["bits"].between(*ax.get_ylim()))


def _ceilings(rows: pd.DataFrame, quantity: str, estimator: str) -> dict[float, str]:
    """What the quantity cannot pass [bits], with its label; empty where there is nothing."""
    if quantity == "I_TY":
        heights = {round(float(h), 6) for h in values_of(rows, "label_entropy")}
        return {height: f"H(Y) = {height:.3g}" for height in sorted(heights)}
    if family(estimator) != "information":
        return {}
    heights = [float(np.log2(p)) for p in values_of(rows, "n_samples")]
    return {height: rf"$\log_2 P$ = {height:.3g}" for height in heights}


def _trend(ax: Axes, rows: pd.DataFrame, look: LayerStyle, line: str) -> list[Artist]:
    """One layer: band over seeds, mean line, markers."""
    groups = rows.groupby("epoch")["bits"]
    epochs = groups.mean().index.to_numpy()
    mean = groups.mean().to_numpy()
    artists: list[Artist] = []
    if n_seeds(rows) > 1:
        band = {"color": look.colour, "alpha": 0.18, "linewidth": 0}
        artists.append(ax.fill_between(epochs, groups.min(), groups.max(), **band))
    artists += ax.plot(epochs, mean, color=look.colour, ls=line)
    hollow = rows.groupby("epoch")["hollow"].mean().to_numpy() >= 0.5
    marked = _spaced(epochs)
    faces = [("white" if empty else look.colour) for empty in hollow[marked]]
    mark = {"marker": look.marker, "s": 14, "facecolors": faces, "edgecolors": look.colour}
    artists.append(ax.scatter(epochs[marked], mean[marked], linewidths=0.9, zorder=3, **mark))
    return artists


def _spaced(epochs: np.ndarray, most: int = 12) -> np.ndarray:
    """Indices of at most about a dozen epochs, evenly spaced on the log axis."""
    place = np.log10(epochs + 0.5)
    wanted = np.linspace(place[0], place[-1], most)
    return np.unique([np.abs(place - at).argmin() for at in wanted])


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

    Parameters
    ----------
    table : DataFrame
        Plane table; whatever is in neither ``rows`` nor ``columns`` must have one value.
    rows, columns : str or None
        Table columns that make the rows and columns of panels.
    quantity : {"I_XT", "I_TY"}
        What to draw.
    bound : {"upper", "lower"}
        Which KDE value.
    title : str
        Above all panels.
    panel : tuple of float
        Width and height of a panel [inch].
    """
    grid = facets(table, rows, columns, bound)
    styles = layer_styles(values_of(table, "layer"))
    drawn, by_family = [], {}
    with panels(grid[-1].row + 1, grid[-1].column + 1, panel=panel) as (figure, axes):
        for facet in grid:
            ax = axes[facet.row, facet.column]
            ax.set_title(facet.title)
            names = values_of(facet.table, "estimator")
            if not names:
                say_missing(ax)
                continue
            require_one(facet.table[["estimator"]])
            chosen = {"quantity": quantity, "estimator": names[0], "bound": bound}
            plot_over_epochs(ax, facet.table, styles=styles, **chosen)
            drawn.append(shown_rows(facet.table, **chosen))
            by_family.setdefault(family(names[0]), []).append(ax)
        for same in by_family.values():
            share_y(same)
        seeds_legend(figure, layer_handles(styles, coloured=True), drawn)
        figure.suptitle(title or None)
    return figure


def share_y(axes: Sequence[Axes]) -> None:
    """Give axes that show the same quantity the same y limits."""
    limits = [ax.get_ylim() for ax in axes]
    for ax in axes:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def seeds_legend(figure: Figure, handles: list, drawn: Sequence[pd.DataFrame]) -> None:
    """Layers, the meaning of line, band and hollow markers, and the note about the data."""
    counts = [n_seeds(rows) for rows in drawn]
    if max(counts, default=0) > 1:
        handles.append(Line2D([], [], color="0.4", label=f"mean, {seeds_text(counts)}"))
        handles.append(Patch(color="0.4", alpha=0.25, lw=0, label="lowest to highest seed"))
    figure_legend(figure, [*handles, *hollow_handles(drawn)], data_note(pd.concat(drawn)))
