"""KDE bounds: the slow twin, closed forms, clusters, precision, tiles."""

import math

import estimators_reference as reference
import numpy as np
import pytest
from estimators_checks import kde_values

from iblib.estimators import kde
from study.closed_forms import equidistant_bound


def clusters(d, spread, distance, n=120, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 5, n)
    centres = rng.normal(size=(5, d)) * distance / math.sqrt(d)
    return centres[y] + rng.normal(size=(n, d)) * spread / math.sqrt(d) + offset, y


@pytest.mark.parametrize("d", [1, 3, 16, 17, 200])
@pytest.mark.parametrize("s2", [1e-3, 0.01, 1.0])
def test_equals_the_slow_twin(d, s2):
    # catches the mutants "log base" and "8 s2 for 2 s2"
    t, y = clusters(d, spread=0.1, distance=1.0)
    expected = reference.kde(t, y, s2)
    assert kde_values(kde.information(t, y, noise_variance=s2)) == pytest.approx(expected, abs=1e-9)
    t32 = t.astype(np.float32)
    expected = reference.kde(t32.astype(np.float64), y, s2)
    got = kde_values(kde.information(t32, y, noise_variance=s2))
    assert got == pytest.approx(expected, abs=1e-6 if d <= 16 else 1e-9)


@pytest.mark.parametrize("d", [2, 64])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("spread", [1e-1, 1e-4])
def test_clusters_much_tighter_than_their_distance(d, offset, spread):
    # noise as small as the clusters: the digits that products and float32 lose
    t, y = clusters(d, spread=spread, distance=100.0, offset=offset)
    got = kde.information(t, y, noise_variance=spread**2 / 10)
    tolerance = 1e-8 if offset * 1e-16 < spread * 1e-9 else 1e-5
    expected = reference.kde(t, y, spread**2 / 10)
    assert kde_values(got) == pytest.approx(expected, abs=tolerance)


def test_float32_far_from_the_origin():
    # catches the mutant "drop centring" in every version that has no other guard
    for d in (3, 40):
        base = np.round(np.random.default_rng(0).normal(size=(80, d)) * 64) / 64
        y = np.arange(80) % 3
        near = kde.information(base.astype(np.float32), y, noise_variance=0.5)
        far = kde.information((base + 1000).astype(np.float32), y, noise_variance=0.5)
        assert kde_values(far) == pytest.approx(kde_values(near), abs=1e-9)


def test_far_points_give_log2_n_exactly():
    for d in (2, 30):
        t = np.zeros((32, d), dtype=np.float32)
        t[:, 0] = np.arange(32) * 100
        got = kde.information(t, np.arange(32) % 4)
        assert got.xt_upper == got.xt_lower == 5.0
        assert got.ty_upper == pytest.approx(2.0, abs=1e-12)
        assert got.saturated


@pytest.mark.parametrize("d", [8, 32])
def test_equidistant_points_follow_the_closed_form(d):
    t = np.eye(d) * 0.3  # squared distances 2 * 0.09
    got = kde.information(t, np.arange(d), noise_variance=0.05)
    for bound, value in (("upper", got.xt_upper), ("lower", got.xt_lower)):
        expected = equidistant_bound(d, 0.18, 0.05, bound=bound)
        assert value == pytest.approx(expected, abs=1e-10)
        assert 0 < expected < math.log2(d)


def test_bounds_hold_the_truth_of_a_gaussian():
    # T = h + noise with h ~ N(0, 1): I = 0.5 log2(1 + 1 / s2)
    h = np.random.default_rng(0).normal(size=(3000, 1)).astype(np.float32)
    got = kde.information(h, np.zeros(3000), noise_variance=0.1)
    truth = math.log2(11) / 2
    assert got.xt_lower - 0.03 < truth < got.xt_upper + 0.03


@pytest.mark.parametrize("d", [2, 16, 17])
def test_duplicates_are_exact(d):
    t = np.random.default_rng(0).normal(size=(20, d)) * 1e4
    y = np.arange(20) % 2
    once = kde.information(t, y)
    twice = kde.information(np.vstack([t, t]), np.concatenate([y, y]))
    assert once.xt_upper == pytest.approx(math.log2(20), abs=1e-12)
    assert kde_values(twice) == pytest.approx(kde_values(once), abs=1e-12)


def test_extreme_scales_and_noise():
    t = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    for factor in (1e-30, 1e30):
        got = kde.information(t * np.float32(factor), [0, 1, 1], noise_variance=factor**2)
        expected = reference.kde(t, np.array([0, 1, 1]), 1.0)
        assert kde_values(got) == pytest.approx(expected, abs=1e-6)
    for s2, expected in ((1e-300, math.log2(3)), (1e300, 0.0)):
        got = kde.information(t, [0, 1, 1], noise_variance=s2)
        assert (got.xt_upper, got.xt_lower) == pytest.approx((expected, expected), abs=1e-12)
    huge = kde.information(t.astype(float) * 1e300, [0, 1, 1])
    assert huge.xt_upper == pytest.approx(math.log2(3), abs=1e-12)
