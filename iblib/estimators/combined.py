"""All estimators at once: one pass over the distances for every noise and the neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from iblib.estimators import _checks, binning, exact, kde, kraskov
from iblib.estimators._engine.rows import sort_rows
from iblib.tidy import as_html, as_text, rows_of, shown


@dataclass(frozen=True)
class Measurement:
    """One layer by every ruler; bits. It prints as a table, each number beside its trust."""

    exact: exact.ExactInformation
    binning: binning.BinningInformation
    kde: kde.KDEInformation  # at the first fixed noise
    noises: tuple[kde.KDEInformation, ...]  # at all: fixed noises, then resolutions
    kraskov: kraskov.KraskovInformation
    bins: tuple[str, float]  # "width" or "n_bins", and its value
    k: int
    label_entropy: float  # H(Y)

    def to_frame(self) -> pd.DataFrame:
        """One row a quantity: the columns of a plane table, its ceiling [bits] and its trust.

        ``trust`` is ``ok``, or why the number says little: ``saturated`` (within 1 % of the
        ceiling: all samples differ, no more), ``small-sample bias`` (shuffled labels would give
        5 to 10 % of H(Y) or more, by a rule of thumb; `permutation_test` tells), ``duplicates``
        (they, and epsilon, decide it), ``high dimension`` (biased above d = 10), ``constant``,
        ``too few samples``, ``n clipped``.
        """
        rows = rows_of(self.exact, "exact")
        rows += rows_of(self.binning, "binning", self.bins[1], self.bins[0])
        for one in self.noises:
            if one.resolution is None:
                rows += rows_of(one, "kde", one.noise_variance)
            else:
                rows += rows_of(one, "kde_resolution", one.resolution)
        rows += rows_of(self.kraskov, "kraskov", self.k)
        about = {"n_samples": self.kraskov.n_samples, "dimension": self.kraskov.dimension}
        table = pd.DataFrame(rows).assign(**about, label_entropy=self.label_entropy)
        return table.assign(**shown(table)[["ceiling", "trust"]])

    def __str__(self) -> str:
        return f"{self._title()}\n{as_text(shown(self.to_frame()))}"

    def _repr_html_(self) -> str:
        return f"<p>{self._title()}</p>{as_html(shown(self.to_frame()))}"

    def _title(self) -> str:
        found = self.kraskov
        return f"{found.n_samples} samples, {found.dimension} dimensions; in bits"


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
    """I(X;T) and I(T;Y): exact, by binning and by KDE; H(T) and I(T;Y) by Kraskov; in bits.

    The same values, arguments and errors as `exact_information`, `binning.information`,
    `kde.information` (here with at least one fixed noise) and `kraskov.information`, except that
    data too small for Kraskov do not stop the others.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device.
    y : (P,) integer, bool or string labels

    Returns
    -------
    Measurement
        ``print`` it. ``.exact``, ``.binning``, ``.kde``, ``.noises``, ``.kraskov`` hold the
        numbers, ``.to_frame()`` a table of them. ``kraskov.ty`` is None, with ``kraskov.reason``,
        where a class has k samples or fewer; ``kraskov.h_t`` too where P <= k.

    Notes
    -----
    Cost: O(P^2 d) time, O(P) memory beside a copy of the points; the distances computed once.
    Notebook: 03, 04, 05
    """
    if not kde.checked_noises(noise_variance, resolution, "rms")[0]:
        raise ValueError("noise_variance must hold at least one value; got none")
    binned = binning.information(t, y, width=width, n_bins=n_bins, range=range, edges=edges)
    bins = binning.bins_of(width, n_bins, range, edges)
    by = ("width", bins.width) if bins.edges is None else ("n_bins", len(bins.edges) - 1)
    k = _checks.at_least_one("k", k)
    noises, neighbours = of_distances(t, y, noise_variance, resolution, k, epsilon)
    found = exact.exact_information(t, y), binned, noises[0], noises, neighbours
    return Measurement(*found, by, k, binning.label_entropy(y))


def of_distances(
    t, y, noise_variance, resolution, k: int, epsilon: float = 1e-16
) -> tuple[tuple[kde.KDEInformation, ...], kraskov.KraskovInformation | None]:
    """KDE at each noise, then at each resolution, and Kraskov (none for k = 0), from one pass."""
    epsilon = _checks.positive("epsilon", epsilon)
    wanted = kde.checked_noises(noise_variance, resolution, "rms")
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples, points.values.device)
    rows = sort_rows(points, labels.codes, labels.counts)
    n = rows.n_samples
    noises, found = kde.of_rows(rows, *wanted, k=k if k < n else 0)
    if not k:
        return noises, None
    if k >= n:  # too few samples stop nothing else
        reason = f"k must be smaller than n_samples; got k={k}, n_samples={n}"
        return noises, kraskov.KraskovInformation(None, None, 0, (), reason, n, rows.dimension)
    reason = kraskov.small_reason(labels, k)
    return noises, kraskov.from_statistics(rows, found, k, epsilon, reason)
