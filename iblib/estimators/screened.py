"""Many dimensions: what a cheap look proves is not computed, and what matters is computed exactly.

Two proofs, both with a stated bound on rounding:

- *Too far to count* (KDE alone). The means of 32 blocks of coordinates, times the root of the block
  length, are an orthonormal projection, which never lengthens a distance. Pairs that are far apart
  even there add less than 1e-10 to a row's sum of kernels, and are left out.
- *Nearest candidates* (Kraskov). float32 products keep a few more than k candidates of each row.
  Their distances are computed again by float64 differences, and the k-th is *certified*: it is
  smaller than every distance outside can be. The same products prove the negligible pairs.

Where a proof fails for many pairs (classes collapsed into tight clusters), exact tiles are computed
instead. A wrong guess costs time, never digits.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from iblib.estimators import direct, products
from iblib.estimators._parallel import compiled, in_threads, sixteenths
from iblib.estimators.rows import Rows, RowStatistics

NEGLIGIBLE = 1e-10  # of a row's sum of kernels, which is at least 1
_BLOCKS = 32  # coordinates of the projection
_FEW = 1 / 16  # share of near pairs up to which they are computed one by one
_STRETCH = 1024  # coordinates of one product: bounds its rounding, whatever the order of its sums
_SPARE = 3  # candidates beyond k
_RETRIES = 1 / 32  # share of rows that may be searched again in full


def _reach(n_samples: int, rates) -> float:
    """Squared distance beyond which all of a row's kernels together stay below `NEGLIGIBLE`."""
    return math.log(n_samples / NEGLIGIBLE) / max(min(rates), 1e-300)


# --- KDE alone: the projection --------------------------------------------------------------------


def projected(rows: Rows, rates) -> RowStatistics:
    """Kernel sums of many-dimensional rows; relative error below 2e-10 plus that of exact tiles.

    Cost: O(P d + 32 P^2) time where all pairs are far apart, O(P^2 d) where none is; O(P) memory,
    and a float64 copy of the points where tiles are computed.
    """
    accumulators = direct.Accumulators(rows.n_samples, rates, 0)
    projection, limit = _project(rows, _reach(rows.n_samples, rates))
    points, (starts, stops) = rows.points.numpy(), rows.class_ranges
    pairs = products.tile_pairs(rows.n_samples)

    def visit(group: int) -> list[tuple[slice, slice]]:
        return [
            (i, j)
            for i, j in pairs[group :: len(accumulators)]
            if not _add_near_pairs(
                points, rows.index, projection, (i.start, i.stop), (j.start, j.stop), limit,
                1.0 / rows.scale, starts, stops, accumulators.rates, accumulators.sums[group],
            )
        ]  # fmt: skip

    dense = [tile for tiles in in_threads(visit, range(len(accumulators))) for tile in tiles]
    # A row's own kernel, 1, is missing where no exact square on the diagonal brings it.
    missing = np.ones(rows.n_samples, bool)
    for i, j in dense:
        missing[i] &= i != j
    accumulators.sums[0, direct.OWN] += missing
    if dense:
        products.add_tiles([rows], dense, accumulators)
    return accumulators.statistics()


def _project(rows: Rows, reach: float) -> tuple[np.ndarray, float]:
    """(P, 32) projection in units of scale, and the squared distance that proves ``reach``."""
    cuts = np.linspace(0, rows.dimension, _BLOCKS + 1).astype(np.int64)
    projection = np.empty((rows.n_samples, _BLOCKS))
    points = rows.points.numpy()

    def visit(some: slice) -> None:
        _block_means(points, rows.index[some], cuts, 1.0 / rows.scale, projection[some])

    in_threads(visit, sixteenths(rows.n_samples))
    # A sum of n terms is off by at most n 2^-53 times the sum of the magnitudes: n * largest. Two
    # rows, 32 coordinates, and the unit's own rounding with room to spare.
    longest = float(np.diff(cuts).max())
    error = longest**1.5 * 2.0**-51 * rows.largest / rows.scale
    return projection, (math.sqrt(reach) + 2 * math.sqrt(_BLOCKS) * error) ** 2


@compiled("reassoc")
def _block_means(points, index, cuts, unit, projection):
    for row in range(len(index)):
        values = points[index[row]]
        for block in range(len(cuts) - 1):
            part = values[cuts[block] : cuts[block + 1]]
            total = 0.0
            for c in range(len(part)):
                total += np.float64(part[c])
            projection[row, block] = total * unit / math.sqrt(len(part))


