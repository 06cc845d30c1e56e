"""Compiled sums and neighbours over squared distances: direct differences, or tiles from elsewhere.

Each pair of rows is looked at once. Of a pair (i, j) the kernel is added to the sums of both, and
the distance offered to the neighbours of both. What a row's own class and what the other classes
contribute is kept apart; together they are what all rows contribute. So the number of classes costs
nothing.

Loops run over columns (j), one row (i) at a time, in buffers that stay in a core's first cache, and
are written so that the compiler turns them into vector instructions: contiguous, without branches.
"""

import math
import threading

import numba
import numpy as np
import torch
from numba.extending import overload

from iblib.estimators._engine.rows import Rows, RowStatistics
from iblib.estimators._engine.threads import compiled, in_threads

OWN, OTHER = 0, 1
N_GROUPS = 16  # accumulators; a fixed number, so that results do not depend on the threads
_COLUMNS = 512  # columns of one block
_FLUSH = 64  # rows whose kernels are added in the points' own precision
_LANES = 128  # candidates kept side by side while a row looks for its neighbours
_UNROLLED = 4  # coordinates per loop over the columns


class Accumulators:
    """Sums and nearest distances of all rows, in independent copies.

    Sums: `N_GROUPS` copies, each filled by one thread at a time and added up in a fixed order.
    Nearest distances, whose order does not matter: a copy for each thread.
    """

    def __init__(self, n_samples: int, rate: float | None, k: int, dtype=np.float64):
        # 2^(exponent D) is the wider kernel; a positive exponent stands for none
        self.exponent = dtype(1.0 if rate is None else -rate / math.log(2))
        self.k = k
        self.sums = np.zeros((N_GROUPS, 2, 2, n_samples))  # own class, others; narrow, wide
        self._dtype = dtype
        self._nearest: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return N_GROUPS

    def nearest(self) -> np.ndarray:
        """(2, k, P) this thread's nearest distances, ascending along k, as integers.

        Not negative, their bits compare as integers do, and minima of integers become vector
        instructions, where a float minimum "in place" becomes a slow masked store.
        """
        thread = threading.get_ident()
        if thread not in self._nearest:
            shape = (2, self.k, self.sums.shape[-1])
            integer = np.int32 if self._dtype == np.float32 else np.int64
            self._nearest[thread] = np.full(shape, np.inf, self._dtype).view(integer)
        return self._nearest[thread]

    def collected(self) -> RowStatistics:
        """Own, and own + others, of each row."""
        has_kernels = self.exponent <= 0
        own, other = self.sums.sum(0) if has_kernels else self.sums[0]
        if not self.k:
            return RowStatistics(own + other, own, None, None)
        found = np.stack([one.view(self._dtype) for one in self._nearest.values()])
        n_samples = found.shape[-1]
        return RowStatistics(
            sums_all=own + other,
            sums_own=own,
            nearest_all=_kth_of_columns(found.reshape(-1, n_samples), self.k),
            nearest_own=_kth_of_columns(found[:, OWN].reshape(-1, n_samples), self.k),
        )


def _kth_of_columns(candidates: np.ndarray, k: int) -> np.ndarray:
    """The k-th smallest of each column, float64."""
    return np.partition(candidates, k - 1, axis=0)[k - 1].astype(np.float64)


def direct_statistics(rows: Rows, dtype, rate: float | None, k: int) -> RowStatistics:
    """Statistics of few-dimensional rows by direct differences, in ``dtype``.

    Cost: O(P^2 d) time, O(P) memory (beside a sorted copy of the points).
    """
    accumulators = Accumulators(rows.n_samples, rate, k, dtype)
    points = _padded(rows.scaled(torch.float32 if dtype == np.float32 else torch.float64).numpy())
    starts, stops = rows.class_ranges

    def visit(group: int) -> None:
        for first in range(group * _COLUMNS, rows.n_samples, N_GROUPS * _COLUMNS):
            last = min(first + _COLUMNS, rows.n_samples)
            _visit_block(
                points, starts, stops, first, last, accumulators.exponent, k,
                accumulators.sums[group], accumulators.nearest(),
            )  # fmt: skip

    in_threads(visit, range(len(accumulators)))
    return accumulators.collected()


def add_tile(
    tile: np.ndarray, i0: int, j0: int, rows: Rows, accumulators: Accumulators, group: int
) -> None:
    """Take the squared distances (float64, overwritten) of rows i0.. to columns j0.. .

    Of each pair of blocks one is wanted, i0 > j0; i0 = j0 is the whole square on the diagonal.
    """
    _visit_tile(
        tile, i0, j0, i0 > j0, *rows.class_ranges, accumulators.exponent, accumulators.k,
        accumulators.sums[group], accumulators.nearest(),
    )  # fmt: skip


def _padded(points: np.ndarray) -> np.ndarray:
    """Zero coordinates up to a multiple of `_UNROLLED`: they add nothing to a distance."""
    missing = -points.shape[1] % _UNROLLED
    return np.pad(points, ((0, 0), (0, missing))) if missing else points


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


@compiled("contract")
def _squared_distances(block, point, squared):
    """squared[j] = |block[:, j] - point|^2, four coordinates at a time."""
    for c in range(0, len(point), 4):
        row0, row1, row2, row3 = block[c], block[c + 1], block[c + 2], block[c + 3]
        x0, x1, x2, x3 = point[c], point[c + 1], point[c + 2], point[c + 3]
        if c == 0:
            for j in range(len(squared)):
                a, b, u, v = row0[j] - x0, row1[j] - x1, row2[j] - x2, row3[j] - x3
                squared[j] = (a * a + b * b) + (u * u + v * v)
        else:
            for j in range(len(squared)):
                a, b, u, v = row0[j] - x0, row1[j] - x1, row2[j] - x2, row3[j] - x3
                squared[j] += (a * a + b * b) + (u * u + v * v)


