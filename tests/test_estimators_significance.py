"""Calibrated where nothing is there, powerful where something is."""

import math

import numpy as np
import pytest
from scipy.stats import kstest

from iblib.estimators import (
    binning,
    bootstrap_interval,
    exact_information,
    kde,
    kraskov,
    permutation_test,
)

RNG = np.random.default_rng(0)


def correlation(t, y) -> float:
    return abs(np.corrcoef(t[:, 0], y)[0, 1])


@pytest.mark.parametrize("estimator", ["kde", "kraskov", correlation])
def test_p_values_are_uniform_where_nothing_is_there(estimator):
    rng = np.random.default_rng(0)
    p = [
        permutation_test(
            rng.normal(size=(24, 2)), np.arange(24) % 2, estimator, n=39, seed=seed
        ).p_value
        for seed in range(150)
    ]
    assert min(p) >= 1 / 40
    spread = np.array(p) - np.random.default_rng(1).uniform(0, 1 / 40, 150)  # no lattice
    assert kstest(spread, "uniform").pvalue > 0.02


@pytest.mark.parametrize("estimator", ["exact", "binning", "kde", "kraskov", correlation])
def test_p_values_are_small_where_something_is(estimator):
    y = np.arange(60) % 2
    t = np.round(RNG.normal(size=(60, 1)) * 0.5 + y[:, None], 1)
    t += 0.001 * RNG.normal(size=(60, 1)) if estimator == "kraskov" else 0
    got = permutation_test(t, y, estimator, n=99)
    assert got.p_value == 0.01
    assert got.value > got.null_mean
    assert got == permutation_test(t, y, estimator, n=99)


def test_the_null_mean_is_what_a_biased_estimator_reads():
    t, y = RNG.normal(size=(64, 40)), RNG.integers(0, 4, 64)
    got = permutation_test(t, y, "binning", n=20)
    assert got.value == pytest.approx(got.null_mean, abs=1e-9)  # saturated: H(Y) whatever Y is
    assert got.value > 1.9
    assert got.p_value == 1.0


def test_names_are_the_estimators_with_their_defaults():
    t, y = np.round(RNG.normal(size=(50, 2)), 1), np.array(["a", "b"])[RNG.integers(0, 2, 50)]
    values = {
        "exact": exact_information(t, y).ty,
        "binning": binning.information(t, y).ty,
        "kde": kde.information(t, y).ty_upper,
        "kraskov": kraskov.information(t, y).ty,
    }
    for name, value in values.items():
        assert permutation_test(t, y, name, n=1).value == pytest.approx(value, abs=1e-12)


def test_permutation_test_refuses():
    t, y = np.zeros((4, 1)), [0, 1, 0, 1]
    with pytest.raises(ValueError, match="estimator must be callable or one of"):
        permutation_test(t, y, "knn")
    with pytest.raises(ValueError, match="estimator must return finite bits; got nan"):
        permutation_test(t, y, lambda t, y: math.nan)
    with pytest.raises(ValueError, match="n must be at least 1"):
        permutation_test(t, y, "kde", n=0)
    with pytest.raises(ValueError, match="one label for each row"):
        permutation_test(t, y[:3], "kde")


@pytest.mark.parametrize(("n", "low", "high"), [(4, 0.93, 0.97), (15, 0.88, 0.98)])
def test_intervals_hold_the_mean_as_often_as_they_say(n, low, high):
    rng, repeats = np.random.default_rng(0), 1000 if n < 6 else 200
    found = [bootstrap_interval(rng.normal(3, 2, n), seed=i) for i in range(repeats)]
    assert low < np.mean([one[0] <= 3 <= one[1] for one in found]) < high


def test_intervals_move_scale_and_widen_with_the_values():
    values = RNG.normal(size=12)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    lower, higher = bootstrap_interval(values, confidence=0.99)
    assert lower < low < high < higher
    half = 4.302653 / math.sqrt(3)  # Student's t of two degrees of freedom
    assert bootstrap_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half))


@pytest.mark.parametrize("n", [4, 6, 12])
@pytest.mark.parametrize(("a", "b"), [(8, 3), (0.1, 7.7), (1e-3, 0), (-3.3, 2), (1e200, 0)])
def test_intervals_move_and_scale_with_the_values(n, a, b):
    for seed in range(3):  # of 6 values one resample in 65 is the sample, in another order
        values = np.random.default_rng(seed).normal(size=n)
        low, high = bootstrap_interval(values)
        expected = sorted((a * low + b, a * high + b))
        assert bootstrap_interval(a * values + b) == pytest.approx(expected, rel=1e-9)


def test_equal_values_have_an_interval_of_no_width():
    assert bootstrap_interval([2.0] * 8) == bootstrap_interval([2.0] * 3) == (2.0, 2.0)


@pytest.mark.parametrize("step", [1.0, 2e-16, 1e-300])
@pytest.mark.parametrize("n", [3, 20])
def test_one_value_that_differs(n, step):
    values = np.zeros(n) if step < 1e-16 else np.ones(n)
    values[0] += step
    low, high = bootstrap_interval(values)
    assert low <= values.mean() <= high
    assert low < high or step == 2e-16  # the last digit of a 1: half of it is no number


@pytest.mark.parametrize("values", [[1.0], [], [[1.0, 2.0]], [1.0, math.nan], [1.0, math.inf]])
def test_bad_values(values):
    with pytest.raises(ValueError, match="values must be two or more finite numbers"):
        bootstrap_interval(values)


def test_bad_confidence():
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        bootstrap_interval([1.0, 2.0], confidence=95)
