"""The estimators as their formulas stand: float64, differences before squares, one row at a time.

Slow, and written for reading: what `iblib.estimators` is compared with. Records carry the names of
the package's own.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln


class KDE(NamedTuple):
    """Bits."""

    xt_upper: float
    xt_lower: float
    ty_upper: float
    ty_lower: float


class Kraskov(NamedTuple):
    """Bits, and a count."""

    h_t: float
    ty: float
    zero_radius: int


class Binning(NamedTuple):
    """Bits."""

    xt: float
    ty: float


def in_float64(t) -> np.ndarray:
    """The array as stored; conversion to float64 is exact for every type that is accepted."""
    return np.asarray(t, dtype=np.float64)


def distances(t) -> np.ndarray:
    """(P, P) Euclidean distances; d differences, then their squares, then the sum."""
    t = in_float64(t)
    scale = np.abs(t).max() or 1.0  # squares of 1e-200 or 1e200 are no float64 numbers
    return np.array([np.sqrt((((t - row) / scale) ** 2).sum(1)) for row in t]) * scale


def kde(t, y, noise_variance=0.01) -> KDE:
    """Kolchinsky & Tracey's bounds; 4 s2 is the Bhattacharyya bound's 8 s2 for 2 s2."""
    return kde_of_distances(distances(t), y, noise_variance)


def kde_of_distances(r, y, noise_variance) -> KDE:
    """The same when the distances are there already."""
    (xt_upper, ty_upper), (xt_lower, ty_lower) = (
        information(kde_bound, r, y, variance) for variance in (noise_variance, 4 * noise_variance)
    )
    return KDE(xt_upper, xt_lower, ty_upper, ty_lower)


def kde_bound(r, variance) -> float:
    """-<log2 <exp(-r^2 / 2 variance)>_j>_i, the term i = j included."""
    kernel = np.exp(-((r / math.sqrt(2 * variance)) ** 2))
    return -float(np.mean(np.log2(kernel.mean(1))))


def kraskov(t, y, k=2, epsilon=1e-16) -> Kraskov:
    """Kozachenko & Leonenko's entropy, over all samples and within the classes."""
    return kraskov_of_distances(distances(t), y, np.shape(t)[1], k, epsilon)


def entropy(t, k=2, epsilon=1e-16) -> float:
    """Kozachenko & Leonenko's entropy alone."""
    return kraskov_entropy(distances(t), np.shape(t)[1], k, epsilon)


def kraskov_of_distances(r, y, dimension, k=2, epsilon=1e-16) -> Kraskov:
    """The same when the distances are there already."""
    h_t, ty = information(kraskov_entropy, r, y, dimension, k, epsilon)
    return Kraskov(h_t, ty, int((radii(r, k) == 0).sum()))


def radii(r, k) -> np.ndarray:
    """(P,) distance to the k-th neighbour, the sample itself struck out by its place."""
    others = r[~np.eye(len(r), dtype=bool)].reshape(len(r), -1)
    return np.sort(others, axis=1)[:, k - 1]


def kraskov_entropy(r, d, k, epsilon) -> float:
    """d <ln(r_k + epsilon)> + ln V_d + psi(P) - psi(k), in bits."""
    log_ball = d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
    nats = d * np.mean(np.log(radii(r, k) + epsilon)) + log_ball + digamma(len(r)) - digamma(k)
    return float(nats) / math.log(2)


def information(entropy, r, y, *settings) -> tuple[float, float]:
    """H(T) and H(T) - sum_y p(y) H(T | Y = y) of an entropy of pairwise distances."""
    y = np.asarray(y)
    total, within = entropy(r, *settings), 0.0
    for label in np.unique(y):
        own = y == label
        within += own.mean() * entropy(r[np.ix_(own, own)], *settings)
    return total, total - within


def binning(t, y, width=0.07, edges=None) -> Binning:
    """Plug-in entropies of rows of bins."""
    codes = floor_codes(t, width) if edges is None else edge_codes(t, edges)
    return binning_of_codes(codes, y)


def binning_of_codes(codes, y) -> Binning:
    """The same when the bins are there already; a symbol is a whole row of them."""
    numbers = {}
    symbols = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in codes])
    y, h_t, within = np.asarray(y), histogram_entropy(symbols), 0.0
    for label in np.unique(y):
        own = y == label
        within += own.mean() * histogram_entropy(symbols[own])
    return Binning(h_t, h_t - within)


def floor_codes(t, width) -> np.ndarray:
    """floor(t / width), the quotient in float32 for float32 and narrower input."""
    t = np.asarray(t)
    t = t.astype(np.float32 if np.can_cast(t.dtype, np.float32) else np.float64)
    return np.floor(t / t.dtype.type(width)).astype(np.int64)


def edge_codes(t, edges) -> np.ndarray:
    """A bin holds its lower edge, the last one both; values outside count into the end bins."""
    return np.clip(np.digitize(in_float64(t), edges) - 1, 0, len(edges) - 2)


def histogram_entropy(symbols) -> float:
    """-sum p log2 p of the shares of equal symbols."""
    shares = np.unique(symbols, return_counts=True)[1] / len(symbols)
    return -float((shares * np.log2(shares)).sum())
