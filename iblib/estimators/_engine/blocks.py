"""Sums and neighbours in torch operations, block of rows by block: any device, any dimension.

What runs on a GPU, and the second opinion on the compiled engine: the same tests run both.
"""

from functools import partial
from itertools import pairwise

import numpy as np
import torch

from iblib.estimators._engine.rows import Rows, RowStatistics

_VALUES_CPU = 2**18  # values per tile: three of these stay in a core's cache
_VALUES_DEVICE = 2**24  # a GPU's launch costs as much as a CPU's small tile
_STRETCH = 256  # columns summed in the tile's own precision
# exp(-80) = 2e-35 vanishes beside a row's own term, 1; smaller float32 numbers are slow denormals
_NEGLIGIBLE = -80.0


class DirectTiles:
    """Tiles of squared distances between rows by direct differences, as `direct`'s."""

    def __init__(self, points: torch.Tensor):
        self._columns = points.T.contiguous()  # (d, P): one coordinate of all rows together

    def tile(self, i: slice, j: slice) -> torch.Tensor:
        """(h, w) squared distances of rows i to rows j, to be overwritten at will."""
        squared = 0.0
        for column in self._columns:
            squared += (column[i, None] - column[None, j]).square_()
        return squared


def block_statistics(
    rows: Rows, tiles, rates: np.ndarray, k: int, block: int | None = None
) -> RowStatistics:
    """Statistics of any rows, on the device of their points.

    ``tiles.tile(i, j)`` gives squared distances, to be overwritten; ``block`` is the number of rows
    of a tile, by default what fits the cache. The values do not depend on it beyond rounding.
    Cost: O(P^2 d) time, O(P block) memory.
    """
    n, device = rows.n_samples, rows.points.device
    if block is None:
        block = max(1, (_VALUES_CPU if device.type == "cpu" else _VALUES_DEVICE) // n)
    sums = torch.zeros((2, len(rates), n), dtype=torch.float64, device=device)
    nearest = torch.full((2, n), torch.inf, dtype=torch.float64, device=device)
    for start, stop in pairwise([*range(0, n, block), n]):
        squared = tiles.tile(slice(start, stop), slice(0, n))
        for which, rate in enumerate(rates.tolist()):
            kernels = (squared * -rate).clamp_(min=_NEGLIGIBLE).exp_()
            _reduce(kernels, rows, start, stop, _row_sums, sums[:, which])
        if k:
            squared.diagonal(start).fill_(torch.inf)  # a row is not its own neighbour
            _reduce(squared, rows, start, stop, partial(_kth_of_rows, k=k), nearest)
    own, everything = sums.cpu().numpy()
    if not k:
        return RowStatistics(everything, own, None, None)
    own_nearest, nearest_all = nearest.cpu().numpy()
    return RowStatistics(everything, own, nearest_all, own_nearest)


def _reduce(tile, rows: Rows, start: int, stop: int, of_rows, target) -> None:
    """Keep what ``of_rows`` makes of the tile's rows, among their own class and among all."""
    own, everything = target
    everything[start:stop] = of_rows(tile)
    for label, first, last in rows.spans(start, stop):
        left, right = rows.bounds[label : label + 2]
        own[first:last] = of_rows(tile[first - start : last - start, left:right])


def _row_sums(kernels: torch.Tensor) -> torch.Tensor:
    """Sum of each row, float64; float32 only within stretches of _STRETCH columns.

    Summing a float32 tile straight into float64 converts every element first and takes five times
    as long; within a stretch torch's pairwise float32 sum is right to 1e-7 of it.
    """
    whole = kernels.shape[1] // _STRETCH * _STRETCH
    sums = kernels[:, whole:].sum(1, dtype=torch.float64)
    if whole:
        stretches = kernels[:, :whole].unflatten(1, (-1, _STRETCH)).sum(2)
        sums += stretches.sum(1, dtype=torch.float64)
    return sums


def _kth_of_rows(squared: torch.Tensor, k: int) -> torch.Tensor:
    """The k-th smallest of each row, infinite where there are fewer (the diagonal is)."""
    if squared.shape[1] < k:
        return torch.full_like(squared[:, 0], torch.inf, dtype=torch.float64)
    smallest = torch.topk(squared, k, dim=1, largest=False, sorted=False).values
    return smallest.amax(1).to(torch.float64)
