"""Identities that hold for all data: hypothesis looks for the exception.

Values are rounded to a dyadic grid so that ties happen and that moving and scaling are exact.
"""

import math

import estimators_reference as reference
import numpy as np
import pytest
from estimators_checks import CONTRACT, kde_values
from hypothesis import given, settings
from hypothesis import strategies as st

from iblib.estimators import binning, closed_forms, kde, kraskov, label_entropy, measure
from study.closed_forms import equidistant_bound

pytestmark = pytest.mark.usefixtures("engine")

settings.register_profile("estimators", deadline=None, max_examples=20, derandomize=True)
common = settings.get_profile("estimators")


@st.composite
def samples(draw, least=1):
    """(t, y): 1-60 rows, 1-8 or (sometimes) 17-40 columns, ties, 1-4 classes, either precision."""
    n = draw(st.integers(least, 60))
    d = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 17, 18, 24, 40]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = draw(st.sampled_from([1, 8, 1024]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    t = (np.round(rng.normal(size=(n, d)) * grid) / grid).astype(dtype)
    return t, rng.integers(0, draw(st.integers(1, 4)), n)


@st.composite
def wide_samples(draw):
    """(t, y): enough rows and columns for every shortcut; clusters of any tightness, duplicates."""
    n, d = draw(st.integers(128, 160)), draw(st.integers(128, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres = rng.normal(size=(draw(st.integers(1, 20)), d)) * draw(st.sampled_from([0, 1, 30]))
    spread = draw(st.sampled_from([1e-6, 1e-3, 1.0])) * 10 ** rng.uniform(-1, 1, (n, 1))
    t = centres[rng.integers(0, len(centres), n)] + spread * rng.normal(size=(n, d))
    t[rng.integers(0, n, draw(st.integers(0, 30)))] = t[0]
    t = (t + draw(st.sampled_from([0, 1000]))) / math.sqrt(d)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return t.astype(dtype), rng.integers(0, draw(st.integers(1, 6)), n)


@st.composite
def shapes(draw):
    """(t, y): float64 clouds in the dimensions where the engine's ways begin and end."""
    d = draw(st.sampled_from([1, 3, 15, 16, 17, 60, 127, 128, 200]))
    n = draw(st.integers(2, 60) if d < 127 else st.integers(128, 140))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres = rng.normal(size=(draw(st.integers(1, 5)), d)) * draw(st.sampled_from([0.0, 1.0, 9.0]))
    t = centres[rng.integers(0, len(centres), n)] + rng.normal(size=(n, d))
    return t, rng.integers(0, draw(st.integers(1, 4)), n)


scales = st.sampled_from([1e-6, 1e-3, 0.37, 1.0, 7.0, 1e3, 1e6])
noises = st.sampled_from([1e-3, 0.01, 0.1, 1.0, 30.0])


def binning_values(record):
    return [record.xt, record.ty, record.unique_share, record.clipped]


def kraskov_values(record):
    return [record.h_t, record.ty or 0.0, record.zero_radius]


def kraskov_of(t, y, **settings):
    return kraskov.information(t, y, small_class="drop", **settings)


def assert_equals_the_reference(t, y, width, s2, k):
    got = measure(t, y, width=width, noise_variance=s2, k=k)
    r, d = reference.distances(t), t.shape[1]
    expected = tuple(reference.kde_of_distances(r, y, s2))
    assert kde_values(got.kde) == pytest.approx(expected, abs=CONTRACT)
    assert kde_values(kde.information(t, y, noise_variance=s2)) == pytest.approx(
        expected, abs=CONTRACT
    )
    expected = tuple(reference.binning(t, y, width))
    assert (got.binning.xt, got.binning.ty) == pytest.approx(expected, abs=1e-9)
    expected = reference.kraskov_entropy(r, d, k, 1e-16)
    assert got.kraskov.h_t == pytest.approx(expected, abs=CONTRACT)
    assert got.kraskov.zero_radius == (reference.radii(r, k) == 0).sum()
    if got.kraskov.ty is not None:
        expected = reference.kraskov_of_distances(r, y, d, k).ty
        assert got.kraskov.ty == pytest.approx(expected, abs=CONTRACT)


@given(samples(least=4), scales, noises, st.integers(1, 3))
@common
def test_everything_equals_the_slow_reference(data, a, s2, k):
    t, y = data[0].dtype.type(a) * data[0], data[1]
    assert_equals_the_reference(t, y, 0.3 * a, a * a * s2, k)


@given(wide_samples(), st.sampled_from([1e-12, 1e-6, 1e-3, 0.01, 0.1, 1.0]), st.integers(1, 7))
@settings(common, max_examples=15)
def test_everything_equals_the_slow_reference_in_many_dimensions(data, s2, k):
    assert_equals_the_reference(*data, 0.1, s2, k)


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


@given(shapes(), st.floats(1e-6, 1e6), st.floats(0.02, 2.0), st.sampled_from(["rms", "median"]))
@settings(common, max_examples=40)
def test_a_resolution_sees_the_shape_alone(data, c, r, scale):
    # I(T) = I(cT) = I(T + b) = I(TQ), and lower(r) = upper(2r)
    t, y = data
    d = t.shape[1]
    rng = np.random.default_rng(d)
    rotation, _ = np.linalg.qr(rng.normal(size=(d, d)))
    expected, twice = kde.information(t, y, resolution=(r, 2 * r), scale=scale)
    assert expected.xt_lower == pytest.approx(twice.xt_upper, abs=1e-9)
    assert expected.ty_lower == pytest.approx(twice.ty_upper, abs=1e-9)
    assert kde.information(t, y, resolution=2 * r, scale=scale).xt_upper == pytest.approx(
        expected.xt_lower, abs=1e-9
    )
    for moved in (c * t, -c * t, t + 10 * rng.normal(size=d), t @ rotation, c * (t @ rotation) - c):
        got = kde.information(moved, y, resolution=r, scale=scale)
        assert kde_values(got) == pytest.approx(kde_values(expected), abs=1e-9)


@given(samples(least=4), scales)
@common
def test_kraskov_gains_d_log_a(data, a):
    t, y = data[0].astype(np.float64), data[1]
    before, after = (kraskov_of(v, y, epsilon=1e-300) for v in (t, a * t))
    assert after.zero_radius == before.zero_radius
    if not before.zero_radius:
        gain = t.shape[1] * math.log2(a)
        assert after.h_t - before.h_t == pytest.approx(gain, abs=1e-8)
        assert (after.ty or 0.0) == pytest.approx(before.ty or 0.0, abs=1e-8)


@given(samples(), st.sampled_from([2.0**-20, 0.25, 8.0, 2.0**20]), st.sampled_from([0.125, 0.75]))
@common
def test_bins_move_and_scale_with_the_data(data, a, width):
    t, y = data
    factor, shift, edges = t.dtype.type(a), t.dtype.type(16 * width), width * np.arange(-40, 41)
    expected = pytest.approx(binning_values(binning.information(t, y, width=width)), abs=1e-12)
    for moved, bins in (
        (t, {"edges": edges}),
        (factor * t, {"width": a * width}),
        (factor * t, {"edges": a * edges}),
        (t + shift, {"width": width}),
        (t + shift, {"edges": edges + 16 * width}),
    ):
        assert binning_values(binning.information(moved, y, **bins)) == expected


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
        expected = pytest.approx(kraskov_values(here.kraskov), abs=1e-6)
        assert kraskov_values(there.kraskov) == expected


def test_bins_do_not_rotate():
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    turned = square @ np.array([[1.0, 1.0], [-1.0, 1.0]]) / math.sqrt(2)
    values = [binning.information(t, range(4), edges=[-2, 0, 2]).xt for t in (square, turned)]
    assert values == [2.0, 1.5]


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
    thrice = kraskov.entropy(np.tile(t, (3, 1)), k=2)
    assert thrice.zero_radius == 3 * len(t)


@given(samples(), st.integers(1, 4))
@common
def test_what_a_repeated_or_constant_unit_does(data, times):
    t, y = data
    once = measure(t, y, noise_variance=0.1)
    again = measure(np.tile(t, (1, times)), y, noise_variance=0.1 * times)
    assert binning_values(again.binning) == pytest.approx(binning_values(once.binning), abs=1e-12)
    assert kde_values(again.kde) == pytest.approx(kde_values(once.kde), abs=1e-6)
    assert again.kraskov.zero_radius == once.kraskov.zero_radius
    constant = np.full((len(t), times), 0.7, dtype=t.dtype)
    again = measure(np.hstack([constant, t]), y, noise_variance=0.1)
    assert binning_values(again.binning) == pytest.approx(binning_values(once.binning), abs=1e-12)
    assert kde_values(again.kde) == pytest.approx(kde_values(once.kde), abs=1e-6)
    assert again.kraskov.zero_radius == once.kraskov.zero_radius


@given(samples(), noises, st.sampled_from([1.5, 10.0, 1e6]))
@common
def test_more_noise_never_adds_information(data, s2, factor):
    t, y = data
    less, more = (kde.information(t, y, noise_variance=v) for v in (s2 * factor, s2))
    assert less.xt_upper <= more.xt_upper + 1e-9
    assert less.xt_lower <= more.xt_lower + 1e-9


@given(samples(), st.sampled_from([0.25, 1.0]))
@common
def test_units_together_know_at_least_what_each_knows(data, width):
    t, y = data
    whole = binning.information(t, y, width=width)
    units = [binning.information(column[:, None], y, width=width) for column in t.T]
    assert max(u.xt for u in units) - 1e-12 <= whole.xt <= sum(u.xt for u in units) + 1e-12
    assert max(u.ty for u in units) <= whole.ty + 1e-12


@given(samples(), st.sampled_from([0.25, 1.0]))
@common
def test_binning_is_the_information_of_its_table(data, width):
    t, y = data
    _, symbols = np.unique(np.floor(t / width), axis=0, return_inverse=True)
    table = np.zeros((symbols.max() + 1, y.max() + 1))
    np.add.at(table, (symbols, y), 1 / len(t))
    got = binning.information(t, y, width=width)
    assert got.ty == pytest.approx(closed_forms.discrete_mutual_information(table), abs=1e-12)
    assert got.xt == pytest.approx(closed_forms.discrete_entropy(table.sum(1)), abs=1e-12)


@given(samples(least=5), st.integers(1, 3))
@common
def test_the_kraskov_entropy_does_not_see_the_labels(data, k):
    t, y = data
    alone = kraskov.entropy(t, k=k)
    for labels in (y, np.zeros(len(t)), np.arange(len(t))):
        got = kraskov_of(t, labels, k=k)
        assert got.h_t == pytest.approx(alone.bits, abs=1e-6)
        assert got.zero_radius == alone.zero_radius
    assert kraskov.entropy(t, k=k + 1).zero_radius <= alone.zero_radius


@given(samples())
@common
def test_merging_classes_lowers_the_information(data):
    t, y = data
    merged = y // 2
    assert binning.information(t, merged).ty <= binning.information(t, y).ty + 1e-12
    fine, coarse = kde.information(t, y), kde.information(t, merged)
    assert coarse.ty_upper <= fine.ty_upper + 1e-6
    assert coarse.ty_lower <= fine.ty_lower + 1e-6


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
    expected = equidistant_bound(n, 2 * length**2, s2)
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
