"""Figures: tables in, matplotlib artists, figures and epoch sliders out."""

from iblib.extras import extra

with extra("plot"):
    from iblib.plotting.interactive import EpochPlayer, plane_player
    from iblib.plotting.over_epochs import over_epochs_grid, plot_over_epochs
    from iblib.plotting.planes import PlaneLimits, plane_grid, plane_limits, plot_plane
    from iblib.plotting.style import (
        epoch_colour_bar,
        epoch_colours,
        epoch_norm,
        layer_styles,
        panels,
        reference_line,
        save_figure,
        style,
    )
    from iblib.plotting.tables import plane_points

__all__ = [
    "EpochPlayer",
    "PlaneLimits",
    "epoch_colour_bar",
    "epoch_colours",
    "epoch_norm",
    "layer_styles",
    "over_epochs_grid",
    "panels",
    "plane_grid",
    "plane_limits",
    "plane_player",
    "plane_points",
    "plot_over_epochs",
    "plot_plane",
    "reference_line",
    "save_figure",
    "style",
]
