"""Squared distances as matrix products: |a|^2 + |b|^2 - 2 a.b, exact where it matters.

In float64, of centred rows; pairs for which the subtraction cancels are computed again, from the
points as given. The relative error of a distance is about 1e-8 or better, equal rows are exactly 0
apart, and nothing is negative.
"""

import numpy as np
import torch

from iblib.estimators._engine.rows import Rows

CANCELLATION = 1e-7  # below this share of |a|^2 + |b|^2 a product has lost too many digits
_PAIRS = 2**22  # coordinates that may be gathered for pairs computed one by one


class ExactTiles:
    """Tiles of squared distances between rows, in units of scale^2, float64.

    Cost: one float64 copy of the points; O(h w d) time a tile of h rows and w columns.
    """

    dtype, size = np.dtype(np.float64), 256  # rows and columns of a tile

    def __init__(self, rows: Rows):
        self._rows = rows
        self._points = rows.scaled(torch.float64, centred=True)
        self._norms = torch.linalg.vector_norm(self._points, dim=1).square_()

    def tile(self, i: slice, j: slice) -> torch.Tensor:
        """(h, w) squared distances of rows i to rows j, to be overwritten at will."""
        points, norms = self._points, self._norms
        squared, near = _product(points[i], points[j], norms[i], norms[j])
        diagonal = i.start - j.start
        if -squared.shape[0] < diagonal < squared.shape[1]:
            squared.diagonal(diagonal).zero_()
            near.diagonal(diagonal).fill_(False)
        if near.any():  # from the points as given: centring has rounded what lies far from the mean
            _recompute(squared, near, self._rows.as_given(i), self._rows.as_given(j))
        return squared


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
