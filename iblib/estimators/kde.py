"""Pairwise-distance bounds on I(X;T) and I(T;Y) for T = h(X) + Gaussian noise (KDE)."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from iblib.estimators import _checks
from iblib.estimators._engine import pairwise
from iblib.estimators._engine.rows import Rows, RowStatistics, sort_rows
from iblib.estimators.binning import is_saturated

_CONSTANT = 1e-5  # RMS distance over the largest magnitude, below which a layer has no shape
_RESOLUTIONS = np.outer(0.05 * 2.0 ** np.arange(6), [1.0, math.sqrt(2.0)]).ravel()[:-1]


@dataclass(frozen=True)
class KDEInformation:
    """What `information` returns for one noise; bits, unclipped."""

    xt_upper: float
    xt_lower: float
    ty_upper: float
    ty_lower: float
    n_samples: int
    saturated: bool  # xt_upper is within 1 % of log2 P: it says only that all samples differ
    noise_variance: float  # s^2
    resolution: float | None  # None where s^2 was given
    degenerate: bool  # a resolution of a constant layer: all bits are 0


def information(
    t,
    y,
    *,
    noise_variance: float | Sequence[float] | None = None,
    resolution: float | Sequence[float] | None = None,
    scale: str = "rms",
) -> KDEInformation | tuple[KDEInformation, ...]:
    """KDE estimates of I(X;T) and I(T;Y), in bits.

    The layer is read as T = h + N(0, s^2 I), h the rows of ``t``. Then

        I(X;T) <= -mean_i log2 mean_j exp(-|h_i - h_j|^2 / (2 s^2))

    (`xt_upper`); with 8 s^2 in place of 2 s^2 the sum bounds it from below (`xt_lower`). The term
    i = j is included. I(T;Y) is the same minus its p(y)-weighted mean within the classes: a
    difference of two bounds, hence an estimate and no bound; `ty_upper` and `ty_lower` name the
    bound that was used. Errors as `binning.information`, for noises and resolutions as for widths.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device.
    y : (P,) integer, bool or string labels
    noise_variance : float or sequence of float, > 0, optional
        s^2, in the squared unit of ``t``; 0.01 where no resolution is given either.
    resolution : float or sequence of float, > 0, optional
        s over the layer's own scale, so that I(cT) = I(T + b) = I(TQ) = I(T) for a rotation Q.
    scale : {"rms", "median"}
        That scale: the root mean square distance of two rows, whose square is twice the summed
        population variance of the units; or the median non-zero distance, which outliers leave
        alone.

    Returns
    -------
    KDEInformation, or a tuple of them
        One for one number; for sequences, or both arguments, a tuple: fixed noises first.
        ``0 <= xt_lower <= xt_upper <= log2 P``; ``ty <= min(H(Y), xt)`` for either bound. Exactly 0
        for P = 1 and for equal rows, ``ty`` for one class. A constant layer (RMS distance at most
        1e-5 of the largest magnitude) has no shape that a resolution could show: 0, ``degenerate``.

    Notes
    -----
    Compare values at equal P only: where most samples differ they follow log2 P. At a small
    resolution in many dimensions I(T;Y) is mostly small-sample bias; subtract what shuffled labels
    give.

    Cost: O(P^2 d) time, once for all noises, O(P) memory for each beside a copy of the points;
    scale "median" holds P^2 / 2 distances. Distances follow the policy in `pairwise`; sums over
    samples are float64. For float32 input with d <= 16 the kernel values carry 7 digits, their sums
    and the bits about 8.

    References
    ----------
    Kolchinsky & Tracey, "Estimating mixture entropy with pairwise distances", Entropy 19 (2017)
    361, Eqs. 10 and 12 (Bhattacharyya and KL distances between equal-covariance Gaussians).

    Notebook: 04
    """
    if noise_variance is None and resolution is None:
        noise_variance = 0.01
    wanted = checked_noises(noise_variance, resolution, scale)
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples, points.values.device)
    found, _ = of_rows(sort_rows(points, labels.codes, labels.counts), *wanted)
    one_kind = noise_variance is None or resolution is None
    is_number = one_kind and np.ndim(noise_variance) == np.ndim(resolution) == 0
    return found[0] if is_number else found


def curve(t, y, resolutions: Sequence[float] | None = None, *, scale: str = "rms") -> pd.DataFrame:
    """I(X;T) and I(T;Y) as functions of the resolution: one row each, from one pass.

    Columns: resolution, noise_variance, xt_upper, xt_lower, ty_upper, ty_lower (bits), degenerate.
    Without ``resolutions`` they are 0.05 to 1.6 in steps of sqrt 2. The lower bound at r is the
    upper one at 2 r, so a change counts that shows at both. Arguments, errors, cost and what to
    beware of as in `information`.
    """
    given = _RESOLUTIONS if resolutions is None else np.ravel(resolutions)
    found = information(t, y, resolution=given, scale=scale)
    columns = ("resolution", "noise_variance", "xt_upper", "xt_lower", "ty_upper", "ty_lower")
    return pd.DataFrame(map(asdict, found), columns=[*columns, "degenerate"])


def checked_noises(noise_variance, resolution, scale: str) -> tuple[list[float], list[float], str]:
    """The arguments of `information` as lists."""
    if scale not in ("rms", "median"):
        raise ValueError(f"scale must be 'rms' or 'median'; got scale={scale!r}")
    asked = {"noise_variance": noise_variance, "resolution": resolution}
    fixed, relative = (
        [_checks.positive(name, one) for one in np.ravel([] if given is None else given).tolist()]
        for name, given in asked.items()
    )
    return fixed, relative, scale


def of_rows(
    rows: Rows, noises: list[float], resolutions: list[float], scale: str, k: int = 0
) -> tuple[tuple[KDEInformation, ...], RowStatistics]:
    """The values at each noise, then at each resolution, and the statistics they come from."""
    unit, n = rows.scale * rows.scale, rows.n_samples
    length, constant = _length(rows, scale) if resolutions else (0.0, False)
    variances = [one * length * one * length for one in resolutions]
    # 1 / (8 s^2) over scale^2: the lower bound's kernel, the upper's has 4 times that
    rates = [unit / one / 8.0 for one in noises]
    rates += [] if constant else [0.125 / max(one, 1e-300) for one in variances]
    # Where the unit leaves the numbers the limits keep kernels of 0 and of infinity what they are.
    rates = [min(max(one, 1e-300), 1e300) for one in rates]
    found = pairwise.row_statistics(rows, rates, k)
    starts, stops = rows.class_ranges
    log_all = np.log2(found.sums_all / n)
    log_own = np.log2(found.sums_own / (stops - starts))
    # the difference row by row: equal terms cancel exactly, and ty <= H(Y) survives
    bits = np.hstack([0.0 - log_all.mean(2), (log_own - log_all).mean(2)]).tolist()
    bits += [[0.0] * 4] * len(resolutions) if constant else []
    about = [(one, None, False) for one in noises]
    about += [(v * unit, r, constant) for v, r in zip(variances, resolutions, strict=True)]
    results = [
        KDEInformation(*values, n, is_saturated(values[0], n), *noise)
        for values, noise in zip(bits, about, strict=True)
    ]
    return tuple(results), found


def _length(rows: Rows, scale: str) -> tuple[float, bool]:
    """The rows' own scale in units of theirs, and whether the layer is constant."""
    length = math.sqrt(2.0 * rows.spread())
    constant = length * rows.scale <= _CONSTANT * rows.largest
    if scale == "median" and not constant:
        length = pairwise.median_distance(rows)
    return length, constant
