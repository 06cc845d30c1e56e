"""Sums and neighbours from tiles of squared distances, in compiled loops.

Each pair of rows is looked at once. Of a pair (i, j) the kernels are added to the sums of both, and
the distance offered to the neighbours of both. What a row's own class and what the other classes
contribute is kept apart; together they are what all rows contribute. So the number of classes costs
nothing, and several kernels share one distance.

Loops run along a tile's rows and are written so that the compiler turns them into vector
instructions: contiguous, without branches.
"""

import math
import threading

import numba
import numpy as np
from numba.extending import overload

from iblib.estimators._engine.rows import Rows, RowStatistics
from iblib.estimators._engine.threads import compiled, in_threads

OWN = 0  # class; 1 is all others
N_GROUPS = 16  # accumulators; a fixed number, so that results do not depend on the threads
_FLUSH = 64  # rows whose kernels are added in the tile's own precision
_CHUNK = 64  # candidates of which the smallest decides whether they are looked at


class Accumulators:
    """Sums and nearest distances of all rows, in independent copies.

    Sums: `N_GROUPS` copies, each filled by one thread at a time and added up in a fixed order.
    Nearest distances, whose order does not matter: a copy for each thread.
    """

    def __init__(self, rows: Rows, rates: np.ndarray, k: int, dtype=np.float64):
        self._rows, self._k, self._dtype = rows, k, dtype
        self.exponents = (-rates / math.log(2)).astype(dtype)  # 2^(exponent D)
        self.sums = np.zeros((N_GROUPS, 2, len(rates), rows.n_samples))
        self.sums[0, OWN] = 1.0  # each row's kernel with itself
        self._nearest: dict[int, np.ndarray] = {}

    def _nearest_here(self) -> np.ndarray:
        """(2, k, P) this thread's nearest distances, ascending along k, as integers.

        Not negative, their bits compare as integers do, and minima of integers become vector
        instructions, where a float minimum "in place" becomes a slow masked store.
        """
        thread = threading.get_ident()
        if thread not in self._nearest:
            shape = (2, self._k, self._rows.n_samples)
            integer = np.int32 if self._dtype == np.float32 else np.int64
            self._nearest[thread] = np.full(shape, np.inf, self._dtype).view(integer)
        return self._nearest[thread]

    def add(self, tiles, pairs: list[tuple[slice, slice, int]]) -> None:
        """Add tiles, squared distances that are overwritten, of some of `tile_pairs`.

        ``pairs`` names rows, columns, and how many of the kernels count there (the first ones).
        """

        def visit(group: int) -> None:
            for i, j, n_kernels in pairs[group::N_GROUPS]:
                _add_tile(
                    np.asarray(tiles.tile(i, j)), i.start, j.start, *self._rows.class_ranges,
                    self.exponents[:n_kernels], self.sums[group], self._nearest_here(),
                )  # fmt: skip

        in_threads(visit, range(N_GROUPS))

    def collected(self) -> RowStatistics:
        """Own, and own + others, of each row."""
        own, other = self.sums.sum(0)
        if not self._k:
            return RowStatistics(own + other, own, None, None)
        nearest = [one.view(self._dtype) for one in self._nearest.values()]
        found = np.concatenate(nearest, axis=1)  # (2, candidates, P)
        kth = [
            np.partition(candidates, self._k - 1, axis=0)[self._k - 1].astype(np.float64)
            for candidates in (found.reshape(-1, found.shape[-1]), found[OWN])
        ]
        return RowStatistics(own + other, own, *kth)


def tile_statistics(rows: Rows, tiles, rates: np.ndarray, k: int) -> RowStatistics:
    """Statistics from all tiles. Cost: O(P^2) time beside the tiles', O(P) memory."""
    accumulators = Accumulators(rows, rates, k, tiles.dtype)
    pairs = tile_pairs(rows.n_samples, tiles.size)
    accumulators.add(tiles, [(i, j, len(rates)) for i, j in pairs])
    return accumulators.collected()


def tile_pairs(n_samples: int, size: int) -> list[tuple[slice, slice]]:
    """Blocks of rows and of columns: each pair of rows in one tile, or twice in a square i = j.

    The nearest columns come first: neighbours are found soon where order means nearness.
    """
    blocks = [slice(i, min(i + size, n_samples)) for i in range(0, n_samples, size)]
    return [(i, j) for n, i in enumerate(blocks) for j in blocks[n::-1]]


# --- compiled -------------------------------------------------------------------------------------


def _exp2(exponent):
    """2^exponent for exponent <= 0; compiled, to the last digit or two, and never denormal."""
    return np.exp2(exponent)


def _coefficients(degree: int) -> list[float]:
    """c1, c2, ... of 2^f = 1 + f (c1 + f (c2 + ...)) for |f| <= 1/2: exact at 0, near minimax."""
    quotient = np.polynomial.Chebyshev.interpolate(
        lambda f: np.where(f == 0, math.log(2), np.expm1(f * math.log(2)) / np.where(f == 0, 1, f)),
        degree - 1,
        domain=[-0.5, 0.5],
    )
    return quotient.convert(kind=np.polynomial.Polynomial).coef.tolist()


