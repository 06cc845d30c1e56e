"""Geometry of activations beside their information: how far apart samples of one class lie."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassDistances:
    """Mean squared distances between two different samples; in the squared unit of ``t``."""

    within: float  # of one class
    between: float  # of two classes

    @property
    def ratio(self) -> float:
        """Within over between: 1 where classes cannot be told apart, 0 where each is one point."""
        return self.within / self.between if self.between > 0 else np.nan


def class_distances(t: np.ndarray, y: np.ndarray) -> ClassDistances:
    """Mean squared distance of pairs of one class and of pairs of two classes.

    The geometric reading of compression (Goldfeld et al. 2019, section 5): what estimates of
    I(X;T) call compression is samples of one class drawing together.

    Parameters
    ----------
    t : ndarray, shape (P, d)
    y : ndarray, shape (P,)
        Labels, of any kind that NumPy can sort.

    Returns
    -------
    ClassDistances
        Each >= 0; NaN where there is no such pair.

    Raises
    ------
    ValueError
        Where lengths differ.

    Notes
    -----
    Cost: O(P d): the sum of the squared distances of all pairs of n points is n times that of
    their squared distances to their mean.
    """
    if len(t) != len(y):
        raise ValueError(f"t and y must have one length; got {len(t)} and {len(y)}")
    t = np.asarray(t, dtype=np.float64)
    total, n_pairs = _sum_over_pairs(t), len(t) * (len(t) - 1) / 2
    groups = [t[y == label] for label in np.unique(y)]
    inside = sum(map(_sum_over_pairs, groups))
    n_inside = sum(len(group) * (len(group) - 1) / 2 for group in groups)
    return ClassDistances(_mean(inside, n_inside), _mean(total - inside, n_pairs - n_inside))


def _sum_over_pairs(t: np.ndarray) -> float:
    t = t - t.mean(axis=0)  # tight clusters far from 0 would cancel
    return float(len(t) * (t**2).sum())


def _mean(total: float, n: float) -> float:
    return max(total, 0.0) / n if n else np.nan
