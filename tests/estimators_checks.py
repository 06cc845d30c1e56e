"""Comparison with the slow reference: what every implementation must pass, and no mutant.

A check takes the `information` of one estimator, of `iblib` or a wrong one of `estimators_mutants`.
"""

import pytest

CONTRACT = 1e-3  # bits: the promise on every array


def kde_values(got) -> tuple:
    return got.xt_upper, got.xt_lower, got.ty_upper, got.ty_lower


def check_kde(information, case, within=CONTRACT):
    """All four values at each noise variance, for classes of unequal size, some of one sample."""
    for s2, expected in case.kde.items():
        got = information(case.t, case.rare, noise_variance=s2)
        assert kde_values(got) == pytest.approx(tuple(expected), abs=within)


def check_kraskov(information, case, within=CONTRACT):
    """Both values at each k, the count of zero radii exactly."""
    for k, expected in case.kraskov.items():
        got = information(case.t, case.y, k=k)
        assert got.zero_radius == expected.zero_radius
        assert (got.h_t, got.ty) == pytest.approx(expected[:2], abs=within)


def check_binning(information, case, within=1e-9):
    """Both values at each width and with given edges."""
    for bins, expected in case.binning:
        got = information(case.t, case.rare, **bins)
        assert (got.xt, got.ty) == pytest.approx(tuple(expected), abs=within)
