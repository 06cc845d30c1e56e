"""From activations to symbols: the row of a sample's bins, as one number.

A compiled loop quantises and hashes in one pass and stores no bins; rows of equal hash are compared
bin by bin, so that two samples share a symbol if and only if all their bins agree. NumPy does what
the loop cannot: unequal bins, and numbers of bins beyond 32 bits. A device's tensor is copied.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from iblib.estimators import _checks
from iblib.estimators._engine.threads import compiled, in_threads, sixteenths

_COLUMNS = 2048  # columns hashed at once: their factors stay in the first cache
_DENSE = 2**22  # codes up to here are counted in a table, above by sorting


@dataclass(frozen=True)
class Bins:
    """Bins of equal width, or between edges; one of the two is given."""

    width: float | None
    edges: np.ndarray | None  # (n_bins + 1,) float64, strictly increasing

    @classmethod
    def checked(cls, width, edges) -> "Bins":
        """Bins of the width, or ``edges`` where they are given; ValueError for bad ones."""
        if edges is None:
            return cls(_checks.positive("width", width), None)
        values = edges.detach().cpu() if isinstance(edges, torch.Tensor) else edges
        values = np.array(values, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2:
            raise ValueError(f"edges must be one-dimensional, at least 2; got shape {values.shape}")
        steps_up = values[1:] > values[:-1]
        if not (steps_up.all() and np.isfinite(values).all()):
            raise ValueError("edges must be finite and strictly increasing; got edges that are not")
        return cls(None, values)

    @property
    def are_equal(self) -> bool:
        """True where a bin's number can be had from its place: equal steps, but for rounding."""
        if self.edges is None:
            return True
        edges = self.edges
        with np.errstate(over="ignore", invalid="ignore"):  # too wide for a difference: a search
            steps = np.diff(edges)
            off_line = np.abs(edges - np.linspace(edges[0], edges[-1], len(edges))).max()
            per_unit = len(steps) / max(float(edges[-1] - edges[0]), 1e-300)
        return bool(off_line < 0.01 * steps.min()) and per_unit < 1e300


def row_symbols(values: torch.Tensor, bins: Bins) -> tuple[np.ndarray, int]:
    """Symbols (P,) int64 from 0, and the number of values outside the edges.

    Raises
    ------
    ValueError
        NaN or infinity among the values.
    """
    found = _compiled_symbols(_divisible(values, bins), bins) if bins.are_equal else None
    if found is not None:
        return found
    _checks.finite_points(values)
    codes, clipped = quantise(values, bins)
    codes = dense_codes(codes).astype(np.int32, order="C")
    rows = codes.view(f"V{4 * codes.shape[1]}")[:, 0]  # compared as bytes
    return np.unique(rows, return_inverse=True)[1], clipped


def quantise(values: torch.Tensor, bins: Bins) -> tuple[np.ndarray, int]:
    """Bin of every (finite) value, (P, d) of any number type, and how many are outside the edges.

    Raises
    ------
    ValueError
        A width so small that a bin's number is no float64.
    """
    numbers = _divisible(values, bins)
    if bins.edges is not None:
        edges = bins.edges
        codes = np.searchsorted(edges, numbers, side="right") - 1
        clipped = np.count_nonzero((numbers < edges[0]) | (numbers > edges[-1]))
        return np.clip(codes, 0, len(edges) - 2), int(clipped)
    with np.errstate(over="ignore"):
        codes = np.floor(numbers / numbers.dtype.type(bins.width))
        if not np.abs(codes).max() < 2.0**62:
            codes = np.floor(numbers.astype(np.float64) / bins.width)
            if not np.isfinite(codes).all():
                raise ValueError(f"width must keep t / width finite; got width={bins.width}")
    return codes, 0


def dense_codes(codes: np.ndarray) -> np.ndarray:
    """Whole numbers of any type as int64 from 0, of the same shape, small enough to count."""
    low = codes.min()
    if float(codes.max()) - float(low) < _DENSE:
        return (codes - low).astype(np.int64)
    return np.unique(codes, return_inverse=True)[1].reshape(codes.shape)


def counts_of(codes: np.ndarray) -> np.ndarray:
    """How often each code occurs, in the order of the codes, without the absent ones."""
    if codes.max() < _DENSE:
        counts = np.bincount(codes)
        return counts[counts > 0]
    return np.unique(codes, return_counts=True)[1]


def _divisible(values: torch.Tensor, bins: Bins) -> np.ndarray:
    """As an array; float64 for widths that float32 does not hold."""
    limits = torch.finfo(values.dtype)
    fits = limits.tiny <= (bins.width or 1.0) <= limits.max
    return (values if fits else values.double()).cpu().numpy()


