"""Closed forms and integrals, in bits: the truths that estimators are tested against.

Each raises ValueError, naming the argument, where shapes do not fit, or a value is outside its
range, not finite, or no probability. CT is Cover & Thomas, Elements of Information Theory.
"""

import math
from itertools import pairwise

import numpy as np
from scipy.special import entr, rel_entr


def gaussian_entropy(covariance) -> float:
    """Differential entropy of N(m, C), in bits: log2(det(2 pi e C)) / 2.

    ``covariance`` is (d, d), symmetric and positive definite; the value may have any sign.
    O(d^3) time. CT Eq. 8.35.
    """
    covariance = np.asarray(covariance, dtype=np.float64)
    log_det = _log2_det("covariance", covariance)
    return 0.5 * (len(covariance) * math.log2(2 * math.pi * math.e) + log_det)


def gaussian_mutual_information(cov_joint, split: int) -> float:
    """I(A;B) of Gaussian vectors, in bits: log2(det C_A det C_B / det C) / 2.

    ``cov_joint`` C is (d, d), symmetric and positive definite: A is the first ``split``
    coordinates, 0 < split < d, B the rest. O(d^3) time. CT Eq. 8.56 in d dimensions.
    """
    joint = np.asarray(cov_joint, dtype=np.float64)
    whole = _log2_det("cov_joint", joint)
    if not 0 < split < len(joint):
        raise ValueError(f"split must be between 1 and d - 1; got split={split}, d={len(joint)}")
    parts = _log2_det("A", joint[:split, :split]) + _log2_det("B", joint[split:, split:])
    return 0.5 * (parts - whole)


def discrete_entropy(probabilities) -> float:
    """Entropy of a discrete variable: -sum p log2 p bits.

    ``probabilities`` have any shape, each >= 0, and sum 1 (to 1e-9). CT Eq. 2.1. Notebook: 03
    """
    return 0.0 + float(entr(_probabilities("probabilities", probabilities)).sum()) / math.log(2)


def discrete_mutual_information(joint) -> float:
    """I(A;B) of two discrete variables: sum p(a, b) log2(p(a, b) / (p(a) p(b))) bits.

    ``joint`` is the table p(a, b), (n, m), each >= 0, of sum 1 (to 1e-9): the binary symmetric
    channel of error e is [[1 - e, e], [e, 1 - e]] / 2, with 1 - H(e) bits. At most log2(min(n, m));
    rounding may leave 1e-15 below 0. CT Eq. 2.28. Notebook: 03
    """
    joint = _probabilities("joint", joint)
    if joint.ndim != 2:
        raise ValueError(f"joint must be a table p(a, b); got shape {joint.shape}")
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    return float(rel_entr(joint, product).sum()) / math.log(2)


def mixture_mutual_information(weights, means, variances) -> float:
    """I(C;V) of a Gaussian mixture's component C and its value V, in bits, by quadrature.

    sum_c w_c integral N_c(v) log2(N_c(v) / p(v)) dv, between 0 and log2 n, with ``weights`` w (n,)
    of sum 1 (to 1e-9), ``means`` (n,) and ``variances`` (n,), or one, > 0.
    With n equal weights and variances s^2 it is the I(X;T) of T = h(X) + N(0, s^2) that the KDE
    bounds hold between them (in d dimensions: `exact.mixture_information`). Right to 1e-9 where
    deviations exceed 1e-6 of the span of the means; O(n^2) time (n = 100: 0.3 s). CT Sec. 8.5;
    Kolchinsky & Tracey, Entropy 19 (2017) 361. Notebook: 04
    """
    weights, means = _probabilities("weights", weights), np.asarray(means, dtype=np.float64)
    variances = np.asarray(variances, dtype=np.float64)
    shapes = weights.shape, means.shape, variances.shape
    if weights.ndim != 1 or means.shape != weights.shape or shapes[2] not in ((), means.shape):
        raise ValueError(f"means and variances must match weights; got shapes {shapes}")
    if not (np.isfinite(means).all() and np.isfinite(variances).all() and (variances > 0).all()):
        raise ValueError("means must be finite, variances positive and finite; got others")
    there = weights > 0
    deviations = np.sqrt(np.broadcast_to(variances, means.shape))[there]
    means, weights = means[there] - weights @ means, weights[there]
    # Gauss-Legendre panels of 20 nodes over 12 deviations of each component; what lies outside
    # weighs 1e-32. Panels end at whole deviations of every component, so that none is wider than
    # the narrowest component with mass in it; their error is below 1e-10.
    nodes, node_weights = np.polynomial.legendre.leggauss(20)
    total = 0.0
    for low, high in pairwise(np.unique(means[:, None] + deviations[:, None] * np.arange(-12, 13))):
        values = (high + low) / 2 + (high - low) / 2 * nodes
        z = (values[:, None] - means) / deviations  # (node, component)
        log_parts = -0.5 * z * z - np.log(deviations * np.sqrt(2 * np.pi))  # ln N_c
        log_total = np.logaddexp.reduce(log_parts + np.log(weights), axis=1)  # ln p
        integrand = np.exp(log_parts) * (log_parts - log_total[:, None]) @ weights  # nats
        total += (high - low) / 2 * float(node_weights @ integrand)
    return total / math.log(2)


def _probabilities(name: str, values) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if not ((values >= 0).all() and abs(values.sum() - 1) < 1e-9):
        raise ValueError(f"{name} must be probabilities of sum 1; got sum {values.sum()}")
    return values


def _log2_det(name: str, matrix: np.ndarray) -> float:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"{name} must be a square matrix; got shape {matrix.shape}")
    sign, log_det = np.linalg.slogdet(matrix)
    if sign <= 0:
        raise ValueError(f"{name} must be positive definite; got determinant sign {sign}")
    return float(log_det) / math.log(2)
