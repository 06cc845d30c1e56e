"""Nearest-neighbour entropy H(T) of Kozachenko and Leonenko, and I(T;Y) from it.

"Kraskov" in the course's slides and in every name here, after the paper that made it known.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import digamma, gammaln

from iblib.estimators import _checks
from iblib.estimators._engine import pairwise
from iblib.estimators._engine.rows import Rows, RowStatistics, one_group, sort_rows

HIGH_DIMENSION = 10  # above, the bias is too large to trust the value (+1 nat at d = 20)


class _Flags:
    """When not to trust a value."""

    @property
    def degenerate(self) -> bool:
        """True where some radius is zero, so that epsilon decides the value."""
        return self.zero_radius > 0

    @property
    def high_dimension(self) -> bool:
        """True above d = 10, where the bias of the estimate is bits, not digits."""
        return self.dimension > HIGH_DIMENSION


@dataclass(frozen=True)
class KraskovEntropy(_Flags):
    """What `entropy` returns; bits, unclipped, possibly negative."""

    bits: float
    zero_radius: int  # samples whose k-th neighbour is a duplicate
    n_samples: int
    dimension: int


@dataclass(frozen=True)
class KraskovInformation(_Flags):
    """What `information` returns; bits, unclipped."""

    h_t: float | None  # None only from `measure`, where P <= k
    ty: float | None  # None where the classes are too small; `reason` says which
    zero_radius: int  # of h_t
    dropped: tuple  # labels of the classes left out of ty
    reason: str | None
    n_samples: int
    dimension: int


def entropy(t, *, k: int = 2, epsilon: float = 1e-16) -> KraskovEntropy:
    """Differential entropy H(T) from k-th neighbour distances, in bits.

        H(T) = d mean_i ln(r_i + epsilon) + ln V_d + psi(P) - psi(k)    [nats]

    r_i is the Euclidean distance from sample i to its k-th neighbour, itself not counted, V_d =
    pi^(d/2) / Gamma(d/2 + 1) the volume of the unit ball, psi the digamma function. With T = h + Z,
    I(X;T) = H(T) - H(Z), and H(Z) is an unknown constant: only changes of H(T) mean something.
    Errors as `binning.information`, and for ``k`` and ``epsilon`` that are not as below.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device.
    k : int, 1 <= k < P
    epsilon : float, > 0
        Added to every radius, in the unit of ``t``. Duplicates have r = 0, and then epsilon decides
        the value (``zero_radius`` counts them): log2(1e-16) = -53 bits a dimension.

    Notes
    -----
    Cost: O(P^2 d) time, O(P) memory beside a copy of the points. The bias grows with d: N(0, I)
    with P = 2000, k = 2 is right to 0.15 nats up to d = 5 and 0.9 nats too high at d = 20, so
    ``high_dimension`` flags d > 10.

    References
    ----------
    Kozachenko & Leonenko, Probl. Inf. Transm. 23 (1987) 95. Kraskov, Stoegbauer & Grassberger,
    Phys. Rev. E 69 (2004) 066138, Eq. 20. Saxe et al., JSTAT (2019) 124020, Eq. 16.

    Notebook: 05
    """
    points = _checks.as_points(t)
    k = _checks.neighbour_count(k, points.n_samples)
    epsilon = _checks.positive("epsilon", epsilon)
    found = _alone(one_group(points), k, epsilon)
    return KraskovEntropy(found.h_t, found.zero_radius, found.n_samples, found.dimension)


def information(
    t, y, *, k: int = 2, epsilon: float = 1e-16, small_class: str = "raise"
) -> KraskovInformation:
    """H(T) and I(T;Y) = H(T) - sum_y p(y) H(T | Y = y), in bits, from one pass over the distances.

    Errors, cost, references and the other arguments as `entropy`. Notebook: 05

    Parameters
    ----------
    y : (P,) integer, bool or string labels
    small_class : {"raise", "drop"}
        Classes of k samples or fewer have no k-th neighbour: a ValueError, or they are left out of
        ``ty`` (of its H(T) too) and named in ``dropped``. ``h_t`` is that of all samples.

    Returns
    -------
    KraskovInformation
        ``ty`` may be negative or above H(Y); it is exactly 0 for one class, and None with a
        ``reason`` where every class was dropped.
    """
    if small_class not in ("raise", "drop"):
        raise ValueError(f"small_class must be 'raise' or 'drop'; got small_class={small_class!r}")
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples, points.values.device)
    k = _checks.neighbour_count(k, points.n_samples)
    epsilon = _checks.positive("epsilon", epsilon)
    reason = small_reason(labels, k)
    if reason is None:
        return _alone(sort_rows(points, labels.codes, labels.counts), k, epsilon)
    if small_class == "raise":
        raise ValueError(reason)
    return _without_small_classes(points, labels, k, epsilon)


def small_reason(labels: _checks.Labels, k: int) -> str | None:
    """Why there is no I(T;Y): the first class that is too small, and how many there are."""
    small = [(name, n) for name, n in zip(labels.names, labels.counts, strict=True) if n <= k]
    if not small:
        return None
    text = f"each class must have more than k={k} samples; class {small[0][0]!r} has {small[0][1]}"
    return text + (f" (and {len(small) - 1} more classes are too small)" if small[1:] else "")


def from_statistics(
    rows: Rows, found: RowStatistics, k: int, epsilon: float, reason=None
) -> KraskovInformation:
    """Both values from each row's k-th neighbours; a ``reason`` stands in for I(T;Y)."""
    d, radii = rows.dimension, np.sqrt(found.nearest_all) * rows.scale
    h_t, ty = _bits(radii, d, k, epsilon), None
    if reason is None:
        own = np.split(np.sqrt(found.nearest_own) * rows.scale, rows.bounds[1:-1])
        within = [len(one) / rows.n_samples * _bits(one, d, k, epsilon) for one in own]
        ty = h_t - sum(within)
    zero_radius = int((radii == 0).sum())
    return KraskovInformation(h_t, ty, zero_radius, (), reason, rows.n_samples, d)


def _alone(rows: Rows, k: int, epsilon: float) -> KraskovInformation:
    return from_statistics(rows, pairwise.row_statistics(rows, k=k), k, epsilon)


def _without_small_classes(points, labels, k: int, epsilon: float) -> KraskovInformation:
    """H(T) of all samples, I(T;Y) of those whose class is large enough."""
    found = _alone(one_group(points), k, epsilon)
    large = np.array(labels.counts) > k
    dropped = tuple(name for name, kept in zip(labels.names, large, strict=True) if not kept)
    if not large.any():
        reason = f"no class has more than k={k} samples"
        return replace(found, ty=None, dropped=dropped, reason=reason)
    kept = torch.from_numpy(large).to(labels.codes.device)[labels.codes]
    some = _checks.as_labels(labels.codes[kept], None, points.values.device)
    rows = sort_rows(replace(points, values=points.values[kept]), some.codes, some.counts)
    return replace(found, ty=_alone(rows, k, epsilon).ty, dropped=dropped)


def _bits(radii: np.ndarray, d: int, k: int, epsilon: float) -> float:
    """H(T) from the k-th neighbours' distances among the samples themselves, in bits."""
    log_ball = d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
    mean_log_radius = np.log(radii + epsilon).mean()
    nats = d * mean_log_radius + log_ball + digamma(len(radii)) - digamma(k)
    return float(nats) / math.log(2)
