"""Distinct rows by value, integers of inference, mixtures by Monte Carlo."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iblib.estimators import (
    binning,
    closed_forms,
    exact_information,
    kde,
    label_entropy,
    measure,
    mixture_information,
    quantise,
)
from iblib.estimators._engine import symbols
from iblib.models import build

EDGE = 2**53
WHOLE_SETS = {  # four different values each, two of which a narrower number would merge
    "int64": np.array([EDGE, EDGE + 1, -(2**63), 2**63 - 1]),
    "uint64": np.array([EDGE, EDGE + 1, 2**64 - 1, 2**64 - 2], dtype=np.uint64),
    "big endian": np.array([EDGE, EDGE + 1, 0, 2**32], dtype=">i8"),
    "float64": np.array([1.0, np.nextafter(1, 2), 5e-324, 0.0]),
    "float32": np.array([1, 1 + 2**-23, 1e-45, 0], dtype=np.float32),
    "float16": np.array([1, 1.0009765625, 6e-8, 0], dtype=np.float16),
    "int8": np.array([-128, 127, 0, 1], dtype=np.int8),
    "uint32": np.array([2**32 - 1, 2**32 - 2, 0, 1], dtype=np.uint32),
    "list": [EDGE, EDGE + 1, EDGE + 2, 0],
    "bfloat16": torch.tensor([1, 1.0078125, 2, 0], dtype=torch.bfloat16),
    "torch int64": torch.tensor([EDGE, EDGE + 1, -(2**63), 0]),
}


def rows_of(values, columns=1):
    """The values as rows, twice, with zeros before them."""
    if isinstance(values, torch.Tensor):
        return torch.nn.functional.pad(values.repeat(2)[:, None], (columns - 1, 0))
    if isinstance(values, list):
        return [[0] * (columns - 1) + [value] for value in values * 2]
    return np.pad(np.tile(values, 2)[:, None], ((0, 0), (columns - 1, 0)))


@pytest.mark.parametrize("columns", [1, 5000])
@pytest.mark.parametrize("kind", WHOLE_SETS)
def test_rows_differ_where_a_value_differs(kind, columns):
    got = exact_information(rows_of(WHOLE_SETS[kind], columns), [0, 0, 1, 1] * 2)
    assert (got.xt, got.ty, got.n_distinct, got.n_samples) == (2.0, 1.0, 4, 8)
    assert not got.saturated


@pytest.mark.parametrize("columns", [1, 3000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_zeros_are_equal(dtype, columns):
    t = np.zeros((2, columns), dtype)
    t[0] = -0.0
    got = exact_information(t, [0, 1])
    assert (got.xt, got.ty, got.n_distinct) == (0.0, 0.0, 1)
    assert math.copysign(1, got.xt) == 1


def test_a_sample_whose_rows_all_differ_is_saturated():
    got = exact_information(np.random.default_rng(0).normal(size=(64, 3)), np.arange(64) % 4)
    assert (got.xt, got.ty) == (6.0, pytest.approx(2.0, abs=1e-12))
    assert got.saturated
    assert not exact_information(np.zeros((1, 3)), [0]).saturated


@given(
    st.lists(st.tuples(*[st.sampled_from([-1.5, -0.0, 0.0, 1e-300, 2.0])] * 3), min_size=1),
    st.sampled_from([1.0, -3.0, 2.0**-20]),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=50, derandomize=True)
def test_equals_counting(rows, factor, random):
    y = [random.randrange(3) for _ in rows]
    got = exact_information(factor * np.array(rows), y)

    def entropy(things):
        return sum(-n / len(rows) * math.log2(n / len(rows)) for n in Counter(things).values())

    h_t, h_ty = entropy(rows), entropy(zip(rows, y, strict=True))
    assert got.n_distinct == len(set(rows))
    assert (got.xt, got.ty) == pytest.approx((h_t, h_t + entropy(y) - h_ty), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_hashes_are_compared(monkeypatch, dtype):
    rng = np.random.default_rng(0)
    t = rng.integers(-1, 2, (60, 3)).astype(dtype) * rng.choice([-1, 1], (60, 3)).astype(dtype)
    expected = exact_information(t, np.arange(60) % 2)
    assert expected.n_distinct == len(np.unique(t, axis=0)) < 30
    monkeypatch.setattr(symbols, "_factors", lambda n: np.zeros(n, np.uint32))
    assert exact_information(t, np.arange(60) % 2) == expected


def test_integers_beyond_float64_are_exact_or_refused():
    t, y = np.array([[EDGE], [EDGE + 1], [EDGE + 2], [EDGE + 3]]), range(4)
    assert exact_information(t, y).xt == 2.0
    rule = "t must hold integers that float64 holds exactly; got 9007199254740993"
    for given_t in (t, torch.from_numpy(t), t.astype(np.uint64), t.tolist()):
        for call in (measure, binning.information, binning.pooled_information, kde.information):
            with pytest.raises(ValueError, match=rule):
                call(given_t, y)
    for call in (exact_information, measure):  # a list with one float in it, and NumPy rounds
        with pytest.raises(ValueError, match=rule):
            call([[EDGE + 1], [EDGE], [0.5], [0]], y)
    held = t // 2 * 2 * 2**9
    assert binning.information(held, y, width=1.0).xt == exact_information(held, y).xt == 1.0
    assert binning.information([[2**63], [2**63 + 2**11]], [0, 1], width=1.0).xt == 1.0


def test_labels_beyond_float64_are_exact_or_refused():
    assert label_entropy([EDGE, EDGE + 1]) == label_entropy(np.array([EDGE, EDGE + 1])) == 1.0
    with pytest.raises(ValueError, match="y must hold integers that float64 holds exactly; got 9"):
        label_entropy([EDGE, EDGE + 1, 0.0])


# Quantised


def codes_one_by_one(t, bits, low, high):
    low, high, top = min(low, 0.0), max(high, 0.0), 2**bits - 1
    step = (high - low) / top or 1.0
    zero = round(-low / step)
    return [[min(max(round(v / step) + zero, 0), top) for v in row] for row in t]


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("low", [-1.0, 0.0, 0.3, -2e-3])
def test_quantise_is_the_rule(bits, low):
    t = np.random.default_rng(0).uniform(low, low + 1.5, (50, 3))
    got = quantise(t, bits)
    assert got.dtype == (np.uint16 if bits > 8 else np.uint8)
    assert got.tolist() == codes_one_by_one(t, bits, t.min(), t.max())
    assert got.tolist() == quantise(t * 2.0**-1000, bits).tolist()
    assert quantise(t, bits, (0.1, 1.0)).tolist() == codes_one_by_one(t, bits, 0.1, 1.0)


def test_quantise_equals_torch():
    t = torch.from_numpy(np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32))
    low, high, step = -1.0, 127 / 128, 1 / 128
    expected = torch.fake_quantize_per_tensor_affine(t, step, 128, 0, 255)
    got = quantise(t, 8, range=(low, high))
    np.testing.assert_array_equal((got.astype(np.float32) - 128) * step, expected.numpy())
    assert got.min() == 0
    assert got.max() == 255


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1.0, 1e-45, 5e-324, 1e-310, 1e308])
def test_ranges_at_the_ends_of_the_numbers(scale):
    assert quantise(np.array([[-1.0, 0.0], [0.5, 1.0]]) * scale, 2).tolist()[1][1] == 3
    assert quantise(np.full((3, 2), scale), 4).tolist() == [[15, 15]] * 3
    assert quantise(np.full((3, 2), -scale), 4).tolist() == [[0, 0]] * 3
    assert quantise([[1e308, -1e308, 0.0]], 4, range=(-scale, scale)).tolist() == [[15, 0, 8]]


def test_a_layer_of_zeros_is_one_code():
    assert not quantise(np.zeros((4, 2))).any()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"bits": 1}, ValueError, "bits must be between 2 and 16; got bits=1"),
        ({"bits": 17}, ValueError, "bits must be between 2 and 16; got bits=17"),
        ({"bits": 8.0}, TypeError, "integer"),
        ({"range": (1.0, 1.0)}, ValueError, "range must be"),
        ({"range": (0.0, math.inf)}, ValueError, "range must be"),
    ],
)
def test_quantise_refuses(settings, error, message):
    with pytest.raises(error, match=message):
        quantise(np.ones((3, 2)), **settings)


# Saxe's network


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_all_4096_patterns_through_an_untrained_network(activation):
    """tanh is injective, and so is a float64 network of it; ReLU merges, and never undoes it."""
    x = np.indices((2,) * 12).reshape(12, -1).T.astype(np.float64)
    y, falls = x.sum(1) > 6, []
    for seed in range(3):
        network = build("mlp", activation, seed=seed).double()
        t, back = torch.from_numpy(x), np.arange(4096)  # distinct rows, and whose each input's is
        for module in network.modules():
            if not isinstance(module, torch.nn.Linear) or module.out_features == 2:
                continue
            with torch.no_grad():
                t = getattr(torch, activation)(module(t))
            t, inverse = torch.unique(t, dim=0, return_inverse=True)
            back = inverse.numpy()[back]
            falls.append(12 - exact_information(t[back], y).xt)
            assert falls[-1] >= (falls[-2] if len(falls) % 5 != 1 else 0.0)
    assert len(falls) == 15
    if activation == "tanh":
        assert falls == [0.0] * 15
    else:
        assert max(falls[4::5]) > 1


# Mixtures


def truth_of(h, y, s2):
    """I(X;T) and I(T;Y) of one unit by quadrature: what the class leaves is that of its rows."""
    xt = closed_forms.mixture_mutual_information(np.full(len(h), 1 / len(h)), h, s2)
    own = [h[y == c] for c in np.unique(y)]
    parts = [closed_forms.mixture_mutual_information(np.ones(len(o)) / len(o), o, s2) for o in own]
    return xt, xt - np.average(parts, weights=[len(o) for o in own])


@pytest.mark.parametrize("s2", [1e-4, 0.02, 1.0])
def test_a_mixture_of_one_unit_is_the_integral(s2):
    rng = np.random.default_rng(0)
    h, y = rng.normal(size=40), rng.integers(0, 3, 40)
    h += y
    got = mixture_information(h[:, None], y, noise_variance=s2, n_draws=20_000)
    xt, ty = truth_of(h, y, s2)
    assert abs(got.xt - xt) < 4 * got.xt_error
    assert abs(got.ty - ty) < 4 * got.ty_error
    assert 0 < got.xt_error < 0.03
    assert 0 < got.ty_error < 0.03


@given(
    st.integers(2, 40), st.integers(1, 60), st.floats(-2, 1.5), st.booleans(), st.integers(0, 99)
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_kde_holds_a_mixture_between_its_bounds(n, d, log_noise, duplicates, seed):
    rng = np.random.default_rng(seed)
    t, y = rng.normal(size=(n, d)), rng.integers(0, 3, n)
    if duplicates:
        t[n // 2 :] = t[: n - n // 2]
    got = mixture_information(t, y, noise_variance=10**log_noise, n_draws=4000, seed=seed)
    bounds = kde.information(t, y, noise_variance=10**log_noise)
    assert bounds.xt_lower - 3 * got.xt_error - 1e-9 <= got.xt
    assert got.xt <= bounds.xt_upper + 3 * got.xt_error + 1e-9
    assert got.xt <= math.log2(n) + 1e-12
    assert got.ty <= got.xt + 3 * (got.xt_error + got.ty_error) + 1e-9


def test_the_standard_error_is_that_of_repetitions():
    t = np.random.default_rng(0).normal(size=(30, 2))
    found = [
        mixture_information(t, np.arange(30) % 2, noise_variance=0.1, n_draws=500, seed=seed)
        for seed in range(100)
    ]
    for name in ("xt", "ty"):
        spread = np.std([getattr(one, name) for one in found], ddof=1)
        errors = np.mean([getattr(one, f"{name}_error") for one in found])
        assert 0.8 < spread / errors < 1.25


def test_mixtures_far_apart_and_at_one_place():
    t, y = np.eye(64, 3000) * 1e4 + 1e6, np.arange(64) % 4
    got = mixture_information(t, y, noise_variance=1.0, n_draws=100)
    assert (got.xt, got.ty, got.xt_error) == pytest.approx((6.0, 2.0, 0.0), abs=1e-9)
    got = mixture_information(np.ones((20, 3)), np.arange(20) % 2, noise_variance=0.5)
    assert (got.xt, got.ty, got.xt_error) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    # pairs 1 apart, the pairs 1e9: a product of coordinates would see no pairs
    pairs = np.repeat([0.0, 1e9], 2)[:, None] + [[0.0], [1.0], [0.0], [1.0]]
    got = mixture_information(pairs, [0, 1, 0, 1], noise_variance=1.0)
    expected = closed_forms.mixture_mutual_information([0.5, 0.5], [0.0, 1.0], 1.0)
    assert abs(got.ty - expected) < 4 * got.ty_error
    assert abs(got.xt - 1 - expected) < 4 * got.xt_error


def test_mixtures_come_in_blocks_and_repeat():
    t, y = np.random.default_rng(0).normal(size=(2100, 2)), np.arange(2100) % 2
    first = mixture_information(t, y, noise_variance=0.1, n_draws=2500)
    assert first == mixture_information(t, y, noise_variance=0.1, n_draws=2500)
    assert first != mixture_information(t, y, noise_variance=0.1, n_draws=2500, seed=1)
    assert first.n_draws == 2500


def test_mixture_refuses():
    for settings_, message in (
        ({"noise_variance": 0.0}, "noise_variance must be positive"),
        ({"noise_variance": 1.0, "n_draws": 1}, "n_draws must be at least 2"),
        ({"noise_variance": 1e-310}, "below 1e150 deviations"),
    ):
        with pytest.raises(ValueError, match=message):
            mixture_information(np.ones((3, 2)), [0, 1, 2], **settings_)
