"""What the engines promise beyond the values: proofs that hold, fallbacks, threads, blocks."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from iblib.estimators import (
    _checks,
    binning,
    blocks,
    certified,
    float32,
    kde,
    kraskov,
    measure,
    measure_parts,
    pairwise,
    products,
    projected,
    symbols,
)
from iblib.estimators._parallel import torch_engine
from iblib.estimators.rows import one_group, sort_rows

N = 300


def sorted_rows(t, y=None):
    points = _checks.as_points(t)
    if y is None:
        return one_group(points)
    labels = _checks.as_labels(y, len(t))
    return sort_rows(points, labels.codes, labels.counts)


def layer(kind, d=200, n=N, seed=0):
    """Activations (n, d) float32 and 3 labels: all far apart, near in pairs, or collapsed."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    if kind == "far":
        t = rng.normal(size=(n, d)) * 3
    elif kind == "pairs":
        t = rng.normal(size=(n, d)) * 3
        t[1::2] = t[::2] + 0.02 * rng.normal(size=(n // 2, d)) / np.sqrt(d / 10)
        t[-3:] = t[0]
    else:
        pattern = np.sign(rng.normal(size=d)) + 0.5 * rng.normal(size=(3, d))[y]
        t = pattern + rng.normal(size=(n, d)) * np.sqrt(0.02 / d)
    return t.astype(np.float32), y


def numbers(found):
    lists = (found.sums_all, found.sums_own, found.nearest_all, found.nearest_own)
    return [one for one in lists if one is not None]


def assert_same(found, expected, rtol=1e-9):
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol)


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
def test_products_are_taken_of_centred_rows():
    # catches the mutant "drop centring" itself
    t = np.random.default_rng(0).normal(size=(50, 20)) + 1000
    rows = sorted_rows(t, np.arange(50) % 3)
    points = rows.scaled(torch.float64, centred=True)
    assert points.mean(0).abs().max() < 1e-9 * points.abs().max()
    expected = (t - t.mean(0))[np.argsort(np.arange(50) % 3, kind="stable")]
    np.testing.assert_allclose(points.numpy() * rows.scale, expected, atol=1e-9)


def test_small_distances_are_taken_in_the_dtype_of_the_policy():
    def working(t, rate=None):
        return pairwise._direct_dtype(sorted_rows(t), rate)

    t = torch.ones(4, 16)
    assert working(t) is np.float32
    assert working(t.double()) is np.float64
    assert working(t, rate=2.0**120) is np.float64
    t[0, 0] = 1e-30  # its square, beside 1, is no float32
    assert working(t) is np.float64
    assert working(torch.zeros(4, 2)) is np.float32


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [1, 5, 16, 17, 100, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_radii_are_those_of_a_tree(d, dtype):
    t = (np.random.default_rng(d).normal(size=(200, d)) * 10 + 100).astype(dtype)
    rows = sorted_rows(t)
    radii = np.sqrt(pairwise.statistics(rows, k=3).nearest_all) * rows.scale
    relative = 1e-6 if dtype == np.float32 and d <= 16 else 1e-9
    np.testing.assert_allclose(radii, cKDTree(t).query(t, k=[4])[0][:, 0], rtol=relative)


# --- engines agree --------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3, 4, 10, 16, 17, 40, 127, 128, 600])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_engines_agree(d, dtype):
    rng = np.random.default_rng(d)
    y = rng.integers(0, 4, 531)
    t = (rng.normal(size=(531, d)) * 0.3 + rng.normal(size=(4, d))[y]).astype(dtype)
    t[7:12] = t[6]
    options = {"width": 0.5, "noise_variance": 0.02 * d, "k": 3}
    ours = measure(t, y, **options)
    with torch_engine():
        theirs = measure(t, y, **options)
    assert ours.binning == theirs.binning
    assert ours.kraskov.zero_radius == theirs.kraskov.zero_radius == 6
    close = {"abs": 1e-6 if dtype == np.float32 and d <= 16 else 1e-8}
    for name in ("xt_upper", "xt_lower", "ty_upper", "ty_lower"):
        assert getattr(ours.kde, name) == pytest.approx(getattr(theirs.kde, name), **close)
    for name in ("h_t", "ty"):
        assert getattr(ours.kraskov, name) == pytest.approx(getattr(theirs.kraskov, name), **close)


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17, 255, 256, 257, 511, 512, 513, 1030])
@pytest.mark.parametrize("d", [3, 20])
def test_block_borders(n, d):
    # lengths around those of blocks, lanes and groups; classes of every size, one of them alone
    t = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)
    y = np.minimum(np.arange(n) // 3, 60)
    rows = sorted_rows(t, y)
    unit = rows.scale**2
    found = pairwise.statistics(rows, 0.125 * unit, 2)
    with torch_engine():
        expected = pairwise.statistics(rows, 0.125 * unit, 2)
    assert_same(found, expected, rtol=3e-6)


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("block", [1, 13, 500])
def test_blocked_is_whole(d, block):
    t, y = np.random.default_rng(0).normal(size=(150, d)), np.arange(150) % 4
    rows = sorted_rows(t, y)
    rate = rows.scale**2
    expected = blocks.statistics(rows, np.float64, rate, 2, is_direct=d <= 16)
    found = blocks.statistics(rows, np.float64, rate, 2, is_direct=d <= 16, block=block)
    assert_same(found, expected, rtol=1e-12)


@pytest.mark.parametrize("d", [3, 40, 200])
def test_the_number_of_threads_changes_no_bit(d):
    t, y = layer("collapsed", d=d, n=700)
    before, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 5):
            torch.set_num_threads(n_threads)
            found.append((measure(t, y), kde.information(t, y), kraskov.information(t, y)))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