@lru_cache(maxsize=8)
def _factors(dimension: int) -> np.ndarray:
    """Odd 32-bit factors, one a column; a fixed seed, so that runs repeat."""
    factors = np.random.default_rng(20170303).integers(2**32, size=dimension, dtype=np.uint32)
    return factors | np.uint32(1)


def _compiled_symbols(values: np.ndarray, bins: Bins) -> tuple[np.ndarray, int] | None:
    """`row_symbols` in one pass; None where a value is not finite or its bin beyond 32 bits."""
    edges = np.empty(0) if bins.edges is None else bins.edges
    width = values.dtype.type(bins.width or 1.0)
    hashes, factors = np.zeros(len(values), np.uint64), _factors(values.shape[1])

    def visit(rows: slice) -> int:
        return _hash_rows(values[rows], width, edges, factors, hashes[rows])

    clipped = in_threads(visit, sixteenths(len(values), values.size))
    if min(clipped) < 0:
        return None
    symbols = _number(hashes, values, width, edges)
    return None if symbols is None else (symbols, sum(clipped))


@compiled()
def _floor(part, width, codes):
    """Bins of equal width; False where one is not a 32-bit integer (or not a number)."""
    outside = 0
    for c in range(len(part)):
        quotient = np.floor(part[c] / width)
        outside += not abs(quotient) < 1073741824.0
        codes[c] = np.int32(quotient)
    return outside == 0


@compiled()
def _place(part, edges, codes):
    """Bins between edges of equal steps, and the number of values outside, or -1 for no number.

    The place of a value is guessed and moved by at most one step: edges decide, not arithmetic.
    """
    last = len(edges) - 2
    low, high = edges[0], edges[last + 1]
    per_unit = (last + 1) / (high - low)
    outside, bad = 0, 0
    for c in range(len(part)):
        value = np.float64(part[c])
        outside += not (low <= value <= high)
        bad += not abs(value) < np.inf
        value = min(max(value, low), high)
        place = min(max(np.int64((value - low) * per_unit), 0), last)
        place -= value < edges[place] and place > 0
        place += value >= edges[place + 1] and place < last
        codes[c] = place
    return -1 if bad else outside


@compiled()
def _codes_of(part, width, edges, codes):
    """Bins of some values; how many are outside the edges, or -1 where this is not possible."""
    if len(edges):
        return _place(part, edges, codes)
    return 0 if _floor(part, width, codes) else -1


@compiled()
def _hash(codes, factors):
    total = np.uint64(0)
    for c in range(len(codes)):
        total += np.uint64(np.uint32(codes[c])) * np.uint64(factors[c])
    return total


@compiled()
def _hash_rows(values, width, edges, factors, hashes):
    """Multilinear hash of each row's bins modulo 2^64; values outside the edges, or -1."""
    dimension = values.shape[1]
    codes = np.empty(min(dimension, _COLUMNS), np.int32)
    clipped = 0
    for first in range(0, dimension, _COLUMNS):
        last = min(first + _COLUMNS, dimension)
        for row in range(len(values)):
            part = codes[: last - first]
            outside = _codes_of(values[row][first:last], width, edges, part)
            if outside < 0:
                return -1
            clipped += outside
            hashes[row] += _hash(part, factors[first:last])
    return clipped


@compiled()
def _number(hashes, values, width, edges):
    """A number for each different hash, in order of appearance; None where rows of a hash differ.

    An open table of twice the size or more; the lowest bits of a sum of odd products are no good
    address, so that they are mixed first.
    """
    size = 1
    while size < 2 * len(hashes):
        size *= 2
    owner = np.full(size, -1)  # a row that has the place's hash
    symbols = np.empty(len(hashes), np.int64)
    left = np.empty(min(values.shape[1], _COLUMNS), np.int32)
    right = np.empty_like(left)
    n_symbols = 0
    for row in range(len(hashes)):
        mixed = hashes[row] * np.uint64(0x9E3779B97F4A7C15)
        place = np.int64(mixed >> np.uint64(20)) & (size - 1)
        while owner[place] >= 0 and hashes[owner[place]] != hashes[row]:
            place = (place + 1) & (size - 1)
        if owner[place] < 0:
            owner[place] = row
            symbols[row] = n_symbols
            n_symbols += 1
        elif _agree(values[row], values[owner[place]], width, edges, left, right):
            symbols[row] = symbols[owner[place]]
        else:
            return None
    return symbols


@compiled()
def _agree(one, other, width, edges, left, right):
    """True where two rows have the same bins."""
    for first in range(0, len(one), _COLUMNS):
        a, b = one[first : first + _COLUMNS], other[first : first + _COLUMNS]
        _codes_of(a, width, edges, left)
        _codes_of(b, width, edges, right)
        for c in range(len(a)):
            if left[c] != right[c]:
                return False
    return True
