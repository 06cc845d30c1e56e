"""Figures: tables in, matplotlib figures and epoch sliders out."""

from iblib.extras import extra

with extra("plot"):
    from iblib.plotting.interactive import EpochPlayer, plane_player
    from iblib.plotting.planes import over_epochs_grid, plane_grid, plot_plane
    from iblib.plotting.style import panels, reference_line, save_figure

__all__ = [
    "EpochPlayer",
    "over_epochs_grid",
    "panels",
    "plane_grid",
    "plane_player",
    "plot_plane",
    "reference_line",
    "save_figure",
]
