"""The truths themselves: against each other, against scipy, and what they refuse."""

import itertools
import math

import numpy as np
import pytest
from estimators_truths import mixture_entropy
from scipy.integrate import quad
from scipy.stats import entropy, multivariate_normal, norm
from sklearn.metrics import mutual_info_score

from iblib.estimators import closed_forms
from study.closed_forms import (
    equidistant_bound,
    linear_information_x,
    linear_information_y,
    minimal_model,
)


def test_minimal_model_anchors():
    assert minimal_model(0.87) == pytest.approx(4.90, abs=0.005)
    assert minimal_model(10.0) == pytest.approx(2.04, abs=0.005)
    assert minimal_model(1e4) == pytest.approx(1.0, abs=0.01)
    assert minimal_model(0.0) == 0.0
    weights = np.linspace(0.3, 3, 28)
    peak = max(weights, key=minimal_model)
    assert abs(peak - 0.87) < 0.1
    relu = [minimal_model(w, "relu") for w in weights]
    assert (np.diff(relu) > 0).all()


def test_gaussian_closed_forms():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 3))
    covariance = a @ a.T + np.eye(3)
    total = closed_forms.gaussian_entropy(covariance)
    parts = closed_forms.gaussian_entropy(covariance[:1, :1]) + closed_forms.gaussian_entropy(
        covariance[1:, 1:]
    )
    assert closed_forms.gaussian_mutual_information(covariance, 1) == pytest.approx(parts - total)
    assert total == pytest.approx(multivariate_normal(cov=covariance).entropy() / math.log(2))
    rho = closed_forms.gaussian_mutual_information([[1.0, 0.6], [0.6, 1.0]], 1)
    assert rho == pytest.approx(-0.5 * math.log2(1 - 0.36))


def test_linear_network_closed_forms():
    rng = np.random.default_rng(0)
    w, v, c = rng.normal(size=(4, 6)), rng.normal(size=(1, 6)), np.eye(6) / 6
    x_cov = np.block([[c, c @ w.T], [w @ c, w @ c @ w.T + 0.5 * np.eye(4)]])
    expected = closed_forms.gaussian_mutual_information(x_cov, 6)
    assert linear_information_x(w, c, 0.5) == pytest.approx(expected)
    i_y = linear_information_y(w, v, c, 0.5, 0.1)
    assert 0 < i_y < min(expected, linear_information_x(v, c, 0.1))


def test_discrete_entropy():
    assert closed_forms.discrete_entropy(np.full(8, 1 / 8)) == 3.0
    assert closed_forms.discrete_entropy([1.0]) == closed_forms.discrete_entropy([0.0, 1.0]) == 0.0
    assert math.copysign(1, closed_forms.discrete_entropy([1.0])) == 1
    shares = np.random.default_rng(0).dirichlet(np.ones(6))
    assert closed_forms.discrete_entropy(shares) == pytest.approx(
        entropy(shares, base=2), abs=1e-12
    )
    table = shares.reshape(2, 3)
    assert closed_forms.discrete_entropy(table) == pytest.approx(
        closed_forms.discrete_entropy(shares)
    )


@pytest.mark.parametrize("error", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_binary_symmetric_channel(error):
    table = np.array([[1 - error, error], [error, 1 - error]]) / 2
    expected = 1 - closed_forms.discrete_entropy([error, 1 - error])
    assert closed_forms.discrete_mutual_information(table) == pytest.approx(expected, abs=1e-12)


def test_discrete_mutual_information():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (4, 6))
    joint = counts / counts.sum()
    got = closed_forms.discrete_mutual_information(joint)
    a, b = np.repeat(np.indices(counts.shape).reshape(2, -1), counts.ravel(), axis=1)
    assert got == pytest.approx(mutual_info_score(a, b) / math.log(2), abs=1e-12)
    parts = closed_forms.discrete_entropy(joint.sum(0)) + closed_forms.discrete_entropy(
        joint.sum(1)
    )
    assert got == pytest.approx(parts - closed_forms.discrete_entropy(joint), abs=1e-12)
    assert closed_forms.discrete_mutual_information(joint.T) == pytest.approx(got, abs=1e-12)
    independent = np.outer(rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(4)))
    assert closed_forms.discrete_mutual_information(independent) == pytest.approx(0, abs=1e-12)
    assert closed_forms.discrete_mutual_information(np.eye(4) / 4) == pytest.approx(2, abs=1e-12)
    assert closed_forms.discrete_mutual_information([[0.3], [0.7]]) == 0.0


