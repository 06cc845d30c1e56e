"""Bits of every layer against the epoch."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from iblib.names import estimator_named
from iblib.plotting.planes import hollow_handles, mean_told, padded
from iblib.plotting.style import (
    LayerStyle,
    epoch_axis,
    figure_legend,
    filled_panels,
    layer_handles,
    layer_styles,
    marks,
    panels,
    reference_line,
    say_outside,
)
from iblib.plotting.tables import (
    ceilings,
    data_note,
    estimator_rows,
    facets,
    n_seeds,
    require_one,
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
) -> None:
    """Draw I(X;T) or I(T;Y) [bits] of every layer against the epoch, on a log axis with epoch 0.

    ``table`` holds one configuration; for Kraskov and the pooled histogram H(T) stands for I(X;T).
    By layer: the band from the lowest to the highest seed (several seeds), the mean line, and the
    means' markers (hollow where saturated, or for Kraskov with zero-radius samples). ``layers``
    chooses and orders the layers, ``styles`` their colours and markers where panels must agree;
    ``ceiling``: draw log2 P or H(Y).
    """
    rows, known = estimator_rows(table, estimator, quantity, bound), estimator_named(estimator)
    rows = rows if layers is None else rows[rows["layer"].isin(list(layers))]
    require_one(rows)
    styles = styles or layer_styles(layers or values_of(rows, "layer"))
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
        seeds_legend(figure, layer_handles(styles, coloured=True), drawn)
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


def seeds_legend(figure: Figure, handles: list, drawn: Sequence[pd.DataFrame]) -> None:
    """Layers, the meaning of line, band and hollow markers, and the note about the data."""
    handles = [*handles, *seed_handles(drawn), *hollow_handles(drawn)]
    figure_legend(figure, handles, data_note(pd.concat(drawn)))
