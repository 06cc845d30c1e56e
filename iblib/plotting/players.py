"""Epoch player of information planes."""

import pandas as pd

from iblib.names import estimator_named
from iblib.plotting.interactive import EpochPlayer
from iblib.plotting.planes import plane_limits
from iblib.plotting.scenes import Panel, plane_scene
from iblib.plotting.tables import facets
from iblib.summaries import select


def plane_player(
    table: pd.DataFrame,
    history: pd.DataFrame | None = None,
    *,
    estimator: str,
    bound: str = "upper",
    columns: str | None = "activation",
    ways: str = "layer",
    title: str = "",
    dpi: int = 88,
    **options,
) -> EpochPlayer:
    """Information planes with a slider: each frame shows one measured epoch and the way to it.

    Colour is the layer (or the filter), the faint line its way so far, hollow points are saturated.

    Parameters
    ----------
    table : DataFrame
        Plane table; what is neither in ``columns`` nor in ``ways`` must have one value.
    history : DataFrame, optional
        Learning curves (``run``, ``seed``, ``epoch``, ``split``, ``accuracy``), for a small panel
        of accuracies below each plane.
    estimator : str
        One of the table's.
    bound : {"upper", "lower"}
        Which KDE value.
    columns : str or None
        Table column that makes panels side by side.
    ways : {"layer", "channel"}
        Every layer, or every filter of one layer.
    title : str
        Above the panels; by default the estimator.
    dpi : int
        Resolution.
    **options
        Passed to `EpochPlayer.from_scene`.

    Returns
    -------
    EpochPlayer
        One frame per epoch; limits and colours are those of the whole table in every frame.
    """
    measured = select(table, estimator=estimator)
    limits = plane_limits(measured, estimator, bound)
    shown = [
        Panel(facet.title, facet.table, estimator, bound, limits)
        for facet in facets(measured, None, columns, bound)
    ]
    title = title or f"Information plane, {estimator_named(estimator).shown(bound)}"
    scene = plane_scene(shown, history, ways=ways, title=title, dpi=dpi)
    return EpochPlayer.from_scene(scene, title, **options)
