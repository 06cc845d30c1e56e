"""All estimators at once: one pass over the distances for the KDE and the neighbours."""

from dataclasses import dataclass

from iblib.estimators import _checks, binning, kde, kraskov
from iblib.estimators._engine import pairwise
from iblib.estimators._engine.rows import Rows, RowStatistics, sort_rows


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
    width: float | None = None,
    n_bins: int | None = None,
    range=None,
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
        Activations, one row a sample; NumPy or torch, any device.
    y : (P,) integer, bool or string labels
    width, n_bins, range, edges
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
    bins = binning.bins_of(width, n_bins, range, edges)
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples, points.values.device)
    binned = binning.checked_information(points.values, labels, bins)
    rows = sort_rows(points, labels.codes, labels.counts)
    k_found = k if k < rows.n_samples else 0
    found = pairwise.row_statistics(rows, kde.rate(rows, noise_variance), k_found)
    neighbours = _neighbours(rows, found, labels, k, epsilon)
    return Measurement(binned, kde.from_statistics(rows, found), neighbours)


def _neighbours(
    rows: Rows, found: RowStatistics, labels, k: int, epsilon: float
) -> kraskov.KraskovInformation:
    """Kraskov's values, or the reason why there are none: too few samples stop nothing else."""
    n_samples = rows.n_samples
    if k >= n_samples:
        reason = f"k must be smaller than n_samples; got k={k}, n_samples={n_samples}"
        return kraskov.KraskovInformation(None, None, 0, (), reason, n_samples, rows.dimension)
    return kraskov.from_statistics(rows, found, k, epsilon, kraskov.small_reason(labels, k))
