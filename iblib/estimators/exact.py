"""Information of rows as they are, as small integers, or with noise: no bins, no bounds."""

import math
import operator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from iblib.estimators import _checks
from iblib.estimators._engine.symbols import Bins, counts_of, row_symbols
from iblib.estimators.binning import Saturation, entropies


@dataclass(frozen=True)
class ExactInformation(Saturation):
    """What `exact_information` returns; bits."""

    xt: float
    ty: float
    n_distinct: int  # different rows
    n_samples: int


@dataclass(frozen=True)
class MixtureInformation:
    """What `mixture_information` returns; bits, unclipped, with their standard errors."""

    xt: float
    ty: float
    xt_error: float
    ty_error: float
    n_draws: int


def exact_information(t, y) -> ExactInformation:
    """I(X;T) = H(T) and I(T;Y) of the rows as they are, in bits: what any decoder can tell apart.

    Exact where ``t`` has a row for *every* input of a finite set, all as likely. Of a sample it is
    log2 P where all rows differ, and says no more than that (``saturated``). Errors as
    `binning.information`; O(P d) time.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Compared by value without rounding; -0.0 equals 0.0. Compute it in float64, from distinct
        rows of the layer before: digits of a matrix product depend on a row's place in the batch.
    y : (P,) integer, bool or string labels

    Returns
    -------
    ExactInformation
        ``0 <= ty <= min(H(Y), xt)``, ``xt <= log2 P``.
    """
    values = _checks.unchecked_points(t, split=True)
    labels = _checks.as_labels(y, values.shape[0], values.device)
    symbols, _ = row_symbols(values, Bins())
    counts = counts_of(symbols)
    return ExactInformation(*entropies(symbols, counts, labels), len(counts), len(symbols))


def quantise(t, bits: int = 8, range=None) -> np.ndarray:
    """The integers that a layer becomes for inference on a small device: affine quantisation.

    A value r becomes round(r / S) + Z, clipped to 0 .. 2^bits - 1, with the step
    S = (high - low) / (2^bits - 1) and the zero point Z = round(-low / S); ties go to the even
    integer, and the range is extended to hold 0 (Jacob et al., CVPR 2018, arXiv:1712.05877, Eq. 1).
    `exact_information` of the codes is the same for T and c T, c > 0.

    Parameters
    ----------
    t : (P, d) real array or tensor
        As `binning.information` takes it, or its errors.
    bits : int, 2 to 16
    range : (low, high), optional
        As calibrated, finite, low < high; else the extremes of ``t`` over all units.

    Returns
    -------
    (P, d) uint8 array, uint16 above 8 bits
    """
    if not 2 <= operator.index(bits) <= 16:
        raise ValueError(f"bits must be between 2 and 16; got bits={bits}")
    values = _checks.as_points(t).values.cpu().numpy().astype(np.float64)
    low, high = (values.min(), values.max()) if range is None else _checks.bounds(range)
    low, high, n_steps = min(low, 0.0), max(high, 0.0), 2**bits - 1
    # In units of the range, whose step might else be no number.
    unit = -int(np.frexp(max(-low, high))[1])
    values = np.ldexp(np.clip(values, low, high), unit)
    low, high = np.ldexp(low, unit), np.ldexp(high, unit)
    step = (high - low) / n_steps or 1.0
    codes = np.rint(values / step) + np.rint(-low / step)
    return np.clip(codes, 0, n_steps).astype(np.uint8 if bits <= 8 else np.uint16)


def mixture_information(
    t, y, *, noise_variance: float, n_draws: int = 10_000, seed: int = 0
) -> MixtureInformation:
    """I(X;T) and I(T;Y) of T = h + N(0, s^2 I), h the rows of ``t``, each as likely, in bits.

    What the KDE bounds hold between them, by Monte Carlo: means of log2(p(t|x) / p(t)) and of
    log2(p(t|y) / p(t)) over draws of (x, t) (Goldfeld et al., arXiv:1810.05728). Errors as
    `kde.information`, and a ValueError for values beyond 1e150 standard deviations.

    Parameters
    ----------
    t : (P, d) real array or tensor
        The centres: activations before the noise, for each input.
    y : (P,) integer, bool or string labels
    noise_variance : float, > 0
        s^2, in the squared unit of ``t``.
    n_draws : int, >= 2
    seed : int

    Returns
    -------
    MixtureInformation
        ``xt <= log2 P``; a value near 0 may be a little below. O(n_draws P min(d, P)) time.
    """
    deviation = math.sqrt(_checks.positive("noise_variance", noise_variance))
    if operator.index(n_draws) < 2:
        raise ValueError(f"n_draws must be at least 2; got n_draws={n_draws}")
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples)
    if points.largest > 1e150 * deviation:
        raise ValueError(f"t must be below 1e150 deviations of the noise; got {points.largest}")
    centres = points.values.cpu().double().numpy() / deviation
    centres -= centres.mean(0)
    if centres.shape[1] > len(centres):  # turned into the space that they span: same distances
        centres = np.linalg.qr(centres.T, mode="r").T
    classes = labels.codes.numpy()
    shares = np.eye(labels.n_classes)[classes] / labels.counts  # sums over a class become its mean
    rng, bits = np.random.default_rng(seed), []
    block = max(1, 2**22 // max(centres.shape))
    for first in range(0, n_draws, block):
        own = rng.integers(len(centres), size=min(block, n_draws - first))
        # differences, not products: near centres far from the others keep their digits
        noisy = centres[own] + rng.standard_normal((len(own), centres.shape[1]))
        half = cdist(noisy, centres, "sqeuclidean") / 2
        nearest, rows = half.min(1), np.arange(len(own))
        of_classes = np.exp(nearest[:, None] - half) @ shares
        log_all = np.log2(of_classes @ labels.counts / len(centres))
        of_row = (nearest - half[rows, own]) / math.log(2)
        bits.append([of_row - log_all, np.log2(of_classes[rows, classes[own]]) - log_all])
    found = np.concatenate(bits, axis=1)
    errors = found.std(1, ddof=1) / math.sqrt(n_draws)
    return MixtureInformation(*found.mean(1).tolist(), *errors.tolist(), n_draws)
