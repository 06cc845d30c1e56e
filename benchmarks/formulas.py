"""What several peers need after their own work: entropies from counts and from radii, in bits."""

import math

import numpy as np
from scipy.special import digamma, gammaln

EPSILON = 1e-16  # added to a radius before its logarithm


def entropy(counts: np.ndarray) -> float:
    """Plug-in entropy of the shares, bits."""
    shares = counts / counts.sum()
    return -float((shares * np.log2(shares)).sum())


def kraskov_entropy(radii: np.ndarray, dimension: int, k: int) -> float:
    """Kozachenko-Leonenko entropy from each sample's distance to its k-th neighbour, bits."""
    mean_log = np.log(np.asarray(radii, dtype=np.float64) + EPSILON).mean()
    log_ball = dimension / 2 * math.log(math.pi) - gammaln(dimension / 2 + 1)
    nats = dimension * mean_log + log_ball + digamma(len(radii)) - digamma(k)
    return float(nats) / math.log(2)


def information(entropy_of, t: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """``entropy_of(t)``, and that minus its mean over the classes, weighted by their shares."""
    whole = entropy_of(t)
    within = 0.0
    for label in np.unique(y):
        rows = t[y == label]
        within += len(rows) / len(t) * entropy_of(rows)
    return whole, whole - within
