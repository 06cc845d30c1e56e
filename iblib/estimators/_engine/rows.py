"""The rows that are compared, sorted by class, and what is collected for each of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
import torch

from iblib.estimators import _checks
from iblib.estimators._engine.threads import compiled, in_threads, runs_compiled, sixteenths


@dataclass(frozen=True)
class Rows:
    """Points as given, with the order that sorts them by class.

    Everything below speaks of rows *in that order*: a class is then one range of rows, and sums
    over a sample's own class are sums over a range.
    """

    points: torch.Tensor  # (P, d) float32 or float64, in the caller's order
    largest: float  # largest magnitude among the points
    order: torch.Tensor | None  # (P,) row -> index of the point; None: already sorted
    bounds: tuple[int, ...]  # L + 1: class c holds rows bounds[c] up to bounds[c + 1]

    @property
    def n_samples(self) -> int:
        return self.points.shape[0]

    @property
    def dimension(self) -> int:
        return self.points.shape[1]

    @cached_property
    def scale(self) -> float:
        """The power of two by which `scaled` divides: largest magnitude about 2^40.

        The division is exact, and squares then fit float32 at any unit of the points. Clamped below
        so that the factor's inverse is an ordinary float64 number.
        """
        if self.largest == 0.0:
            return 1.0
        return 2.0 ** max(-960, math.frexp(self.largest)[1] - 40)

    def scaled(self, dtype: torch.dtype, centred: bool = False) -> torch.Tensor:
        """(P, d) copy of the points over `scale`, sorted by class; centred in float64."""
        if not runs_compiled(self.points):
            points = self.as_given(slice(None))
            return (points - points.mean(0) if centred else points).to(dtype)
        points, unit = self.points.numpy(), 1.0 / self.scale
        mean = self._mean if centred else np.zeros(self.dimension)
        copy = torch.empty_like(self.points, dtype=dtype)
        target = copy.numpy()
        parts = sixteenths(self.n_samples)
        in_threads(lambda rows: _shift(points, self.index[rows], mean, unit, target[rows]), parts)
        return copy

    def as_given(self, rows: slice) -> torch.Tensor:
        """(h, d) float64 copy of some rows over `scale`, not centred: exact but for underflow."""
        some = self.points[rows if self.order is None else self.order[rows]]
        return some.to(torch.float64) * (1.0 / self.scale)

    @cached_property
    def _mean(self) -> np.ndarray:
        """(d,) mean of the points over `scale`."""
        points, parts = self.points.numpy(), sixteenths(self.n_samples)
        sums = in_threads(lambda rows: _column_sums(points[rows], 1.0 / self.scale), parts)
        return sum(sums) / self.n_samples

    def spread(self) -> float:
        """Summed population variance of all units, in units of scale^2."""
        if not runs_compiled(self.points):
            points = self.as_given(slice(None))
            return float((points - points.mean(0)).square_().sum()) / self.n_samples
        points, mean, parts = self.points.numpy(), self._mean, sixteenths(self.n_samples)
        sums = in_threads(lambda rows: _deviations(points[rows], mean, 1.0 / self.scale), parts)
        return sum(sums) / self.n_samples

    @cached_property
    def class_ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """(P,) first row, and last row + 1, of each row's own class."""
        bounds = np.asarray(self.bounds)
        sizes = np.diff(bounds)
        return np.repeat(bounds[:-1], sizes), np.repeat(bounds[1:], sizes)

    @cached_property
    def index(self) -> np.ndarray:
        """(P,) row -> index of the point."""
        return np.arange(self.n_samples) if self.order is None else self.order.cpu().numpy()

    def spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Classes among rows start..stop: (class, first row, last row + 1), ascending."""
        for label, (first, last) in enumerate(pairwise(self.bounds)):
            if first < stop and last > start:
                yield label, max(start, first), min(stop, last)


@dataclass(frozen=True)
class RowStatistics:
    """What one pass over all distances leaves of each row; NumPy, float64, rows sorted by class.

    ``sums_...`` are for each rate the sums of exp(-4 rate D) and of exp(-rate D) over the columns,
    the row itself included (an engine has one sum for each kernel); ``nearest_...`` the squared
    distance to the k-th neighbour, the row itself not counted, infinite where there is none.
    Squared distances D are in units of the rows' scale^2, rates in its inverse.
    """

    sums_all: np.ndarray  # (n_rates, 2, P)
    sums_own: np.ndarray  # (n_rates, 2, P)
    nearest_all: np.ndarray | None  # (P,); None for k = 0
    nearest_own: np.ndarray | None


def sort_rows(points: _checks.Points, codes: torch.Tensor, counts: Sequence[int]) -> Rows:
    """Sort by class: ``codes`` are (P,) int64, 0..L-1, ``counts`` the sizes of these classes."""
    order = None
    if len(counts) > 1:
        order = torch.from_numpy(np.argsort(codes.cpu().numpy(), kind="stable")).to(codes.device)
    return Rows(points.values, points.largest, order, (0, *accumulate(counts)))


def one_group(points: _checks.Points) -> Rows:
    """All rows as a single class, in their own order."""
    return sort_rows(points, torch.empty(0), (points.values.shape[0],))


@compiled()
def _column_sums(points, unit):
    """Sum of each column times the unit, float64."""
    sums = np.zeros(points.shape[1])
    for row in range(len(points)):
        values = points[row]
        for c in range(len(values)):
            sums[c] += values[c] * unit
    return sums


@compiled()
def _shift(points, index, mean, unit, copy):
    """copy[i] = points[index[i]] * unit - mean, in float64 until it is stored."""
    for row in range(len(index)):
        values, target = points[index[row]], copy[row]
        for c in range(len(values)):
            target[c] = np.float64(values[c]) * unit - mean[c]


@compiled("reassoc", "contract")
def _deviations(points, mean, unit):
    """Sum of (points * unit - mean)^2, float64."""
    total = 0.0
    for row in range(len(points)):
        values, squares = points[row], 0.0
        for c in range(len(values)):
            deviation = values[c] * unit - mean[c]
            squares += deviation * deviation
        total += squares
    return total
