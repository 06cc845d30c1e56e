"""Closed forms and integrals, in bits: the truths of estimators and notebooks."""

import math

import numpy as np
from scipy.special import ndtr

from iblib.estimators import _checks, _mixtures


def gaussian_entropy(covariance) -> float:
    r"""Differential entropy of N(m, C), in bits: :math:`\frac12 \log_2 \det(2\pi e\, C)`.

    Parameters
    ----------
    covariance : (d, d) array, symmetric positive definite

    Returns
    -------
    float, any sign.

    Raises
    ------
    ValueError
        Not square, or not positive definite.

    Notes
    -----
    Cost: O(d^3) time.

    References
    ----------
    Cover & Thomas, Elements of Information Theory, Eq. 8.35.
    """
    covariance = _square("covariance", covariance)
    d = covariance.shape[0]
    return 0.5 * (d * math.log2(2 * math.pi * math.e) + _log2_det("covariance", covariance))


def gaussian_mutual_information(cov_joint, split: int) -> float:
    r"""I(A;B) of jointly Gaussian A and B, in bits.

    :math:`\frac12 \log_2 (\det C_A \det C_B / \det C)`.

    Parameters
    ----------
    cov_joint : (d, d) array, symmetric positive definite
        Covariance of A and B stacked.
    split : int, 0 < split < d
        A is the first ``split`` coordinates, B the rest.

    Returns
    -------
    float, >= 0.

    Raises
    ------
    ValueError
        Not square, not positive definite, or nothing on one side of ``split``.

    Notes
    -----
    Cost: O(d^3) time.

    References
    ----------
    Cover & Thomas, Eq. 8.56 in d dimensions; Saxe et al., JSTAT (2019) 124020, Sec. 4.
    """
    joint = _square("cov_joint", cov_joint)
    if not 0 < split < len(joint):
        raise ValueError(f"split must be between 1 and d - 1; got split={split}, d={len(joint)}")
    parts = _log2_det("A", joint[:split, :split]) + _log2_det("B", joint[split:, split:])
    return 0.5 * (parts - _log2_det("cov_joint", joint))


def linear_information_x(weights, input_covariance, noise_variance: float) -> float:
    r"""I(X;T) of T = W X + N(0, s^2 I), X ~ N(0, C), in bits.

    :math:`\frac12 \log_2 \det(I + W C W^T / s^2)`; the paper's Eqs. 6 and 21 lack the 1/2 and C.

    Parameters
    ----------
    weights : (n_out, n_in) array
        W; for a deeper linear network the product of its matrices.
    input_covariance : (n_in, n_in) array, positive semidefinite
    noise_variance : float, > 0

    Returns
    -------
    float, >= 0.

    Raises
    ------
    ValueError
        Shapes that do not fit, ``noise_variance <= 0``.

    Notes
    -----
    Cost: O(n_out n_in^2 + n_out^3) time.

    References
    ----------
    Saxe et al., JSTAT (2019) 124020, Eqs. 6 and 21 (corrected).
    """
    s2 = _checks.positive("noise_variance", noise_variance)
    signal = _output_covariance(weights, input_covariance)
    return 0.5 * _log2_det("I + W C W^T / s^2", np.eye(len(signal)) + signal / s2)


def linear_information_y(
    weights, teacher, input_covariance, noise_variance: float, teacher_noise_variance: float
) -> float:
    r"""I(Y;T) of T = W X + N(0, s^2 I) and Y = V X + N(0, s_y^2 I), X ~ N(0, C), in bits.

    :math:`\frac12 [\log_2\det S_T + \log_2\det S_Y - \log_2\det S_{YT}]`.

    Parameters
    ----------
    weights : (n_out, n_in) array
    teacher : (n_y, n_in) array
        V, the teacher that makes the labels.
    input_covariance : (n_in, n_in) array
    noise_variance, teacher_noise_variance : float, > 0

    Returns
    -------
    float, >= 0.

    Raises
    ------
    ValueError
        Shapes that do not fit, a noise variance <= 0.

    Notes
    -----
    Cost: O((n_out + n_y) n_in^2 + (n_out + n_y)^3) time.

    References
    ----------
    Saxe et al., JSTAT (2019) 124020, Sec. 4.
    """
    s2 = _checks.positive("noise_variance", noise_variance)
    s2_y = _checks.positive("teacher_noise_variance", teacher_noise_variance)
    weights, teacher = np.atleast_2d(weights), np.atleast_2d(teacher)
    joint = _output_covariance(np.vstack([weights, teacher]), input_covariance)
    noise = np.repeat([s2, s2_y], [len(weights), len(teacher)])
    return gaussian_mutual_information(joint + np.diag(noise), len(weights))


