"""Samples whose entropies are known: closed forms and integrals, one function each.

A check takes the `information` of one estimator, of `iblib` or a wrong one of `estimators_mutants`.
"""

import math

import numpy as np
import pytest
from estimators_checks import kde_values
from scipy.integrate import quad
from scipy.special import digamma, gammaln, ndtr, ndtri
from scipy.stats import norm

from iblib.estimators import closed_forms
from study.closed_forms import equidistant_bound

LOG2E = 1 / math.log(2)

TABLES = {
    "symmetric channel": np.array([[7, 1], [1, 7]]) * 4,
    "erasures": np.array([[6, 2, 0], [0, 2, 6]]) * 3,
    "independent": np.outer([1, 2, 3], [4, 1]),
    "one class": np.array([[3], [5]]),
    "lopsided": np.array([[1, 0, 40], [5, 9, 0], [0, 3, 2]]),
}


def drawn(table):
    """(t, y): each cell (t, y) of a table of counts that many times, unsorted."""
    t, y = np.nonzero(table)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(t)), table[t, y]))
    return t[order], y[order]


def quantiles(n: int) -> np.ndarray:
    """n values that are distributed as N(0, 1), as evenly as can be."""
    return ndtri((np.arange(n) + 0.5) / n)


MIXTURE = ((0.25, 0.75), (-1.0, 1.5), (0.25, 1.0))  # weights, means, variances


def mixture_entropy(weights, means, variances) -> float:
    """Differential entropy, in bits: what is left in a component, and I(component; value)."""
    within = [closed_forms.gaussian_entropy([[v]]) for v in np.broadcast_to(variances, len(means))]
    information = closed_forms.mixture_mutual_information(weights, means, variances)
    return information + float(np.dot(weights, within))


def mixture_sample(draw):
    """(t, y) of the mixture, its classes of 500 and 1500; ``draw(n)`` are normal numbers."""
    y = np.repeat([0, 1], [500, 1500])
    _, means, variances = MIXTURE
    parts = [
        m + math.sqrt(v) * draw(n) for m, v, n in zip(means, variances, (500, 1500), strict=True)
    ]
    return np.concatenate(parts)[:, None], y


# KDE


def kde_equidistant_points(information):
    """A simplex, near the origin and where float32 has few digits left."""
    for offset in (0, 1024):
        t = (np.eye(20) / 4 + offset).astype(np.float32)
        for s2 in (0.01, 0.03):
            got = information(t, np.arange(20), noise_variance=s2)
            for bound, xt in (("upper", got.xt_upper), ("lower", got.xt_lower)):
                expected = equidistant_bound(20, 1 / 8, s2, bound=bound)
                assert xt == pytest.approx(expected, abs=1e-6)


def two_simplices() -> tuple:
    """(t, y): inner distances sqrt(2) / 4, 2048 from each other, exact in float32."""
    t = np.concatenate([np.eye(20) / 4 + offset for offset in (-1024, 1024)])
    return t.astype(np.float32), np.repeat([0, 1], 20)


def kde_far_clusters(information):
    """Noise as large as the clusters: one bit for the cluster, a simplex's bound within."""
    got = information(*two_simplices(), noise_variance=0.03)
    inner = [equidistant_bound(20, 1 / 8, 0.03, bound=b) for b in ("upper", "lower")]
    expected = (1 + inner[0], 1 + inner[1], 1, 1)
    assert kde_values(got) == pytest.approx(expected, abs=1e-6)


def kde_discrete_tables(information):
    """Atoms far apart carry what the table of counts says."""
    for table in TABLES.values():
        t, y = drawn(table)
        got = information(100.0 * t[:, None], y, noise_variance=0.01)
        h_t = closed_forms.discrete_entropy(table.sum(1) / table.sum())
        i_ty = closed_forms.discrete_mutual_information(table / table.sum())
        assert kde_values(got) == pytest.approx((h_t, h_t, i_ty, i_ty), abs=1e-9)


def kde_gaussian(information):
    """Two independent units of variances 1 and 4; a bound adds up over them."""
    axis = quantiles(40)
    t = np.stack([g.ravel() for g in np.meshgrid(axis, 2 * axis)], axis=1)
    got = information(t, np.zeros(len(t)), noise_variance=0.5)
    variances = t.var(0)
    for xt, s2 in ((got.xt_upper, 0.5), (got.xt_lower, 2.0)):
        shares = variances / (variances + s2)
        expected = 0.5 * np.sum(np.log2(1 + variances / s2) + shares * LOG2E)
        assert xt == pytest.approx(expected, abs=0.03)


def kde_uniform(information):
    """[0, 1]: the kernel's mean is a difference of normal distribution functions."""
    got = information((np.arange(1000) + 0.5)[:, None] / 1000, np.zeros(1000), noise_variance=0.01)
    for xt, s in ((got.xt_upper, 0.1), (got.xt_lower, 0.2)):

        def surprise(h, s=s):
            mean = (ndtr((1 - h) / s) - ndtr(-h / s)) * s * math.sqrt(2 * math.pi)
            return -math.log2(mean)

        assert xt == pytest.approx(quad(surprise, 0, 1)[0], abs=1e-3)


