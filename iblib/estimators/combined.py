"""All estimators at once: one pass over the distances for the KDE and the neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from iblib.estimators import _checks, binning, kde, kraskov, pairwise
from iblib.estimators.rows import Rows, RowStatistics, sort_rows


@dataclass(frozen=True)
class Measurement:
    """One layer, measured three ways; bits."""

    binning: binning.BinningInformation
    kde: kde.KDEInformation
    kraskov: kraskov.KraskovInformation


def measure(
    t,
    y,
    *,
    width: float = binning.DEFAULT_WIDTH,
    edges=None,
    noise_variance: float = 0.01,
    k: int = 2,
    epsilon: float = 1e-16,
) -> Measurement:
    """I(X;T) and I(T;Y) by binning and KDE, H(T) and I(T;Y) by Kraskov, in bits.

    The same values as `binning.information`, `kde.information` and `kraskov.information`, except
    that data too small for Kraskov do not stop the others.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device (a GPU tensor stays there).
    y : (P,) integer, bool or string labels
    width, edges
        As in `binning.information`.
    noise_variance
        As in `kde.information`.
    k, epsilon
        As in `kraskov.entropy`.

    Returns
    -------
    Measurement
        ``.binning``, ``.kde``, ``.kraskov``. ``kraskov.ty`` is None, with ``kraskov.reason``, where
        a class has k samples or fewer; ``kraskov.h_t`` too where P <= k.

    Raises
    ------
    TypeError, ValueError
        As the three estimators, apart from those two cases.

    Notes
    -----
    Cost: O(P^2 d) time, O(P) memory beside a copy of the points; the distances computed once.

    Notebook: 03, 04, 05
    """
    noise_variance = _checks.positive("noise_variance", noise_variance)
    k, epsilon = _checks.at_least_one("k", k), _checks.positive("epsilon", epsilon)
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples, points.values.device)
    return _measured(points, labels, width, edges, noise_variance, k, epsilon)


def measure_parts(
    parts: Sequence,
    y,
    *,
    width: float = binning.DEFAULT_WIDTH,
    edges=None,
    noise_variance: float = 0.01,
    k: int = 2,
    epsilon: float = 1e-16,
) -> tuple[list[Measurement], Measurement]:
    """`measure` of each part of a layer and of the parts side by side, for less than one by one.

    The filters of a convolutional layer are parts of it. Squared distances add, so that the layer's
    are the sums of its filters', and a layer's symbol is the row of its filters' symbols.

    Parameters
    ----------
    parts : sequence of (P, d_i) real arrays or tensors
        The same samples in the same order, on one device.
    y : (P,) integer, bool or string labels
    width, edges, noise_variance, k, epsilon
        As in `measure`.

    Returns
    -------
    list of Measurement, Measurement
        Of each part; of ``concatenate(parts, axis=1)``.

    Raises
    ------
    TypeError, ValueError
        As `measure`; also no parts, or parts of different numbers of samples.

    Notes
    -----
    Cost: O(P^2 sum d_i) time, O(P) memory beside one copy of the points. Distances are shared
    between parts of 128 dimensions or more; smaller ones are measured one by one.

    Notebook: 03, 04, 05
    """
    noise_variance = _checks.positive("noise_variance", noise_variance)
    k, epsilon = _checks.at_least_one("k", k), _checks.positive("epsilon", epsilon)
    points = [_checks.as_points(part, f"parts[{i}]") for i, part in enumerate(parts)]
    n_samples = _common_length(points)
    labels = _checks.as_labels(y, n_samples, points[0].values.device)
    largest = max(part.largest for part in points)  # one scale for all: distances are added
    rows = [sort_rows(replace(p, largest=largest), labels.codes, labels.counts) for p in points]
    if not (k < n_samples and all(pairwise.can_screen(part) for part in rows)):
        together = _checks.Points(torch.cat([part.values for part in points], dim=1), largest)
        *singles, whole = [
            _measured(one, labels, width, edges, noise_variance, k, epsilon)
            for one in (*points, together)
        ]
        return singles, whole
    binned = binning.checked_information_of_parts([p.values for p in points], labels, width, edges)
    found = pairwise.statistics_of_parts(rows, kde.rate(rows[0], noise_variance), k)
    dimensions = [part.dimension for part in rows]
    *singles, whole = [
        Measurement(
            b, kde.from_statistics(rows[0], f), _neighbours(rows[0], d, f, labels, k, epsilon)
        )
        for b, d, f in zip(binned, [*dimensions, sum(dimensions)], found, strict=True)
    ]
    return singles, whole


def _measured(points, labels, width, edges, noise_variance, k: int, epsilon) -> Measurement:
    """`measure` of what has passed `_checks`."""
    binned = binning.checked_information(points.values, labels, width, edges)
    rows = sort_rows(points, labels.codes, labels.counts)
    found = pairwise.statistics(
        rows, kde.rate(rows, noise_variance), k if k < rows.n_samples else 0
    )
    neighbours = _neighbours(rows, rows.dimension, found, labels, k, epsilon)
    return Measurement(binned, kde.from_statistics(rows, found), neighbours)


def _common_length(points: list[_checks.Points]) -> int:
    lengths = sorted({part.n_samples for part in points})
    if len(lengths) != 1:
        raise ValueError(f"parts must hold the same samples; got {lengths or 'no parts'}")
    return lengths[0]


def _neighbours(
    rows: Rows, dimension: int, found: RowStatistics, labels, k: int, epsilon: float
) -> kraskov.KraskovInformation:
    """Kraskov's values, or the reason why there are none: too few samples stop nothing else."""
    n_samples = rows.n_samples
    if k >= n_samples:
        reason = f"k must be smaller than n_samples; got k={k}, n_samples={n_samples}"
        return kraskov.KraskovInformation(None, None, 0, (), reason, n_samples, dimension)
    small = kraskov.small_classes(labels, k)
    reason = kraskov.small_reason(labels, small, k) if small else None
    return kraskov.from_statistics(rows, dimension, found, k, epsilon, reason)
