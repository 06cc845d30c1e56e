"""Figures: tables and arrays in, matplotlib artists, figures and epoch sliders out."""

from iblib.plotting.activity import (
    activity_figure,
    falls_grid,
    minimal_model_figure,
    plot_falls,
    plot_histogram_map,
    plot_seeds,
)
from iblib.plotting.bounds import bounds_grid, plot_bounds, plot_sweep, sweep_grid
from iblib.plotting.causes import (
    cases_figure,
    exact_figure,
    gradients_figure,
    modes_figure,
    plot_signal_to_noise,
)
from iblib.plotting.comparisons import (
    compared_grid,
    filter_planes_grid,
    plot_compared,
    plot_filter_planes,
)
from iblib.plotting.curves import (
    learning_curves_grid,
    plot_against_truth,
    plot_class_shares,
    plot_learning_curves,
)
from iblib.plotting.entropies import (
    few_duplicates,
    layer_panels,
    map_panels,
    networks_grid,
    per_unit,
    zero_radius_bars,
)
from iblib.plotting.evidence import (
    compression_gap_figure,
    geometry_figure,
    plot_compression_and_gap,
    plot_shares,
    plot_sweep_of_falls,
    shares_figure,
)
from iblib.plotting.explorer import PlaneExplorer, plane_explorer
from iblib.plotting.interactive import EpochPlayer
from iblib.plotting.matrices import (
    accuracies_figure,
    confusion_counts,
    confusion_grid,
    plot_accuracies,
    plot_confusion,
)
from iblib.plotting.orders import layer_points, order_correlations, order_grid
from iblib.plotting.planes import PlaneLimits, plane_grid, plane_limits, plot_plane
from iblib.plotting.players import feature_map_player, histogram_player, plane_player
from iblib.plotting.pooling import before_after_filters, before_after_sweep, filters_before_after
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
    "accuracies_figure",
    "activity_figure",
    "before_after_filters",
    "before_after_sweep",
    "bounds_grid",
    "cases_figure",
    "compared_grid",
    "compression_gap_figure",
    "confusion_counts",
    "confusion_grid",
    "epoch_colour_bar",
    "epoch_colours",
    "epoch_norm",
    "exact_figure",
    "falls_grid",
    "feature_map_grid",
    "feature_map_player",
    "few_duplicates",
    "filter_planes_grid",
    "filters_before_after",
    "filters_figure",
    "geometry_figure",
    "gradients_figure",
    "histogram_player",
    "layer_panels",
    "layer_points",
    "layer_styles",
    "learning_curves_grid",
    "map_panels",
    "minimal_model_figure",
    "modes_figure",
    "networks_grid",
    "order_correlations",
    "order_grid",
    "over_epochs_grid",
    "panels",
    "per_unit",
    "plane_explorer",
    "plane_grid",
    "plane_limits",
    "plane_player",
    "plane_points",
    "plot_accuracies",
    "plot_against_truth",
    "plot_bounds",
    "plot_class_shares",
    "plot_compared",
    "plot_compression_and_gap",
    "plot_confusion",
    "plot_falls",
    "plot_feature_maps",
    "plot_filter_planes",
    "plot_histogram_map",
    "plot_learning_curves",
    "plot_over_epochs",
    "plot_plane",
    "plot_seeds",
    "plot_shares",
    "plot_signal_to_noise",
    "plot_spectrogram",
    "plot_sweep",
    "plot_sweep_of_falls",
    "plot_waveform",
    "pooling_figure",
    "reference_line",
    "save_figure",
    "shares_figure",
    "spectrogram_grid",
    "style",
    "sweep_grid",
    "waveform_grid",
    "zero_radius_bars",
]
