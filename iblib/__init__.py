"""iblib: measure I(X;T) and I(T;Y) of neural networks, and replicate the debate about them.

``import iblib`` loads nothing heavy; the names below load their room when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers
    from iblib.config import Binning, MeasureConfig
    from iblib.estimators import exact_information, measure, permutation_test, quantise
    from iblib.information_plane import measure_model
    from iblib.plotting import over_epochs_grid, plane_grid, plane_player, plot_plane, save_figure
    from iblib.summaries import select
    from iblib.training import Checkpoints

__version__ = "0.2.0"

_ROOMS = {
    "config": ("Binning", "MeasureConfig"),
    "estimators": ("exact_information", "measure", "permutation_test", "quantise"),
    "information_plane": ("measure_model",),
    "plotting": ("over_epochs_grid", "plane_grid", "plane_player", "plot_plane", "save_figure"),
    "summaries": ("select",),
    "training": ("Checkpoints",),
}

__all__ = [
    "Binning", "Checkpoints", "MeasureConfig", "__version__", "exact_information", "measure",
    "measure_model", "over_epochs_grid", "permutation_test", "plane_grid", "plane_player",
    "plot_plane", "quantise", "save_figure", "select",
]  # fmt: skip


def __getattr__(name: str):
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"iblib.{room}"), name)
    raise AttributeError(f"module 'iblib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