def kde_mixture(information):
    """Classes N(m, v): all means of kernels are Gaussians, the rest is an integral."""
    t, y = mixture_sample(quantiles)
    got = information(t, y, noise_variance=0.1)
    weights, means, variances = (np.array(part) for part in MIXTURE)
    for xt, ty, s2 in ((got.xt_upper, got.ty_upper, 0.1), (got.xt_lower, got.ty_lower, 0.4)):
        widths = np.sqrt(variances + s2)

        def values(h, s2=s2, widths=widths):
            density = weights * norm.pdf(h, means, np.sqrt(variances))
            kernel = math.sqrt(2 * math.pi * s2) * norm.pdf(h, means, widths)
            log_all = np.log2(weights @ kernel)
            return -density.sum() * log_all, density @ (np.log2(kernel) - log_all)

        expected = [quad(lambda h, i=i: values(h)[i], -9, 10)[0] for i in (0, 1)]
        assert (xt, ty) == pytest.approx(expected, abs=5e-3)


def kde_holds_the_truth(information):
    """The I(X;T) of one noisy unit lies between the bounds, whatever the points are."""
    rng = np.random.default_rng(0)
    for n in (2, 5, 30):
        t = rng.normal(size=(n, 1))
        for s2 in (0.001, 0.1, 1.0):
            got = information(t, np.zeros(n), noise_variance=s2)
            truth = closed_forms.mixture_mutual_information(np.full(n, 1 / n), t[:, 0], s2)
            assert got.xt_lower - 1e-9 <= truth <= got.xt_upper + 1e-9


KDE = (
    kde_equidistant_points,
    kde_far_clusters,
    kde_discrete_tables,
    kde_gaussian,
    kde_uniform,
    kde_mixture,
    kde_holds_the_truth,
)


# Kraskov


def polygon(n: int, radius: float, at: float = 0.0) -> np.ndarray:
    """n corners of a regular polygon: the k-th neighbours of all are equally far."""
    angle = 2 * math.pi * np.arange(n) / n
    return at + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def polygon_entropy(n: int, k: int, radius: float) -> float:
    """Of the corners, bits: two neighbours at each chord."""
    chord = 2 * radius * math.sin(math.pi * math.ceil(k / 2) / n)
    return (2 * math.log(chord) + math.log(math.pi) + digamma(n) - digamma(k)) * LOG2E


def kraskov_separate_polygons(information):
    """Two of different size and number, far apart: I(T;Y) is a little above H(Y)."""
    t = np.concatenate([polygon(20, 0.1), polygon(31, 0.5, at=1000.0)])
    y = np.repeat(["small", "large"], [20, 31])
    for k in (1, 2, 3, 4, 7):
        parts = polygon_entropy(20, k, 0.1), polygon_entropy(31, k, 0.5)
        # the same neighbours in the whole sample as in the class: only psi(P) differs
        ty = (digamma(51) - np.average(digamma([20, 31]), weights=[20, 31])) * LOG2E
        h_t = np.average(parts, weights=[20, 31]) + ty
        got = information(t, y, k=k)
        assert (got.h_t, got.ty) == pytest.approx((h_t, ty), abs=1e-6)
    assert ty > closed_forms.discrete_entropy([20 / 51, 31 / 51])


def kraskov_interleaved_polygons(information):
    """Every other corner of one polygon: I(T;Y) of the estimate is -1 bit or so."""
    for k in (1, 2, 3, 5):
        expected = polygon_entropy(40, k, 3.0), polygon_entropy(20, k, 3.0)
        got = information(polygon(40, 3.0), np.arange(40) % 2, k=k)
        assert got.h_t == pytest.approx(expected[0], abs=1e-6)
        assert got.ty == pytest.approx(expected[0] - expected[1], abs=1e-6)
        assert got.ty < -0.5


def kraskov_far_clusters(information):
    """Simplices: every radius is the same, wherever they are."""
    t, y = two_simplices()
    for rows in (slice(20), slice(20, 40), slice(40)):
        nats = 20 * math.log(math.sqrt(2) / 4) + 10 * math.log(math.pi) - gammaln(11)
        h_t = (nats + digamma(len(t[rows])) - digamma(3)) * LOG2E
        ty = (digamma(len(t[rows])) - digamma(20)) * LOG2E
        got = information(t[rows], y[rows], k=3)
        assert (got.h_t, got.ty) == pytest.approx((h_t, ty), abs=1e-5)


def kraskov_gaussian(information):
    """Correlated units, d = 1, 2, 5: to 0.06, 0.10, 0.15 nats."""
    for d, nats in ((1, 0.06), (2, 0.10), (5, 0.15)):
        t = np.random.default_rng(d).normal(size=(2000, d)) @ np.tri(d)
        expected = closed_forms.gaussian_entropy(np.tri(d).T @ np.tri(d))
        assert information(t, np.zeros(2000)).h_t == pytest.approx(expected, abs=nats * LOG2E)


