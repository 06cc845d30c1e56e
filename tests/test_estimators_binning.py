"""Binning: the slow twin, sklearn as oracle, edges, hashing, the pooled histogram."""

import math

import estimators_reference as reference
import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from iblib.estimators import binning, label_entropy, measure
from study.closed_forms import minimal_model


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 300)
    t = (rng.normal(size=(300, 3)) * 0.2 + y[:, None] * 0.1).astype(np.float32)
    return t, y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [0.07, 0.5, 0.001, 3.0])
def test_equals_the_slow_twin_on_numpy_floor(data, dtype, width):
    t, y = data[0].astype(dtype), data[1]
    codes = np.floor(t / width)
    assert codes.dtype == dtype
    got = binning.information(t, y, width=width)
    assert (got.xt, got.ty) == pytest.approx(
        reference.binning_of_codes(codes.astype(np.int64), y), abs=1e-12
    )


def test_sklearn_agrees_and_so_does_the_unit_bits(data):
    # catches the mutant "log base": nats would differ by 1 / ln 2
    t, y = data
    _, symbols = np.unique(np.floor(t / 0.25), axis=0, return_inverse=True)
    expected = mutual_info_score(symbols, y) / math.log(2)
    assert binning.information(t, y, width=0.25).ty == pytest.approx(expected, abs=1e-9)


def test_clips_into_the_end_bins_and_counts():
    # catches the mutant "wrapped bin": -1.01 must share the bin of -0.99, not of 0.99
    edges = binning.uniform_edges(-1, 1, 4)
    t = np.array([[-1.01], [-0.99], [0.99], [1.0], [7.0]])
    got = binning.information(t, [0, 0, 1, 1, 1], edges=edges)
    assert got.clipped == 2
    assert got.xt == pytest.approx(label_entropy([0, 0, 1, 1, 1]), abs=1e-12)
    assert got.ty == pytest.approx(got.xt, abs=1e-12)


def test_edges_agree_with_numpy_digitize(data):
    t, y = data
    edges = np.linspace(-0.3, 0.5, 9)
    codes = np.clip(np.digitize(t, edges) - 1, 0, 7)
    got = binning.information(t, y, edges=edges)
    assert (got.xt, got.ty) == pytest.approx(
        reference.binning_of_codes(codes.astype(np.int64), y), abs=1e-12
    )
    assert got.clipped == int(((t < edges[0]) | (t > edges[-1])).sum()) > 0


@pytest.mark.parametrize(
    "edges", [[0.0], [1.0, 0.0], [0.0, 0.0, 1.0], [0.0, np.nan], [0.0, np.inf], [[0.0, 1.0]]]
)
def test_bad_edges(edges):
    with pytest.raises(ValueError, match="edges must be"):
        binning.information(np.zeros((3, 1)), [0, 1, 2], edges=edges)


BAD_BINS = [
    ({"width": 0.5, "edges": [0.0, 1.0]}, "in one way; got width and edges"),
    ({"width": binning.DEFAULT_WIDTH, "edges": [0.0, 1.0]}, "in one way; got width and edges"),
    ({"width": 0.5, "n_bins": 3, "range": (0, 1)}, "in one way; got width and n_bins"),
    ({"n_bins": 3, "range": (0, 1), "edges": [0.0, 1.0]}, "in one way; got n_bins and edges"),
    ({"n_bins": 30}, "a ruler that moves; got n_bins=30"),
    ({"range": (0, 1)}, r"range with n_bins.* got n_bins=None, range=\(0, 1\)"),
    ({"n_bins": 3, "range": (1, 1)}, r"range must be \(low, high\)"),
    ({"n_bins": 3, "range": (0, 1, 2)}, r"range must be \(low, high\)"),
    ({"n_bins": 3, "range": 1.0}, r"range must be \(low, high\), finite, low < high; got 1.0"),
    ({"n_bins": 0, "range": (0, 1)}, "n_bins must be at least 1"),
]


@pytest.mark.parametrize("call", [binning.information, binning.pooled_information, measure])
@pytest.mark.parametrize(("bins", "message"), BAD_BINS)
def test_bins_are_given_in_one_way(call, bins, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((2, 1)), [0, 1], **bins)


