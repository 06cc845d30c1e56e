"""Neighbours in many dimensions: candidates by float32 products, certified by float64 differences.

float32 products keep a few more than k candidates of each row. Their distances are computed again,
exactly, and the k-th is *certified*: it is smaller than every distance outside can be. The same
products prove which pairs are too far to count for the kernels, or are exact enough for them.
Where a proof fails for many pairs (classes collapsed into tight clusters, far apart), all tiles are
computed exactly instead: a wrong guess costs time, never digits.
"""

import math
import threading
from collections.abc import Sequence

import numpy as np

from iblib.estimators import direct, products
from iblib.estimators._parallel import compiled, in_threads, sixteenths
from iblib.estimators.float32 import (
    FEW,
    Float32Products,
    add_pairs,
    add_squared_distances,
    is_enough,
    reach_of,
)
from iblib.estimators.rows import Rows, RowStatistics

_SPARE = 3  # candidates beyond k
_ALL = 1  # beside direct.OWN: here the second list is of all rows, not of the other classes
_RETRIES = 1 / 32  # share of rows, beside 8, that may be searched again in full


def statistics(parts: Sequence[Rows], rate: float | None, k: int) -> list[RowStatistics]:
    """Statistics of each part, and, where there are several, of the parts side by side.

    Squared distances add: the products of the parts serve the whole. All parts must have the same
    order and scale.

    Cost: O(P^2 d) time, each pair once, in float32 where the proofs hold; O(P) memory and a float32
    copy of the points (a float64 one where exact tiles are computed).
    """
    factors = [Float32Products(part) for part in parts]
    screens = [_Screen([part], rate, k, f.errors) for part, f in zip(parts, factors, strict=True)]
    if len(parts) > 1:  # every sum rounds: 2 units for each part, of more than 128
        errors = (1 + len(parts) * 2.0**-6) * sum(factor.errors for factor in factors)
        screens.append(_Screen(parts, rate, k, errors))
    pairs = products.tile_pairs(parts[0].n_samples)

    def visit(group: int) -> None:
        for i, j in pairs[group :: direct.N_GROUPS]:
            if all(screen.failed for screen in screens):
                return
            tiles = [factor.tile(i, j) for factor in factors]
            if len(parts) > 1:
                tiles.append(sum(tiles))
            for screen, tile in zip(screens, tiles, strict=True):
                screen.add(group, i.start, j.start, tile.numpy())

    in_threads(visit, range(direct.N_GROUPS))
    return [screen.statistics() for screen in screens]


