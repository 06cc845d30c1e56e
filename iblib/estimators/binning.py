"""Binning: plug-in entropy of discretised activations, I(X;T) and I(T;Y)."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from iblib.estimators import _checks

# Compared by identity: `width` given together with `edges` is an error, its default is not.
DEFAULT_WIDTH = float("0.07")
_BLOCK = 2**18  # values quantised or hashed at once; what a core's cache holds
_DENSE = 2**22  # codes up to here are counted in a table, above by sorting
_LARGEST_CODE = 2.0**62


@dataclass(frozen=True)
class BinningInformation:
    """What `information` returns; bits, unclipped."""

    xt: float
    ty: float
    unique_share: float  # share of samples whose symbol no other sample has
    clipped: int  # values outside the edges, counted into the end bins
    n_samples: int

    @property
    def saturated(self) -> bool:
        """True where xt is within 1 % of log2 P: it says only that all samples differ."""
        return self.n_samples > 1 and self.xt > 0.99 * math.log2(self.n_samples)


@dataclass(frozen=True)
class PooledInformation:
    """What `pooled_information` returns; bits. Not the information of a layer."""

    h_t: float
    ty: float
    clipped: int
    n_values: int


def information(t, y, *, width: float = DEFAULT_WIDTH, edges=None) -> BinningInformation:
    r"""Binned I(X;T) and I(T;Y), in bits.

    A value's bin is :math:`\lfloor t / width \rfloor`, or its place among ``edges``; a sample's
    symbol is the row of its d bins. With a deterministic network and distinct inputs

    .. math:: I(X;T) = H(T), \qquad I(T;Y) = H(T) + H(Y) - H(T, Y) = H(T) - \sum_y p_y H(T|Y=y)

    where each H is the plug-in entropy :math:`-\sum p \log_2 p` of the symbols' shares.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device.
    y : (P,) integer, bool or string labels
    width : float, > 0
        Bin width, in the unit of ``t``.
    edges : (n_bins + 1,) strictly increasing numbers, optional
        Bins shared by all units, used in place of ``width``. A bin holds its lower edge, the last
        one both; values outside count into the end bins and into ``clipped``.

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
        Wrong shape, P = 0, d = 0, NaN or infinity, length mismatch, ``width <= 0``, edges that are
        not increasing, or both ``width`` and ``edges``.

    Notes
    -----
    Cost: O(P d) time; O(P d) memory for the integer codes. The quotient t / width is taken in
    float32 for float32 and narrower input, in float64 otherwise, as NumPy does; values are compared
    with edges in float64. Codes are integers, so -0.0 and 0.0 share a bin.

    References
    ----------
    Shwartz-Ziv & Tishby, arXiv:1703.00810, Sec. 3. Saxe et al., JSTAT (2019) 124020, App. B.

    Notebook: 03
    """
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.shape[0], points.device)
    return checked_information(points, labels, width, edges)


def checked_information(points, labels, width, edges) -> BinningInformation:
    """`information` for input that has passed `_checks`."""
    codes, clipped = _quantise(points, width, edges)
    symbols = _row_symbols(codes)
    n_samples = len(symbols)
    counts = _counts(symbols)
    h_t, ty = _entropies(symbols, counts, labels.codes, labels.n_classes)
    unique_share = int((counts == 1).sum()) / n_samples
    return BinningInformation(h_t, ty, unique_share, clipped, n_samples)


def pooled_information(t, y, *, width: float = DEFAULT_WIDTH, edges=None) -> PooledInformation:
    """Entropy of ONE activation value of the layer, all units in one histogram, in bits.

    A different quantity from `information`, and never I(X;T): the P d values are treated as P d
    samples of a scalar, so that it cannot see how units vary together, and it is bounded by the
    number of bins and not by the number of samples.

    Parameters
    ----------
    t, y, width, edges
        As in `information`.

    Returns
    -------
    PooledInformation
        ``h_t``: entropy of the histogram, 0 to log2(number of bins); ``ty``: information of one
        value about the label, 0 to H(Y).

    Raises
    ------
    TypeError, ValueError
        As `information`.

    Notes
    -----
    Cost: O(P d) time and memory.

    References
    ----------
    Cover & Thomas, Elements of Information Theory, Eq. 2.1 (the entropy of a histogram).

    Notebook: 03
    """
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.shape[0], points.device)
    codes, clipped = _quantise(points, width, edges)
    values = codes.flatten().to(torch.int64)
    values = _dense_codes(values)
    owners = labels.codes.repeat_interleave(points.shape[1])
    h_t, ty = _entropies(values, _counts(values), owners, labels.n_classes)
    return PooledInformation(h_t, ty, clipped, values.numel())


def label_entropy(y) -> float:
    """Entropy H(Y) of the labels, in bits: the ceiling of I(T;Y).

    Parameters
    ----------
    y : (P,) integer, bool or string labels

    Returns
    -------
    float, 0 to log2 L; exactly 0 for one class.

    Raises
    ------
    TypeError, ValueError
        Labels of no supported kind, missing, empty or not one-dimensional.

    Notes
    -----
    Cost: O(P log P) time. Notebook: 03
    """
    labels = _checks.as_labels(y)
    return _entropy_of_counts(torch.tensor(labels.counts))


def uniform_edges(low: float, high: float, n_bins: int) -> np.ndarray:
    """Edges of n equal bins between two fixed bounds, in the unit of the bounds.

    Parameters
    ----------
    low, high : float, low < high
        For example -1 and 1 for tanh, or the extremes over all units and *all epochs* for ReLU.
    n_bins : int, >= 1

    Returns
    -------
    (n_bins + 1,) float64 array for ``edges=``.

    Raises
    ------
    ValueError
        ``low >= high``, a bound that is not finite, ``n_bins < 1``.

    Notes
    -----
    Cost: O(n_bins). Notebook: 03
    """
    n_bins = _checks.at_least_one("n_bins", n_bins)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"low must be smaller than high, both finite; got low={low}, high={high}")
    return np.linspace(low, high, n_bins + 1)


def equal_mass_edges(t, n_bins: int) -> np.ndarray:
    """Edges that put equal shares of all values of ``t`` into each bin, in the unit of ``t``.

    Parameters
    ----------
    t : (P, d) real array or tensor
    n_bins : int, >= 1

    Returns
    -------
    (at most n_bins + 1,) float64 array for ``edges=``
        Fewer edges where values repeat (the zeros of a ReLU): equal quantiles are one edge.

    Raises
    ------
    TypeError, ValueError
        As `information` for ``t``; ``n_bins < 1``.

    Notes
    -----
    Cost: O(P d log(P d)) time. Notebook: 03

    References
    ----------
    Shwartz-Ziv & Tishby, arXiv:1703.00810; Chelombiev et al., arXiv:1902.09037, Sec. 3.
    """
    n_bins = _checks.at_least_one("n_bins", n_bins)
    values = _checks.as_points(t).cpu().numpy().astype(np.float64)
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, n_bins + 1)))
    if len(edges) == 1:
        return np.array([edges[0], np.nextafter(edges[0], np.inf)])
    return edges


def _quantise(points: torch.Tensor, width, edges) -> tuple[torch.Tensor, int]:
    """Integer bin of every value, (P, d), and the number of values outside the edges."""
    if edges is None:
        return _floor_codes(points, _checks.positive("width", width)), 0
    if width is not DEFAULT_WIDTH:
        raise ValueError(f"give either width or edges; got both (width={width})")
    return _edge_codes(points, _checked_edges(edges).to(points.device))


def _checked_edges(edges) -> torch.Tensor:
    values = edges.detach().cpu() if isinstance(edges, torch.Tensor) else edges
    values = np.array(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"edges must be one-dimensional, at least 2; got shape {values.shape}")
    steps_up = values[1:] > values[:-1]
    if not (steps_up.all() and np.isfinite(values).all()):
        raise ValueError("edges must be finite and strictly increasing; got edges that are not")
    return torch.from_numpy(values)


def _row_blocks(points: torch.Tensor):
    height = max(1, _BLOCK // points.shape[1])
    return [slice(i, i + height) for i in range(0, points.shape[0], height)]


def _floor_codes(points: torch.Tensor, width: float) -> torch.Tensor:
    low, high = torch.aminmax(points)
    largest = max(abs(float(low)), abs(float(high))) / width
    if largest >= _LARGEST_CODE:
        return _ranked_codes(points, width)
    dtype = torch.int32 if largest < 2.0**31 - 256 else torch.int64
    codes = torch.empty_like(points, dtype=dtype)
    # a tensor and not a number: devices may turn division by a number into a product, which puts
    # values at bin edges elsewhere
    divisor = torch.full((1,), width, dtype=points.dtype, device=points.device)
    for block in _row_blocks(points):
        codes[block] = torch.div(points[block], divisor).floor_()
    return codes


def _ranked_codes(points: torch.Tensor, width: float) -> torch.Tensor:
    """Bins too far out for 64-bit integers, numbered in their order."""
    quotient = torch.floor(points.to(torch.float64) / width)
    if not torch.isfinite(quotient).all():
        raise ValueError(f"width must keep t / width finite; got width={width}")
    return torch.unique(quotient, return_inverse=True)[1].reshape(points.shape)


def _edge_codes(points: torch.Tensor, edges: torch.Tensor) -> tuple[torch.Tensor, int]:
    codes = torch.empty_like(points, dtype=torch.int32)
    clipped = torch.zeros((), dtype=torch.int64, device=points.device)
    last = len(edges) - 2
    for block in _row_blocks(points):
        values = points[block].to(torch.float64)
        clipped += ((values < edges[0]) | (values > edges[-1])).sum()
        inner = torch.bucketize(values, edges, right=True, out_int32=True) - 1
        codes[block] = inner.clamp_(0, last)
    return codes, int(clipped)


def _row_symbols(codes: torch.Tensor) -> torch.Tensor:
    """One number a row, (P,) int64 from 0; two rows share it if and only if all bins agree."""
    if codes.shape[1] == 1:
        return _dense_codes(codes[:, 0].to(torch.int64))
    _, symbols = torch.unique(_row_hashes(codes), return_inverse=True)
    rows = torch.arange(len(symbols), device=codes.device)
    example = torch.zeros_like(symbols).scatter_(0, symbols, rows)[symbols]
    moved = (example != rows).nonzero()[:, 0]  # the others are compared with themselves
    for part in moved.split(max(1, _BLOCK // codes.shape[1])):
        if not torch.equal(codes[part], codes[example[part]]):
            return torch.unique(codes, dim=0, return_inverse=True)[1]
    return symbols


def _row_hashes(codes: torch.Tensor) -> torch.Tensor:
    """Multilinear hash of each row modulo 2^64; a fixed seed, so that runs repeat."""
    generator = torch.Generator().manual_seed(20170303)
    bounds = (-(2**63), 2**63 - 1)
    factors = torch.randint(*bounds, (codes.shape[1],), generator=generator) | 1
    factors = factors.to(codes.device)
    hashes = [(codes[block] * factors).sum(1) for block in _row_blocks(codes)]
    return torch.cat(hashes)


def _dense_codes(values: torch.Tensor) -> torch.Tensor:
    """The same partition with codes from 0, small enough to count."""
    low, high = torch.aminmax(values)
    if int(high) - int(low) < _DENSE:
        return values - low
    return torch.unique(values, return_inverse=True)[1]


def _counts(codes: torch.Tensor) -> torch.Tensor:
    """How often each code occurs, in the order of the codes, without the absent ones."""
    if int(codes.max()) < _DENSE:
        counts = torch.bincount(codes)
        return counts[counts > 0]
    return torch.unique(codes, return_counts=True)[1]


def _entropies(symbols, counts, label_codes, n_classes: int) -> tuple[float, float]:
    """H(T) and I(T;Y) = H(T) + H(Y) - H(T, Y), bits."""
    h_t = _entropy_of_counts(counts)
    h_y = _entropy_of_counts(_counts(label_codes))
    h_ty = _entropy_of_counts(_counts(symbols * n_classes + label_codes))
    # Exact zeros need no care: with one class h_ty has the counts of h_t in the same order and
    # h_y = 0; with one symbol it has those of h_y and h_t = 0.
    return h_t, h_t + h_y - h_ty


def _entropy_of_counts(counts: torch.Tensor) -> float:
    shares = counts.to(torch.float64) / counts.sum()
    return 0.0 - float((shares * torch.log2(shares)).sum())