@overload(_exp2, jit_options={"fastmath": {"contract"}})
def _exp2_of(exponent):
    # exponent = n + f with n an integer: adding 1.5 * 2^(bits of the mantissa) rounds to n and
    # leaves n in the lowest bits, from where it is shifted into the exponent of 2^f.
    if exponent == numba.float32:
        c1, c2, c3, c4, c5, c6 = map(np.float32, _coefficients(6))
        one, rounder, lowest = np.float32(1), np.float32(1.5 * 2**23), np.float32(-120)

        def single(exponent):
            exponent = exponent if exponent > lowest else lowest
            shifted = exponent + rounder
            f = exponent - (shifted - rounder)
            p = one + f * (c1 + f * (c2 + f * (c3 + f * (c4 + f * (c5 + f * c6)))))
            n = np.float32(shifted).view(np.int32) << np.int32(23)
            return np.int32(np.float32(p).view(np.int32) + n).view(np.float32)

        return single

    c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 = _coefficients(11)
    rounder64 = 1.5 * 2.0**52

    def double(exponent):
        exponent = exponent if exponent > -1000.0 else -1000.0
        shifted = exponent + rounder64
        f = exponent - (shifted - rounder64)
        p = c7 + f * (c8 + f * (c9 + f * (c10 + f * c11)))
        p = 1.0 + f * (c1 + f * (c2 + f * (c3 + f * (c4 + f * (c5 + f * (c6 + f * p))))))
        n = np.float64(shifted).view(np.int64) << np.int64(52)
        return np.int64(np.float64(p).view(np.int64) + n).view(np.float64)

    return double


@compiled("reassoc", "contract")
def _add_kernel(squared, exponent, columns):
    """Add the kernel to each column's sum; the row's own sum is returned."""
    total = exponent - exponent
    for j in range(len(squared)):
        kernel = _exp2(squared[j] * exponent)
        columns[j] += kernel
        total += kernel
    return total


@compiled()
def _segments(i, j0, j1, starts, stops):
    """Columns j0..j1 as a row's class cuts them: (kind, first, last + 1), counted from j0."""
    left, right = min(max(starts[i], j0), j1) - j0, min(max(stops[i], j0), j1) - j0
    return (1, 0, left), (0, left, right), (1, right, j1 - j0)  # others, own class, others


@compiled()
def _add_tile(tile, i0, j0, starts, stops, exponents, sums, nearest):
    """Add the kernels of rows i0.. and columns j0.. (distances, overwritten), offer neighbours.

    Columns get their share and, off the diagonal, rows: a square there holds each pair twice.
    """
    height, width = tile.shape
    columns = np.zeros((2, len(exponents), width), tile.dtype)
    reaches = np.empty_like(exponents)
    for r in range(len(exponents)):  # beyond, P kernels together vanish beside a row's own, 1
        reaches[r] = (-54.0 - np.log2(len(starts))) / exponents[r]
    for i in range(height):
        if i0 == j0:
            tile[i, i] = np.inf  # a row is not its own neighbour, and its own kernel is there
        for kind, first, last in _segments(i0 + i, j0, j0 + width, starts, stops):
            if first == last:
                continue
            squared = tile[i][first:last]
            bits = squared.view(nearest.dtype)
            closest = _smallest(bits)
            for r in range(len(exponents)):
                if closest > reaches.view(nearest.dtype)[r]:
                    break  # nor does a narrower kernel
                total = _add_kernel(squared, exponents[r], columns[kind][r][first:last])
                if i0 != j0:
                    sums[kind, r, i0 + i] += total
            if i0 != j0 and nearest.shape[1]:
                _offer_to_row(bits, nearest[kind], i0 + i)
            for m in range(nearest.shape[1]):
                _sift(bits, nearest[kind][m][j0 + first : j0 + last])
        is_last = i == height - 1 or i0 + i + 1 == stops[i0 + i]
        if is_last or i % _FLUSH == _FLUSH - 1:  # class by class, so that their order adds nothing
            for kind in range(2):
                for r in range(len(exponents)):
                    _move(columns[kind][r], sums[kind][r][j0 : j0 + width])


@compiled()
def _move(values, target):
    """Add to `target` and start anew."""
    for j in range(len(values)):
        target[j] += values[j]
        values[j] = 0


@compiled()
def _smallest(values):
    smallest = values[0]
    for j in range(len(values)):
        smallest = min(smallest, values[j])
    return smallest


@compiled()
def _sift(values, smallest):
    """Keep the smaller of each two, leave the larger."""
    for j in range(len(values)):
        value, kept = values[j], smallest[j]
        smallest[j] = min(value, kept)
        values[j] = max(value, kept)


@compiled()
def _offer_to_row(values, nearest, i):
    """Offer all values to the k smallest of row i; chunks without a candidate are only read."""
    k = len(nearest)
    for last in range(len(values), 0, -_CHUNK):
        chunk = values[max(0, last - _CHUNK) : last]
        if _smallest(chunk) >= nearest[k - 1, i]:
            continue
        for value in chunk:
            if value < nearest[k - 1, i]:
                for m in range(k):
                    kept = nearest[m, i]
                    nearest[m, i] = min(value, kept)
                    value = max(value, kept)
