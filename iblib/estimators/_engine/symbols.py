"""From activations to symbols: the row of a sample's bins, or of its values, as one number.

A compiled loop quantises and hashes in one pass and stores no bins; rows of equal hash are compared
word by word, so that two samples share a symbol if and only if all their bins agree. NumPy does
what the loop cannot: numbers of bins beyond 32 bits. A device's tensor is copied.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch

from iblib.estimators import _checks
from iblib.estimators._engine.threads import compiled, in_threads, sixteenths

_COLUMNS = 2048  # columns hashed at once: their factors stay in the first cache
_DENSE = 2**22  # codes up to here are counted in a table, above by sorting


@dataclass(frozen=True)
class Bins:
    """Bins of equal width, or between edges; neither: each value is a bin of its own."""

    width: float | None = None
    edges: np.ndarray | None = None  # (n_bins + 1,) float64, strictly increasing

    @classmethod
    def between(cls, edges) -> "Bins":
        values = edges.detach().cpu() if isinstance(edges, torch.Tensor) else edges
        values = np.array(values, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2:
            raise ValueError(f"edges must be one-dimensional, at least 2; got shape {values.shape}")
        if not ((values[1:] > values[:-1]).all() and np.isfinite(values).all()):
            raise ValueError("edges must be finite and strictly increasing; got edges that are not")
        return cls(edges=values)


def row_symbols(values: torch.Tensor, bins: Bins) -> tuple[np.ndarray, int]:
    """Symbols (P,) int64 from 0, and the number of values outside the edges.

    ValueError for NaN or infinity among the values.
    """
    found = _compiled_symbols(_divisible(values, bins), bins)
    if found is not None:
        return found
    _checks.finite_points(values)
    codes, clipped = bin_codes(values, bins)
    rows = codes.view(f"V{codes[0].nbytes}")[:, 0]  # compared as bytes
    return np.unique(rows, return_inverse=True)[1], clipped


def bin_codes(values: torch.Tensor, bins: Bins) -> tuple[np.ndarray, int]:
    """Bin of every (finite) value, (P, d) int64 from 0, and how many are outside the edges.

    ValueError for a width so small that a bin's number is no float64.
    """
    codes, clipped = _divisible(values, bins), 0
    if bins.edges is not None:
        numbers, edges = codes.astype(np.float64), bins.edges
        codes = np.searchsorted(edges[1:-1], numbers, side="right")
        clipped = np.count_nonzero((numbers < edges[0]) | (numbers > edges[-1]))
    elif bins.width is not None:
        with np.errstate(over="ignore"):
            quotients = codes / codes.dtype.type(bins.width)
            if not np.isfinite(quotients).all():  # in float32
                quotients = codes.astype(np.float64) / bins.width
        if not np.isfinite(quotients).all():
            raise ValueError(f"width must keep t / width finite; got width={bins.width}")
        codes = np.floor(quotients)
    return pd.factorize(codes.ravel())[0].reshape(codes.shape), int(clipped)


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
def _factors(n_words: int) -> np.ndarray:
    """Odd 32-bit factors, one a word; a fixed seed, so that runs repeat."""
    factors = np.random.default_rng(20170303).integers(2**32, size=n_words, dtype=np.uint32)
    return factors | np.uint32(1)


def _compiled_symbols(values: np.ndarray, bins: Bins) -> tuple[np.ndarray, int] | None:
    """`row_symbols` in one pass; None where a value is not finite or its bin beyond 32 bits."""
    edges = np.empty(0) if bins.edges is None else bins.edges
    width = values.dtype.type(bins.width or 0.0)
    n_words = 1 if len(edges) or width else values.itemsize // 4  # of a bin, or of a value
    hashes, factors = np.zeros(len(values), np.uint64), _factors(values.shape[1] * n_words)

    def visit(rows: slice) -> int:
        return _hash_rows(values[rows], width, edges, factors, hashes[rows])

    parts = sixteenths(len(values), values.size)
    clipped = in_threads(visit, parts)
    if min(clipped) < 0:
        return None
    symbols, distinct = pd.factorize(hashes)
    first = np.empty(len(distinct), np.int64)
    first[symbols[::-1]] = np.arange(len(hashes))[::-1]
    owners = first[symbols]  # the first row of the same hash
    agree = in_threads(lambda rows: _agree(values, rows.start, owners[rows], width, edges), parts)
    return (symbols, sum(clipped)) if all(agree) else None


@compiled()
def _words(part, codes):
    """The bits of some values, those of 0.0 for -0.0; -1 where one is no finite number."""
    bits = part.view(np.int32)
    n_words = len(bits) // len(part)
    bad = 0
    for c in range(len(part)):
        bad += not abs(part[c]) < np.inf
        for word in range(n_words * c, n_words * (c + 1)):
            codes[word] = bits[word] if part[c] else 0
    return -1 if bad else 0


@compiled()
def _floor(part, width, codes):
    """Bins of equal width; -1 where one is not a 32-bit integer (or not a number)."""
    outside = 0
    for c in range(len(part)):
        quotient = np.floor(part[c] / width)
        outside += not abs(quotient) < 1073741824.0
        codes[c] = np.int32(quotient)
    return -1 if outside else 0


@compiled()
def _place(part, edges, codes):
    """Bins between edges, and the number of values outside, or -1 for no number.

    A value's place is guessed as if the steps were equal, and searched for where edges refuse it.
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
        if not edges[place] <= value < edges[place + 1]:
            place = min(np.searchsorted(edges, value, side="right") - 1, last)
        codes[c] = place
    return -1 if bad else outside