@compiled("contract")
def _add_near_pairs(
    points, index, projection, i_range, j_range, limit, unit, starts, stops, rates, sums
):
    """Kernels of the pairs that the projection does not prove far; False if they are too many."""
    (i0, i1), (j0, j1) = i_range, j_range
    columns = projection[j0:j1].T.copy()
    squared = np.empty(j1 - j0)
    near = np.empty((max(256, int((i1 - i0) * (j1 - j0) * _FEW)), 2), np.int64)
    n_near = 0
    for i in range(i0, i1):
        _projected_distances(columns, projection[i], squared)
        for j in range(j0, min(j1, i)):  # each pair once
            if squared[j - j0] <= limit:
                if n_near == len(near):
                    return False
                near[n_near, 0], near[n_near, 1] = i, j
                n_near += 1
    exact = np.empty(n_near)
    for n in range(n_near):
        i, j = near[n]
        exact[n] = _squared_distance(points[index[i]], points[index[j]], unit, limit)
    _add_pairs(near[:n_near], exact, starts, stops, rates, sums)
    return True


@compiled("contract")
def _projected_distances(columns, row, squared):
    for j in range(len(squared)):
        squared[j] = 0.0
    for b in range(0, len(row), 4):
        c0, c1, c2, c3 = columns[b], columns[b + 1], columns[b + 2], columns[b + 3]
        x0, x1, x2, x3 = row[b], row[b + 1], row[b + 2], row[b + 3]
        for j in range(len(squared)):
            p, q, u, v = c0[j] - x0, c1[j] - x1, c2[j] - x2, c3[j] - x3
            squared[j] += (p * p + q * q) + (u * u + v * v)


@compiled("reassoc", "contract")
def _squared_distance(a, b, unit, enough):
    """|a - b|^2 in float64, or any part of it that is more than ``enough``."""
    total = 0.0
    for first in range(0, len(a), 256):
        left, right = a[first : first + 256], b[first : first + 256]
        for c in range(len(left)):
            difference = (np.float64(left[c]) - np.float64(right[c])) * unit
            total += difference * difference
        if total > enough:
            break
    return total


# --- with neighbours: float32 candidates ----------------------------------------------------------


def certified(parts: Sequence[Rows], rates, k: int) -> list[RowStatistics]:
    """Statistics of each part, and, where there are several, of the parts side by side.

    Squared distances add: the products of the parts serve the whole. All parts must have the same
    order and scale.

    Cost: O(P^2 d) time, each pair once, in float32 where the proofs hold; O(P) memory and a float32
    copy of the points (a float64 one where exact tiles are computed).
    """
    factors = [_Float32Products(part) for part in parts]
    screens = [_Screen([part], rates, k, f.errors) for part, f in zip(parts, factors, strict=True)]
    if len(parts) > 1:  # each sum rounds once more
        errors = (1 + 2.0**-8) * sum(factor.errors for factor in factors)
        screens.append(_Screen(parts, rates, k, errors))
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


