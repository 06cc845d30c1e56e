"""All estimators at once: one pass over the distances for the KDE and the neighbours."""

from dataclasses import dataclass

from iblib.estimators import _checks, binning, kde, kraskov, pairwise


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
    Cost: O(P^2 d) time, O(P b) memory, the distances computed once.

    Notebook: 03, 04, 05
    """
    noise_variance = _checks.positive("noise_variance", noise_variance)
    k, epsilon = _checks.at_least_one("k", k), _checks.positive("epsilon", epsilon)
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.shape[0], points.device)
    binned = binning.checked_information(points, labels, width, edges)
    rows = pairwise.sort_rows(points, labels.codes, labels.counts)
    sums = kde.KernelSums(rows, noise_variance)
    if k >= rows.n_samples:
        pairwise.sweep(rows, [sums])
        return Measurement(binned, sums.result(), _too_few_samples(rows, k))
    small = kraskov.small_classes(labels, k)
    radii = kraskov.NeighbourRadii(rows, k, epsilon, n_kept=0 if small else rows.n_classes)
    pairwise.sweep(rows, [sums, radii])
    return Measurement(binned, sums.result(), _neighbours(radii, labels, small))


def _too_few_samples(rows: pairwise.Rows, k: int) -> kraskov.KraskovInformation:
    reason = f"k must be smaller than n_samples; got k={k}, n_samples={rows.n_samples}"
    return kraskov.KraskovInformation(None, None, 0, (), reason, rows.n_samples, rows.dimension)


def _neighbours(radii, labels, small: list[int]) -> kraskov.KraskovInformation:
    return kraskov.KraskovInformation(
        h_t=radii.entropy(),
        ty=None if small else radii.information(),
        zero_radius=radii.zero_radius(),
        dropped=(),
        reason=kraskov.small_reason(labels, small, radii.k) if small else None,
        n_samples=radii.rows.n_samples,
        dimension=radii.rows.dimension,
    )
