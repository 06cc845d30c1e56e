"""One pass over all squared distances: kernel sums (KDE) and nearest neighbours (Kraskov).

Precision policy
----------------
- d <= 16, float32 (or narrower) input: direct differences in float32. The difference of two float32
  numbers is within 2^-24 of the truth *relative to itself*, wherever the origin is, so no digit is
  lost to an offset: each distance has a relative error below (d + 2) 2^-24, about 1e-6 at d = 16.
- d <= 16, float64 or wide integer input, or float32 whose nonzero magnitudes span more than 2^79
  (their squares would leave the range of float32): the same differences in float64.
- d > 16: float64 products of the centred rows, the cancelled ones computed again (`products`).
  Relative error about 1e-8 or better.
- Left out: kernels that P of them cannot change a float64 sum, and in many dimensions those that a
  projection proves to be negligible (`projected`).
- Always: a row is exactly 0 from itself and, for neighbours, from its equals; nothing is negative;
  points are scaled by a power of two (exact), so that H(aT) and I(aT) keep their digits.

Engines
-------
On the CPU compiled loops (numba) and torch's matrix products; elsewhere torch operations
(`blocks`). Both use as many threads as torch may (`torch.set_num_threads`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from iblib.estimators._engine import blocks, direct, products, projected, tiles
from iblib.estimators._engine.rows import Rows, RowStatistics
from iblib.estimators._engine.threads import runs_compiled

DIRECT_DIMENSION = 16  # up to here differences cost no more than a matrix product
PROJECTED_DIMENSION = 128  # from here on a proof costs less than a product
_PROJECTED_SAMPLES = 128
_FLOAT32_SPAN = 2.0**79
_FLOAT32_RATES = (2.0**-100, 2.0**100)  # outside, rate * distance needs float64's exponent


def row_statistics(rows: Rows, rates: Sequence[float] = (), k: int = 0) -> RowStatistics:
    """Kernel sums and k-th neighbours, among all rows and among each row's own class.

    Parameters
    ----------
    rows : Rows
    rates : sequence of float, each > 0
        For each rate a pair at squared distance D (in units of scale^2) adds exp(-4 rate D) to the
        narrow sums and exp(-rate D) to the wide ones.
    k : int
        Which neighbour; 0 for none.

    Cost: O(P^2 d) time, each pair once for all rates; O(P) memory for each rate, beside a copy of
    the points.
    """
    # ascending: the widest kernel first; one that is narrow of one rate and wide of another is one
    kernels, which = np.unique(np.multiply.outer(rates, (4.0, 1.0)), return_inverse=True)
    found = _kernel_statistics(rows, kernels, k)
    which = which.reshape(-1, 2)
    return replace(found, sums_all=found.sums_all[which], sums_own=found.sums_own[which])


def _kernel_statistics(rows: Rows, kernels: np.ndarray, k: int) -> RowStatistics:
    """The same for single kernels exp(-rate D), ascending; sums are (n_kernels, P)."""
    is_compiled = runs_compiled(rows.points)
    is_large = rows.dimension >= PROJECTED_DIMENSION and rows.n_samples >= _PROJECTED_SAMPLES
    if not (len(kernels) or k):
        return RowStatistics(*np.empty((2, 0, rows.n_samples)), None, None)
    if is_large and is_compiled and not k:
        return projected.projected_statistics(rows, kernels)
    statistics = tiles.tile_statistics if is_compiled else blocks.block_statistics
    return statistics(rows, _tiles(rows, kernels), kernels, k)


def median_distance(rows: Rows) -> float:
    """The median of the distances above 0, in units of scale; O(P^2) memory."""
    source, found = _tiles(rows, np.empty(0)), []
    for i, j in tiles.tile_pairs(rows.n_samples, 256):
        squared = torch.as_tensor(source.tile(i, j)).cpu().numpy()
        found.append(squared[squared > 0] if i != j else squared[np.tril(squared, -1) > 0])
    return float(np.median(np.sqrt(np.concatenate(found, dtype=np.float64))))


def _tiles(rows: Rows, kernels: np.ndarray):
    """Where tiles of squared distances come from."""
    if rows.dimension > DIRECT_DIMENSION:
        return products.ExactTiles(rows)
    points = rows.scaled(_direct_dtype(rows, kernels))
    if runs_compiled(points):
        return direct.DirectTiles(points.numpy())
    return blocks.DirectTiles(points)


def _direct_dtype(rows: Rows, kernels: np.ndarray) -> torch.dtype:
    low, high = _FLOAT32_RATES
    in_range = ((low < kernels) & (kernels < high)).all()
    if rows.points.dtype == torch.float32 and in_range and _fits_float32(rows):
        return torch.float32
    return torch.float64


def _fits_float32(rows: Rows) -> bool:
    magnitude = np.abs(rows.points.cpu().numpy())
    smallest = np.min(magnitude, initial=np.inf, where=magnitude > 0)
    return rows.largest < float(smallest) * _FLOAT32_SPAN
