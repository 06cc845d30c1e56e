"""Histograms, falls, gradients and settings side by side: numbers, scales and counts of seeds."""

import numpy as np
import pandas as pd
import pytest
from plotting_tables import EPOCHS, history_table, legend_texts, plane_table

from iblib.plotting.style import layer_styles
from study.plots import (
    activity_figure,
    cases_figure,
    exact_figure,
    falls_grid,
    gradients_figure,
    minimal_model_figure,
    modes_figure,
)
from study.plots.activity import plot_falls, plot_histogram_map, plot_seeds
from study.plots.causes import plot_signal_to_noise

LAYERS = ["hidden1", "hidden2"]
EDGES, SHARES = np.linspace(-1, 1, 5), np.full((3, 4), 0.25)


def rows_of(layers=LAYERS, epochs=(0, 3, 30), seeds=(0, 1), **columns):
    keys = [
        {"activation": name, "seed": seed, "epoch": epoch, "layer": layer}
        for name in ("tanh", "relu")
        for seed in seeds
        for epoch in epochs
        for layer in layers
    ]
    return pd.DataFrame(keys).assign(**columns)


def test_seeds_are_thin_lines_and_their_mean_a_thick_one(ax):
    table = pd.DataFrame({"seed": [0, 0, 1, 1], "epoch": [0, 1, 0, 1], "v": [1.0, 2.0, 3.0, 4.0]})
    *thin, mean = plot_seeds(ax, table, "v")
    assert len(thin) == 2
    assert max(line.get_linewidth() for line in thin) < mean.get_linewidth()
    assert mean.get_ydata().tolist() == [2.0, 3.0]
    assert len(plot_seeds(ax, table[table["seed"] == 0], "v")) == 1


def test_histogram_map_covers_every_epoch_and_bin(ax):
    mesh = plot_histogram_map(ax, SHARES, EDGES, [0, 3, 30])
    borders = mesh.get_coordinates()[0, :, 0]
    assert borders[0] < 0 < borders[1] < 3 < borders[2] < 30 < borders[3]
    assert plot_histogram_map(ax, SHARES[:1], EDGES, [0]).get_array().shape == (4, 1)
    with pytest.raises(ValueError, match=r"shares must have shape .* \(2, 4\)"):
        plot_histogram_map(ax, SHARES, EDGES, [0, 3])


def test_activity_figure_counts_its_seeds_and_no_patterns():
    names = [f"{name}-{layer}" for name in ("tanh", "relu") for layer in LAYERS]
    arrays = dict.fromkeys(names, SHARES) | {f"{name}-edges": EDGES for name in names}
    arrays |= {f"{name}-epochs": np.array([0, 3, 30]) for name in ("tanh", "relu")}
    units = rows_of(at_bounds=0.25, zero=0.5)
    more = units[units["activation"] == "relu"].assign(seed=2)
    curves = {"tanh": "at_bounds", "relu": "zero"}
    figure = activity_figure(arrays, pd.concat([units, more]), curves)
    assert figure.legends[0].get_title().get_text().startswith("n = 2 to 3 seeds;")
    assert legend_texts(figure) == LAYERS


def test_minimal_models_panels_have_one_scale():
    shares = {0.5: np.full(30, 1 / 30), 10.0: np.eye(30)[0]}
    figure = minimal_model_figure(shares, {"tanh": [1, 2], "relu": [1, 3]}, [0.1, 1.0])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[-1].get_ylabel() == "I(X;T) [bits]"


def test_falls_are_a_dot_a_seed_and_a_bar_at_the_mean(ax):
    falls = rows_of(epochs=(30,), seeds=(0, 1, 2), convention="KDE")
    falls["fall"] = 0.1 * falls["seed"]
    dots, bar, *_ = plot_falls(ax, falls[falls["activation"] == "tanh"], layer_styles(LAYERS))
    np.testing.assert_allclose(dots.get_offsets()[:, 1], [0.0, 0.1, 0.2])
    np.testing.assert_allclose(bar.get_ydata(), 0.1)
    figure = falls_grid(falls)
    assert len({one.get_ylim() for one in figure.axes}) == 1
    assert legend_texts(figure) == ["one seed", "mean, n = 3 seeds"]


def test_signal_to_noise_is_logarithmic_with_a_line_at_1(ax):
    one = rows_of(snr=2.0).query("activation == 'tanh'")
    line, *_ = plot_signal_to_noise(ax, one, layer_styles(LAYERS))
    assert ax.get_yscale() == "log"
    assert line.get_ydata() == [1.0, 1.0]


def test_gradients_stand_above_the_layers_they_lead_to_and_count_all_seeds():
    gradients = rows_of(("layer1", "layer2", "layer3"), seeds=(0, 1, 2), snr=2.0)
    planes = plane_table(estimators=("binning",), layers=LAYERS)
    few = planes[(planes["activation"] == "tanh") | (planes["seed"] == 0)]
    figure = gradients_figure(gradients, few)
    assert legend_texts(figure) == [
        *("layer1 → hidden1", "layer2 → hidden2", "layer3 → output", "mean, n = 1 to 3 seeds")
    ]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_modes_are_compared_by_epoch_and_by_update():
    table = plane_table(estimators=("binning",), layers=["hidden5"])
    table = table[table["quantity"] == "I_XT"].assign(batch_mode="mini-batch")
    full = table[table["seed"] == 0].assign(batch_mode="full batch", run="full")
    updates = [table.assign(updates=13 * table["epoch"]), full.assign(updates=full["epoch"])]
    figure = modes_figure(pd.concat(updates))
    assert [ax.get_xlabel() for ax in figure.axes] == ["epoch", "updates"] * 2
    seeds = ["mini-batch: mean, n = 3 seeds", "full batch: mean, n = 1 seed"]
    assert legend_texts(figure)[:2] == seeds


def test_cases_stand_side_by_side_on_equal_scales():
    planes, history = plane_table(estimators=("binning",), layers=LAYERS), history_table()
    history = history[history["batch_mode"] == "mini-batch"]
    cases = {
        name: tuple(t[t["activation"] == name] for t in (planes, history))
        for name in ("tanh", "relu")
    }
    figure = cases_figure(cases)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert [ax.get_ylabel() for ax in figure.axes[2::2]] == ["accuracy", "loss"]
    assert "mean, n = 3 seeds; band: range" in legend_texts(figure)


def test_exact_figure_has_a_column_a_case():
    table = pd.DataFrame({"seed": 0, "epoch": EPOCHS, "I": 1.0, "a": 2.0, "b": 3.0})
    rows = [{"I": "I(X;T)"}, {"a": "training", "b": "test"}]
    figure = exact_figure({"few": table, "many": table}, rows, ["bits", "error"])
    assert [len(ax.lines) for ax in figure.axes] == [1, 1, 2, 2]
    assert [ax.get_ylabel() for ax in figure.axes] == ["bits", "", "error", ""]
