"""Figures of this report alone: tables and arrays in, matplotlib figures out."""

from study.plots.activity import (
    activity_figure,
    falls_grid,
    minimal_model_figure,
    plot_falls,
    plot_histogram_map,
    plot_seeds,
)
from study.plots.bounds import bounds_grid, plot_bounds, plot_sweep, sweep_grid
from study.plots.causes import (
    cases_figure,
    exact_figure,
    gradients_figure,
    modes_figure,
    plot_signal_to_noise,
)
from study.plots.comparisons import (
    compared_grid,
    filter_planes_grid,
    plot_compared,
    plot_filter_planes,
)
from study.plots.curves import (
    learning_curves_grid,
    plot_against_truth,
    plot_class_shares,
    plot_learning_curves,
)
from study.plots.entropies import (
    few_duplicates,
    layer_panels,
    map_panels,
    networks_grid,
    per_unit,
    zero_radius_bars,
)
from study.plots.evidence import (
    compression_gap_figure,
    geometry_figure,
    plot_compression_and_gap,
    plot_shares,
    plot_sweep_of_falls,
    shares_figure,
)
from study.plots.explorer import PlaneExplorer, plane_explorer
from study.plots.matrices import (
    accuracies_figure,
    confusion_counts,
    confusion_grid,
    plot_accuracies,
    plot_confusion,
)
from study.plots.orders import layer_points, order_correlations, order_grid
from study.plots.players import feature_map_player, histogram_player
from study.plots.pooling import (
    before_after_filters,
    before_after_sweep,
    filters_before_after,
    pooling_figure,
)
from study.plots.spectrograms import (
    feature_map_grid,
    plot_feature_maps,
    plot_spectrogram,
    plot_waveform,
    spectrogram_grid,
)

__all__ = [
    "PlaneExplorer",
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
    "exact_figure",
    "falls_grid",
    "feature_map_grid",
    "feature_map_player",
    "few_duplicates",
    "filter_planes_grid",
    "filters_before_after",
    "geometry_figure",
    "gradients_figure",
    "histogram_player",
    "layer_panels",
    "layer_points",
    "learning_curves_grid",
    "map_panels",
    "minimal_model_figure",
    "modes_figure",
    "networks_grid",
    "order_correlations",
    "order_grid",
    "per_unit",
    "plane_explorer",
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
    "plot_seeds",
    "plot_shares",
    "plot_signal_to_noise",
    "plot_spectrogram",
    "plot_sweep",
    "plot_sweep_of_falls",
    "plot_waveform",
    "pooling_figure",
    "shares_figure",
    "spectrogram_grid",
    "sweep_grid",
    "zero_radius_bars",
]
