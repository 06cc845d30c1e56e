"""Squared distances as sums of squared differences: for rows of few dimensions."""

import numpy as np

from iblib.estimators._engine.threads import compiled


class DirectTiles:
    """Tiles of squared distances between the rows of ``points``, in their dtype.

    Cost: a copy of the points; O(h w d) time a tile of h rows and w columns.
    """

    size = 384  # rows and columns of a tile: fewer calls, still near the core

    def __init__(self, points: np.ndarray):
        self.dtype = points.dtype
        # rows are taken two at a time, coordinates four; zero coordinates add nothing
        self._points = np.pad(points, ((0, 1), (0, -points.shape[1] % 4)))

    def tile(self, i: slice, j: slice) -> np.ndarray:
        """(h, w) squared distances of rows i to rows j, to be overwritten at will."""
        height, width = i.stop - i.start, j.stop - j.start
        tile = np.empty((height + height % 2, width), self.dtype)
        _fill(self._points[i.start :], self._points[j].T.copy(), tile)
        return tile[:height]


@compiled("contract")
def _fill(points, columns, tile):
    """tile[i, j] = |points[i] - columns[:, j]|^2; two rows, four coordinates at a time."""
    for i in range(0, len(tile), 2):
        for c in range(0, len(columns), 4):
            x = points[i, c], points[i, c + 1], points[i, c + 2], points[i, c + 3]
            y = points[i + 1, c], points[i + 1, c + 1], points[i + 1, c + 2], points[i + 1, c + 3]
            if c == 0:
                for j in range(tile.shape[1]):
                    tile[i, j] = _four(columns, c, j, x)
                    tile[i + 1, j] = _four(columns, c, j, y)
            else:
                for j in range(tile.shape[1]):
                    tile[i, j] += _four(columns, c, j, x)
                    tile[i + 1, j] += _four(columns, c, j, y)


@compiled("contract")
def _four(columns, c, j, x):
    a, b = columns[c, j] - x[0], columns[c + 1, j] - x[1]
    u, v = columns[c + 2, j] - x[2], columns[c + 3, j] - x[3]
    return (a * a + b * b) + (u * u + v * v)
