"""KDE bounds: the slow twin, closed forms, clusters, several noises, resolutions."""

import math

import estimators_reference as reference
import numpy as np
import pytest
from estimators_checks import kde_values
from scipy.spatial.distance import pdist
from scipy.special import ndtri

from iblib.estimators import kde, measure
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


# --- several noises -------------------------------------------------------------------------------

NOISES = (0.3, 1e-4, 0.01, 0.04, 20.0, 0.01)  # unsorted, one a fourth of another, one twice
RESOLUTIONS = (0.4, 0.05, 0.2)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [1, 3, 16, 17, 40, 128, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_several_noises_say_what_each_says_alone(d, dtype):
    t, y = clusters(d, spread=0.3, distance=1.0, n=300)
    t = t.astype(dtype)
    found = kde.information(t, y, noise_variance=NOISES, resolution=RESOLUTIONS)
    alone = [kde.information(t, y, noise_variance=one) for one in NOISES]
    alone += [kde.information(t, y, resolution=one) for one in RESOLUTIONS]
    for one, expected in zip(found, alone, strict=True):
        assert kde_values(one) == pytest.approx(kde_values(expected), abs=3e-10)
        assert (one.noise_variance, one.resolution) == (
            expected.noise_variance,
            expected.resolution,
        )
    together = measure(t, y, noise_variance=NOISES, resolution=RESOLUTIONS)
    assert together.kde == together.noises[0]
    for one, expected in zip(together.noises, found, strict=True):
        assert kde_values(one) == pytest.approx(kde_values(expected), abs=3e-10)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("n", [8, 16, 40, 160])  # as many dimensions
def test_several_noises_of_equidistant_points(n):
    length, noises = 0.3, (1e-3, 0.05, 0.2, 1.0, 1e3)
    relative = 2 * length**2 * (n - 1) / n  # RMS^2: each pair once, a row with itself counted
    found = kde.information(
        np.eye(n) * length, np.arange(n), noise_variance=noises, resolution=RESOLUTIONS
    )
    variances = [*noises, *(r * r * relative for r in RESOLUTIONS)]
    for got, s2 in zip(found, variances, strict=True):
        assert got.noise_variance == pytest.approx(s2, rel=1e-12)
        for bound in ("upper", "lower"):
            expected = equidistant_bound(n, 2 * length**2, s2, bound=bound)
            got_bits = [getattr(got, f"{name}_{bound}") for name in ("xt", "ty")]
            assert got_bits == pytest.approx([expected] * 2, abs=1e-9)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [1, 16, 17, 150])
def test_several_noises_of_two_points_many_times(d):
    n, distance, noises = 150, 2.0, (0.1, 1.0, 4.0, 30.0)
    t = np.outer(np.arange(n) % 2, np.full(d, distance / math.sqrt(d)))
    found = kde.information(t, np.arange(n) % 2, noise_variance=noises, resolution=(1.0, 0.5))
    variances = [*noises, distance**2 / 2, distance**2 / 8]  # the variance is (distance / 2)^2
    for got, s2 in zip(found, variances, strict=True):
        for factor, values in (
            (2, (got.xt_upper, got.ty_upper)),
            (8, (got.xt_lower, got.ty_lower)),
        ):
            expected = 1 - math.log2(1 + math.exp(-(distance**2) / (factor * s2)))
            assert values == pytest.approx([expected] * 2, abs=1e-9)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [1, 20])
def test_several_noises_of_a_gaussian(d):
    # mean_j exp(-|h - h_j|^2 / 2 s2) is s / sqrt(1 + s2) exp(-h^2 / 2 (1 + s2)) for N(0, 1)
    n, noises = 2000, (0.03, 0.1, 0.5, 2.0)
    h = ndtri((np.arange(n) + 0.5) / n)[:, None] * np.full(d, 1 / math.sqrt(d))

    def truth(s2):
        return 0.5 * math.log2((1 + s2) / s2) + 0.5 / (1 + s2) / math.log(2)

    for got in kde.information(h, np.zeros(n), noise_variance=noises):
        expected = truth(got.noise_variance), truth(4 * got.noise_variance)
        assert (got.xt_upper, got.xt_lower) == pytest.approx(expected, abs=2e-3)


