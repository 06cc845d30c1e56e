"""Pairwise-distance bounds on I(X;T) and I(T;Y) for T = h(X) + Gaussian noise (KDE)."""

import math
from dataclasses import dataclass

import numpy as np

from iblib.estimators import _checks
from iblib.estimators._engine import pairwise
from iblib.estimators._engine.rows import Rows, RowStatistics, sort_rows


@dataclass(frozen=True)
class KDEInformation:
    """What `information` returns; bits, unclipped."""

    xt_upper: float
    xt_lower: float
    ty_upper: float
    ty_lower: float
    n_samples: int
    saturated: bool  # xt_upper is within 1 % of log2 P: it says only that all samples differ


def information(t, y, *, noise_variance: float = 0.01) -> KDEInformation:
    noise_variance = _checks.positive("noise_variance", noise_variance)
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples, points.values.device)
    rows = sort_rows(points, labels.codes, labels.counts)
    return from_statistics(rows, pairwise.row_statistics(rows, [rate(rows, noise_variance)]))


def rate(rows: Rows, noise_variance: float) -> float:
    """1 / (8 s^2) in units of 1 / scale^2: the lower bound's kernel; the upper's has 4 times it."""
    # The cap keeps 0 * rate = 0 where the unit overflows; no nonzero distance feels it.
    return min(rows.scale * rows.scale / noise_variance / 8.0, 1e300)


def from_statistics(rows: Rows, found: RowStatistics) -> KDEInformation:
    """The four values from each row's kernel sums, narrow (upper) and wide (lower)."""
    starts, stops = rows.class_ranges
    log_all = np.log2(found.sums_all[0] / rows.n_samples)
    log_own = np.log2(found.sums_own[0] / (stops - starts))
    xt_upper, xt_lower = (0.0 - float(x) for x in log_all.mean(1))
    # the difference row by row: equal terms cancel exactly, and ty <= H(Y) survives
    ty_upper, ty_lower = (float(x) for x in (log_own - log_all).mean(1))
    n = rows.n_samples
    saturated = n > 1 and xt_upper > 0.99 * math.log2(n)
    return KDEInformation(xt_upper, xt_lower, ty_upper, ty_lower, n, saturated)
