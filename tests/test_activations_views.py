"""Replay and views: rows stay aligned with labels, and each view is what it says."""

import numpy as np
import pytest
import torch
from small_data import picture_data
from torch import nn

from iblib import models
from iblib.activations import chosen_layers, measurement_rows, record
from iblib.config import MeasureConfig
from iblib.information_plane.rows import layer_rows
from iblib.views import VIEWS, principal_components, views_of


def test_measurement_rows_are_fixed_ascending_and_within():
    rows = np.arange(10, 110, 2)
    chosen = measurement_rows(rows, 7)
    assert len(chosen) == 7
    assert chosen[0] == 10
    assert chosen[-1] == 108
    assert (np.diff(chosen) > 0).all()
    assert set(chosen) <= set(rows)
    assert np.array_equal(chosen, measurement_rows(rows, 7))
    assert np.array_equal(measurement_rows(rows, 0), rows)
    assert np.array_equal(measurement_rows(rows, 500), rows)


class Echo(nn.Module):
    """Passes its input on, so that an activation tells which row it came from."""

    def __init__(self):
        super().__init__()
        self.same = nn.Identity()
        self.pooled = nn.AvgPool2d(2)

    def forward(self, x):
        return self.pooled(self.same(x))


def test_row_i_of_every_layer_belongs_to_label_i():
    """The original report mixed row orders: here each row's content is its label."""
    data = picture_data(n=45)
    rows = measurement_rows(data.rows("training"), 20)
    x, y = data.take(rows)
    assert np.array_equal(y, data.labels[rows])
    for batch_size in (1, 7, 64):
        recorded = dict(record(Echo(), x, {"a": "same", "b": "pooled"}, batch_size=batch_size))
        means = recorded["a"].mean(axis=(1, 2, 3))
        order = np.argsort(means)
        assert (np.diff(y[order]) >= 0).all()  # class c has mean c before standardising
        assert np.array_equal(recorded["a"], x)
        assert np.allclose(recorded["b"].mean(axis=(1, 2, 3)), means, atol=1e-6)


def test_batches_and_memory_groups_do_not_change_the_result():
    network = models.build("simple_cnn", "tanh")
    x = picture_data(n=20).inputs
    layers = network.measured_layers()
    whole = dict(record(network, x, layers, batch_size=20))
    parts = dict(record(network, x, layers, batch_size=3, memory_limit=1))
    assert list(whole) == list(parts) == list(layers)
    for name in layers:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-6)


def test_replay_is_in_evaluation_mode_and_leaves_no_trace():
    network = models.build("simple_cnn").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = picture_data(n=12).inputs
    recorded = dict(record(network, x, network.measured_layers()))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(recorded["output"], logits, atol=1e-6)


def test_before_pool_averages_to_after_pool():
    network = models.build("simple_cnn", "tanh")
    recorded = dict(record(network, picture_data(n=6).inputs, network.measured_layers()))
    means = recorded["before_pool"].mean(axis=(2, 3))
    np.testing.assert_allclose(means, recorded["after_pool"][:, :, 0, 0], atol=1e-6)


def test_layers_of_a_network_that_names_its_own():
    network = models.build("mlp", "tanh", sizes=(12, 4, 3, 2))
    x = np.zeros((3, 12), np.float32)
    assert chosen_layers(network, x, None) == network.measured_layers()
    picked = ["output", "hidden1", "hidden2"]
    assert list(chosen_layers(network, x, ("output", "hidden*"))) == picked
    assert list(dict(record(network, x, ("output", "hidden*")))) == picked
    assert list(dict(record(network, x, exclude="hidden1"))) == ["hidden2", "output"]
    with pytest.raises(ValueError, match=r"layers must be among .*'hidden1'.*got 'linear\.0'"):
        chosen_layers(network, x, ("linear.0",))


def test_a_mapping_names_calls():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.ReLU(), nn.Identity()

        def forward(self, x):
            return self.used(self.used(x) - 1)

    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    recorded = dict(record(Twice(), x, {"first": "used", "second": "used:2", "again": "used:1"}))
    np.testing.assert_array_equal(recorded["first"], x)
    np.testing.assert_array_equal(recorded["again"], x)
    np.testing.assert_array_equal(recorded["second"], np.maximum(x - 1, 0))
    with pytest.raises(ValueError, match=r"'it' cannot be measured.*does not reach"):
        list(record(Twice(), x, {"it": "unused"}))
    with pytest.raises(ValueError, match="'it' must be among"):
        list(record(Twice(), x, {"it": "used:3"}))