def test_one_number_gives_one_and_a_sequence_a_tuple():
    t, y = clusters(3, spread=0.1, distance=1.0)
    default = kde.information(t, y)
    assert (default.noise_variance, default.resolution, default.degenerate) == (0.01, None, False)
    assert kde.information(t, y, noise_variance=np.float32(0.25)).noise_variance == 0.25
    assert kde.information(t, y, noise_variance=[0.01]) == (default,)
    both = kde.information(t, y, noise_variance=0.01, resolution=0.5)
    assert both == (default, kde.information(t, y, resolution=0.5))
    assert kde.information(t, y, resolution=()) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_variance": 0.0},
        {"noise_variance": (0.1, -1.0)},
        {"resolution": float("nan")},
        {"resolution": (0.1, float("inf"))},
        {"resolution": 0.1, "scale": "max"},
    ],
)
def test_noises_that_are_none(wrong):
    with pytest.raises(ValueError, match=list(wrong)[-1]):
        kde.information(np.eye(3), range(3), **wrong)
    with pytest.raises(TypeError):
        kde.information(np.eye(3), range(3), resolution=object())
    with pytest.raises(ValueError, match="noise_variance"):
        measure(np.eye(3), range(3), noise_variance=())


# --- resolutions ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [1, 5, 30, 200])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_a_resolution_is_a_share_of_the_scale(d, offset):
    t, y = clusters(d, spread=0.5, distance=1.0, n=150, offset=offset)
    t[3:9] = t[2]  # a distance of zero is no scale
    distances = pdist(t)
    rms = math.sqrt(2 * t.var(axis=0).sum())
    assert rms == pytest.approx(math.sqrt((distances**2).mean() * (len(t) - 1) / len(t)))
    for scale, length in (("rms", rms), ("median", np.median(distances[distances > 0]))):
        for got in kde.information(t, y, resolution=RESOLUTIONS, scale=scale):
            assert got.noise_variance == pytest.approx((got.resolution * length) ** 2, rel=1e-9)
            expected = tuple(reference.kde(t, y, got.noise_variance))
            assert kde_values(got) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_outlier_moves_the_rms_and_not_the_median(dtype):
    t, y = clusters(4, spread=0.5, distance=1.0, n=200)
    t = t.astype(dtype)
    calm = [kde.information(t, y, resolution=0.5, scale=scale) for scale in ("rms", "median")]
    t[0] += 1e4
    wild = [kde.information(t, y, resolution=0.5, scale=scale) for scale in ("rms", "median")]
    assert wild[0].xt_upper < 0.1
    assert wild[1].xt_upper == pytest.approx(calm[1].xt_upper, abs=0.1)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [2, 40, 200])
@pytest.mark.parametrize("scale", ["rms", "median"])
@pytest.mark.parametrize("level", [0.0, 1e-30, 7.0, 1e30])
def test_a_constant_layer_has_no_shape(d, scale, level):
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    for noise in (0.0, 1e-7):
        t = level * (1 + noise * rng.normal(size=(150, d)) / np.sqrt(d))
        fixed, *relative = kde.information(
            t, y, noise_variance=level**2 + 1, resolution=RESOLUTIONS, scale=scale
        )
        for got in relative:
            assert got.degenerate
            assert not got.saturated
            assert kde_values(got) == (0.0, 0.0, 0.0, 0.0)
        assert fixed == kde.information(t, y, noise_variance=level**2 + 1)
        assert not fixed.degenerate
    t = level * (1 + 1e-4 * rng.normal(size=(150, d)) / np.sqrt(d))
    assert kde.information(t, y, resolution=0.1, scale=scale).degenerate == (level == 0.0)
    assert kde.information(t[:1], y[:1], resolution=0.1, scale=scale).xt_upper == 0.0


def test_a_curve_is_a_table_of_resolutions():
    t, y = clusters(6, spread=0.3, distance=1.0, n=200)
    table = kde.curve(t, y)
    assert list(table) == [
        *("resolution", "noise_variance", "xt_upper", "xt_lower", "ty_upper", "ty_lower"),
        "degenerate",
    ]
    assert table["resolution"].iloc[[0, -1]].tolist() == [0.05, 1.6]
    assert (np.diff(table["xt_upper"]) < 0).all()
    np.testing.assert_array_equal(table["xt_lower"][:-2], table["xt_upper"][2:])
    np.testing.assert_array_equal(table["ty_lower"][:-2], table["ty_upper"][2:])
    few = kde.curve(t, y, [0.5, 0.25], scale="median")
    assert few["resolution"].tolist() == [0.5, 0.25]
    expected = kde.information(t, y, resolution=0.25, scale="median")
    assert few["ty_lower"][1] == pytest.approx(expected.ty_lower, abs=1e-12)
    assert kde.curve(np.ones((5, 2)), range(5))["degenerate"].all()
