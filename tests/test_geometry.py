"""Distances within and between classes: against all pairs, and at the edges."""

import numpy as np
import pytest

from study.geometry import class_distances


def by_pairs(t, y):
    squared = ((t[:, None] - t[None]) ** 2).sum(-1)
    same = y[:, None] == y[None]
    other = ~np.eye(len(t), dtype=bool)
    return squared[same & other].mean(), squared[~same].mean()


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_sums_are_the_means_over_all_pairs(offset):
    random = np.random.default_rng(0)
    t, y = random.normal(size=(40, 5)) + offset, random.integers(3, size=40)
    found = class_distances(t, y)
    assert np.allclose((found.within, found.between), by_pairs(t, y), rtol=1e-6)
    assert found.ratio == pytest.approx(found.within / found.between)


def test_collapsed_classes_have_ratio_zero():
    t = np.repeat([[0.0, 0.0], [3.0, 4.0]], 5, axis=0)
    found = class_distances(t, np.repeat(["a", "b"], 5))
    assert (found.within, found.ratio) == (0.0, 0.0)
    assert found.between == pytest.approx(25.0)


def test_tight_clusters_far_from_the_middle_do_not_cancel():
    y = np.repeat([0, 1], 200)
    tight = 1e-9 * np.random.default_rng(0).normal(size=(400, 3))
    found = class_distances(np.where(y == 0, -1.0, 1.0)[:, None] + tight, y)
    assert found.within == pytest.approx(6e-18, rel=0.1)
    assert found.between == pytest.approx(12)


def test_labels_that_say_nothing_have_ratio_one():
    random = np.random.default_rng(1)
    found = class_distances(random.normal(size=(4000, 3)), random.integers(2, size=4000))
    assert found.ratio == pytest.approx(1, abs=0.01)


def test_no_such_pair_is_nan():
    assert np.isnan(class_distances(np.ones((3, 2)), np.zeros(3)).between)
    assert np.isnan(class_distances(np.ones((2, 2)), np.arange(2)).within)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one length; got 3 and 2"):
        class_distances(np.ones((3, 1)), np.ones(2))
