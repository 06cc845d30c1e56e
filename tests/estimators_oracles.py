"""Third parties that know the same numbers: scipy's trees and sums, scikit-learn's counts.

A check takes the `information` of one estimator, of `iblib` or a wrong one of `estimators_mutants`.
"""

import math

import numpy as np
import pytest
from estimators_checks import kde_values
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.special import digamma, gammaln, logsumexp
from sklearn.metrics import mutual_info_score

from iblib.estimators import binning


def kde_by_logsumexp(information):
    """Distances by cdist, means of kernels by logsumexp."""
    rng = np.random.default_rng(0)
    for d in (1, 3, 10, 30):
        y = rng.permutation(np.repeat([0, 1, 2], [1, 30, 69]))
        t = rng.normal(size=(100, d)) / math.sqrt(d) + y[:, None]
        squared, same = cdist(t, t, "sqeuclidean"), y[:, None] == y
        xt, ty = {}, {}
        for bound, c in (("upper", 0.1), ("lower", 0.4)):
            own = np.where(same, -squared / c, -np.inf)
            log_all = logsumexp(-squared / c, axis=1) - math.log(100)
            log_own = logsumexp(own, axis=1) - np.log(np.bincount(y)[y])
            xt[bound] = -log_all.mean() / math.log(2)
            ty[bound] = (log_own - log_all).mean() / math.log(2)
        expected = xt["upper"], xt["lower"], ty["upper"], ty["lower"]
        got = information(t, y, noise_variance=0.05)
        assert kde_values(got) == pytest.approx(expected, abs=1e-9)


def tree_entropy(t, k: int) -> float:
    """Kozachenko and Leonenko's entropy with a k-d tree's radii, bits."""
    d = t.shape[1]
    radii = cKDTree(t).query(t, k=[k + 1])[0][:, 0]
    nats = d * np.log(radii).mean() + d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
    return (nats + digamma(len(t)) - digamma(k)) / math.log(2)


def kraskov_by_a_tree(information):
    """cKDTree over all samples and within the classes."""
    rng = np.random.default_rng(0)
    for d in range(1, 11):
        y = rng.permutation(np.repeat([0, 1], [40, 110]))
        t = rng.normal(size=(150, d)) + y[:, None]
        k = 1 + d % 3
        h_t = tree_entropy(t, k)
        ty = h_t - np.average([tree_entropy(t[y == c], k) for c in (0, 1)], weights=[40, 110])
        got = information(t, y, k=k)
        assert (got.h_t, got.ty) == pytest.approx((h_t, ty), abs=1e-9)


def binning_conventions(t) -> dict:
    """Name -> (settings, the bins as NumPy makes them)."""
    uniform, equal = binning.uniform_edges(-0.4, 0.6, 9), binning.equal_mass_edges(t, 6)
    return {
        "fixed width": ({"width": 0.07}, np.floor(t / t.dtype.type(0.07))),
        "power of two": ({"width": 0.25}, np.floor(t / t.dtype.type(0.25))),
        "uniform edges": ({"edges": uniform}, np.digitize(t, uniform[1:-1])),
        "equal-mass edges": ({"edges": equal}, np.digitize(t, equal[1:-1])),
    }


def binning_by_scikit_learn(information):
    """mutual_info_score of the rows' numbers, under each convention."""
    rng = np.random.default_rng(0)
    for d, dtype in ((1, np.float32), (3, np.float64), (3, np.float32), (40, np.float32)):
        y = rng.permutation(np.repeat([0, 1, 2], [20, 80, 200]))
        t = rng.normal(size=(300, 3)) @ rng.normal(size=(3, d)) / 9 + y[:, None] / 9
        t[::2] = np.round(t[::2] / 0.07) * 0.07  # values on the edges
        t = t.astype(dtype)
        for name, (setting, codes) in binning_conventions(t).items():
            _, symbols = np.unique(codes, axis=0, return_inverse=True)
            got = information(t, y, **setting)
            expected = mutual_info_score(symbols, y), mutual_info_score(symbols, symbols)
            bits = tuple(value / math.log(2) for value in expected)
            assert (got.ty, got.xt) == pytest.approx(bits, abs=1e-9), name


KDE = (kde_by_logsumexp,)
KRASKOV = (kraskov_by_a_tree,)
BINNING = (binning_by_scikit_learn,)