@compiled()
def _codes_of(part, width, edges, codes):
    """Codes of some values; how many are outside the edges, or -1 where this is not possible."""
    if len(edges):
        return _place(part, edges, codes)
    return _floor(part, width, codes) if width > 0 else _words(part, codes)


@compiled()
def _hash(codes, factors):
    total = np.uint64(0)
    for c in range(len(codes)):
        total += np.uint64(np.uint32(codes[c])) * np.uint64(factors[c])
    return total


@compiled()
def _hash_rows(values, width, edges, factors, hashes):
    """Multilinear hash of each row's codes modulo 2^64; values outside the edges, or -1."""
    dimension, flat = values.shape[1], values.reshape(-1)
    n_words, n_rows = len(factors) // dimension, max(1, _COLUMNS // dimension)  # rows at once
    codes = np.empty(n_words * _COLUMNS, np.int32)
    clipped = 0
    for first in range(0, dimension, _COLUMNS):
        last = min(first + _COLUMNS, dimension)
        for row in range(0, len(values), n_rows):
            stop = min(row + n_rows, len(values))
            some = flat[row * dimension + first : (stop - 1) * dimension + last]
            outside = _codes_of(some, width, edges, codes)
            if outside < 0:
                return -1
            clipped += outside
            for i in range(stop - row):
                own = codes[n_words * dimension * i :][: n_words * (last - first)]
                hashes[row + i] += _hash(own, factors[n_words * first : n_words * last])
    return clipped


@compiled()
def _agree(values, first_row, owners, width, edges):
    """True where each row, from the first on, has the codes of its owner."""
    left = np.empty(2 * min(values.shape[1], _COLUMNS), np.int32)
    right = np.empty_like(left)
    left[:], right[:] = 0, 0  # of two words a value only one may be in use
    for row in range(len(owners)):
        if owners[row] == first_row + row:
            continue
        for first in range(0, values.shape[1], _COLUMNS):
            _codes_of(values[first_row + row][first : first + _COLUMNS], width, edges, left)
            _codes_of(values[owners[row]][first : first + _COLUMNS], width, edges, right)
            for c in range(len(left)):
                if left[c] != right[c]:
                    return False
    return True
