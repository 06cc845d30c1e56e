"""Closed forms of the report's own examples, in bits; the library's are in `iblib.estimators`.

Each raises ValueError, naming the argument, for what is outside its range. Saxe is Saxe et al.,
JSTAT (2019) 124020.
"""

import math

import numpy as np
from scipy.special import ndtr

from iblib.estimators import closed_forms


def linear_information_x(weights, input_covariance, noise_variance: float) -> float:
    """I(X;T) of T = W X + N(0, s^2 I), X ~ N(0, C), in bits.

    log2(det(I + W C W^T / s^2)) / 2, with ``weights`` W (n_out, n_in), for a deeper linear network
    the product of its matrices, ``input_covariance`` C (n_in, n_in), positive semidefinite, and
    ``noise_variance`` s^2 > 0. O(n_out n_in^2 + n_out^3) time. Saxe Eqs. 6 and 21, which lack the
    1/2 and C.
    """
    s2 = _positive("noise_variance", noise_variance)
    signal = _output_covariance(weights, input_covariance)
    noise = s2 * np.eye(len(signal))
    return closed_forms.gaussian_entropy(signal + noise) - closed_forms.gaussian_entropy(noise)


def linear_information_y(
    weights, teacher, input_covariance, noise_variance: float, teacher_noise_variance: float
) -> float:
    """I(Y;T) of T = W X + N(0, s^2 I) and Y = V X + N(0, s_y^2 I), X ~ N(0, C), in bits.

    log2(det S_T det S_Y / det S_YT) / 2, S covariances, with ``weights`` W (n_out, n_in),
    ``teacher`` V (n_y, n_in), which makes the labels, ``input_covariance`` C (n_in, n_in), and
    noise variances s^2, s_y^2 > 0. O((n_out + n_y) n_in^2 + (n_out + n_y)^3) time. Saxe Sec. 4.
    """
    s2 = _positive("noise_variance", noise_variance)
    s2_y = _positive("teacher_noise_variance", teacher_noise_variance)
    weights, teacher = np.atleast_2d(weights), np.atleast_2d(teacher)
    joint = _output_covariance(np.vstack([weights, teacher]), input_covariance)
    noise = np.repeat([s2, s2_y], [len(weights), len(teacher)])
    return closed_forms.gaussian_mutual_information(joint + np.diag(noise), len(weights))


def equidistant_bound(
    n_points: int, squared_distance: float, noise_variance: float, *, bound: str = "upper"
) -> float:
    """The KDE bound on I(X;T) for N points at one distance from each other, in bits.

    log2 N - log2(1 + (N - 1) exp(-D / (c s^2))), c = 2 for ``bound`` "upper", 8 for "lower", with
    ``n_points`` N >= 1, ``squared_distance`` D >= 0 and ``noise_variance`` s^2 > 0.
    Kolchinsky & Tracey, Entropy 19 (2017) 361, Eqs. 10 and 12 with equal distances. Notebook: 04
    """
    if n_points < 1:
        raise ValueError(f"n_points must be at least 1; got {n_points}")
    s2 = _positive("noise_variance", noise_variance)
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
    cdfs. ``activation`` "tanh": ``n_bins`` equal bins on [-1, 1]; the peak, 4.90 bits, is at
    ``weight`` w = 0.87, and the value falls to 1 bit as w grows. "relu": bins of the same width
    2 / n_bins from 0 upwards without an end, so that the value rises with w. (A last bin at a fixed
    height would make ReLU fall to 1 bit as well.) Saxe Sec. 2 and Fig. 2. Notebook: 03
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1; got {n_bins}")
    if not 0 <= weight < math.inf:
        raise ValueError(f"weight must be finite and not negative; got weight={weight}")
    if activation not in ("tanh", "relu"):
        raise ValueError(f"activation must be 'tanh' or 'relu'; got activation={activation!r}")
    if weight == 0:
        return 0.0
    if activation == "tanh":
        inner = np.arctanh(np.linspace(-1.0, 1.0, n_bins + 1)[1:-1])
    else:  # up to 9 standard deviations: what lies above has probability 1e-19
        width = 2.0 / n_bins
        inner = width * np.arange(1, math.ceil(9.0 * weight / width) + 1)
    below = np.concatenate([[0.0], ndtr(inner / weight), [1.0]])
    return closed_forms.discrete_entropy(np.diff(below))


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite; got {name}={value}")
    return value


def _output_covariance(weights, input_covariance) -> np.ndarray:
    weights = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    covariance = np.asarray(input_covariance, dtype=np.float64)
    if covariance.shape != (weights.shape[1],) * 2:
        n, shape = weights.shape[1], covariance.shape
        raise ValueError(
            f"input_covariance must be of the {n} inputs of weights; got shape {shape}"
        )
    return weights @ covariance @ weights.T