@pytest.fixture
def maps():
    return np.random.default_rng(0).normal(size=(9, 3, 4, 5)).astype(np.float32)


def test_shapes_of_the_views(maps):
    found = [(v.name, v.channel, v.values.shape) for v in views_of(maps, VIEWS, n_components=2)]
    expected = [("layer", -1, (9, 60))]
    expected += [("filter", c, (9, 20)) for c in range(3)]
    expected += [("filter_mean", c, (9, 1)) for c in range(3)]
    expected += [("spatial_mean", -1, (9, 3)), ("pca", -1, (9, 2))]
    assert found == expected


def test_values_of_the_views(maps):
    views = {(v.name, v.channel): v.values for v in views_of(maps, VIEWS)}
    assert np.array_equal(views["layer", -1], maps.reshape(9, -1))
    assert np.array_equal(views["filter", 1], maps[:, 1].reshape(9, -1))
    np.testing.assert_allclose(views["spatial_mean", -1], maps.mean(axis=(2, 3)), atol=1e-6)
    for c in range(3):
        assert np.array_equal(views["filter_mean", c][:, 0], views["spatial_mean", -1][:, c])


def test_squared_distances_of_a_layer_are_the_sum_of_its_filters(maps):
    def squared(t):
        return ((t[:, None] - t[None]) ** 2).sum(-1)

    views = list(views_of(maps, ("layer", "filter")))
    np.testing.assert_allclose(
        squared(views[0].values), sum(squared(v.values) for v in views[1:]), rtol=1e-5
    )


@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (5, 2)])
def test_principal_components_are_sklearns(shape):
    from sklearn.decomposition import PCA

    t = np.random.default_rng(1).normal(size=shape) @ np.diag(np.linspace(3, 1, shape[1]))
    n = min(3, *shape)
    expected = PCA(n, svd_solver="full").fit_transform(t)
    found = principal_components(t, 3)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-8)
    assert (found[np.abs(found).argmax(axis=0), np.arange(n)] > 0).all()


def test_principal_components_of_a_wide_layer_agree_with_float64():
    rng = np.random.default_rng(2)
    t = (rng.normal(size=(20, 3)) * [30, 10, 3]) @ rng.normal(size=(3, 5000)) + 100
    scores = principal_components(t.astype(np.float32), 3)
    u, s, _ = np.linalg.svd(t - t.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(scores), np.abs(u[:, :3] * s[:3]), rtol=1e-3, atol=1e-2)


def test_units_without_maps_have_only_layer_and_pca():
    found = [v.name for v in views_of(np.zeros((4, 6)), VIEWS)]
    assert found == ["layer", "pca"]


def test_unknown_views_and_shapes_are_refused():
    with pytest.raises(ValueError, match="views must be among"):
        list(views_of(np.zeros((4, 6)), ("flat",)))
    with pytest.raises(ValueError, match="must have shape"):
        list(views_of(np.float32(4)))
    assert [v.values.shape for v in views_of(np.zeros(4), VIEWS)] == [(4, 1), (4, 1)]


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e18])
def test_values_that_cannot_be_squared_are_those_of_a_diverged_network(value):
    t = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    t[3, 2] = value
    views = list(views_of(t, ("layer", "pca")))
    about = {"run": "r", "seed": 0, "epoch": 1}
    limits = {"layer": None, "pca": None}
    rows = layer_rows(
        views, np.arange(40) % 2, MeasureConfig(views=("layer", "pca")), limits, about
    )
    assert {row["view"] for row in rows} == {"layer", "pca"}
    assert {row["status"] for row in rows} == {"diverged"}
    assert np.isnan([row["bits"] for row in rows]).all()


@pytest.mark.parametrize("value", [0.0, 0.3, -1e12])
@pytest.mark.parametrize("digits", [0, 1])
def test_a_dead_layer_has_one_bin_even_where_its_last_digit_differs(value, digits):
    t = np.full((40, 3), value)
    t[::2] = np.nextafter(value, np.inf) if digits else value
    kinds = [{"kind": kind, "value": 30} for kind in ("run", "epoch")]
    config = MeasureConfig.from_dict({"bins": kinds, "estimators": ["binning"]})
    limits = {"layer": (t.min(), t.max())}
    rows = layer_rows(list(views_of(t)), np.arange(40) % 2, config, limits, {})
    assert [row["bits"] for row in rows] == [0.0] * 4
