"""KDE bounds: the slow twin, closed forms, clusters, precision, tiles."""

import math

import numpy as np
import pytest
import torch

from iblib.estimators import exact, kde, pairwise


def naive_bound(h, variance):
    """The formula with a loop over rows, differences first, in float64."""
    h = np.asarray(h, dtype=np.float64)
    rows = [np.exp(-((h - row) ** 2).sum(1) / (2 * variance)).mean() for row in h]
    return float(-np.mean(np.log2(rows)))


def naive_information(h, y, s2):
    values = []
    for variance in (s2, 4 * s2):
        xt = naive_bound(h, variance)
        within = sum((y == c).mean() * naive_bound(h[y == c], variance) for c in np.unique(y))
        values += [(xt, xt - within)]
    (xt_upper, ty_upper), (xt_lower, ty_lower) = values
    return xt_upper, xt_lower, ty_upper, ty_lower


def values_of(record):
    return record.xt_upper, record.xt_lower, record.ty_upper, record.ty_lower


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
    expected = naive_information(t, y, s2)
    assert values_of(kde.information(t, y, noise_variance=s2)) == pytest.approx(expected, abs=1e-9)
    t32 = t.astype(np.float32)
    expected = naive_information(t32.astype(np.float64), y, s2)
    got = values_of(kde.information(t32, y, noise_variance=s2))
    assert got == pytest.approx(expected, abs=1e-6 if d <= 16 else 1e-9)


@pytest.mark.parametrize("d", [2, 64])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("spread", [1e-1, 1e-4])
def test_clusters_much_tighter_than_their_distance(d, offset, spread):
    # noise as small as the clusters: the digits that products and float32 lose
    t, y = clusters(d, spread=spread, distance=100.0, offset=offset)
    got = kde.information(t, y, noise_variance=spread**2 / 10)
    tolerance = 1e-8 if offset * 1e-16 < spread * 1e-9 else 1e-5
    expected = naive_information(t, y, spread**2 / 10)
    assert values_of(got) == pytest.approx(expected, abs=tolerance)


def test_float32_far_from_the_origin():
    # catches the mutant "drop centring" in every version that has no other guard
    for d in (3, 40):
        base = np.round(np.random.default_rng(0).normal(size=(80, d)) * 64) / 64
        y = np.arange(80) % 3
        near = kde.information(base.astype(np.float32), y, noise_variance=0.5)
        far = kde.information((base + 1000).astype(np.float32), y, noise_variance=0.5)
        assert values_of(far) == pytest.approx(values_of(near), abs=1e-9)


def test_products_are_taken_of_centred_rows():
    # catches the mutant "drop centring" itself
    t = torch.randn(50, 20, generator=torch.Generator().manual_seed(0)) + 1000
    points = pairwise.one_group(t).points
    assert points.dtype == torch.float64
    assert points.mean(0).abs().max() < 1e-9 * points.abs().max()


def test_precision_follows_the_policy():
    def working(t):
        return pairwise.one_group(t).points.dtype

    t = torch.ones(4, 16)
    assert working(t) == torch.float32
    assert working(t.double()) == torch.float64
    assert working(torch.ones(4, 17)) == torch.float64
    t[0, 0] = 1e-30  # its square, beside 1, is no float32
    assert working(t) == torch.float64
    assert working(torch.zeros(4, 2)) == torch.float32


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
        expected = exact.equidistant_bound(d, 0.18, 0.05, bound=bound)
        assert value == pytest.approx(expected, abs=1e-10)
        assert 0 < expected < math.log2(d)


def test_bounds_hold_the_truth_of_a_gaussian():
    # T = h + noise with h ~ N(0, 1): I = 0.5 log2(1 + 1 / s2)
    h = np.random.default_rng(0).normal(size=(3000, 1)).astype(np.float32)
    got = kde.information(h, np.zeros(3000), noise_variance=0.1)
    truth = exact.linear_information_x([[1.0]], [[1.0]], 0.1)
    assert truth == pytest.approx(0.5 * math.log2(11))
    assert got.xt_lower - 0.03 < truth < got.xt_upper + 0.03


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_blocked_is_whole(d, block):
    t, y = clusters(d, spread=0.1, distance=1.0)
    whole = kde.information(t, y)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    rows = pairwise.sort_rows(torch.from_numpy(t), torch.from_numpy(codes), counts.tolist())
    sums = kde.KernelSums(rows, 0.01)
    pairwise.sweep(rows, [sums], block=block)
    assert values_of(sums.result()) == pytest.approx(values_of(whole), abs=1e-11)


@pytest.mark.parametrize("pairs", [0, 10**9])
@pytest.mark.parametrize("scale", [1.0, 1e-5])
def test_both_ways_of_recomputing_cancelled_pairs(monkeypatch, pairs, scale):
    # clusters inside clusters, with duplicates: every level of the recursion
    monkeypatch.setattr(pairwise, "_PAIRS", pairs)
    rng = np.random.default_rng(3)
    level = [rng.normal(size=(n, 30)) for n in (3, 4, 5)]
    t = level[0][:, None, None] + 1e-6 * level[1][None, :, None] + 1e-11 * level[2][None, None]
    t = np.concatenate([t.reshape(60, 30), t.reshape(60, 30)[:10]]) * scale
    tile = next(pairwise.tiles(pairwise.one_group(torch.from_numpy(t))))
    unit = pairwise.one_group(torch.from_numpy(t)).scale ** 2
    truth = ((t[:, None] - t[None]) ** 2).sum(2)
    got = tile.squared.numpy() * unit
    assert (got >= 0).all()
    np.testing.assert_array_equal(got == 0, truth == 0)
    # the last level is a few units in the last place of the data themselves: centring rounds it
    settled = truth > 1e-18 * scale**2
    np.testing.assert_allclose(got[settled], truth[settled], rtol=1e-7)
    np.testing.assert_allclose(got[~settled], truth[~settled], rtol=1e-3)


@pytest.mark.parametrize("d", [2, 16, 17])
def test_duplicates_are_exact(d):
    t = np.random.default_rng(0).normal(size=(20, d)) * 1e4
    y = np.arange(20) % 2
    once = kde.information(t, y)
    twice = kde.information(np.vstack([t, t]), np.concatenate([y, y]))
    assert once.xt_upper == pytest.approx(math.log2(20), abs=1e-12)
    assert values_of(twice) == pytest.approx(values_of(once), abs=1e-12)


def test_extreme_scales_and_noise():
    t = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    for factor in (1e-30, 1e30):
        got = kde.information(t * np.float32(factor), [0, 1, 1], noise_variance=factor**2)
        expected = naive_information(t, np.array([0, 1, 1]), 1.0)
        assert values_of(got) == pytest.approx(expected, abs=1e-6)
    for s2, expected in ((1e-300, math.log2(3)), (1e300, 0.0)):
        got = kde.information(t, [0, 1, 1], noise_variance=s2)
        assert (got.xt_upper, got.xt_lower) == pytest.approx((expected, expected), abs=1e-12)
    huge = kde.information(t.astype(float) * 1e300, [0, 1, 1])
    assert huge.xt_upper == pytest.approx(math.log2(3), abs=1e-12)
