"""All estimators at once: one pass over the distances for the KDE and the neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iblib.estimators import _checks, binning, kde, kraskov
from iblib.estimators._engine.rows import Rows, RowStatistics, sort_rows


@dataclass(frozen=True)
class Measurement:
    """One layer, measured three ways; bits."""

    binning: binning.BinningInformation
    kde: kde.KDEInformation  # at the first fixed noise
    kraskov: kraskov.KraskovInformation
    noises: tuple[kde.KDEInformation, ...] = ()  # at all: fixed noises, then resolutions


def measure(
    t,
    y,
    *,
    width: float | None = None,
    n_bins: int | None = None,
    range=None,
    edges=None,
    noise_variance: float | Sequence[float] = 0.01,
    resolution: float | Sequence[float] | None = None,
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
    noise_variance, resolution
        As in `kde.information`; at least one fixed noise.
    k, epsilon
        As in `kraskov.entropy`.

    Returns
    -------
    Measurement
        ``.binning``, ``.kde``, ``.kraskov``, ``.noises``. ``kraskov.ty`` is None, with
        ``kraskov.reason``, where a class has k samples or fewer; ``kraskov.h_t`` too where P <= k.

    Raises
    ------
    TypeError, ValueError
        As the three estimators, apart from those two cases.

    Notes
    -----
    Cost: O(P^2 d) time, O(P) memory beside a copy of the points; the distances computed once.

    Notebook: 03, 04, 05
    """
    if noise_variance is None or not np.size(noise_variance):
        raise ValueError(f"noise_variance must hold at least one value; got {noise_variance}")
    k = _checks.at_least_one("k", k)
    binned = binning.information(t, y, width=width, n_bins=n_bins, range=range, edges=edges)
    noises = {"noise_variance": noise_variance, "resolution": resolution}
    found, neighbours = distances(t, y, **noises, k=k, epsilon=epsilon)
    return Measurement(binned, found[0], neighbours, found)


def distances(
    t, y, *, noise_variance=(), resolution=(), k: int = 0, epsilon: float = 1e-16
) -> tuple[tuple[kde.KDEInformation, ...], kraskov.KraskovInformation | None]:
    """What `measure` finds without the binning: KDE at any noises, neighbours unless k is 0."""
    wanted = kde.checked_noises(noise_variance, resolution, "rms")
    epsilon, points = _checks.positive("epsilon", epsilon), _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples, points.values.device)
    rows = sort_rows(points, labels.codes, labels.counts)
    bits, found = kde.of_rows(rows, *wanted, k=k if k < rows.n_samples else 0)
    return bits, _neighbours(rows, found, labels, k, epsilon) if k else None


def _neighbours(
    rows: Rows, found: RowStatistics, labels, k: int, epsilon: float
) -> kraskov.KraskovInformation:
    """Kraskov's values, or the reason why there are none: too few samples stop nothing else."""
    n_samples = rows.n_samples
    if k >= n_samples:
        reason = f"k must be smaller than n_samples; got k={k}, n_samples={n_samples}"
        return kraskov.KraskovInformation(None, None, 0, (), reason, n_samples, rows.dimension)
    return kraskov.from_statistics(rows, found, k, epsilon, kraskov.small_reason(labels, k))
