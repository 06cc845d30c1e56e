"""Kozachenko-Leonenko nearest-neighbour entropy H(T), and I(T;Y) from it (Kraskov)."""

import itertools
import math
from dataclasses import dataclass

import torch
from scipy.special import digamma, gammaln

from iblib.estimators import _checks, pairwise

HIGH_DIMENSION = 10  # above this the bias of the estimate grows too fast to trust its value


class _Flags:
    """What a reader must know beside the value."""

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
    r"""Differential entropy H(T) from k-th neighbour distances, in bits.

    .. math:: H(T) = \frac dP \sum_i \ln(r_i + \epsilon) + \frac d2 \ln\pi
              - \ln\Gamma(\tfrac d2 + 1) + \psi(P) - \psi(k)

    in nats, divided by ln 2; r_i is the Euclidean distance from sample i to its k-th neighbour, the
    sample itself not counted. With T = h + Z, I(X;T) = H(T) - H(Z) with an unknown constant H(Z):
    only changes of H(T) mean something.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device.
    k : int, 1 <= k < P
    epsilon : float, > 0
        Added to every radius, in the unit of ``t``. Duplicates have r = 0, and then epsilon decides
        the value (``zero_radius`` counts them): log2(1e-16) = -53 bits a dimension.

    Returns
    -------
    KraskovEntropy
        ``bits`` may be any real number.

    Raises
    ------
    TypeError
        ``t`` is not real numeric, or ``k`` is no integer.
    ValueError
        Wrong shape, P = 0, d = 0, NaN or infinity, ``k < 1``, ``k >= P``, ``epsilon <= 0``.

    Notes
    -----
    Cost: O(P^2 d) time, O(P b) memory; distances follow the policy in `pairwise`, the mean is
    float64. The bias grows with d: N(0, I) with P = 2000, k = 2 is right to 0.15 nats up to d = 5
    and 0.9 nats too high at d = 20. For that reason ``high_dimension`` flags d > 10.

    References
    ----------
    Kozachenko & Leonenko, Probl. Inf. Transm. 23 (1987) 95. Kraskov, Stoegbauer & Grassberger,
    Phys. Rev. E 69 (2004) 066138, Eq. 20. Saxe et al., JSTAT (2019) 124020, Eq. 16.

    Notebook: 05
    """
    points = _checks.as_points(t)
    k = _checks.neighbour_count(k, points.shape[0])
    epsilon = _checks.positive("epsilon", epsilon)
    rows = pairwise.one_group(points)
    radii = NeighbourRadii(rows, k, epsilon)
    pairwise.sweep(rows, [radii])
    return KraskovEntropy(radii.entropy(), radii.zero_radius(), rows.n_samples, rows.dimension)


def information(
    t, y, *, k: int = 2, epsilon: float = 1e-16, small_class: str = "raise"
) -> KraskovInformation:
    """H(T) and I(T;Y) = H(T) - sum_y p(y) H(T | Y = y), in bits.

    Parameters
    ----------
    t : (P, d) real array or tensor
    y : (P,) integer, bool or string labels
    k, epsilon
        As in `entropy`.
    small_class : {"raise", "drop"}
        What to do with classes of k samples or fewer, which have no k-th neighbour: refuse, or
        leave them out of ``ty`` (of its H(T) too) and name them in ``dropped``. ``h_t`` is always
        that of all samples.

    Returns
    -------
    KraskovInformation
        ``ty`` may be negative or above H(Y); it is exactly 0 for one class, and None with a
        ``reason`` where every class was dropped.

    Raises
    ------
    TypeError, ValueError
        As `entropy`; also length mismatch, NaN labels, another ``small_class``, and for "raise" a
        class of k samples or fewer (named).

    Notes
    -----
    Cost: O(P^2 d) time, O(P b) memory; the class terms come from the same distances.

    References
    ----------
    As `entropy`.

    Notebook: 05
    """
    if small_class not in ("raise", "drop"):
        raise ValueError(f"small_class must be 'raise' or 'drop'; got small_class={small_class!r}")
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.shape[0], points.device)
    k = _checks.neighbour_count(k, points.shape[0])
    epsilon = _checks.positive("epsilon", epsilon)
    small = small_classes(labels, k)
    if small and small_class == "raise":
        raise ValueError(small_reason(labels, small, k))
    labels = _small_last(labels, small)
    rows = pairwise.sort_rows(points, labels.codes, labels.counts)
    radii = NeighbourRadii(rows, k, epsilon, n_kept=labels.n_classes - len(small))
    pairwise.sweep(rows, [radii])
    return _reported(radii, labels, small)


