"""Histograms, falls, gradients and settings side by side: structure, not pixels."""

import numpy as np
import pandas as pd
import pytest
from plotting_tables import EPOCHS, history_table, plane_table

from iblib.plotting import layer_styles, panels
from study.plots import (
    activity_figure,
    cases_figure,
    exact_figure,
    falls_grid,
    gradients_figure,
    minimal_model_figure,
    modes_figure,
    plot_falls,
    plot_histogram_map,
    plot_seeds,
    plot_signal_to_noise,
)

LAYERS = ["hidden1", "hidden2"]


def labels_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.fixture
def units():
    rows = [
        {"activation": name, "seed": seed, "epoch": epoch, "layer": layer}
        for name in ("tanh", "relu")
        for seed in (0, 1)
        for epoch in (0, 3, 30)
        for layer in LAYERS
    ]
    return pd.DataFrame(rows).assign(saturated=0.25, zero=0.5, deviation=1.5)


@pytest.fixture
def arrays():
    out = {}
    for name in ("tanh", "relu"):
        out[f"{name}-epochs"] = np.array([0, 3, 30])
        for layer in LAYERS:
            out[f"{name}-{layer}"] = np.full((3, 4), 0.25)
            out[f"{name}-{layer}-edges"] = np.linspace(-1, 1, 5)
    return out


@pytest.fixture
def falls():
    rows = [
        ("KDE", name, layer, seed, 0.1 * seed + depth)
        for name in ("tanh", "relu")
        for depth, layer in enumerate(LAYERS)
        for seed in (0, 1, 2)
    ]
    return pd.DataFrame(rows, columns=["convention", "activation", "layer", "seed", "fall"])


@pytest.fixture
def gradients():
    rows = [
        {"activation": name, "seed": seed, "epoch": epoch, "layer": layer, "snr": 10 / (1 + epoch)}
        for name in ("tanh", "relu")
        for seed in (0, 1)
        for epoch in (0, 5, 50)
        for layer in ("layer1", "layer2", "layer3")
    ]
    return pd.DataFrame(rows)


def test_seeds_are_thin_lines_and_their_mean_a_thick_one():
    table = pd.DataFrame({"seed": [0, 0, 1, 1], "epoch": [0, 1, 0, 1], "v": [1.0, 2.0, 3.0, 4.0]})
    with panels() as (_, axes):
        *thin, mean = plot_seeds(axes[0, 0], table, "v", label="mean")
        assert len(plot_seeds(axes[0, 0], table[table["seed"] == 0], "v")) == 1
    assert len(thin) == 2
    assert max(line.get_linewidth() for line in thin) < mean.get_linewidth()
    assert mean.get_ydata().tolist() == [2.0, 3.0]
    assert mean.get_label() == "mean"


def test_histogram_map_covers_every_epoch_and_bin(arrays):
    key = "tanh-hidden1"
    with panels() as (_, axes):
        mesh = plot_histogram_map(axes[0, 0], arrays[key], arrays[f"{key}-edges"], [0, 3, 30])
        assert mesh.get_array().shape == (4, 3)
        assert axes[0, 0].get_xlabel() == "epoch"
        borders = mesh.get_coordinates()[0, :, 0]
        assert np.all(np.diff(borders) > 0)
        assert borders[1] < 3 < borders[2] < 30 < borders[3]
        with pytest.raises(ValueError, match=r"shares must have shape .* \(2, 4\)"):
            plot_histogram_map(axes[0, 0], arrays[key], arrays[f"{key}-edges"], [0, 3])


def test_histogram_map_of_the_untrained_network_alone(arrays):
    key = "tanh-hidden1"
    with panels() as (_, axes):
        mesh = plot_histogram_map(axes[0, 0], arrays[key][:1], arrays[f"{key}-edges"], [0])
    assert mesh.get_array().shape == (4, 1)


def test_activity_figure_has_a_row_an_activation_and_a_column_for_the_curves(arrays, units):
    figure = activity_figure(arrays, units, {"tanh": "saturated", "relu": "zero"})
    titles = [ax.get_title() for ax in figure.axes[:-1]]
    assert titles == [
        *("tanh, hidden1", "tanh, hidden2", "share of |T| > 0.95"),
        *("ReLU, hidden1", "ReLU, hidden2", "share of T = 0"),
    ]
    assert labels_of(figure) == LAYERS
    assert "n = 2 seeds" in figure.legends[0].get_title().get_text()


