"""The symbols that binning makes of rows."""

import numpy as np
import pytest
import torch
from estimators_layers import layer

from iblib.estimators import binning, exact_information
from iblib.estimators._engine import symbols


def test_values_on_bin_edges_follow_division_not_multiplication_by_the_inverse():
    t = (np.arange(-3000, 3000, dtype=np.float32) * np.float32(0.07))[:, None]
    floors = np.floor(t / 0.07)
    assert (floors != np.floor(t * np.float32(1 / 0.07))).any()
    found, _ = symbols.row_symbols(torch.from_numpy(t), symbols.Bins(0.07))
    _, expected = np.unique(floors, return_inverse=True)
    assert len(np.unique(np.stack([found, expected.ravel()]), axis=1).T) == len(np.unique(expected))


@pytest.mark.parametrize("edges", [[-1, -0.5, 0, 0.5, 1], [-1, -0.9, 0, 0.5, 1]])
def test_a_bin_holds_its_lower_edge_and_the_last_one_both(edges):
    t = torch.tensor([[-1.0], [edges[1]], [0.0], [0.5], [1.0], [0.99]])
    found, clipped = symbols.row_symbols(t, symbols.Bins.between(edges))
    assert len(set(found[:4].tolist())) == 4
    assert found[3] == found[4] == found[5]
    assert clipped == 0


@pytest.mark.parametrize("low", [-1.0, 0.1, 1e6])
@pytest.mark.parametrize("n_bins", [1, 2, 30, 1000])
@pytest.mark.parametrize("power", [1, 4])
def test_places_between_edges_are_those_of_a_search(low, n_bins, power):
    edges = np.unique(low + 2.0 * np.linspace(0, 1, n_bins + 1) ** power)
    some = np.random.default_rng(0).uniform(low - 0.1, low + 2.1, 5000)
    t = np.concatenate([some, edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)])
    codes = np.empty(len(t), np.int32)
    outside = symbols._place(t, edges, codes)
    expected = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, len(edges) - 2)
    np.testing.assert_array_equal(codes, expected)
    assert outside == ((t < edges[0]) | (t > edges[-1])).sum()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("edges", [[0, 1e-310, 2e-310, 3e-310], [-1e308, 0, 5e307, 1e308]])
def test_edges_whose_steps_leave_the_numbers(edges):
    t = np.repeat(np.array(edges[:-1]), 5)[:, None]
    assert binning.information(t, np.arange(15) % 2, edges=edges).xt == pytest.approx(np.log2(3))


def test_a_hash_collision_changes_nothing(monkeypatch):
    t, y = layer("far", d=20)
    expected = binning.information(t, y, width=5.0)
    assert expected.xt > 0
    monkeypatch.setattr(symbols, "_factors", lambda d: np.zeros(d, np.uint32))
    assert binning.information(t, y, width=5.0) == expected


@pytest.mark.parametrize("d", [1, 5000])
def test_numpy_and_the_compiled_loop_make_the_same_symbols(monkeypatch, d):
    t, y = layer("far", d=d)
    equal, mass = binning.uniform_edges(-1, 1, 30), binning.equal_mass_edges(t, 30)
    asked = {"width": 0.3}, {"width": 1e-12}, {"edges": equal}, {"edges": mass}
    expected = [binning.information(t, y, **bins) for bins in asked]
    monkeypatch.setattr(symbols, "_compiled_symbols", lambda values, bins: None)
    assert [binning.information(t, y, **bins) for bins in asked] == expected
    assert exact_information(t, y).n_distinct == len(np.unique(t, axis=0))