def kraskov_uniform(information):
    """A cube of side 8: d log2 8."""
    for d in (1, 2):
        t = np.random.default_rng(d).uniform(0, 8, size=(2000, d))
        assert information(t, np.zeros(2000)).h_t == pytest.approx(3 * d, abs=0.1)


def kraskov_mixture(information):
    """H(T) and I(T;Y) of two Gaussian classes are integrals."""
    rng = np.random.default_rng(0)
    t, y = mixture_sample(lambda n: rng.normal(size=n))
    for k in (3, 10):
        got = information(t, y, k=k)
        expected = (
            mixture_entropy(*MIXTURE),
            closed_forms.mixture_mutual_information(*MIXTURE),
        )
        assert (got.h_t, got.ty) == pytest.approx(expected, abs=0.06)


def kraskov_counts_duplicates(information):
    """Atoms of a table: k or more others at the same place; points 1e-6 apart are no duplicates."""
    for table in TABLES.values():
        t, _ = drawn(table)
        for k in (1, 3):
            counts = np.bincount(t)[t]
            got = information(np.stack([t, -t], axis=1), np.zeros(len(t)), k=k)
            assert got.zero_radius == (counts > k).sum()
    near = np.repeat(np.arange(10.0), 2)[:, None] + 1e-6 * (np.arange(20) % 2)[:, None]
    got = information(near, np.zeros(20), k=1)
    assert got.zero_radius == 0
    expected = (math.log(2e-6) + digamma(20) - digamma(1)) * LOG2E
    assert got.h_t == pytest.approx(expected, abs=1e-6)


KRASKOV = (
    kraskov_separate_polygons,
    kraskov_interleaved_polygons,
    kraskov_far_clusters,
    kraskov_counts_duplicates,
    kraskov_gaussian,
    kraskov_uniform,
    kraskov_mixture,
)


# Binning


def binning_discrete_tables(information):
    """Entropy and information of a table of counts, negative values included."""
    for table in TABLES.values():
        t, y = drawn(table)
        h_t = closed_forms.discrete_entropy(table.sum(1) / table.sum())
        i_ty = closed_forms.discrete_mutual_information(table / table.sum())
        for bins in ({"width": 1.0}, {"width": 0.3}, {"edges": [-3, -0.5, 0.5, 1.5, 2.5, 3.5]}):
            got = information(t[:, None] - 1.0, y, **bins)
            assert (got.xt, got.ty) == pytest.approx((h_t, i_ty), abs=1e-12)


def binning_symmetric_channel(information):
    """1 - H(e) bits, and nothing of it where the error is a half."""
    for errors, expected in ((0, 1.0), (8, 0.4564355568004036), (32, 0.0)):
        t = np.repeat([0.0, 1.0, 0.0, 1.0], [64 - errors, errors, errors, 64 - errors])
        got = information(t[:, None], np.repeat([0, 1], 64), width=0.5)
        assert (got.xt, got.ty) == pytest.approx((1.0, expected), abs=1e-12)


def binning_uniform(information):
    """A grid: log2 of the number of bins, and bits of two units add up."""
    axis = np.linspace(-1, 1, 64, endpoint=False)
    got = information(axis[:, None], np.arange(64) % 2, width=0.25)
    assert (got.xt, got.ty) == pytest.approx((3, 0), abs=1e-12)
    both = np.stack([g.ravel() for g in np.meshgrid(axis, axis)], axis=1)
    got = information(both, both[:, 1] >= 0.5, edges=np.linspace(-1, 1, 5))
    assert (got.xt, got.ty) == pytest.approx(
        (4, closed_forms.discrete_entropy([0.25, 0.75])), abs=1e-12
    )


def binning_mixture(information):
    """Two Gaussian classes in bins: the table's entries are differences of normal cdfs."""
    t, y = mixture_sample(quantiles)
    cuts = 0.25 * np.arange(-60, 61)
    weights, means, variances = (np.array(part)[:, None] for part in MIXTURE)
    joint = weights * np.diff(ndtr((cuts - means) / np.sqrt(variances)))
    expected = (
        closed_forms.discrete_entropy(joint.sum(0)),
        closed_forms.discrete_mutual_information(joint),
    )
    for bins in ({"width": 0.25}, {"edges": cuts}):
        got = information(t, y, **bins)
        assert (got.xt, got.ty) == pytest.approx(expected, abs=0.01)


def binning_end_bins(information):
    """Out of range, top edge, zeros of either sign: counted with their neighbours."""
    t, y = np.array([[-1.01], [-0.99], [0.99], [1.0], [7.0]]), [0, 0, 1, 1, 1]
    got = information(t, y, edges=np.linspace(-1, 1, 5))
    assert (got.xt, got.ty) == pytest.approx(
        [closed_forms.discrete_entropy([0.4, 0.6])] * 2, abs=1e-12
    )
    zeros = np.array([[0.0, -0.0], [-0.0, 0.0]])
    assert information(zeros, [0, 1], width=0.5).xt == 0.0


BINNING = (
    binning_discrete_tables,
    binning_symmetric_channel,
    binning_uniform,
    binning_mixture,
    binning_end_bins,
)
