"""Figures of this report alone: tables and arrays in, matplotlib figures out.

Everywhere ``ax`` is where to draw, ``title`` what stands above all panels, and ``panel`` the width
and height of one panel [inch].
"""

from study.plots.activity import activity_figure, falls_grid, minimal_model_figure
from study.plots.bounds import bounds_grid, sweep_grid
from study.plots.causes import cases_figure, exact_figure, gradients_figure, modes_figure
from study.plots.comparisons import compared_grid, filter_planes_grid
from study.plots.curves import learning_curves_grid, plot_against_truth, plot_class_shares
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
    plot_sweep_of_falls,
    shares_figure,
)
from study.plots.explorer import plane_explorer
from study.plots.matrices import accuracies_figure, confusion_grid
from study.plots.orders import layer_points, order_correlations, order_grid
from study.plots.players import feature_map_player, histogram_player
from study.plots.pooling import (
    before_after_filters,
    before_after_sweep,
    filters_before_after,
    pooling_figure,
)
from study.plots.spectrograms import feature_map_grid, plot_waveform, spectrogram_grid

__all__ = [
    "accuracies_figure",
    "activity_figure",
    "before_after_filters",
    "before_after_sweep",
    "bounds_grid",
    "cases_figure",
    "compared_grid",
    "compression_gap_figure",
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
    "plot_against_truth",
    "plot_class_shares",
    "plot_sweep_of_falls",
    "plot_waveform",
    "pooling_figure",
    "shares_figure",
    "spectrogram_grid",
    "sweep_grid",
    "zero_radius_bars",
]
