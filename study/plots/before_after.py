"""I(X;T) and I(T;Y) over epochs, just before and just after a pooling layer."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iblib.plotting.over_epochs import plot_over_epochs, seeds_legend, share_y, shown_rows
from iblib.plotting.style import OKABE_ITO, LayerStyle, layer_handles, panels
from iblib.plotting.tables import estimator_label, facets, select


def pooling_figure(
    table: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    estimator: str = "kde",
    bound: str = "upper",
    view: str = "layer",
    rows: str | None = "activation",
    title: str = "",
) -> Figure:
    """What pooling does to I(X;T) and I(T;Y) [bits]: the tensors just before and just after it.

    Parameters
    ----------
    table : DataFrame
        Plane table with the layers of ``pairs``.
    pairs : sequence of (str, str)
        Layer names before and after each pooling layer.
    estimator, bound, view : str
        Which measurement.
    rows : str or None
        Table column that makes the rows of panels.
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
    grid = facets(chosen, rows, None, bound)
    columns = [(pair, quantity) for quantity in ("I_XT", "I_TY") for pair in pairs]
    drawn, by_quantity = [], {}
    with panels(len(grid), len(columns), panel=(2.4, 2.0)) as (figure, axes):
        for facet in grid:
            for j, (pair, quantity) in enumerate(columns):
                ax = axes[facet.row, j]
                _pooling_panel(ax, facet.table, pair, quantity, estimator, bound)
                ax.set_title(", ".join(filter(None, [facet.title, f"{pair[0]} → {pair[1]}"])))
                by_quantity.setdefault(quantity, []).append(ax)
                chosen_rows = {"quantity": quantity, "estimator": estimator, "bound": bound}
                drawn.append(shown_rows(facet.table, **chosen_rows))
        for same in by_quantity.values():
            share_y(same)
        names = {"before pooling": _BEFORE, "after pooling": _AFTER}
        seeds_legend(figure, layer_handles(names, coloured=True), drawn)
        figure.suptitle(title or estimator_label(estimator, bound))
    return figure


_BEFORE, _AFTER = LayerStyle(OKABE_ITO[0], "o"), LayerStyle(OKABE_ITO[1], "s")


def _pooling_panel(
    ax: Axes,
    table: pd.DataFrame,
    pair: tuple[str, str],
    quantity: str,
    estimator: str,
    bound: str,
) -> None:
    """One quantity before and after one pooling layer."""
    styles = dict(zip(pair, (_BEFORE, _AFTER), strict=True))
    chosen = {"quantity": quantity, "estimator": estimator, "bound": bound}
    plot_over_epochs(ax, table, layers=pair, styles=styles, **chosen)