def discrete_entropy(probabilities) -> float:
    r"""Entropy of a discrete variable, in bits: :math:`-\sum p \log_2 p`.

    Parameters
    ----------
    probabilities : array of any shape, each >= 0, of sum 1 (to 1e-9)

    Returns
    -------
    float, 0 to log2 of the number of entries.

    Raises
    ------
    ValueError
        Empty, negative, not finite, or of another sum.

    Notes
    -----
    Cost: O(n) time. Notebook: 03

    References
    ----------
    Cover & Thomas, Eq. 2.1.
    """
    shares = _probabilities("probabilities", probabilities)
    shares = shares[shares > 0]
    return 0.0 - float(np.sum(shares * np.log2(shares)))


def discrete_mutual_information(joint) -> float:
    r"""I(A;B) of two discrete variables, in bits.

    :math:`\sum p_{ab} \log_2 (p_{ab} / (p_a p_b))`. The binary symmetric channel of error e is the
    table [[1 - e, e], [e, 1 - e]] / 2, with 1 - H(e) bits.

    Parameters
    ----------
    joint : (n, m) array, each >= 0, of sum 1 (to 1e-9)
        p(a, b), one row a value of A.

    Returns
    -------
    float, 0 to log2(min(n, m)), right to rounding (1e-15 below 0 may happen).

    Raises
    ------
    ValueError
        Not two-dimensional, empty, negative, not finite, or of another sum.

    Notes
    -----
    Cost: O(n m) time. Notebook: 03

    References
    ----------
    Cover & Thomas, Eq. 2.28; Sec. 7.1.4 (the channel).
    """
    joint = _probabilities("joint", joint)
    if joint.ndim != 2:
        raise ValueError(f"joint must be a table p(a, b); got shape {joint.shape}")
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float(np.sum(joint[there] * np.log2(joint[there] / product[there])))


def mixture_entropy(weights, means, variances) -> float:
    r"""Differential entropy of a one-dimensional Gaussian mixture, in bits, by quadrature.

    :math:`-\int p \log_2 p` with :math:`p = \sum_c w_c N(m_c, v_c)`.

    Parameters
    ----------
    weights : (n,) array, each >= 0, of sum 1 (to 1e-9)
    means : (n,) array, in the unit of the value
    variances : (n,) array or one number, > 0, in its squared unit

    Returns
    -------
    float, any sign; right to 1e-9 where deviations exceed 1e-6 of the span of the means.

    Raises
    ------
    ValueError
        Lengths that differ, weights that are no probabilities, a value that is not finite, a
        variance <= 0.

    Notes
    -----
    Cost: O(n^2) time (n = 100: 0.3 s), O(n) memory. Notebook: 04

    References
    ----------
    Cover & Thomas, Eq. 8.1.
    """
    mixture = _mixture(weights, means, variances)
    return mixture.information() + mixture.component_entropy()


def mixture_mutual_information(weights, means, variances) -> float:
    r"""I(C;V) of a mixture's component C and its value V, in bits, by quadrature.

    :math:`\sum_c w_c \int N(v; m_c, v_c) \log_2 (N(v; m_c, v_c) / p(v))`. With n equal weights and
    variances s^2 it is the I(X;T) of T = h(X) + N(0, s^2) that the KDE bounds hold between them.

    Parameters
    ----------
    weights, means, variances
        As in `mixture_entropy`; cost, accuracy and ValueErrors too.

    Returns
    -------
    float, 0 to log2 n.

    References
    ----------
    Cover & Thomas, Sec. 8.5; Kolchinsky & Tracey, Entropy 19 (2017) 361. Notebook: 04
    """
    return _mixture(weights, means, variances).information()


