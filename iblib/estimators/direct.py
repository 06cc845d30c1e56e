"""Compiled sums and neighbours over squared distances: direct differences, or tiles from elsewhere.

Each pair of rows is looked at once. Of a pair (i, j) the kernel is added to the sums of both, and
the distance offered to the neighbours of both. What a row's own class and what the other classes
contribute is kept apart; together they are what all rows contribute. So the number of classes costs
nothing.

Loops run over columns (j), one row (i) at a time, in buffers that stay in a core's first cache, and
are written so that the compiler turns them into vector instructions: contiguous, without branches.
"""

import math

import numba
import numpy as np
from numba.extending import overload

from iblib.estimators._parallel import compiled, in_threads
from iblib.estimators.rows import Rows, RowStatistics

OWN, OTHER = 0, 1
N_GROUPS = 16  # accumulators; a fixed number, so that results do not depend on the threads
_COLUMNS = 512  # columns of one block
_FLUSH = 64  # rows whose kernels are added in the points' own precision
_LANES = 64  # candidates kept side by side while a row looks for its neighbours
_UNROLLED = 4  # coordinates per loop over the columns


class Accumulators:
    """Sums and nearest distances of all rows, in `N_GROUPS` independent copies.

    A copy belongs to one thread at a time, and `statistics` adds them up in a fixed order.
    """

    def __init__(self, n_samples: int, rates, k: int, dtype=np.float64):
        self.rates = np.asarray([-rate / math.log(2) for rate in rates], dtype)
        self.k = k
        self.sums = np.zeros((N_GROUPS, 2, len(rates), n_samples))
        nearest = np.full((N_GROUPS, 2, k, n_samples), np.inf, dtype)
        # Not negative: their bits compare as integers do, and minima of integers become vector
        # instructions, where a float minimum "in place" becomes a slow masked store.
        self.nearest = nearest.view(np.int32 if dtype == np.float32 else np.int64)
        self._dtype = dtype

    def __len__(self) -> int:
        return N_GROUPS

    def statistics(self) -> RowStatistics:
        """Own, and own + others, of each row."""
        own, other = self.sums.sum(0)
        if not self.k:
            return RowStatistics(own + other, own, None, None)
        candidates = self.nearest.view(self._dtype)
        return RowStatistics(
            sums_all=own + other,
            sums_own=own,
            nearest_all=_kth(candidates.reshape(-1, candidates.shape[-1]), self.k),
            nearest_own=_kth(candidates[:, OWN].reshape(-1, candidates.shape[-1]), self.k),
        )


def _kth(candidates: np.ndarray, k: int) -> np.ndarray:
    """The k-th smallest of each column, float64."""
    return np.partition(candidates, k - 1, axis=0)[k - 1].astype(np.float64)


def statistics(rows: Rows, dtype, rates, k: int) -> RowStatistics:
    """Statistics of few-dimensional rows by direct differences, in ``dtype``.

    Cost: O(P^2 d) time, O(P) memory (beside a sorted copy of the points).
    """
    accumulators = Accumulators(rows.n_samples, rates, k, dtype)
    points = _padded(rows.scaled(_torch_dtype(dtype)).numpy())
    starts, stops = rows.class_ranges

    def visit(group: int) -> None:
        for first in _snake(range(0, rows.n_samples, _COLUMNS), group):
            last = min(first + _COLUMNS, rows.n_samples)
            _visit_block(
                points, starts, stops, first, last, accumulators.rates, k,
                accumulators.sums[group], accumulators.nearest[group],
            )  # fmt: skip

    in_threads(visit, range(len(accumulators)))
    return accumulators.statistics()


def add_tile(
    tile: np.ndarray, i0: int, j0: int, rows: Rows, accumulators: Accumulators, group: int
) -> None:
    """Take the squared distances (float64, overwritten) of rows i0.. to columns j0.. .

    Of each pair of blocks one is wanted, i0 > j0; i0 = j0 is the whole square on the diagonal.
    """
    _visit_tile(
        tile, i0, j0, i0 > j0, *rows.class_ranges, accumulators.rates, accumulators.k,
        accumulators.sums[group], accumulators.nearest[group],
    )  # fmt: skip


def _snake(blocks: range, group: int) -> list[int]:
    """Every `N_GROUPS`-th block, in alternating direction: early blocks have more rows to visit."""
    order = [start for turn in range(0, len(blocks), N_GROUPS) for start in _turn(blocks, turn)]
    return [start for start in order[group::N_GROUPS] if start is not None]


