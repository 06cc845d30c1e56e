"""KDE in many dimensions: pairs that are provably too far to count are not computed.

The means of 32 blocks of coordinates, times the root of the block length, are an orthonormal
projection, which never lengthens a distance. Pairs that are far apart even there add less than
1e-10 to a row's sum of kernels, and are left out. Tiles with many near pairs are computed exactly.
"""

import math

import numpy as np

from iblib.estimators._engine import direct, products, tiles
from iblib.estimators._engine.rows import Rows, RowStatistics
from iblib.estimators._engine.threads import compiled, in_threads, sixteenths

_BLOCKS = 32  # coordinates of the projection
_NEGLIGIBLE = 1e-10  # of a row's sum of kernels, which is at least 1
_FEW = 1 / 16  # share of near pairs up to which they are computed one by one


def projected_statistics(rows: Rows, rates: np.ndarray) -> RowStatistics:
    """Kernel sums of many-dimensional rows; what is left out is below 1e-10 of each.

    ``rates`` ascend. A tile that the widest kernel needs is computed once for all kernels that may
    count there. Cost: O(P d + 32 P^2) time where all pairs are far apart, O(P^2 d) where none is;
    O(P) memory, and a copy of the points where tiles are computed.
    """
    found = tiles.Accumulators(rows, rates, 0)
    # squared distance beyond which all of a row's kernels together stay below _NEGLIGIBLE
    reach = math.log(rows.n_samples / _NEGLIGIBLE) / rates
    projection, limits = _project(rows, reach)
    shorter = direct.DirectTiles(projection)
    points, (starts, stops) = rows.points.numpy(), rows.class_ranges
    pairs = tiles.tile_pairs(rows.n_samples, products.ExactTiles.size)

    def visit(group: int) -> list[tuple[slice, slice, int]]:
        """Add what is near in every 16th tile; the tiles where that is too much are returned."""
        dense, sums = [], found.sums[group]
        for i, j in pairs[group :: tiles.N_GROUPS]:
            squared, n_dense = shorter.tile(i, j), 0
            near = squared <= limits[0]
            if i == j:
                near = np.tril(near, -1)
            places = np.flatnonzero(near)
            if len(places) > max(256, squared.size * _FEW):
                n_dense = np.count_nonzero(limits >= squared[near].min())
                dense.append((i, j, n_dense))
            elif len(places):
                near = np.stack(divmod(places, near.shape[1]), 1) + np.array([i.start, j.start])
                exact = _distances_up_to(points, rows.index, near, 1.0 / rows.scale, limits[0])
                _add_pairs(near, exact, limits, starts, stops, found.exponents, sums)
        return dense

    parts = in_threads(visit, range(tiles.N_GROUPS))
    if dense := [tile for part in parts for tile in part]:
        found.add(products.ExactTiles(rows), dense)
    return found.collected()


def _project(rows: Rows, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, 32) float32 projection in units of scale, and what proves ``reach``, squared, there."""
    cuts = np.linspace(0, rows.dimension, _BLOCKS + 1).astype(np.int64)
    projection = np.empty((rows.n_samples, _BLOCKS), np.float32)
    points = rows.points.numpy()

    def visit(some: slice) -> None:
        _block_means(points, rows.index[some], cuts, 1.0 / rows.scale, projection[some])

    in_threads(visit, sixteenths(rows.n_samples))
    # A sum of n terms is off by at most n 2^-53 times the sum of the magnitudes, n * largest; a
    # float32 coordinate by 2^-24 of itself, a distance between two of 32 by less than 2^-18 of it.
    longest = float(np.diff(cuts).max())
    error = (longest**1.5 * 2.0**-51 + longest**0.5 * 2.0**-24) * rows.largest / rows.scale
    limits = (1 + 2.0**-17) * (np.sqrt(reach) + 2 * math.sqrt(_BLOCKS) * error) ** 2
    return projection, np.minimum(limits, np.finfo(np.float32).max).astype(np.float32)


@compiled("reassoc")
def _block_means(points, index, cuts, unit, projection):
    for row in range(len(index)):
        values = points[index[row]]
        for block in range(len(cuts) - 1):
            part = values[cuts[block] : cuts[block + 1]]
            total = 0.0
            for c in range(len(part)):
                total += np.float64(part[c]) * unit
            projection[row, block] = total / math.sqrt(len(part))


@compiled("reassoc", "contract")
def _distances_up_to(points, index, pairs, unit, enough):
    """|a - b|^2 of each pair in float64, or any part of it that is more than ``enough``."""
    squared = np.zeros(len(pairs))
    for n in range(len(pairs)):
        a, b = points[index[pairs[n, 0]]], points[index[pairs[n, 1]]]
        for first in range(0, len(a), 256):
            left, right = a[first : first + 256], b[first : first + 256]
            total = 0.0
            for c in range(len(left)):
                difference = (np.float64(left[c]) - np.float64(right[c])) * unit
                total += difference * difference
            squared[n] += total
            if squared[n] > enough:
                break
    return squared


@compiled()
def _add_pairs(pairs, squared, limits, starts, stops, exponents, sums):
    """Kernels of some pairs, where they are not negligible, to both of their rows."""
    for n in range(len(pairs)):
        i, j = pairs[n]
        kind = 0 if starts[i] <= j < stops[i] else 1
        for r in range(len(exponents)):
            if squared[n] > limits[r]:
                break
            kernel = 2.0 ** (exponents[r] * squared[n])
            sums[kind, r, i] += kernel
            sums[kind, r, j] += kernel