class _Screen:
    """Candidates, certificates and near pairs of one array (of one or several parts)."""

    def __init__(self, parts: Sequence[Rows], rate: float | None, k: int, errors: np.ndarray):
        self._parts, self._rate, self._k, self._errors = parts, rate, k, errors
        n = parts[0].n_samples
        self._reach = -math.inf if rate is None else reach_of(n, rate)
        self._accumulators = direct.Accumulators(n, rate, 0)
        self._is_enough = is_enough(parts, rate, errors)
        if not (rate is None or self._is_enough):
            self._accumulators.sums[0, direct.OWN] = 1.0  # a row's own kernel
        self._lists: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.failed = False

    def _candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """This thread's nearest distances and their columns, each (2, P, m): own class, all."""
        thread = threading.get_ident()
        if thread not in self._lists:
            shape = (2, self._parts[0].n_samples, self._k + _SPARE)
            lists = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32)
            self._lists[thread] = lists
        return self._lists[thread]

    def add(self, group: int, i0: int, j0: int, tile: np.ndarray) -> None:
        """Take float32 squared distances of rows i0.. to columns j0.., j0 <= i0."""
        if self.failed:
            return
        starts, stops = self._parts[0].class_ranges
        lists = self._candidates()
        _offer(tile, i0, j0, starts, stops, *lists)
        if i0 > j0:
            _offer(tile.T.copy(), j0, i0, starts, stops, *lists)
        elif self._is_hopeless(tile, slice(i0, i0 + len(tile))):
            self.failed = True
        if self.failed or self._rate is None:
            return
        if self._is_enough:
            exact = tile.astype(np.float64)
            direct.add_tile(exact, i0, j0, self._parts[0], self._accumulators, group)
            return
        pairs = _pairs_within(
            tile, i0, j0, self._reach + self._errors, max(64, int(tile.size * FEW))
        )
        if pairs is None:
            self.failed = True
            return
        squared = self._exact(pairs[:, :1], pairs[:, 1:])[:, 0]
        accumulators = self._accumulators
        add_pairs(pairs, squared, starts, stops, accumulators.exponent, accumulators.sums[group])

    def _is_hopeless(self, square: np.ndarray, rows: slice) -> bool:
        """True where the candidates on the diagonal are nearer than the error: more come nearer."""
        m = min(self._k + _SPARE, len(square) - 1)
        furthest = np.partition(square, m, axis=1)[:, m]
        return np.count_nonzero(furthest < self._errors[rows]) > _most_uncertain(len(square))

    def statistics(self) -> RowStatistics:
        """By the candidates, or, where a proof has failed, by exact tiles."""
        nearest = None if self.failed else self._certified()
        if nearest is None:
            return products.statistics(self._parts, self._rate, self._k)
        sums = self._accumulators.statistics()
        own, everything = nearest
        return RowStatistics(sums.sums_all, sums.sums_own, everything, own)

    def _exact(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Squared distances of rows (n, 1) to columns (n, m), float64; infinite for column -1."""
        squared = np.where(columns < 0, np.inf, 0.0)
        for part in self._parts:
            points, unit = part.points.numpy(), 1.0 / part.scale
            add_squared_distances(points, part.index, rows[:, 0], columns, unit, squared)
        return squared

    def _certified(self) -> list[np.ndarray] | None:
        """(2, P) exact k-th distances that none outside the candidates can undercut."""
        n, k = self._parts[0].n_samples, self._k
        nearest, n_uncertain = [], 0
        for kind in (direct.OWN, _ALL):
            columns, furthest = self._best(kind)

            def exact(rows: slice, columns=columns) -> np.ndarray:
                return self._exact(np.arange(rows.start, rows.stop)[:, None], columns[rows])

            kth = _kth(np.concatenate(in_threads(exact, sixteenths(n))), k)
            uncertain = np.flatnonzero((kth > furthest - self._errors) & (kth > 0))
            n_uncertain += len(uncertain)
            if n_uncertain > _most_uncertain(n):
                return None
            kth[uncertain] = in_threads(lambda row, kind=kind: self._search(row, kind), uncertain)
            nearest.append(kth)
        return nearest

    def _best(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest columns (P, m), and the distance beyond which columns were left out."""
        lists = list(self._lists.values())
        values = np.concatenate([values[kind] for values, _ in lists], axis=1)
        columns = np.concatenate([columns[kind] for _, columns in lists], axis=1)
        m = self._k + _SPARE
        best = np.argpartition(values, m - 1, axis=1)[:, :m]
        return (
            np.take_along_axis(columns, best, axis=1),
            np.take_along_axis(values, best, axis=1).max(1).astype(np.float64),
        )

    def _search(self, row: int, kind: int) -> float:
        """The k-th distance of one row among its own class or all, by all differences."""
        starts, stops = self._parts[0].class_ranges
        first, last = (starts[row], stops[row]) if kind == direct.OWN else (0, len(starts))
        columns = np.arange(first, last)
        squared = self._exact(np.full((1, 1), row), columns[columns != row][None, :])
        return float(_kth(squared, self._k)[0])


def _most_uncertain(n_rows: int) -> float:
    """How many of some rows may be searched again before exact tiles are the shorter way."""
    return 8 + n_rows * _RETRIES


def _kth(squared: np.ndarray, k: int) -> np.ndarray:
    """The k-th smallest of each row, infinite where there are fewer."""
    if squared.shape[1] < k:
        return np.full(len(squared), np.inf)
    return np.partition(squared, k - 1, axis=1)[:, k - 1]


@compiled()
def _offer(tile, i0, j0, starts, stops, values, columns):
    """Offer each row of the tile its columns: among own class (0) and among all (1)."""
    m = values.shape[2]
    for h in range(len(tile)):
        i = i0 + h
        for w in range(tile.shape[1]):
            value, j = tile[h, w], j0 + w
            if (value >= values[0, i, m - 1] and value >= values[1, i, m - 1]) or i == j:
                continue
            for kind in range(0 if starts[i] <= j < stops[i] else 1, 2):
                if value >= values[kind, i, m - 1]:
                    continue
                place = m - 1
                while place > 0 and value < values[kind, i, place - 1]:
                    values[kind, i, place] = values[kind, i, place - 1]
                    columns[kind, i, place] = columns[kind, i, place - 1]
                    place -= 1
                values[kind, i, place] = value
                columns[kind, i, place] = j


@compiled()
def _pairs_within(tile, i0, j0, reach, most):
    """(n, 2) pairs i > j within reach of row i; None if they are more than ``most``."""
    pairs = np.empty((most, 2), np.int64)
    n = 0
    for h in range(len(tile)):
        limit = reach[i0 + h]
        for w in range(min(tile.shape[1], i0 + h - j0)):
            if tile[h, w] <= limit:
                if n == most:
                    return None
                pairs[n, 0], pairs[n, 1] = i0 + h, j0 + w
                n += 1
    return pairs[:n]