# --- products -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [0, 10**9])
@pytest.mark.parametrize("scale", [1.0, 1e-5])
def test_both_ways_of_recomputing_cancelled_pairs(monkeypatch, pairs, scale):
    # clusters inside clusters, with duplicates: every level of the recursion
    monkeypatch.setattr(products, "_PAIRS", pairs)
    rng = np.random.default_rng(3)
    level = [rng.normal(size=(n, 30)) for n in (3, 4, 5)]
    t = level[0][:, None, None] + 1e-6 * level[1][None, :, None] + 1e-11 * level[2][None, None]
    t = np.concatenate([t.reshape(60, 30), t.reshape(60, 30)[:10]]) * scale
    rows = sorted_rows(t)
    everything = slice(0, len(t))
    got = products.ExactTiles([rows]).tile(everything, everything).numpy() * rows.scale**2
    truth = ((t[:, None] - t[None]) ** 2).sum(2)
    assert (got >= 0).all()
    np.testing.assert_array_equal(got == 0, truth == 0)
    # the last level is a few units in the last place of the data themselves: centring rounds it
    settled = truth > 1e-18 * scale**2
    np.testing.assert_allclose(got[settled], truth[settled], rtol=1e-7)
    np.testing.assert_allclose(got[~settled], truth[~settled], rtol=1e-3)


# --- proofs ---------------------------------------------------------------------------------------