def test_minimal_model_has_a_panel_a_weight_and_the_curves():
    shares = {0.5: np.full(30, 1 / 30), 10.0: np.eye(30)[0]}
    figure = minimal_model_figure(shares, {"tanh": [1, 2], "relu": [1, 3]}, [0.1, 1.0])
    assert [ax.get_title() for ax in figure.axes] == [
        *("tanh, w = 0.5", "tanh, w = 10", "one neuron, exact")
    ]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[-1].get_ylabel() == "I(X;T) [bits]"
    assert [t.get_text() for t in figure.axes[-1].get_legend().get_texts()] == ["tanh", "ReLU"]


def test_falls_are_a_dot_a_seed_and_a_bar_at_the_mean(falls):
    one = falls[falls["activation"] == "tanh"]
    with panels() as (_, axes):
        dots, bar, *_ = plot_falls(axes[0, 0], one, layer_styles(LAYERS))
        assert [t.get_text() for t in axes[0, 0].get_xticklabels()] == ["1", "2"]
    np.testing.assert_allclose(dots.get_offsets()[:, 1], [0.0, 0.1, 0.2])
    np.testing.assert_allclose(bar.get_ydata(), 0.1)


def test_falls_grid_shares_its_scale_and_says_n(falls):
    figure = falls_grid(falls)
    assert [ax.get_title() for ax in figure.axes] == ["KDE, tanh", "KDE, ReLU"]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert figure.axes[0].get_ylabel() == "fall of I(X;T) [bits]"
    assert labels_of(figure) == ["one seed", "mean, n = 3 seeds"]


def test_signal_to_noise_is_logarithmic_with_a_line_at_1(gradients):
    one = gradients[gradients["activation"] == "tanh"]
    with panels() as (_, axes):
        line, *_ = plot_signal_to_noise(axes[0, 0], one, layer_styles(one["layer"]))
        assert axes[0, 0].get_yscale() == "log"
    assert line.get_ydata() == [1.0, 1.0]


def test_gradients_stand_above_the_layers_they_lead_to(gradients):
    planes = plane_table(estimators=("binning",), layers=LAYERS)
    figure = gradients_figure(gradients, planes)
    assert [ax.get_title() for ax in figure.axes] == [
        *("tanh: gradient", "ReLU: gradient", "tanh: layers", "ReLU: layers")
    ]
    assert labels_of(figure)[:3] == ["layer1 → hidden1", "layer2 → hidden2", "layer3 → output"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_modes_are_compared_by_epoch_and_by_update():
    table = plane_table(estimators=("binning",), layers=["hidden5"])
    table = table[table["quantity"] == "I_XT"]
    full = table[table["seed"] == 0].assign(batch_mode="BGD", run="full")
    both = pd.concat(
        [table.assign(updates=13 * table["epoch"]), full.assign(updates=full["epoch"])]
    )
    figure = modes_figure(both)
    assert [ax.get_xlabel() for ax in figure.axes] == ["epoch", "updates"] * 2
    assert [ax.get_title() for ax in figure.axes][::2] == ["tanh, by epoch", "ReLU, by epoch"]
    assert labels_of(figure)[:2] == [
        *("SGD, batches of 256: mean, n = 3 seeds", "full batch: mean, n = 1 seed")
    ]


def test_cases_stand_side_by_side_on_equal_scales():
    planes = plane_table(estimators=("binning",), layers=LAYERS)
    history = history_table()
    history = history[history["batch_mode"] == "SGD"]
    cases = {
        name: tuple(t[t["activation"] == name] for t in (planes, history))
        for name in ("tanh", "relu")
    }
    figure = cases_figure(cases)
    assert [ax.get_title() for ax in figure.axes] == ["tanh", "relu", *[""] * 4]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert [ax.get_ylabel() for ax in figure.axes[2::2]] == ["accuracy", "loss"]
    assert {"training", "test"} < set(labels_of(figure))


def test_exact_figure_has_a_column_a_case():
    table = pd.DataFrame({"seed": 0, "epoch": EPOCHS, "I": 1.0, "a": 2.0, "b": 3.0})
    rows = [{"I": "I(X;T)"}, {"a": "training", "b": "test"}]
    figure = exact_figure({"few": table, "many": table}, rows, ["bits", "error"])
    assert len(figure.axes) == 4
    assert [ax.get_title() for ax in figure.axes[:2]] == ["few", "many"]
    legend = figure.axes[3].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["training", "test"]