def test_n_bins_between_bounds_are_uniform_edges(data):
    t, y = data
    bins, edges = {"n_bins": 7, "range": (-0.4, 0.5)}, binning.uniform_edges(-0.4, 0.5, 7)
    assert binning.information(t, y, **bins) == binning.information(t, y, edges=edges)
    assert measure(t, y, **bins).binning == binning.information(t, y, edges=edges)
    pooled = binning.pooled_information(t, y, edges=edges)
    assert binning.pooled_information(t, y, **bins) == pooled
    assert binning.information(t, y, **bins).clipped == pooled.clipped > 0


def test_far_points_give_log2_n_exactly():
    got = binning.information(np.arange(64.0)[:, None] * 10, np.arange(64) % 4)
    assert got.xt == 6.0
    assert got.unique_share == 1.0
    assert got.saturated
    assert got.ty == pytest.approx(2.0, abs=1e-12)


def test_unique_share_counts_samples():
    got = binning.information([[0.0], [0.0], [1.0], [2.0]], [0, 1, 0, 1])
    assert got.unique_share == 0.5
    assert not got.saturated


def test_zeros_of_either_sign_share_a_bin():
    got = binning.information(np.array([[0.0, -0.0], [-0.0, 0.0]]), [0, 1])
    assert got.xt == 0.0
    assert math.copysign(1, got.xt) == 1


@pytest.mark.parametrize("magnitude", [1e5, 1e12, 1e25])
def test_codes_beyond_32_and_64_bits(magnitude):
    t = np.array([[1.0], [1.0], [2.0], [-3.0]]) * magnitude
    assert binning.information(t, [0, 0, 1, 1], width=1e-4).xt == pytest.approx(1.5, abs=1e-12)


def test_a_width_below_all_resolution_is_an_error():
    with pytest.raises(ValueError, match="width must keep"):
        binning.information([[1e300], [0.0]], [0, 1], width=1e-300)


def test_pooled_is_one_histogram_of_all_values(data):
    t, y = data
    values, owners = np.floor(t.ravel() / 0.2), np.repeat(y, t.shape[1])
    got = binning.pooled_information(t, y, width=0.2)
    assert got.h_t == pytest.approx(reference.histogram_entropy(values), abs=1e-12)
    assert got.ty == pytest.approx(mutual_info_score(values, owners) / math.log(2), abs=1e-9)
    assert got.n_values == t.size
    assert not hasattr(got, "xt")


def test_pooled_sees_no_joint_structure():
    t = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = [0, 1, 1, 0]  # the exclusive or
    assert binning.information(t, y).ty == pytest.approx(1.0)
    assert binning.pooled_information(t, y).ty == 0.0


def test_equal_mass_edges():
    t = np.arange(100.0).reshape(50, 2)
    edges = binning.equal_mass_edges(t, 4)
    counts, _ = np.histogram(t, edges)
    assert counts.tolist() == [25, 25, 25, 25]
    assert binning.information(t, np.zeros(50), edges=edges).clipped == 0


def test_equal_mass_edges_merge_ties():
    t = np.maximum(np.linspace(-1, 1, 100), 0)[:, None]
    edges = binning.equal_mass_edges(t, 10)
    assert len(edges) < 11
    assert (np.diff(edges) > 0).all()
    constant = np.ones((5, 2))
    edges = binning.equal_mass_edges(constant, 10)
    assert binning.information(constant, [0, 1, 2, 3, 4], edges=edges).xt == 0.0


def test_uniform_edges():
    np.testing.assert_allclose(binning.uniform_edges(-1, 1, 4), [-1, -0.5, 0, 0.5, 1])
    for low, high, n_bins in [(1, 1, 3), (0, np.inf, 3), (np.nan, 1, 3), (0, 1, 0)]:
        with pytest.raises(ValueError, match="must be"):
            binning.uniform_edges(low, high, n_bins)


def test_label_entropy():
    assert label_entropy(["a", "b", "a", "b"]) == 1.0
    assert label_entropy([7, 7, 7]) == 0.0
    assert label_entropy([False, True, True, True]) == pytest.approx(0.8112781244591328)


def test_minimal_model_is_what_binning_estimates():
    x = np.random.default_rng(0).normal(size=(50_000, 1))
    edges = binning.uniform_edges(-1, 1, 30)
    got = binning.information(np.tanh(2.0 * x), np.zeros(len(x)), edges=edges)
    assert got.xt == pytest.approx(minimal_model(2.0), abs=0.02)
    got = binning.information(np.maximum(2.0 * x, 0), np.zeros(len(x)), width=2 / 30)
    assert got.xt == pytest.approx(minimal_model(2.0, "relu"), abs=0.03)