@compiled("reassoc", "contract")
def _add_kernels(squared, exponent, narrow, wide):
    """Add both kernels to each column's sums; the row's own sums are returned.

    Twice the same function, and not a fourth power, so that the upper bound at four times the noise
    is the lower bound to the last digit.
    """
    total_narrow = total_wide = exponent - exponent
    for j in range(len(squared)):
        power = squared[j] * exponent
        kernel = _exp2(power)
        wide[j] += kernel
        total_wide += kernel
        kernel = _exp2(power + power + power + power)
        narrow[j] += kernel
        total_narrow += kernel
    return total_narrow, total_wide


@compiled()
def _move(values, target):
    """Add to `target` and start anew."""
    for j in range(len(values)):
        target[j] += values[j]
        values[j] = 0


@compiled()
def _copy(values, target):
    for j in range(len(values)):
        target[j] = values[j]


@compiled()
def _fill(values, value):
    for j in range(len(values)):
        values[j] = value


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
def _offer_to_row(values, lanes, nearest, i):
    """Offer all values (overwritten) to the k smallest of row i.

    Lane by lane first, which vector instructions can do; then what the lanes have kept.
    """
    k, n_lanes = lanes.shape
    furthest = nearest[k - 1, i]
    for m in range(k):
        _fill(lanes[m], furthest)
    for j in range(0, len(values), n_lanes):
        part = values[j : j + n_lanes]
        for m in range(k):
            _sift(part, lanes[m])
    if _smallest(lanes[0]) >= furthest:
        return
    for lane in range(n_lanes):
        for m in range(k):
            value = lanes[m, lane]
            if value >= furthest:
                break
            for place in range(k):
                kept = nearest[place, i]
                nearest[place, i] = min(value, kept)
                value = max(value, kept)
            furthest = nearest[k - 1, i]


@compiled()
def _use_row(squared, i, j0, mirrored, exponent, k, sums, nearest, column_sums, spare, lanes):
    """Add the kernels of one row's distances (overwritten) to columns j0.. and offer neighbours.

    ``mirrored``: the pairs are not visited the other way round, so that the row gets its share too.
    """
    if exponent <= 0:
        narrow, wide = _add_kernels(squared, exponent, column_sums[0], column_sums[1])
        if mirrored:
            sums[0, i] += narrow
            sums[1, i] += wide
    if k == 0:
        return
    bits = squared.view(nearest.dtype)
    if mirrored:
        offered = spare.view(nearest.dtype)
        _copy(bits, offered)
        _offer_to_row(offered, lanes, nearest, i)
    elif j0 <= i < j0 + len(squared):
        squared[i - j0] = np.inf  # a row is not its own neighbour
    for m in range(k):
        _sift(bits, nearest[m][j0 : j0 + len(bits)])


@compiled()
def _visit(points, tile, i0, i1, j0, j1, ti, tj, mirrored, exponent, k, sums, nearest):
    """Rows i0..i1 against columns j0..j1, all of one class each.

    Distances come from the points or, where ``tile`` is not empty, from there: its first row is ti,
    its first column tj.
    """
    n = j1 - j0
    given = tile.size > 0
    block = points[j0:j1].T.copy()
    squared, spare = np.empty(n, tile.dtype), np.empty(n, tile.dtype)
    column_sums = np.zeros((2, n), tile.dtype)
    lanes = np.empty((k, _LANES), nearest.dtype)
    for i in range(i0, i1):
        if given:
            squared = tile[i - ti][j0 - tj : j1 - tj]
        else:
            _squared_distances(block, points[i], squared)
        _use_row(squared, i, j0, mirrored, exponent, k, sums, nearest, column_sums, spare, lanes)
        if exponent <= 0 and ((i - i0) % _FLUSH == _FLUSH - 1 or i == i1 - 1):
            for r in range(2):
                _move(column_sums[r], sums[r][j0:j1])


@compiled()
def _visit_classes(
    points, tile, i0, i1, j0, j1, ti, tj, mirrored, starts, stops, exponent, k, sums, nearest
):
    """Rows i0..i1 against columns j0..j1, cut where a row's own class begins and ends."""
    i = i0
    while i < i1:
        end = min(i1, stops[i])
        left, right = min(max(starts[i], j0), j1), min(max(stops[i], j0), j1)
        for kind, a, b in ((1, j0, left), (0, left, right), (1, right, j1)):  # OTHER, OWN, OTHER
            if a < b:
                _visit(
                    points, tile, i, end, a, b, ti, tj, mirrored, exponent, k,
                    sums[kind], nearest[kind],
                )  # fmt: skip
        i = end


@compiled()
def _visit_block(points, starts, stops, j0, j1, exponent, k, sums, nearest):
    """Columns j0..j1 against the rows from j0 on: the diagonal square, then what is below it."""
    no_tile = np.empty((0, 0), points.dtype)
    n = len(points)
    _visit_classes(
        points, no_tile, j0, j1, j0, j1, 0, 0, False, starts, stops, exponent, k, sums, nearest
    )
    _visit_classes(
        points, no_tile, j1, n, j0, j1, 0, 0, True, starts, stops, exponent, k, sums, nearest
    )


@compiled()
def _visit_tile(tile, i0, j0, mirrored, starts, stops, exponent, k, sums, nearest):
    """Rows i0.. against columns j0.., their squared distances given."""
    no_points = np.empty((len(starts), 0), tile.dtype)
    height, width = tile.shape
    _visit_classes(
        no_points, tile, i0, i0 + height, j0, j0 + width, i0, j0, mirrored,
        starts, stops, exponent, k, sums, nearest,
    )  # fmt: skip