def test_one_gaussian_is_a_mixture():
    for means, variance in (([3.0], 2.0), ([-1e6], 1e-6), ([0.0], 1e8)):
        expected = closed_forms.gaussian_entropy([[variance]])
        assert mixture_entropy([1.0], means, variance) == pytest.approx(expected, abs=1e-9)
        assert closed_forms.mixture_mutual_information([1.0], means, variance) == 0.0
    split = mixture_entropy([0.2, 0.0, 0.8], [3.0, 99.0, 3.0], [2.0, 1.0, 2.0])
    assert split == pytest.approx(closed_forms.gaussian_entropy([[2.0]]), abs=1e-9)


def test_mixture_against_another_integral():
    rng = np.random.default_rng(1)
    for n, span, decades in ((2, 3, 0.3), (2, 8, 0), (3, 10, 1), (4, 1, 2)):
        weights, means = rng.dirichlet(np.ones(n)), span * rng.normal(size=n)
        deviations = 10 ** rng.uniform(-decades / 2, decades / 2, n)
        ends = np.sort(np.arange(-12, 13)[:, None] * deviations + means, axis=None)

        def surprise(v, parts=(weights, means, deviations)):
            p = parts[0] @ norm.pdf(v, *parts[1:])
            return -p * math.log2(p) if p else 0.0

        pieces = [quad(surprise, *pair, epsabs=1e-13)[0] for pair in itertools.pairwise(ends)]
        got = mixture_entropy(weights, means, deviations**2)
        assert got == pytest.approx(sum(pieces), abs=1e-9)
        within = weights @ [closed_forms.gaussian_entropy([[s * s]]) for s in deviations]
        information = closed_forms.mixture_mutual_information(weights, means, deviations**2)
        assert information == pytest.approx(got - within, abs=1e-9)


def test_mixture_of_distant_components():
    weights = np.array([0.5, 0.3, 0.2])
    means = [0.0, 1e3, -1e3]
    got = closed_forms.mixture_mutual_information(weights, means, [1.0, 1e-4, 4.0])
    assert got == pytest.approx(closed_forms.discrete_entropy(weights), abs=1e-9)
    assert closed_forms.mixture_mutual_information(weights, [5.0] * 3, 1.0) == pytest.approx(
        0, abs=1e-12
    )


def test_mixture_entropy_moves_and_scales():
    weights, means, variances = (np.array(v) for v in ([0.4, 0.6], [-1.0, 0.5], [0.1, 2.0]))
    here = mixture_entropy(weights, means, variances)
    there = mixture_entropy(weights, 8 * means + 1e4, 64 * variances)
    assert there == pytest.approx(here + 3, abs=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: closed_forms.gaussian_entropy([[1.0, 2.0]]),
        lambda: closed_forms.gaussian_entropy([[-1.0]]),
        lambda: closed_forms.gaussian_mutual_information(np.eye(2), 2),
        lambda: linear_information_x(np.ones((2, 3)), np.eye(2), 1.0),
        lambda: linear_information_x(np.eye(2), np.eye(2), 0.0),
        lambda: minimal_model(-1.0),
        lambda: minimal_model(1.0, "softsign"),
        lambda: equidistant_bound(0, 1.0, 1.0),
        lambda: equidistant_bound(2, -1.0, 1.0),
        lambda: equidistant_bound(2, 1.0, 1.0, bound="middle"),
        lambda: closed_forms.discrete_entropy([]),
        lambda: closed_forms.discrete_entropy([0.5, 0.6]),
        lambda: closed_forms.discrete_entropy([1.5, -0.5]),
        lambda: closed_forms.discrete_entropy([math.nan, 1.0]),
        lambda: closed_forms.discrete_mutual_information([0.5, 0.5]),
        lambda: closed_forms.discrete_mutual_information([[1, 2], [3, 4]]),
        lambda: closed_forms.mixture_mutual_information([0.5, 0.5], [0.0], 1.0),
        lambda: closed_forms.mixture_mutual_information([[0.5, 0.5]], [[0.0, 1.0]], 1.0),
        lambda: closed_forms.mixture_mutual_information([0.5, 0.5], [0.0, 1.0], [1.0, 1.0, 1.0]),
        lambda: closed_forms.mixture_mutual_information([0.5, 0.5], [0.0, math.inf], 1.0),
        lambda: closed_forms.mixture_mutual_information([0.9], [0.0], 1.0),
        lambda: closed_forms.mixture_mutual_information([0.5, 0.5], [0.0, 1.0], [1.0, 0.0]),
        lambda: closed_forms.mixture_mutual_information([1.0], [0.0], math.nan),
    ],
)
def test_closed_forms_refuse_bad_input(call):
    with pytest.raises(ValueError, match="must"):
        call()
