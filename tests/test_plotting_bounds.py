"""Bands of bounds, sweeps, settings compared, planes of filters: structure, not pixels."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from plotting_tables import legend_texts, plane_table, texts

from iblib.plotting.planes import plane_limits
from iblib.plotting.style import epoch_norm, layer_styles
from iblib.plotting.tables import plane_points
from iblib.summaries import select
from study.plots import bounds_grid, compared_grid, filter_planes_grid, sweep_grid
from study.plots.bounds import plot_bounds, plot_sweep
from study.plots.comparisons import plot_compared, plot_filter_planes

LAYERS = ("block1", "output")
EPOCHS = (0, 1, 3, 10, 30)


@pytest.fixture(scope="module")
def kde():
    return plane_table(estimators=("kde",), layers=LAYERS, epochs=EPOCHS)


@pytest.fixture(scope="module")
def modes():
    """SGD with 20 updates an epoch to epoch 30, the full batch with one to epoch 10."""
    table = plane_table(estimators=("binning",), layers=LAYERS, epochs=EPOCHS)
    full = table[(table["seed"] < 2) & (table["epoch"] <= 10)].assign(batch_mode="full batch")
    full["run"] += "full"
    full["updates"] = full["epoch"]
    both = pd.concat([table.assign(updates=20 * table["epoch"]), full])
    return both.reset_index(drop=True)


@pytest.fixture(scope="module")
def sweep():
    """Two noises of each kind."""
    parts = []
    for estimator, parameter, values in (
        ("kde", "noise_variance", (0.01, 0.1)),
        ("kde_relative", "relative_noise", (0.1, 0.3)),
    ):
        for value in values:
            part = plane_table(estimators=("kde",), layers=LAYERS, epochs=(0, 30), seeds=(0,))
            part["bits"] *= 1 - value
            parts.append(part.assign(estimator=estimator, parameter=parameter, value=value))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def filters():
    return plane_table(
        estimators=("binning",),
        layers=LAYERS,
        epochs=EPOCHS,
        seeds=(0,),
        view="filter_mean",
        channels=range(4),
    )


def test_band_lies_between_the_means_of_the_two_bounds(kde, ax):
    layer = select(kde, activation="tanh", layer="block1")
    artists = plot_bounds(ax, layer)
    lower, upper = (artist.get_ydata() for artist in ax.lines[1:3])
    wanted = layer[layer["quantity"] == "I_XT_upper"].groupby("epoch")["bits"].mean()
    np.testing.assert_allclose(upper, wanted)
    np.testing.assert_allclose(lower, 0.8 * wanted)
    thin = [a for a in artists if isinstance(a, LineCollection)]
    assert [len(a.get_segments()) for a in thin] == [3] * 4
    assert texts(ax) == [r"$\log_2 P$ = 10", "H(Y) = 1"]


def test_bounds_refuse_two_layers_and_two_activations(kde, ax):
    with pytest.raises(ValueError, match="layer must have one value"):
        plot_bounds(ax, select(kde, activation="tanh"))
    with pytest.raises(ValueError, match="activation must have one value"):
        plot_bounds(ax, select(kde, layer="block1"))


def test_grid_of_bounds_has_a_panel_a_layer_and_equal_limits(kde):
    figure = bounds_grid(kde, title="bounds")
    assert len(figure.axes) == 2 * len(LAYERS)
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert "mean, n = 3 seeds" in legend_texts(figure)
    assert figure.get_suptitle() == "bounds"


def test_sweep_draws_each_layer_against_the_parameter(sweep, ax):
    last = select(sweep, activation="tanh", epoch=30, estimator="kde_relative")
    plot_sweep(ax, last, "kde_relative", layer_styles(LAYERS))
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "relative noise"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "0.3"]
    assert len(ax.lines) == 1 + len(LAYERS)


def test_sweeps_share_their_limits(sweep):
    axes = sweep_grid(select(sweep, epoch=30)).axes
    assert len({ax.get_ylim() for ax in axes}) == 1 < len(axes)


def test_compared_settings_have_a_line_each(modes, ax):
    layer = select(modes, activation="tanh", layer="block1")
    artists = plot_compared(ax, layer, by="batch_mode", x="updates", until=10)
    thin = [a for a in artists if isinstance(a, LineCollection)]
    assert [len(a.get_segments()) for a in thin] == [3, 2]
    assert ax.get_xlabel() == "updates"
    assert [list(line.get_xdata()) for line in ax.lines[1:]] == [[0], [0, 1, 3, 10]]


def test_comparison_ends_where_the_shorter_one_does(modes):
    figure = compared_grid(modes, by="batch_mode", x=("epoch", "updates"))
    last = [max(line.get_xdata().max() for line in ax.lines[1:]) for ax in figure.axes]
    assert set(last) == {10}
    assert [figure.axes[i].get_xlabel() for i in (0, -1)] == ["epoch", "updates"]
    assert legend_texts(figure)[:3] == ["mini-batch", "full batch", "mean, n = 2 to 3 seeds"]


def test_compared_numbers_get_dark_to_light_in_order(sweep):
    figure = compared_grid(
        select(sweep, estimator="kde"), by="value", estimator="kde", label="s² = {}"
    )
    assert legend_texts(figure)[:2] == ["s² = 0.01", "s² = 0.1"]
    dark, light = (sum(line.get_color()[:3]) for line in figure.axes[0].lines[1:])
    assert dark < light


def test_compared_quantities_have_limits_of_their_own(modes):
    figure = compared_grid(modes, by="activation", rows="batch_mode", quantities=("I_XT", "I_TY"))
    limits = [ax.get_ylim() for ax in figure.axes]
    assert len(set(limits[: 2 * len(LAYERS)])) == len(set(limits[2 * len(LAYERS) :])) == 1
    assert limits[0] != limits[-1]


def test_filters_are_compared_by_their_median(filters, ax):
    layer = select(filters, activation="tanh", layer="block1")
    plot_compared(ax, layer, by="batch_mode")
    wanted = layer[layer["quantity"] == "I_XT"].groupby("epoch")["bits"].median()
    np.testing.assert_allclose(ax.lines[1].get_ydata(), wanted)


def test_filter_plane_has_a_way_a_filter_and_hollow_points_where_saturated(filters, ax):
    layer = select(filters, activation="tanh", layer="block1").copy()
    layer.loc[layer["channel"] == 2, "saturated"] = True
    limits, norm = plane_limits(filters, "binning"), epoch_norm(EPOCHS)
    artists = plot_filter_planes(ax, plane_points(layer, "binning"), limits=limits, norm=norm)
    (ways,) = [a for a in artists if isinstance(a, LineCollection)]
    assert len(ways.get_segments()) == 4
    filled, hollow = [a for a in artists if isinstance(a, PathCollection)]
    assert len(filled.get_offsets()) == 3 * len(EPOCHS)
    assert len(hollow.get_offsets()) == len(EPOCHS)
    np.testing.assert_allclose(hollow.get_facecolor(), [[1, 1, 1, 1]])
    assert ax.get_xlim() == pytest.approx(limits.x)


def test_filter_planes_share_limits_and_say_what_was_not_measured(filters):
    part = filters[(filters["activation"] == "tanh") | (filters["layer"] == "block1")]
    axes = filter_planes_grid(part).axes
    assert axes[0].get_title() == "tanh, block1, 4 filters"
    assert axes[0].get_xlim() == axes[2].get_xlim()
    assert texts(axes[3]) == ["not measured"]
