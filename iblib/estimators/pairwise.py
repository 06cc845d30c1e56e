"""Squared distances between all rows, one tile at a time, shared by the KDE and Kraskov.

Rows are sorted by class, so that the columns of a row's own class are one contiguous range of the
tile. A tile is ``(block, P)``: memory is O(P block) beside one working copy of the points.

Precision policy
----------------
- d <= 16, float32 (or narrower) input: direct differences in float32. The difference of two float32
  numbers is within 2^-24 of the truth *relative to itself*, wherever the origin is, so no digit is
  lost to an offset: each distance has a relative error below (d + 2) 2^-24, about 1e-6 at d = 16.
- d <= 16, float64 or wide integer input, or float32 whose nonzero magnitudes span more than 2^79
  (their squares would leave the range of float32): the same differences in float64.
- d > 16: float64 products of the centred rows, |a|^2 + |b|^2 - 2ab. Pairs closer than
  1e-7 (|a|^2 + |b|^2), where the subtraction cancels, are computed again: by direct differences,
  or, if they are many, as a product centred on one of them. Relative error about 1e-8 or better.
- Always: the diagonal is exactly 0, equal rows are exactly 0 apart, nothing is negative; points are
  scaled by a power of two (exact), so that H(aT) and I(aT) keep their digits at any scale.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

DIRECT_DIMENSION = 16  # up to here differences cost no more than a matrix product
CANCELLATION = 1e-7  # below this share of |a|^2 + |b|^2 a product has lost too many digits
_FLOAT32_SPAN = 2.0**79
_TILE_DIRECT = 2**18  # values per tile: three of these stay in a core's cache
_TILE_PRODUCT = 2**20  # larger: a matrix product wants more rows at once
_TILE_DEVICE = 16  # times larger on a GPU, where each launch costs as much as a CPU's tile
_PAIRS = 2**22  # coordinates that may be gathered for pairs computed one by one


@dataclass(frozen=True)
class Rows:
    """Points ready for distances: sorted by class, scaled, in the dtype of the policy above."""

    points: torch.Tensor  # (P, d); true value = points * scale (+ a common offset if d > 16)
    scale: float  # a power of two
    bounds: tuple[int, ...]  # L + 1: class c holds rows bounds[c] up to bounds[c + 1]

    @property
    def n_samples(self) -> int:
        return self.points.shape[0]

    @property
    def dimension(self) -> int:
        return self.points.shape[1]

    @property
    def n_classes(self) -> int:
        return len(self.bounds) - 1

    def spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Classes among rows start..stop: (class, first row, last row + 1), ascending."""
        label = bisect_right(self.bounds, start) - 1
        while label < self.n_classes and self.bounds[label] < stop:
            yield label, max(start, self.bounds[label]), min(stop, self.bounds[label + 1])
            label += 1


@dataclass(frozen=True)
class Tile:
    """Squared distances (in units of scale^2) of rows start..stop to all rows; read only."""

    start: int
    stop: int
    squared: torch.Tensor  # (stop - start, P)


def sort_rows(points: torch.Tensor, codes: torch.Tensor, counts: Sequence[int]) -> Rows:
    """Sort by class and bring to the working precision.

    Parameters
    ----------
    points : (P, d) float32 or float64 tensor, finite
    codes : (P,) int64 tensor, 0..L-1
    counts : L class sizes, in the order of the codes
    """
    bounds = [0]
    for count in counts:
        bounds.append(bounds[-1] + count)
    if len(counts) > 1:
        points = points[torch.argsort(codes, stable=True)]
    exponent = _exponent(points)
    scaled = _scaled(points, 2.0**-exponent)
    return Rows(scaled, 2.0**exponent, tuple(bounds))


def one_group(points: torch.Tensor) -> Rows:
    """All rows as a single class, in their own order."""
    return sort_rows(points, torch.empty(0), (points.shape[0],))


def _exponent(points: torch.Tensor) -> int:
    """The power of two that brings the largest magnitude to about 2^40: squares then fit float32.

    Clamped so that the factor and its inverse are ordinary float64 numbers.
    """
    low, high = torch.aminmax(points)
    largest = max(abs(float(low)), abs(float(high)))
    if largest == 0.0:
        return 0
    return max(-960, min(960, math.frexp(largest)[1] - 40))


