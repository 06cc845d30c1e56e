"""Sums and neighbours in torch operations, block of rows by block: any device, any dimension.

What runs on a GPU, and the second opinion on the compiled engine: the same tests run both.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch

from iblib.estimators._engine import products
from iblib.estimators._engine.rows import Rows, RowStatistics

_VALUES_CPU = 2**18  # values per tile: three of these stay in a core's cache
_VALUES_DEVICE = 2**24  # a GPU's launch costs as much as a CPU's small tile
_STRETCH = 256  # columns summed in the tile's own precision
# exp(-80) = 2e-35 vanishes beside a row's own term, 1; smaller float32 numbers are slow denormals
_NEGLIGIBLE = -80.0


def block_statistics(
    rows: Rows, dtype, rates: np.ndarray, k: int, is_direct: bool, block: int | None = None
) -> RowStatistics:
    """Statistics of any rows, on the device of their points.

    Parameters
    ----------
    dtype : NumPy float type
        Of the direct differences.
    is_direct : bool
        Direct differences, or float64 products.
    block : int, optional
        Rows per tile; by default what fits the cache. The values do not depend on it beyond
        rounding.

    Cost: O(P^2 d) time, O(P block) memory.
    """
    n = rows.n_samples
    device = rows.points.device
    if block is None:
        block = max(1, (_VALUES_CPU if device.type == "cpu" else _VALUES_DEVICE) // n)
    sums = torch.zeros((2, len(rates), n), dtype=torch.float64, device=device)
    nearest = torch.full((2, n), torch.inf, dtype=torch.float64, device=device)
    cuts = [*range(0, n, block), n]
    dtype = torch.float32 if dtype == np.float32 else torch.float64
    tiles = _direct_tiles(rows, cuts, dtype) if is_direct else _product_tiles(rows, cuts)
    for start, stop, squared in tiles:
        for which, rate in enumerate(rates.tolist()):
            _add_kernels(squared * -rate, rows, start, stop, sums[:, which])
        if k:
            squared.diagonal(start).fill_(torch.inf)  # a row is not its own neighbour
            _find_nearest(squared, rows, start, stop, k, nearest)
    own, everything = sums.cpu().numpy()
    if not k:
        return RowStatistics(everything, own, None, None)
    own_nearest, nearest_all = nearest.cpu().numpy()
    return RowStatistics(everything, own, nearest_all, own_nearest)


def _direct_tiles(rows: Rows, cuts: list[int], dtype) -> Iterator[tuple]:
    columns = rows.scaled(dtype).T.contiguous()  # (d, P): one coordinate of all rows together
    height = max(stop - start for start, stop in pairwise(cuts))
    squared_buffer = columns.new_empty(height, rows.n_samples)
    difference_buffer = torch.empty_like(squared_buffer)
    for start, stop in pairwise(cuts):
        squared = squared_buffer[: stop - start].zero_()
        difference = difference_buffer[: stop - start]
        for column in columns:
            torch.sub(column[start:stop, None], column[None, :], out=difference)
            squared.addcmul_(difference, difference)
        yield start, stop, squared


def _product_tiles(rows: Rows, cuts: list[int]) -> Iterator[tuple]:
    tiles = products.ExactTiles(rows)
    for start, stop in pairwise(cuts):
        yield start, stop, tiles.tile(slice(start, stop), slice(0, rows.n_samples))


def _add_kernels(exponents, rows: Rows, start: int, stop: int, sums) -> None:
    kernels = exponents.clamp_(min=_NEGLIGIBLE).exp_()
    own, everything = sums
    everything[start:stop] = _row_sums(kernels)
    for label, first, last in rows.spans(start, stop):
        left, right = rows.bounds[label : label + 2]
        own[first:last] = _row_sums(kernels[first - start : last - start, left:right])


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


def _find_nearest(squared, rows: Rows, start: int, stop: int, k: int, nearest) -> None:
    own, everything = nearest
    everything[start:stop] = _kth_of_rows(squared, k)
    for label, first, last in rows.spans(start, stop):
        left, right = rows.bounds[label : label + 2]
        own[first:last] = _kth_of_rows(squared[first - start : last - start, left:right], k)


def _kth_of_rows(squared: torch.Tensor, k: int) -> torch.Tensor:
    """The k-th smallest of each row, infinite where there are fewer (the diagonal is)."""
    if squared.shape[1] < k:
        return torch.full_like(squared[:, 0], torch.inf, dtype=torch.float64)
    smallest = torch.topk(squared, k, dim=1, largest=False, sorted=False).values
    return smallest.amax(1).to(torch.float64)