class _Float32Products:
    """Squared distances of one part, float32, with a bound on their error."""

    def __init__(self, rows: Rows):
        self._points = rows.scaled(torch.float32, centred=True)
        norms = torch.linalg.vector_norm(self._points, dim=1, dtype=torch.float64).square_()
        self._norms = norms.to(torch.float32)
        # A product of n terms summed in any order is off by at most n 2^-24 |a| |b|; the sums over
        # the stretches, the norms and the rounding of the centred points add a few units more.
        # Centring itself, in float64, moves each point by `shift` at most.
        stretches = -(-rows.dimension // _STRETCH)
        units = min(_STRETCH, rows.dimension) + 4 * stretches + 16
        both = norms + norms.max()
        shift = math.sqrt(rows.dimension) * 2.0**-51 * rows.largest / rows.scale
        errors = units * 2.0**-24 * both + 4 * shift * ((2 * both).sqrt() + shift)
        self.errors = errors.numpy()  # (P,) the largest of each row

    def tile(self, i: slice, j: slice) -> torch.Tensor:
        """(h, w)"""
        squared = self._norms[i, None] + self._norms[None, j]
        for first in range(0, self._points.shape[1], _STRETCH):
            part = self._points[:, first : first + _STRETCH]
            squared.addmm_(part[i], part[j].T, alpha=-2.0)
        return squared


class _Screen:
    """Candidates, certificates and near pairs of one array (of one or several parts)."""

    def __init__(self, parts: Sequence[Rows], rates, k: int, errors: np.ndarray):
        self._parts, self._rates, self._k, self._errors = parts, rates, k, errors
        n = parts[0].n_samples
        self._reach = _reach(n, rates) if len(rates) else -math.inf
        self._accumulators = direct.Accumulators(n, rates, 0)
        self._accumulators.sums[0, direct.OWN] = 1.0  # a row's own kernel
        shape = (direct.N_GROUPS, 2, n, k + _SPARE)  # own class, all
        self._values = np.full(shape, np.inf, np.float32)
        self._columns = np.full(shape, -1, np.int32)
        self.failed = False

    def add(self, group: int, i0: int, j0: int, tile: np.ndarray) -> None:
        """Take float32 squared distances of rows i0.. to columns j0.., j0 <= i0."""
        if self.failed:
            return
        starts, stops = self._parts[0].class_ranges
        lists = self._values[group], self._columns[group]
        _offer(tile, i0, j0, starts, stops, *lists)
        if i0 > j0:
            _offer(tile.T.copy(), j0, i0, starts, stops, *lists)
        elif self._is_hopeless(
            lists[0][:, i0 : i0 + len(tile), -1].max(0), slice(i0, i0 + len(tile))
        ):
            self.failed = True
        if self.failed or len(self._rates) == 0:
            return
        pairs = _pairs_within(
            tile, i0, j0, self._reach + self._errors, max(64, int(tile.size * _FEW))
        )
        if pairs is None:
            self.failed = True
            return
        squared = self._exact(pairs[:, :1], pairs[:, 1:])[:, 0]
        accumulators = self._accumulators
        _add_pairs(pairs, squared, starts, stops, accumulators.rates, accumulators.sums[group])

    def _is_hopeless(self, furthest: np.ndarray, rows: slice) -> bool:
        """True where candidates are nearer than the error already: they only come nearer."""
        return np.count_nonzero(furthest < self._errors[rows]) > self._most_uncertain

    @property
    def _most_uncertain(self) -> int:
        return 8 + int(self._parts[0].n_samples * _RETRIES)

    def statistics(self) -> RowStatistics:
        """By the candidates, or, where a proof has failed, by exact tiles."""
        nearest = None if self.failed else self._certified()
        if nearest is None:
            return products.statistics(self._parts, self._rates, self._k)
        sums = self._accumulators.statistics()
        own, everything = nearest
        return RowStatistics(sums.sums_all, sums.sums_own, everything, own)

    def _exact(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Squared distances of rows (n, 1) to columns (n, m), float64; infinite for column -1."""
        squared = np.where(columns < 0, np.inf, 0.0)
        for part in self._parts:
            points, unit = part.points.numpy(), 1.0 / part.scale
            _add_squared_distances(points, part.index, rows[:, 0], columns, unit, squared)
        return squared

    def _certified(self) -> list[np.ndarray] | None:
        """(2, P) exact k-th distances that none outside the candidates can undercut."""
        n, k = self._parts[0].n_samples, self._k
        nearest, n_uncertain = [], 0
        for kind in (0, 1):
            columns, furthest = self._best(kind)

            def exact(rows: slice, columns=columns) -> np.ndarray:
                return self._exact(np.arange(rows.start, rows.stop)[:, None], columns[rows])

            kth = _kth(np.concatenate(in_threads(exact, sixteenths(n))), k)
            uncertain = np.flatnonzero(kth > furthest - self._errors)
            n_uncertain += len(uncertain)
            if n_uncertain > self._most_uncertain:
                return None
            kth[uncertain] = in_threads(lambda row, kind=kind: self._search(row, kind), uncertain)
            nearest.append(kth)
        return nearest

    def _best(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest columns (P, m), and the distance beyond which columns were left out."""
        values = np.concatenate(self._values[:, kind], axis=1)
        columns = np.concatenate(self._columns[:, kind], axis=1)
        m = self._k + _SPARE
        best = np.argpartition(values, m - 1, axis=1)[:, :m]
        return (
            np.take_along_axis(columns, best, axis=1),
            np.take_along_axis(values, best, axis=1).max(1).astype(np.float64),
        )

    def _search(self, row: int, kind: int) -> float:
        """The k-th distance of one row among its own class (0) or all (1), by all differences."""
        starts, stops = self._parts[0].class_ranges
        first, last = (starts[row], stops[row]) if kind == 0 else (0, len(starts))
        columns = np.arange(first, last)
        squared = self._exact(np.full((1, 1), row), columns[columns != row][None, :])
        return float(_kth(squared, self._k)[0])


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


@compiled()
def _add_pairs(pairs, squared, starts, stops, rates, sums):
    """Kernels of some pairs, to both of their rows."""
    for n in range(len(pairs)):
        i, j = pairs[n]
        kind = 0 if starts[i] <= j < stops[i] else 1
        for r in range(len(rates)):
            kernel = 2.0 ** (rates[r] * squared[n])
            sums[kind, r, i] += kernel
            sums[kind, r, j] += kernel


@compiled("reassoc", "contract")
def _add_squared_distances(points, index, rows, columns, unit, squared):
    """Add |row - column|^2, float64, of some rows and each of their columns; -1 is skipped."""
    for h in range(len(columns)):
        a = points[index[rows[h]]]
        for n in range(columns.shape[1]):
            if columns[h, n] >= 0:
                b = points[index[columns[h, n]]]
                total = 0.0
                for c in range(len(a)):
                    difference = (np.float64(a[c]) - np.float64(b[c])) * unit
                    total += difference * difference
                squared[h, n] += total