def _scaled(points: torch.Tensor, factor: float) -> torch.Tensor:
    working = points.to(torch.float64, copy=True).mul_(factor)
    if points.shape[1] > DIRECT_DIMENSION:
        return working.sub_(working.mean(0))
    if points.dtype == torch.float32 and _fits_float32(points):
        return working.to(torch.float32)
    return working


def _fits_float32(points: torch.Tensor) -> bool:
    magnitude = points.abs().to(torch.float64)
    smallest = torch.where(magnitude > 0, magnitude, torch.inf).min()
    return bool(magnitude.max() < smallest * _FLOAT32_SPAN) or not bool(magnitude.any())


def sweep(rows: Rows, consumers: Sequence, block: int | None = None) -> None:
    """Compute each tile once and hand it to every consumer's ``add(tile)``.

    Cost: O(P^2 d) time, O(P block) memory.
    """
    for tile in tiles(rows, block):
        for consumer in consumers:
            consumer.add(tile)


def tiles(rows: Rows, block: int | None = None) -> Iterator[Tile]:
    """Tiles of all squared distances, from the first row to the last.

    Parameters
    ----------
    block : int, optional
        Rows per tile; by default what fits the cache. The values do not depend on it beyond
        rounding. A tile is overwritten by the next one.
    """
    direct = rows.dimension <= DIRECT_DIMENSION
    if block is None:
        size = _TILE_DIRECT if direct else _TILE_PRODUCT
        if rows.points.device.type != "cpu":
            size *= _TILE_DEVICE
        block = max(1, size // rows.n_samples)
    starts = range(0, rows.n_samples, block)
    compute = _direct_tiles if direct else _product_tiles
    yield from compute(rows, [*starts, rows.n_samples])


def _direct_tiles(rows: Rows, cuts: list[int]) -> Iterator[Tile]:
    columns = rows.points.T.contiguous()  # (d, P): one coordinate of all rows is contiguous
    height = max(stop - start for start, stop in pairwise(cuts))
    squared_buffer = columns.new_empty(height, rows.n_samples)
    difference_buffer = torch.empty_like(squared_buffer)
    for start, stop in pairwise(cuts):
        squared = squared_buffer[: stop - start].zero_()
        difference = difference_buffer[: stop - start]
        for column in columns:
            torch.sub(column[start:stop, None], column[None, :], out=difference)
            squared.addcmul_(difference, difference)
        yield Tile(start, stop, squared)


def _product_tiles(rows: Rows, cuts: list[int]) -> Iterator[Tile]:
    points = rows.points
    norms = torch.linalg.vector_norm(points, dim=1).square_()  # (P,), no (P, d) temporary
    for start, stop in pairwise(cuts):
        squared, near = _product(points[start:stop], points, norms[start:stop], norms)
        squared.diagonal(start).zero_()
        near.diagonal(start).fill_(False)
        _recompute(squared, near, points[start:stop], points)
        yield Tile(start, stop, squared)


def _product(a, b, norms_a, norms_b) -> tuple[torch.Tensor, torch.Tensor]:
    """|a|^2 + |b|^2 - 2ab clipped at 0, and where it has cancelled."""
    squared = torch.addmm(norms_b[None, :], a, b.T, alpha=-2.0).add_(norms_a[:, None])
    near = squared < CANCELLATION * (norms_a[:, None] + norms_b[None, :])
    return squared.clamp_(min=0.0), near


def _recompute(squared, near, a, b) -> None:
    """Replace the cancelled entries of ``squared`` (in place; ``near`` is used up).

    Few pairs: direct differences. Many (clusters much tighter than their distance from the mean):
    take one of them as the new origin, where the same product no longer cancels, cluster by cluster
    and, within a cluster, again where needed.
    """
    n_near = int(near.sum())
    if n_near * a.shape[1] <= _PAIRS:
        i, j = near.nonzero(as_tuple=True)
        squared[i, j] = (a[i] - b[j]).square_().sum(1)
        return
    while n_near:
        pivot = int(near.any(1).to(torch.uint8).argmax())
        j = near[pivot].nonzero()[:, 0]
        i = near[:, j].any(1).nonzero()[:, 0]
        squared[i[:, None], j] = _around(a[pivot], a[i], b[j])
        near[i[:, None], j] = False
        n_near = int(near.sum())


def _around(origin, a, b) -> torch.Tensor:
    a, b = a - origin, b - origin
    squared, near = _product(a, b, a.square().sum(1), b.square().sum(1))
    _recompute(squared, near, a, b)
    return squared