def small_classes(labels: _checks.Labels, k: int) -> list[int]:
    """Codes of the classes with k samples or fewer."""
    return [code for code, count in enumerate(labels.counts) if count <= k]


def small_reason(labels: _checks.Labels, small: list[int], k: int) -> str:
    """Why there is no I(T;Y): the first class that is too small, and how many there are."""
    code = small[0]
    text = f"each class must have more than k={k} samples; "
    text += f"class {labels.names[code]!r} has {labels.counts[code]}"
    return text + (f" (and {len(small) - 1} more classes are too small)" if small[1:] else "")


def _small_last(labels: _checks.Labels, small: list[int]) -> _checks.Labels:
    """Recode so that the dropped classes come last: the kept rows are then one range."""
    if not small:
        return labels
    order = [code for code in range(labels.n_classes) if code not in set(small)] + small
    new_code = torch.empty(len(order), dtype=torch.int64)
    new_code[torch.tensor(order)] = torch.arange(len(order))
    return _checks.Labels(
        codes=new_code.to(labels.codes.device)[labels.codes],
        names=tuple(labels.names[code] for code in order),
        counts=tuple(labels.counts[code] for code in order),
    )


def _reported(radii: "NeighbourRadii", labels, small: list[int]) -> KraskovInformation:
    n_kept = labels.n_classes - len(small)
    return KraskovInformation(
        h_t=radii.entropy(),
        ty=radii.information() if n_kept else None,
        zero_radius=radii.zero_radius(),
        dropped=labels.names[n_kept:],
        reason=None if n_kept else f"no class has more than k={radii.k} samples",
        n_samples=radii.rows.n_samples,
        dimension=radii.rows.dimension,
    )


class NeighbourRadii:
    """Collects, tile by tile, each row's k-th neighbour distance: among all rows, among the rows of
    the kept classes, and within its own class.

    The first ``n_kept`` classes of ``rows`` are kept, each with more than k rows; 0 skips I(T;Y).
    """

    def __init__(self, rows: pairwise.Rows, k: int, epsilon: float, n_kept: int = 0):
        self.rows, self.k = rows, k
        self._epsilon, self._n_kept = epsilon, n_kept
        self._kept_rows = rows.bounds[n_kept]
        empty = torch.empty(rows.n_samples, dtype=torch.float64, device=rows.points.device)
        self._all, self._own = empty, empty.clone()
        # with nothing dropped the kept rows are all rows: the same radii, not the same work twice
        self._kept = empty if self._kept_rows == rows.n_samples else empty.clone()

    def add(self, tile: pairwise.Tile) -> None:
        """Take one tile."""
        self._store(self._all, tile, tile.start, tile.stop, 0, self.rows.n_samples)
        stop = min(tile.stop, self._kept_rows)
        if stop <= tile.start:
            return
        if self._kept is not self._all:
            self._store(self._kept, tile, tile.start, stop, 0, self._kept_rows)
        bounds = self.rows.bounds
        for label, first, last in self.rows.spans(tile.start, stop):
            self._store(self._own, tile, first, last, bounds[label], bounds[label + 1])

    def _store(self, radii, tile, first: int, last: int, left: int, right: int) -> None:
        if right - left == self.rows.n_samples and radii is self._own:
            radii[first:last] = self._all[first:last]
            return
        squared = tile.squared[first - tile.start : last - tile.start, left:right]
        # k + 1 smallest: the sample itself, at distance 0, is always one of them
        nearest = torch.topk(squared, self.k + 1, dim=1, largest=False, sorted=False).values
        radii[first:last] = nearest.amax(1).to(torch.float64).sqrt_() * self.rows.scale

    def zero_radius(self) -> int:
        """Samples whose k-th neighbour among all samples is a duplicate."""
        return int((self._all == 0).sum())

    def entropy(self) -> float:
        """H(T) of all rows, bits."""
        return self._bits(self._all)

    def information(self) -> float:
        """H(T) - sum_y p(y) H(T | Y = y) over the kept classes, bits."""
        bounds = self.rows.bounds[: self._n_kept + 1]
        conditional = 0.0
        for first, last in itertools.pairwise(bounds):
            share = (last - first) / self._kept_rows
            conditional += share * self._bits(self._own[first:last])
        return self._bits(self._kept[: self._kept_rows]) - conditional

    def _bits(self, radii: torch.Tensor) -> float:
        d, n_samples = self.rows.dimension, len(radii)
        log_ball = d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
        mean_log_radius = float(torch.log(radii + self._epsilon).mean())
        nats = d * mean_log_radius + log_ball + digamma(n_samples) - digamma(self.k)
        return float(nats) / math.log(2)
