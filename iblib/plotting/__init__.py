"""Figures: tables and arrays in, matplotlib artists, figures and epoch sliders out."""

from iblib.plotting.curves import (
    learning_curves_grid,
    plot_against_truth,
    plot_class_shares,
    plot_learning_curves,
)
from iblib.plotting.explorer import PlaneExplorer, plane_explorer
from iblib.plotting.interactive import EpochPlayer, plane_player
from iblib.plotting.planes import PlaneLimits, plane_grid, plane_limits, plot_plane
from iblib.plotting.spectrograms import (
    feature_map_grid,
    plot_feature_maps,
    plot_spectrogram,
    plot_waveform,
    spectrogram_grid,
    waveform_grid,
)
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
from iblib.plotting.trends import (
    filters_figure,
    over_epochs_grid,
    plot_over_epochs,
    pooling_figure,
)

__all__ = [
    "EpochPlayer",
    "PlaneExplorer",
    "PlaneLimits",
    "epoch_colour_bar",
    "epoch_colours",
    "epoch_norm",
    "feature_map_grid",
    "filters_figure",
    "layer_styles",
    "learning_curves_grid",
    "over_epochs_grid",
    "panels",
    "plane_explorer",
    "plane_grid",
    "plane_limits",
    "plane_player",
    "plane_points",
    "plot_against_truth",
    "plot_class_shares",
    "plot_feature_maps",
    "plot_learning_curves",
    "plot_over_epochs",
    "plot_plane",
    "plot_spectrogram",
    "plot_waveform",
    "pooling_figure",
    "reference_line",
    "save_figure",
    "spectrogram_grid",
    "style",
    "waveform_grid",
]
