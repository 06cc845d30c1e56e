"""Binning: plug-in entropy of discretised activations, I(X;T) and I(T;Y)."""

import math
from dataclasses import dataclass

import numpy as np

from iblib.estimators import _checks
from iblib.estimators._engine.symbols import Bins, bin_codes, counts_of, row_symbols

DEFAULT_WIDTH = 0.07  # where no bins are given


def is_saturated(xt: float, n_samples: int) -> bool:
    """Whether I(X;T) [bits] is within 1 % of log2 P."""
    return n_samples > 1 and xt > 0.99 * math.log2(n_samples)


class Saturation:
    """For records with ``xt`` and ``n_samples``."""

    @property
    def saturated(self) -> bool:
        """True where xt is within 1 % of log2 P: of a sample it says only that all rows differ."""
        return is_saturated(self.xt, self.n_samples)


@dataclass(frozen=True)
class BinningInformation(Saturation):
    """What `information` returns; bits, unclipped."""

    xt: float
    ty: float
    unique_share: float  # share of samples whose symbol no other sample has
    clipped: int  # values outside the edges, counted into the end bins
    n_samples: int


@dataclass(frozen=True)
class PooledInformation:
    """What `pooled_information` returns; bits. Not the information of a layer."""

    h_t: float
    ty: float
    clipped: int
    n_values: int


def information(
    t, y, *, width: float | None = None, n_bins: int | None = None, range=None, edges=None
) -> BinningInformation:
    """Binned I(X;T) and I(T;Y), in bits.

    A value's bin is floor(t / width), or its place among edges; a sample's symbol is the row of its
    d bins. With a deterministic network and distinct inputs

        I(X;T) = H(T)
        I(T;Y) = H(T) + H(Y) - H(T, Y)

    where each H is the plug-in entropy, -sum p log2 p, of the symbols' shares p.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device.
    y : (P,) integer, bool or string labels
    width : float, > 0, optional
        Bin width, in the unit of ``t``; 0.07 where no bins are given.
    n_bins, range : int >= 1 and (low, high), optional
        Equal bins between bounds that all compared arrays share, such as (-1, 1) for tanh
        (Shwartz-Ziv & Tishby: 30 bins), or the extremes over all epochs (Saxe).
    edges : (n_bins + 1,) strictly increasing numbers, optional
        Bins shared by all units. A bin holds its lower edge, the last one both; values outside
        count into the end bins and into ``clipped``.

    Returns
    -------
    BinningInformation
        ``0 <= ty <= min(H(Y), xt)``, ``xt <= log2 P``; exactly 0 for P = 1 and equal rows, ``ty``
        exactly 0 for one class.

    Raises
    ------
    TypeError
        ``t`` is not real numeric, or the labels are of no supported kind.
    ValueError
        Wrong shape, P = 0, d = 0, NaN or infinity, integers that float64 would round, length
        mismatch, bad bins, ``n_bins`` without ``range``, or more than one kind of bins.

    Notes
    -----
    Cost: O(P d) time, O(P) memory beside a copy of a tensor on a GPU. The
    quotient t / width is float32 for float32 and narrower input, else float64, as in NumPy; values
    are compared with edges in float64. -0.0 and 0.0 share a bin.

    References
    ----------
    Shwartz-Ziv & Tishby, arXiv:1703.00810, Sec. 3. Saxe et al., JSTAT (2019) 124020, App. B.
    Notebook: 03
    """
    values = _checks.unchecked_points(t)  # the loop that finds their bins looks at each of them
    labels = _checks.as_labels(y, values.shape[0], values.device)
    symbols, clipped = row_symbols(values, bins_of(width, n_bins, range, edges))
    counts = counts_of(symbols)
    unique_share = int((counts == 1).sum()) / len(symbols)
    return BinningInformation(
        *entropies(symbols, counts, labels), unique_share, clipped, len(symbols)
    )