def spy(monkeypatch, module, name):
    calls = []
    original = getattr(module, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return calls


@pytest.mark.parametrize(("kind", "exact"), [("far", 0), ("pairs", 0), ("collapsed", 1)])
def test_projection_leaves_out_only_the_negligible(monkeypatch, kind, exact):
    t, y = layer(kind)
    rows = sorted_rows(t, y)
    rate = kde.rate(rows, 0.01)
    expected = products.statistics([rows], rate, 0)
    tiles = spy(monkeypatch, products, "add_tiles")
    assert_same(projected.statistics(rows, rate), expected, rtol=3e-10)
    assert len(tiles) == exact


def test_far_rows_are_proven_alone():
    t, y = layer("far")
    found = kde.information(t, y)
    assert found.xt_upper == found.xt_lower == pytest.approx(np.log2(N), abs=1e-12)
    assert found.saturated


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_projection_never_lengthens_a_distance(offset):
    t, y = layer("pairs")
    t = t + np.float32(offset)
    rows = sorted_rows(t, y)
    projection, limit = projected._project(rows, reach := 1.0)
    assert limit >= reach
    ordered = t[rows.index].astype(np.float64) / rows.scale
    truth = ((ordered[:, None] - ordered[None]) ** 2).sum(2)
    shorter = ((projection[:, None] - projection[None]) ** 2).sum(2)
    slack = np.sqrt(limit) - np.sqrt(reach)
    assert (np.sqrt(shorter) <= np.sqrt(truth) + slack).all()


@pytest.mark.parametrize("kind", ["far", "pairs", "collapsed"])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_float32_products_keep_their_bound(kind, offset):
    t, _ = layer(kind, d=3000, n=256)
    rows = sorted_rows(t + np.float32(offset))
    factor = float32.Float32Products(rows)
    everything = slice(0, 256)
    exact = products.ExactTiles([rows]).tile(everything, everything).numpy()
    error = np.abs(factor.tile(everything, everything).numpy() - exact)
    assert (error <= factor.errors[:, None]).all()


@pytest.mark.parametrize(("kind", "falls_back"), [("far", 0), ("pairs", 0), ("collapsed", 1)])
@pytest.mark.parametrize("rate", [None, 12.5])
def test_candidates_are_certified_or_dropped(monkeypatch, kind, falls_back, rate):
    t, y = layer(kind)
    rows = sorted_rows(t + np.float32(100), y)
    rate = rate and rate * rows.scale**2
    expected = products.statistics([rows], rate, 3)
    exact = spy(monkeypatch, products, "statistics")
    found = certified.statistics([rows], rate, 3)[0]
    assert_same(found, expected, rtol=1e-7)
    assert len(exact) == falls_back


def test_uncertain_rows_are_searched_again(monkeypatch):
    t, y = layer("far")
    rows = sorted_rows(t, y)
    expected = products.statistics([rows], None, 2)
    searched = spy(monkeypatch, certified._Screen, "_search")
    original = float32.Float32Products.__init__

    def doubtful(self, rows):
        original(self, rows)
        self.errors[::60] = 1e30  # five rows whose candidates cannot be trusted

    monkeypatch.setattr(float32.Float32Products, "__init__", doubtful)
    assert_same(certified.statistics([rows], None, 2)[0], expected, rtol=1e-9)
    assert len(searched) == 2 * 5


def test_nothing_is_certified_when_nothing_can_be(monkeypatch):
    t, y = layer("far")
    rows = sorted_rows(t, y)
    expected = products.statistics([rows], None, 2)
    exact = spy(monkeypatch, products, "statistics")
    original = float32.Float32Products.__init__

    def hopeless(self, rows):
        original(self, rows)
        self.errors[:] = 1e30

    monkeypatch.setattr(float32.Float32Products, "__init__", hopeless)
    assert_same(certified.statistics([rows], None, 2)[0], expected, rtol=1e-12)
    assert len(exact) == 1


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("dimensions", [(200, 150, 130), (3, 5), (200, 4), (256,)])
@pytest.mark.parametrize("kind", ["far", "pairs", "collapsed"])
def test_parts_are_measured_as_if_alone_and_as_a_whole(dimensions, kind):
    parts = [layer(kind, d=d, seed=d)[0] for d in dimensions]
    y = layer(kind)[1]
    parts[0][:, ::2] = 0.0
    singles, whole = measure_parts(parts, y, width=0.5, noise_variance=0.1, k=3)
    expected = [measure(t, y, width=0.5, noise_variance=0.1, k=3) for t in parts]
    expected.append(measure(np.concatenate(parts, 1), y, width=0.5, noise_variance=0.1, k=3))
    for got, one in zip([*singles, whole], expected, strict=True):
        assert got.binning == one.binning
        assert got.kde.xt_upper == pytest.approx(one.kde.xt_upper, abs=1e-8)
        assert got.kde.ty_lower == pytest.approx(one.kde.ty_lower, abs=1e-8)
        assert got.kraskov.h_t == pytest.approx(one.kraskov.h_t, abs=1e-5)
        assert got.kraskov.ty == pytest.approx(one.kraskov.ty, abs=1e-5)
        assert got.kraskov.dimension == one.kraskov.dimension
        assert got.kraskov.zero_radius == one.kraskov.zero_radius


def test_a_dead_part_is_counted():
    parts = [np.zeros((N, 200), np.float32), layer("far")[0]]
    singles, whole = measure_parts(parts, layer("far")[1])
    assert singles[0].binning.xt == singles[0].kde.xt_upper == 0.0
    assert singles[0].kraskov.zero_radius == N
    assert whole.kraskov.zero_radius == 0
    assert whole.binning == singles[1].binning


def test_bad_parts():
    with pytest.raises(ValueError, match="parts must hold the same samples; got no parts"):
        measure_parts([], [])
    with pytest.raises(ValueError, match=r"same samples; got \[3, 4\]"):
        measure_parts([np.zeros((3, 1)), np.zeros((4, 1))], [0, 1, 2])
    with pytest.raises(ValueError, match=r"parts\[1\] must be finite"):
        measure_parts([np.zeros((3, 1)), np.full((3, 1), np.nan)], [0, 1, 2])


# --- symbols --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
def test_values_on_bin_edges_follow_division_not_multiplication_by_the_inverse():
    t = (np.arange(-3000, 3000, dtype=np.float32) * np.float32(0.07))[:, None]
    floors = np.floor(t / 0.07)
    assert (floors != np.floor(t * np.float32(1 / 0.07))).any()
    found, _ = symbols.row_symbols(torch.from_numpy(t), symbols.Bins.checked(0.07, None))
    _, expected = np.unique(floors, return_inverse=True)
    assert len(np.unique(np.stack([found, expected.ravel()]), axis=1).T) == len(np.unique(expected))


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("edges", [[-1, -0.5, 0, 0.5, 1], [-1, -0.9, 0, 0.5, 1]])
def test_a_bin_holds_its_lower_edge_and_the_last_one_both(edges):
    t = torch.tensor([[-1.0], [edges[1]], [0.0], [0.5], [1.0], [0.99]])
    found, clipped = symbols.row_symbols(t, symbols.Bins.checked(0.07, edges))
    assert len(set(found[:4].tolist())) == 4
    assert found[3] == found[4] == found[5]
    assert clipped == 0


@pytest.mark.parametrize("low", [-1.0, 0.1, 1e6])
@pytest.mark.parametrize("n_bins", [1, 2, 30, 1000])
def test_places_between_edges_are_those_of_a_search(low, n_bins):
    edges = np.linspace(low, low + 2.0, n_bins + 1)
    some = np.random.default_rng(0).uniform(low - 0.1, low + 2.1, 5000)
    t = np.concatenate([some, edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)])
    codes = np.empty(len(t), np.int32)
    outside = symbols._place(t, edges, codes)
    expected = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, n_bins - 1)
    np.testing.assert_array_equal(codes, expected)
    assert outside == ((t < edges[0]) | (t > edges[-1])).sum()


def test_a_hash_collision_changes_nothing(monkeypatch):
    t, y = layer("far", d=20)
    expected = binning.information(t, y, width=5.0)
    assert expected.xt > 0
    monkeypatch.setattr(symbols, "_factors", lambda d: np.zeros(d, np.uint32))
    assert binning.information(t, y, width=5.0) == expected
    with torch_engine():
        assert binning.information(t, y, width=5.0) == expected


def test_hash_blocks_do_not_matter(monkeypatch):
    t, y = layer("far", d=5000)
    expected = binning.information(t, y, width=0.3)
    monkeypatch.setattr(symbols, "_BLOCK", 7)
    with torch_engine():
        assert binning.information(t, y, width=0.3) == expected
