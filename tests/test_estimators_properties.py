"""Identities that hold for all data: hypothesis looks for the exception.

Values are rounded to a dyadic grid so that ties happen and that moving and scaling are exact.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iblib.estimators import binning, exact, kde, kraskov, label_entropy, measure

settings.register_profile("estimators", deadline=None, max_examples=40, derandomize=True)
common = settings.get_profile("estimators")


@st.composite
def samples(draw, least=1):
    """(t, y): 1-60 rows, 1-8 or (sometimes) 18 columns, ties, 1-4 classes, either precision."""
    n = draw(st.integers(least, 60))
    d = draw(st.sampled_from([1, 2, 3, 5, 8, 18]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = draw(st.sampled_from([1, 8, 1024]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    t = (np.round(rng.normal(size=(n, d)) * grid) / grid).astype(dtype)
    return t, rng.integers(0, draw(st.integers(1, 4)), n)


scales = st.sampled_from([1e-6, 1e-3, 0.37, 1.0, 7.0, 1e3, 1e6])
noises = st.sampled_from([1e-3, 0.01, 0.1, 1.0, 30.0])


def kde_values(record):
    return [record.xt_upper, record.xt_lower, record.ty_upper, record.ty_lower]


def kraskov_values(record):
    return [record.h_t, record.ty or 0.0, record.zero_radius]


@given(samples(), noises)
@common
def test_kde_bounds_are_ordered(data, s2):
    t, y = data
    got = kde.information(t, y, noise_variance=s2)
    assert 0 <= got.xt_lower <= got.xt_upper <= math.log2(len(t)) + 1e-12
    for ty, xt in ((got.ty_upper, got.xt_upper), (got.ty_lower, got.xt_lower)):
        assert ty <= label_entropy(y) + 1e-9
        assert ty <= xt + 1e-9


@given(samples(), noises)
@common
def test_kde_lower_is_upper_with_four_times_the_noise(data, s2):
    t, y = data
    narrow = kde.information(t, y, noise_variance=s2)
    broad = kde.information(t, y, noise_variance=4 * s2)
    assert narrow.xt_lower == pytest.approx(broad.xt_upper, abs=1e-9)
    assert narrow.ty_lower == pytest.approx(broad.ty_upper, abs=1e-9)


@given(samples(), scales, noises)
@common
def test_kde_scales_with_its_noise(data, a, s2):
    t, y = data[0].astype(np.float64), data[1]
    expected = kde_values(kde.information(t, y, noise_variance=s2))
    got = kde_values(kde.information(a * t, y, noise_variance=a * a * s2))
    assert got == pytest.approx(expected, abs=1e-9)
    a32 = np.float32(a)
    got = kde_values(kde.information(a32 * data[0], y, noise_variance=float(a32) ** 2 * s2))
    assert got == pytest.approx(expected, abs=1e-5)


@given(samples(least=4), scales)
@common
def test_kraskov_gains_d_log_a(data, a):
    t = data[0].astype(np.float64)
    before, after = kraskov.entropy(t, epsilon=1e-300), kraskov.entropy(a * t, epsilon=1e-300)
    assert after.zero_radius == before.zero_radius
    if not before.zero_radius:
        gain = t.shape[1] * math.log2(a)
        assert after.bits - before.bits == pytest.approx(gain, abs=1e-8)


@given(samples(least=4), st.sampled_from([-1024.0, 0.5, 4096.0]))
@common
def test_translation(data, shift):
    t, y = data
    here, there = measure(t, y), measure(t + t.dtype.type(shift), y)
    assert kde_values(there.kde) == pytest.approx(kde_values(here.kde), abs=1e-9)
    assert kraskov_values(there.kraskov) == pytest.approx(kraskov_values(here.kraskov), abs=1e-8)


@given(samples(least=4), st.integers(0, 2**32 - 1))
@common
def test_rotation(data, seed):
    t, y = data[0].astype(np.float64), data[1]
    d = t.shape[1]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    here, there = measure(t, y), measure(t @ rotation, y)
    assert kde_values(there.kde) == pytest.approx(kde_values(here.kde), abs=1e-8)
    if not here.kraskov.zero_radius:
        assert there.kraskov.h_t == pytest.approx(here.kraskov.h_t, abs=1e-6)


@given(samples(least=4), st.integers(0, 2**32 - 1))
@common
def test_order_and_names_mean_nothing(data, seed):
    t, y = data
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(t)), rng.permutation(t.shape[1])
    names = np.array(["west", "east", "north", "south"])[rng.permutation(4)]
    here, there = measure(t, y), measure(t[rows][:, columns], names[y[rows]])
    assert there.binning.xt == pytest.approx(here.binning.xt, abs=1e-12)
    assert there.binning.ty == pytest.approx(here.binning.ty, abs=1e-12)
    assert there.binning.unique_share == here.binning.unique_share
    assert kde_values(there.kde) == pytest.approx(kde_values(here.kde), abs=1e-6)
    assert kraskov_values(there.kraskov) == pytest.approx(kraskov_values(here.kraskov), abs=1e-4)


@given(samples(), st.sampled_from([0.05, 0.3, 1.0]))
@common
def test_binned_information_is_bounded(data, width):
    t, y = data
    got = binning.information(t, y, width=width)
    assert 0 <= got.xt <= math.log2(len(t)) + 1e-12
    assert -1e-12 <= got.ty <= min(label_entropy(y), got.xt) + 1e-12


@given(samples(), st.sampled_from([0.125, 0.5, 2.0]))
@common
def test_finer_nested_bins_never_lower_the_entropy(data, width):
    t, y = data
    coarse = binning.information(t, y, width=width)
    fine = binning.information(t, y, width=width / 4)
    assert fine.xt >= coarse.xt - 1e-12
    assert fine.ty >= coarse.ty - 1e-12
    edges = binning.uniform_edges(-1, 1, 4), binning.uniform_edges(-1, 1, 16)
    values = [binning.information(t, y, edges=e).xt for e in edges]
    assert values[1] >= values[0] - 1e-12


@given(samples(), st.integers(2, 4))
@common
def test_repeating_the_sample_changes_nothing(data, times):
    t, y = data
    once = measure(t, y)
    again = measure(np.tile(t, (times, 1)), np.tile(y, times))
    assert again.binning.xt == pytest.approx(once.binning.xt, abs=1e-12)
    assert again.binning.ty == pytest.approx(once.binning.ty, abs=1e-12)
    assert kde_values(again.kde) == pytest.approx(kde_values(once.kde), abs=1e-6)


@given(samples())
@common
def test_merging_classes_lowers_the_information(data):
    t, y = data
    merged = y // 2
    assert binning.information(t, merged).ty <= binning.information(t, y).ty + 1e-12
    fine, coarse = kde.information(t, y), kde.information(t, merged)
    assert coarse.ty_upper <= fine.ty_upper + 1e-6


@given(st.integers(1, 60), st.integers(1, 20))
@common
def test_far_points_have_log2_n_bits(n, d):
    t = np.zeros((n, d))
    t[:, -1] = np.arange(n) * 50
    got = measure(t, np.zeros(n))
    assert got.binning.xt == pytest.approx(math.log2(n), abs=1e-12)
    assert got.kde.xt_upper == got.kde.xt_lower == pytest.approx(math.log2(n), abs=1e-12)


@given(st.integers(2, 18), st.floats(1e-3, 10.0), noises)
@common
def test_equidistant_points(n, length, s2):
    got = kde.information(np.eye(n) * length, np.arange(n), noise_variance=s2)
    expected = exact.equidistant_bound(n, 2 * length**2, s2)
    assert got.xt_upper == pytest.approx(expected, abs=1e-9)
    assert got.xt_upper == pytest.approx(got.ty_upper, abs=1e-12)


@given(samples(least=4))
@common
def test_small_classes_can_always_be_dropped(data):
    t, y = data
    got = kraskov.information(t, y, small_class="drop")
    small = [c for c in np.unique(y).tolist() if (y == c).sum() <= 2]
    assert list(got.dropped) == small
    assert (got.ty is None) == (len(small) == len(np.unique(y)))
