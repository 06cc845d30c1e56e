"""float32 products with a bound on their error, and what both proofs of far pairs share."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from iblib.estimators._parallel import compiled, in_threads, sixteenths
from iblib.estimators.rows import Rows

NEGLIGIBLE = 1e-10  # of a row's sum of kernels, which is at least 1
FEW = 1 / 16  # share of near pairs up to which they are computed one by one
_ENOUGH = 2e-4  # largest error of a kernel's exponent: 3e-4 bits
_STRETCH = 128  # coordinates of one product: bounds its rounding, whatever the order of its sums


def reach_of(n_samples: int, rate: float) -> float:
    """Squared distance beyond which all of a row's kernels together stay below `NEGLIGIBLE`."""
    return math.log(n_samples / NEGLIGIBLE) / max(rate, 1e-300)


class Float32Products:
    """Squared distances of one part, float32, with a bound on their error."""

    def __init__(self, rows: Rows):
        self._points = rows.scaled(torch.float32, centred=True)
        points, parts = self._points.numpy(), sixteenths(rows.n_samples)
        norms = np.concatenate(in_threads(lambda part: _squared_norms(points[part]), parts))
        self._norms = torch.from_numpy(norms.astype(np.float32))
        # n terms added to a sum, in any order, are off by at most n 2^-24 times the sum of their
        # magnitudes and its own, each below |a|^2 + |b|^2; adding the stretches rounds as often as
        # there are; norms and centred points are rounded once (the mean is one number for all rows,
        # so that centring itself errs by 2^-53 of the result). The last term is for underflow.
        stretches = -(-rows.dimension // _STRETCH)
        units = 2 * min(_STRETCH, rows.dimension) + 2 * stretches + 16
        self.errors = units * 2.0**-24 * (norms + norms.max())  # (P,) the largest of each row
        self.errors += rows.dimension * 2.0**-120 * bool(norms.max() > 0)
        if not self._is_float32():
            self.errors[:] = np.inf

    def _is_float32(self) -> bool:
        """False where torch multiplies float32 with fewer digits, as it may be told to."""
        few = slice(0, min(8, len(self._points)))
        exact = self._points[few].to(torch.float64)
        squared = (exact[:, None] - exact[None]).square().sum(2).numpy()
        return bool((abs(self.tile(few, few).numpy() - squared) <= self.errors[few, None]).all())

    def tile(self, i: slice, j: slice) -> torch.Tensor:
        """(h, w), clipped at 0, and 0 from a row to itself."""
        squared = self._norms[i, None] + self._norms[None, j]
        for first in range(0, self._points.shape[1], _STRETCH):
            part = self._points[:, first : first + _STRETCH]
            squared.addmm_(part[i], part[j].T, alpha=-2.0)
        if i == j:
            squared.diagonal().zero_()
        return squared.clamp_(min=0.0)


def is_enough(parts: Sequence[Rows], rate: float | None, errors: np.ndarray) -> bool:
    """True where the points are float32, and kernels of such distances right to 3e-4 bits."""
    if rate is None or any(rows.points.dtype != torch.float32 for rows in parts):
        return False
    return 4.0 * rate * float(errors.max()) < _ENOUGH


@compiled("reassoc", "contract")
def _squared_norms(points):
    norms = np.empty(len(points))
    for row in range(len(points)):
        values, total = points[row], 0.0
        for c in range(len(values)):
            total += np.float64(values[c]) * np.float64(values[c])
        norms[row] = total
    return norms


@compiled()
def add_pairs(pairs, squared, starts, stops, exponent, sums):
    """Kernels of some pairs, to both of their rows."""
    for n in range(len(pairs)):
        i, j = pairs[n]
        kind = 0 if starts[i] <= j < stops[i] else 1
        for which in range(2):
            kernel = 2.0 ** (exponent * squared[n] * (4.0 if which == 0 else 1.0))
            sums[kind, which, i] += kernel
            sums[kind, which, j] += kernel


@compiled("reassoc", "contract")
def add_squared_distances(points, index, rows, columns, unit, squared):
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
