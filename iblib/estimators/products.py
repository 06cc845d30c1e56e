"""Squared distances as matrix products: |a|^2 + |b|^2 - 2 a.b, exact where it matters.

In float64, of centred rows; pairs for which the subtraction cancels are computed again, from the
points as given. The relative error of a distance is about 1e-8 or better, equal rows are exactly 0
apart, and nothing is negative.
"""

from collections.abc import Sequence
from itertools import repeat

import torch

from iblib.estimators import direct
from iblib.estimators._parallel import in_threads
from iblib.estimators.rows import Rows, RowStatistics

CANCELLATION = 1e-7  # below this share of |a|^2 + |b|^2 a product has lost too many digits
_TILE = 256  # rows and columns of a tile
_PAIRS = 2**22  # coordinates that may be gathered for pairs computed one by one


class ExactTiles:
    """Tiles of squared distances between rows, in units of scale^2, float64.

    Of several ``parts`` (the filters of a layer) the squared distances are added: they are then
    those between the parts side by side. All parts must have the same order and scale.

    Cost: one float64 copy of the points; O(h w d) time a tile of h rows and w columns.
    """

    def __init__(self, parts: Sequence[Rows]):
        self._parts = parts
        self._points = [rows.scaled(torch.float64, centred=True) for rows in parts]
        self._norms = [torch.linalg.vector_norm(p, dim=1).square_() for p in self._points]

    def tile(self, i: slice, j: slice) -> torch.Tensor:
        """(h, w) squared distances of rows i to rows j, to be overwritten at will."""
        total, *others = map(self._tile_of, range(len(self._parts)), repeat(i), repeat(j))
        for tile in others:
            total += tile
        return total

    def _tile_of(self, part: int, i: slice, j: slice) -> torch.Tensor:
        points, norms = self._points[part], self._norms[part]
        squared, near = _product(points[i], points[j], norms[i], norms[j])
        diagonal = i.start - j.start
        if -squared.shape[0] < diagonal < squared.shape[1]:
            squared.diagonal(diagonal).zero_()
            near.diagonal(diagonal).fill_(False)
        if near.any():  # from the points as given: centring has rounded what lies far from the mean
            rows = self._parts[part]
            _recompute(squared, near, rows.as_given(i), rows.as_given(j))
        return squared


def statistics(parts: Sequence[Rows], rate: float | None, k: int) -> RowStatistics:
    """Statistics of many-dimensional rows; of several parts, those of the parts side by side.

    Cost: O(P^2 d) time, each pair once; O(P) memory beside a float64 copy of the points.
    """
    rows = parts[0]
    accumulators = direct.Accumulators(rows.n_samples, rate, k)
    add_tiles(ExactTiles(parts), rows, tile_pairs(rows.n_samples), accumulators)
    return accumulators.statistics()


def add_tiles(tiles, rows: Rows, pairs, accumulators: direct.Accumulators) -> None:
    """Compute the tiles of ``pairs``, of float64 or less, and add them."""

    def visit(group: int) -> None:
        for i, j in pairs[group :: len(accumulators)]:
            tile = tiles.tile(i, j).to(torch.float64).numpy()
            direct.add_tile(tile, i.start, j.start, rows, accumulators, group)

    in_threads(visit, range(len(accumulators)))


def tile_pairs(n_samples: int) -> list[tuple[slice, slice]]:
    """Blocks of rows and of columns: each pair of rows in exactly one tile, or in a square."""
    starts = range(0, n_samples, _TILE)
    blocks = [slice(start, min(start + _TILE, n_samples)) for start in starts]
    return [(i, j) for n, i in enumerate(blocks) for j in blocks[: n + 1]]


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
