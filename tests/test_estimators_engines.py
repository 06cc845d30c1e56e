"""What the engines promise beyond the values: proofs that hold, fallbacks, threads, blocks."""

from unittest import mock

import numpy as np
import pytest
import torch
from estimators_layers import N, assert_same, layer, sorted_rows, spy
from scipy.spatial import cKDTree

from iblib.estimators import kde, kraskov, measure
from iblib.estimators._engine import blocks, pairwise, products, projected, threads, tiles

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
    def working(t, *rates):
        return pairwise._direct_dtype(sorted_rows(t), np.array(rates))

    t = torch.ones(4, 16)
    assert working(t) == working(t, 1.0) == torch.float32
    assert working(t.double()) == torch.float64
    assert working(t, 1.0, 2.0**120) == torch.float64
    t[0, 0] = 1e-30  # its square, beside 1, is no float32
    assert working(t) == torch.float64
    assert working(torch.zeros(4, 2)) == torch.float32


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [1, 5, 16, 17, 100, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_radii_are_those_of_a_tree(d, dtype):
    t = (np.random.default_rng(d).normal(size=(200, d)) * 10 + 100).astype(dtype)
    rows = sorted_rows(t)
    radii = np.sqrt(pairwise.row_statistics(rows, k=3).nearest_all) * rows.scale
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
    with mock.patch.object(threads, "COMPILED_ON", ()):
        theirs = measure(t, y, **options)
    assert ours.binning == theirs.binning
    assert ours.kraskov.zero_radius == theirs.kraskov.zero_radius == 6
    close = {"abs": 1e-6 if dtype == np.float32 and d <= 16 else 1e-8}
    for name in ("xt_upper", "xt_lower", "ty_upper", "ty_lower"):
        assert getattr(ours.kde, name) == pytest.approx(getattr(theirs.kde, name), **close)
    for name in ("h_t", "ty"):
        assert getattr(ours.kraskov, name) == pytest.approx(getattr(theirs.kraskov, name), **close)


@pytest.mark.parametrize("n", [1, 2, 3, 15, 63, 64, 65, 255, 256, 257, 383, 384, 385, 769, 1030])
@pytest.mark.parametrize("d", [3, 20])
def test_block_borders(n, d):
    # lengths around those of tiles, chunks and flushes; classes of every size, one of them alone
    t = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)
    y = np.minimum(np.arange(n) // 3, 60)
    rows = sorted_rows(t, y)
    unit = rows.scale**2
    found = pairwise.row_statistics(rows, [0.125 * unit], 2)
    with mock.patch.object(threads, "COMPILED_ON", ()):
        expected = pairwise.row_statistics(rows, [0.125 * unit], 2)
    assert_same(found, expected, rtol=3e-6)


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("block", [1, 13, 500])
def test_blocked_is_whole(d, block):
    t, y = np.random.default_rng(0).normal(size=(150, d)), np.arange(150) % 4
    rows = sorted_rows(t, y)
    tiles, rates = products.ExactTiles(rows), rows.scale**2 * np.array([1.0, 3.0])
    if d <= 16:
        tiles = blocks.DirectTiles(rows.scaled(torch.float64))
    expected = blocks.block_statistics(rows, tiles, rates, 2)
    found = blocks.block_statistics(rows, tiles, rates, 2, block=block)
    assert_same(found, expected, rtol=1e-12)


@pytest.mark.parametrize("d", [3, 40, 200])
def test_the_number_of_threads_changes_no_bit(d):
    t, y = layer("collapsed", d=d, n=700)
    before, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 5):
            torch.set_num_threads(n_threads)
            shape = kde.information(t, y, resolution=(0.05, 0.5))
            found.append((measure(t, y), kde.information(t, y), shape, kraskov.information(t, y)))
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
    got = products.ExactTiles(rows).tile(everything, everything).numpy() * rows.scale**2
    truth = ((t[:, None] - t[None]) ** 2).sum(2)
    assert (got >= 0).all()
    np.testing.assert_array_equal(got == 0, truth == 0)
    # the last level is a few units in the last place of the data themselves: centring rounds it
    settled = truth > 1e-18 * scale**2
    np.testing.assert_allclose(got[settled], truth[settled], rtol=1e-7)
    np.testing.assert_allclose(got[~settled], truth[~settled], rtol=1e-3)


# --- proofs ---------------------------------------------------------------------------------------


def kernel_rates(rows, *noises):
    return np.sort(np.outer(rows.scale**2 / np.array(noises), [1 / 8, 1 / 2]).ravel())


@pytest.mark.parametrize(
    ("kind", "noises", "exact"),
    [
        ("far", [0.01], 0),
        ("pairs", [0.01], 0),
        ("collapsed", [0.01], 3),
        ("far", [0.01, 1e-6, 0.1], 0),
        ("far", [0.01, 1e3], 3),  # the narrow ones may be left out of the tiles of the wide one
        ("pairs", [0.01, 1e3], 3),
        ("collapsed", [1e-5, 0.01, 1.0], 3),
    ],
)
def test_projection_leaves_out_only_the_negligible(monkeypatch, kind, noises, exact):
    t, y = layer(kind)
    rows = sorted_rows(t, y)
    rates = kernel_rates(rows, *noises)
    expected = tiles.tile_statistics(rows, products.ExactTiles(rows), rates, 0)
    computed = spy(monkeypatch, products.ExactTiles, "tile")
    assert_same(projected.projected_statistics(rows, rates), expected, rtol=3e-10)
    assert len(computed) == exact


def test_a_tile_takes_only_the_kernels_that_count_there(monkeypatch):
    t, y = layer("far")
    rows = sorted_rows(t, y)
    added = spy(monkeypatch, tiles, "_add_tile")
    projected.projected_statistics(rows, kernel_rates(rows, 0.01, 1e3))
    assert [len(exponents) for *_, exponents, _, _ in added] == [2] * 3


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
    projection, limits = projected._project(rows, np.array([reach := 1.0]))
    projection, limit = projection.astype(np.float64), float(limits[0])
    assert limit >= reach
    ordered = t[rows.index].astype(np.float64) / rows.scale
    truth = ((ordered[:, None] - ordered[None]) ** 2).sum(2)
    shorter = ((projection[:, None] - projection[None]) ** 2).sum(2)
    slack = np.sqrt(limit) - np.sqrt(reach)
    assert (np.sqrt(shorter) <= np.sqrt(truth) + slack).all()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("d", [3, 20, 200])
@pytest.mark.parametrize("magnitude", [1e307, 1e-300])
def test_sums_that_would_leave_the_numbers(d, magnitude):
    t, y = np.random.default_rng(d).uniform(-1, 1, size=(N, d)), np.arange(N) % 2
    expected = kraskov.entropy(t, epsilon=1e-320)
    got = kraskov.entropy(t * magnitude, epsilon=1e-320)
    assert got.bits == pytest.approx(expected.bits + d * np.log2(magnitude), abs=1e-6 * d)
    close = measure(t * magnitude, y, width=magnitude, noise_variance=1e300).kde
    assert np.isfinite([close.xt_upper, close.ty_upper]).all()
