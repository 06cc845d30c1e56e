"""Kraskov entropy: the slow twin, scipy's tree as oracle, Gaussians, small classes."""

import math

import estimators_reference as reference
import numpy as np
import pytest

from iblib.estimators import closed_forms, kraskov


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 150)
    return rng.normal(size=(150, 4)) + y[:, None], y


@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_equals_the_slow_twin(data, k):
    # catches the mutants "k off by one", "self in its own neighbourhood" and "log base"
    t, y = data
    got = kraskov.information(t, y, k=k)
    assert got.h_t == pytest.approx(reference.entropy(t, k), abs=1e-10)
    assert got.ty == pytest.approx(reference.kraskov(t, y, k).ty, abs=1e-10)
    assert kraskov.entropy(t, k=k).bits == got.h_t


@pytest.mark.parametrize(("d", "tolerance"), [(1, 0.06), (2, 0.10), (5, 0.15)])
def test_gaussian(d, tolerance):
    t = np.random.default_rng(d).normal(size=(2000, d)).astype(np.float32)
    error = kraskov.entropy(t).bits - closed_forms.gaussian_entropy(np.eye(d))
    assert abs(error) * math.log(2) < tolerance


def test_bias_in_twenty_dimensions_is_there_and_flagged():
    t = np.random.default_rng(0).normal(size=(2000, 20)).astype(np.float32)
    got = kraskov.entropy(t)
    error = (got.bits - closed_forms.gaussian_entropy(np.eye(20))) * math.log(2)
    assert 0.6 < error < 1.2
    assert got.high_dimension
    assert not kraskov.entropy(t[:, :10]).high_dimension


def test_bias_table_at_a_thousand_samples():
    rng = np.random.default_rng(1)
    for d, nats in ((1, 1.42), (5, 6.99), (20, 29.5), (100, 160.0)):
        got = kraskov.entropy(rng.normal(size=(1000, d)).astype(np.float32)).bits * math.log(2)
        assert got == pytest.approx(nats, rel=0.05, abs=0.1)


def test_float32_far_from_the_origin():
    # catches the mutant "drop centring" in every version without a second guard
    for d in (5, 30):
        base = np.round(np.random.default_rng(0).normal(size=(200, d)) * 256) / 256
        near = kraskov.entropy(base.astype(np.float32))
        far = kraskov.entropy((base + 1000).astype(np.float32))
        assert far.bits == pytest.approx(near.bits, abs=1e-5 if d == 5 else 1e-8)


@pytest.mark.parametrize("d", [6, 50])
@pytest.mark.parametrize("spread", [1e-2, 1e-6])
def test_tight_clusters_far_apart(d, spread):
    rng = np.random.default_rng(2)
    t = rng.normal(size=(6, d))[np.arange(120) % 6] * 1e3 + rng.normal(size=(120, d)) * spread
    y = np.arange(120) % 6
    got = kraskov.information(t, y)
    assert got.h_t == pytest.approx(reference.entropy(t), abs=d * 1e-6)
    assert got.ty == pytest.approx(reference.kraskov(t, y).ty, abs=d * 1e-6)
    assert got.zero_radius == 0


def test_more_dimensions_than_the_gamma_function_takes():
    t = np.random.default_rng(0).normal(size=(20, 1000))
    assert kraskov.entropy(t).bits == pytest.approx(reference.entropy(t), abs=1e-6)


def test_duplicates_are_counted_and_epsilon_decides():
    t = np.vstack([np.zeros((5, 2)), np.arange(2.0, 22.0).reshape(10, 2)])
    got = kraskov.entropy(t)
    assert got.zero_radius == 5
    assert got.degenerate
    assert got.bits == pytest.approx(reference.entropy(t), abs=1e-9)
    other = kraskov.entropy(t, epsilon=1e-10)
    step = 2 * 5 / 15 * math.log2(1e6)  # d * share of zero radii * log2 of the change
    assert other.bits - got.bits == pytest.approx(step, abs=1e-6)
    pairs = np.repeat(np.arange(6.0), 2)[:, None]
    assert kraskov.entropy(pairs, k=2).zero_radius == 0
    assert kraskov.entropy(pairs, k=1).zero_radius == 12


def test_all_rows_equal():
    for d in (3, 30):
        got = kraskov.information(np.full((12, d), 0.1), np.arange(12) % 2)
        assert got.zero_radius == 12
        assert got.degenerate
        assert got.h_t == pytest.approx(reference.entropy(np.zeros((12, d))), abs=1e-9)


def test_one_class_is_exactly_zero(data):
    for t in (data[0], np.repeat(data[0], 6, axis=1), data[0].astype(np.float32)):
        got = kraskov.information(t, np.zeros(150))
        assert got.ty == 0.0


def test_small_class_is_an_error_that_names_it(data):
    t, y = data
    names = np.array(["folk", "jazz", "rock"])[y]
    names[:2] = "rare"
    with pytest.raises(ValueError, match=r"more than k=2 samples; class 'rare' has 2"):
        kraskov.information(t, names)


@pytest.mark.parametrize("columns", [4, 40])
def test_small_classes_dropped_and_reported(data, columns):
    t, y = np.tile(data[0], (1, columns // 4)), data[1] * 10
    y[:2], y[2] = 5, -1
    got = kraskov.information(t, y, small_class="drop")
    assert got.dropped == (-1, 5)
    kept = y % 10 == 0
    assert got.ty == pytest.approx(reference.kraskov(t[kept], y[kept]).ty, abs=1e-8)
    assert got.h_t == pytest.approx(reference.entropy(t), abs=1e-8)
    assert got.reason is None


def test_nothing_left_after_dropping():
    got = kraskov.information(np.arange(6.0)[:, None], [0, 0, 1, 1, 2, 2], small_class="drop")
    assert got.ty is None
    assert got.dropped == (0, 1, 2)
    assert "more than k=2" in got.reason


def test_one_class_left_is_exactly_zero():
    t = np.random.default_rng(0).normal(size=(20, 3))
    got = kraskov.information(t, [0] * 18 + [1, 2], small_class="drop")
    assert got.ty == 0.0


def test_small_class_takes_two_words():
    with pytest.raises(ValueError, match="small_class must be 'raise' or 'drop'"):
        kraskov.information(np.zeros((4, 1)), [0, 0, 0, 0], small_class="ignore")