def _turn(blocks: range, turn: int) -> list[int | None]:
    some = list(blocks[turn : turn + N_GROUPS])
    some += [None] * (N_GROUPS - len(some))
    return some[:: -1 if turn // N_GROUPS % 2 else 1]


def _torch_dtype(dtype):
    import torch

    return torch.float32 if dtype == np.float32 else torch.float64


def _padded(points: np.ndarray) -> np.ndarray:
    """Zero coordinates up to a multiple of `_UNROLLED`: they add nothing to a distance."""
    missing = -points.shape[1] % _UNROLLED
    return np.pad(points, ((0, 0), (0, missing))) if missing else points


# --- compiled -------------------------------------------------------------------------------------


def _exp2(exponent):
    """2^exponent for exponent <= 0, to the last digit or two; tiny where it would be denormal."""
    raise NotImplementedError("compiled only")


def _powers_of_log2(n: int) -> list[float]:
    """Coefficients of 2^f = exp(f ln 2): Taylor's series, f within 1/2 of zero."""
    return [math.log(2) ** m / math.factorial(m) for m in range(n + 1)]


@overload(_exp2, inline="always")
def _exp2_of(exponent):
    # exponent = n + f with n an integer: adding 1.5 * 2^(bits of the mantissa) rounds to n and
    # leaves n in the lowest bits, from where it is shifted into the exponent of 2^f.
    if exponent == numba.float32:
        _, c1, c2, c3, c4, c5, c6 = map(np.float32, _powers_of_log2(6))
        one, rounder, lowest = np.float32(1), np.float32(1.5 * 2**23), np.float32(-120)

        def single(exponent):
            exponent = exponent if exponent > lowest else lowest
            shifted = exponent + rounder
            f = exponent - (shifted - rounder)
            p = one + f * (c1 + f * (c2 + f * (c3 + f * (c4 + f * (c5 + f * c6)))))
            n = np.float32(shifted).view(np.int32) << np.int32(23)
            return np.int32(np.float32(p).view(np.int32) + n).view(np.float32)

        return single

    _, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12 = _powers_of_log2(12)
    rounder64 = 1.5 * 2.0**52

    def double(exponent):
        exponent = exponent if exponent > -1000.0 else -1000.0
        shifted = exponent + rounder64
        f = exponent - (shifted - rounder64)
        p = c7 + f * (c8 + f * (c9 + f * (c10 + f * (c11 + f * c12))))
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


@compiled("contract")
def _kernels(squared, rate, kernels):
    for j in range(len(squared)):
        kernels[j] = _exp2(squared[j] * rate)


@compiled("reassoc")
def _add(values, sums):
    """Add to each column's sum; the row's own sum is returned."""
    total = values[0] - values[0]
    for j in range(len(values)):
        sums[j] += values[j]
        total += values[j]
    return total


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
    lanes[:] = furthest
    for j in range(0, len(values), n_lanes):
        part = values[j : j + n_lanes]
        for m in range(k):
            _sift(part, lanes[m])
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
def _use_row(squared, i, j0, mirrored, rates, k, sums, nearest, buffers, column_sums, lanes):
    """Add the kernels of one row's distances (overwritten) to columns j0.. and offer neighbours.

    ``mirrored``: the pairs are not visited the other way round, so that the row gets its share too.
    """
    n = len(squared)
    kernels = buffers[0, :n]
    for r in range(len(rates)):
        _kernels(squared, rates[r], kernels)
        total = _add(kernels, column_sums[r, :n])
        if mirrored:
            sums[r, i] += total
    if k == 0:
        return
    bits = squared.view(nearest.dtype)
    if mirrored:
        spare = buffers[1, :n].view(nearest.dtype)
        _copy(bits, spare)
        _offer_to_row(spare, lanes, nearest, i)
    elif j0 <= i < j0 + n:
        squared[i - j0] = np.inf  # a row is not its own neighbour
    for m in range(k):
        _sift(bits, nearest[m][j0 : j0 + n])


@compiled()
def _visit(points, tile, i0, i1, j0, j1, ti, tj, mirrored, rates, k, sums, nearest):
    """Rows i0..i1 against columns j0..j1, all of one class each.

    Distances come from the points or, where ``tile`` is not empty, from there: its first row is ti,
    its first column tj.
    """
    n = j1 - j0
    given = tile.size > 0
    block = points[j0:j1].T.copy()
    buffers = np.empty((3, n), tile.dtype)
    column_sums = np.zeros((len(rates), n), tile.dtype)
    lanes = np.empty((k, _LANES), nearest.dtype)
    for i in range(i0, i1):
        if given:
            squared = tile[i - ti][j0 - tj : j1 - tj]
        else:
            squared = buffers[2]
            _squared_distances(block, points[i], squared)
        _use_row(squared, i, j0, mirrored, rates, k, sums, nearest, buffers, column_sums, lanes)
        if (i - i0) % _FLUSH == _FLUSH - 1 or i == i1 - 1:
            for r in range(len(rates)):
                _move(column_sums[r], sums[r][j0:j1])


@compiled()
def _visit_classes(
    points, tile, i0, i1, j0, j1, ti, tj, mirrored, starts, stops, rates, k, sums, nearest
):
    """Rows i0..i1 against columns j0..j1, cut where a row's own class begins and ends."""
    i = i0
    while i < i1:
        end = min(i1, stops[i])
        left, right = min(max(starts[i], j0), j1), min(max(stops[i], j0), j1)
        for kind, a, b in ((1, j0, left), (0, left, right), (1, right, j1)):  # OTHER, OWN, OTHER
            if a < b:
                _visit(
                    points, tile, i, end, a, b, ti, tj, mirrored, rates, k,
                    sums[kind], nearest[kind],
                )  # fmt: skip
        i = end


@compiled()
def _visit_block(points, starts, stops, j0, j1, rates, k, sums, nearest):
    """Columns j0..j1 against the rows from j0 on: the diagonal square, then what is below it."""
    no_tile = np.empty((0, 0), points.dtype)
    n = len(points)
    _visit_classes(
        points, no_tile, j0, j1, j0, j1, 0, 0, False, starts, stops, rates, k, sums, nearest
    )
    _visit_classes(
        points, no_tile, j1, n, j0, j1, 0, 0, True, starts, stops, rates, k, sums, nearest
    )


@compiled()
def _visit_tile(tile, i0, j0, mirrored, starts, stops, rates, k, sums, nearest):
    """Rows i0.. against columns j0.., their squared distances given."""
    no_points = np.empty((len(starts), 0), tile.dtype)
    height, width = tile.shape
    _visit_classes(
        no_points, tile, i0, i0 + height, j0, j0 + width, i0, j0, mirrored,
        starts, stops, rates, k, sums, nearest,
    )  # fmt: skip