def pooled_information(
    t, y, *, width: float | None = None, n_bins: int | None = None, range=None, edges=None
) -> PooledInformation:
    """Entropy of ONE activation value of the layer, all units in one histogram, in bits.

    Never I(X;T): P d samples of a scalar do not show how units vary together. ``h_t`` is 0 to
    log2(number of bins); ``ty``, what one value says of the label, 0 to H(Y). Arguments and errors
    as `information`. Notebook: 03
    """
    points = _checks.as_points(t).values
    labels = _checks.as_labels(y, points.shape[0], points.device)
    codes, clipped = bin_codes(points, bins_of(width, n_bins, range, edges))
    values = codes.ravel()
    h_t, ty = entropies(values, counts_of(values), labels, points.shape[1])
    return PooledInformation(h_t, ty, clipped, values.size)


def label_entropy(y) -> float:
    """Entropy H(Y) of P integer, bool or string labels, in bits: the ceiling of I(T;Y).

    Exactly 0 for one class, at most log2 L. TypeError for labels of another kind, ValueError for
    missing, no, or not one-dimensional ones. Notebook: 03
    """
    labels = _checks.as_labels(y)
    return _entropy_of_counts(np.array(labels.counts))


def uniform_edges(low: float, high: float, n_bins: int) -> np.ndarray:
    """Edges of n equal bins between two finite bounds, low < high: (n_bins + 1,) float64."""
    n_bins = _checks.at_least_one("n_bins", n_bins)
    return np.linspace(*_checks.bounds((low, high)), n_bins + 1)


def equal_mass_edges(t, n_bins: int) -> np.ndarray:
    """Edges that put equal shares of all values of ``t`` into each of n bins, in the unit of ``t``.

    Fewer than n_bins + 1 where values repeat (the zeros of a ReLU): equal quantiles are one edge.
    Errors as `information`. Chelombiev et al., arXiv:1902.09037, Sec. 3.
    """
    n_bins = _checks.at_least_one("n_bins", n_bins)
    values = _checks.as_points(t).values.cpu().numpy().astype(np.float64)
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, n_bins + 1)))
    if len(edges) == 1:
        return np.array([edges[0], np.nextafter(edges[0], np.inf)])
    return edges


def bins_of(width, n_bins, range, edges) -> Bins:
    """The bins that `information` is asked for, or a ValueError that says what is wrong."""
    if (n_bins is None) != (range is None):
        why = "bins fitted to each array are a ruler that moves"
        rule = f"n_bins must come with range=(low, high), and range with n_bins: {why}"
        raise ValueError(f"{rule}; got n_bins={n_bins}, range={range}")
    asked = {"width": width, "n_bins": n_bins, "edges": edges}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"bins must be given in one way; got {' and '.join(given)}")
    if n_bins is not None:
        edges = uniform_edges(*_checks.bounds(range), n_bins)
    if edges is not None:
        return Bins.between(edges)
    return Bins(_checks.positive("width", DEFAULT_WIDTH if width is None else width))


def entropies(symbols, counts, labels: _checks.Labels, repeats: int = 1) -> tuple[float, float]:
    """H(T) and I(T;Y) = H(T) + H(Y) - H(T, Y), bits; each label is that of ``repeats`` symbols."""
    codes = np.repeat(labels.codes.cpu().numpy(), repeats)
    h_t, h_y = _entropy_of_counts(counts), _entropy_of_counts(np.array(labels.counts))
    h_ty = _entropy_of_counts(counts_of(symbols * labels.n_classes + codes))
    # Exact zeros need no care: with one class h_ty has the counts of h_t in the same order and
    # h_y = 0; with one symbol it has those of h_y and h_t = 0.
    return h_t, h_t + h_y - h_ty


def _entropy_of_counts(counts: np.ndarray) -> float:
    """Equal counts are one term: most symbols of a wide layer occur once."""
    how_often = np.bincount(counts)
    sizes = np.flatnonzero(how_often)
    shares = sizes / counts.sum()
    return 0.0 - float((how_often[sizes] * shares * np.log2(shares)).sum())