def equidistant_bound(
    n_points: int, squared_distance: float, noise_variance: float, *, bound: str = "upper"
) -> float:
    r"""The KDE bound on I(X;T) for N points at one distance D from each other, in bits.

    :math:`\log_2 N - \log_2(1 + (N - 1) e^{-D / (c s^2)})`, c = 2 for "upper", 8 for "lower".

    Parameters
    ----------
    n_points : int, >= 1
    squared_distance : float, >= 0
        D, in the squared unit of the points.
    noise_variance : float, > 0
    bound : {"upper", "lower"}

    Returns
    -------
    float, 0 to log2 N.

    Raises
    ------
    ValueError
        A value outside its range.

    References
    ----------
    Kolchinsky & Tracey, Entropy 19 (2017) 361, Eqs. 10 and 12 with equal distances.

    Notebook: 04
    """
    n_points = _checks.at_least_one("n_points", n_points)
    s2 = _checks.positive("noise_variance", noise_variance)
    if bound not in ("upper", "lower"):
        raise ValueError(f"bound must be 'upper' or 'lower'; got bound={bound!r}")
    if not squared_distance >= 0:
        raise ValueError(f"squared_distance must be >= 0; got {squared_distance}")
    c = 2.0 if bound == "upper" else 8.0
    kernel = math.exp(-squared_distance / (c * s2))
    return math.log2(n_points) - math.log2(1 + (n_points - 1) * kernel)


def minimal_model(weight: float, activation: str = "tanh", n_bins: int = 30) -> float:
    """Binned I(X;T) of one neuron, X ~ N(0, 1), T = bin(f(w X)), in bits; exact.

    T is a function of X, so I(X;T) = H(T), and each bin's probability is a difference of normal
    cdfs. "tanh": ``n_bins`` equal bins on [-1, 1]; the peak, 4.90 bits, is at w = 0.87, and the
    value falls to 1 bit as w grows. "relu": bins of the same width 2 / n_bins from 0 upwards
    without an end, so that the value rises with w. (A last bin at a fixed height would make ReLU
    fall to 1 bit as well.)

    Parameters
    ----------
    weight : float, >= 0
    activation : {"tanh", "relu"}
    n_bins : int, >= 1

    Returns
    -------
    float, 0 to log2(n_bins) for tanh, >= 0 for ReLU.

    Raises
    ------
    ValueError
        A value outside its range.

    References
    ----------
    Saxe et al., JSTAT (2019) 124020, Sec. 2 and Fig. 2.

    Notebook: 03
    """
    n_bins = _checks.at_least_one("n_bins", n_bins)
    if not 0 <= weight < math.inf:
        raise ValueError(f"weight must be finite and not negative; got weight={weight}")
    if activation not in ("tanh", "relu"):
        raise ValueError(f"activation must be 'tanh' or 'relu'; got activation={activation!r}")
    if weight == 0:
        return 0.0
    inner = _tanh_cuts(n_bins) if activation == "tanh" else _relu_cuts(n_bins, weight)
    cdf = np.concatenate([[0.0], ndtr(inner / weight), [1.0]])
    shares = np.diff(cdf)
    shares = shares[shares > 0]
    return 0.0 - float(np.sum(shares * np.log2(shares)))


def _tanh_cuts(n_bins: int) -> np.ndarray:
    return np.arctanh(np.linspace(-1.0, 1.0, n_bins + 1)[1:-1])


def _relu_cuts(n_bins: int, weight: float) -> np.ndarray:
    """Inner edges up to 9 standard deviations; what lies above has probability 1e-19."""
    width = 2.0 / n_bins
    return width * np.arange(1, math.ceil(9.0 * weight / width) + 1)


def _probabilities(name: str, values) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if not ((values >= 0).all() and abs(values.sum() - 1) < 1e-9):
        raise ValueError(f"{name} must be probabilities of sum 1; got sum {values.sum()}")
    return values


def _mixture(weights, means, variances) -> _mixtures.Mixture:
    return _mixtures.checked(_probabilities("weights", weights), means, variances)


def _output_covariance(weights, input_covariance) -> np.ndarray:
    weights = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    covariance = _square("input_covariance", input_covariance)
    if weights.shape[1] != len(covariance):
        raise ValueError(
            "weights must have one column for each input; "
            f"got {weights.shape[1]} columns, {len(covariance)} inputs"
        )
    return weights @ covariance @ weights.T


def _square(name: str, matrix) -> np.ndarray:
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"{name} must be a square matrix; got shape {matrix.shape}")
    return matrix


def _log2_det(name: str, matrix: np.ndarray) -> float:
    sign, log_det = np.linalg.slogdet(matrix)
    if sign <= 0:
        raise ValueError(f"{name} must be positive definite; got determinant sign {sign}")
    return float(log_det) / math.log(2)
