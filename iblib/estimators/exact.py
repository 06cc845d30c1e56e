"""Information without bins and without a bound: of the rows as they are, of the integers that a
small device keeps, of a network with noise of its own.
"""

import math
import operator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import cdist

from iblib.estimators import _checks
from iblib.estimators._engine.symbols import Bins, counts_of, row_symbols
from iblib.estimators.binning import Saturation, entropies, uniform_edges


@dataclass(frozen=True)
class ExactInformation(Saturation):
    """What `exact_information` returns; bits."""

    xt: float
    ty: float
    n_distinct: int  # different rows
    n_samples: int


@dataclass(frozen=True)
class MixtureInformation:
    """What `mixture_information` returns; bits, with standard errors."""

    xt: float
    ty: float
    xt_error: float
    ty_error: float
    n_draws: int


def exact_information(t, y) -> ExactInformation:
    """I(X;T) = H(T) and I(T;Y) of the rows as they are: rows differ where a value differs; bits.

    Exact where ``t`` has one row for *every* input of a finite set, all equally likely: what any
    decoder could still tell apart. Of a sample it is log2 P wherever all rows differ, says nothing,
    and is ``saturated``. Scaling T changes nothing.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Compared by value and without rounding, 64-bit integers too; -0.0 equals 0.0.
    y : (P,) integer, bool or string labels

    Returns
    -------
    ExactInformation
        ``0 <= ty <= min(H(Y), xt)``, ``xt <= log2 P``.

    Raises
    ------
    TypeError, ValueError
        As `binning.information`.

    Notes
    -----
    Compute activations in float64, and send only the distinct rows of a layer on to the next: the
    last digits of a matrix product may depend on a row's place in the batch. Cost: O(P d) time.

    References
    ----------
    Cover & Thomas, Elements of Information Theory, Eqs. 2.1 and 2.28.
    """
    values = _checks.unchecked_points(_split_integers(t))
    labels = _checks.as_labels(y, values.shape[0], values.device)
    symbols, _ = row_symbols(values, Bins())
    counts = counts_of(symbols)
    return ExactInformation(*entropies(symbols, counts, labels), len(counts), len(symbols))


def _split_integers(t):
    """64-bit integers as pairs of 32-bit ones, which no float rounds; anything else as it is."""
    if isinstance(t, torch.Tensor):
        if t.dtype not in (torch.int64, torch.uint64):
            return t
        t = t.cpu().numpy()
    array = _checks.plain_array("t", t)
    if array.dtype.kind in "iu" and array.itemsize == 8 and array.ndim == 2:
        return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).view(np.int32)
    return array


def quantise(t, bits: int = 8, range=None) -> np.ndarray:
    r"""The integers that a layer becomes for inference on a small device: affine quantisation.

    A value r is :math:`q = \mathrm{round}(r / S) + Z`, clipped to 0 .. 2^bits - 1, with the step
    :math:`S = (high - low) / (2^{bits} - 1)` and the zero point :math:`Z = \mathrm{round}(-low/S)`;
    ties go to the even integer. The range is extended to hold 0, which is then an integer exactly.
    `exact_information` of the result says what is left; T -> cT, c > 0, changes nothing.

    Parameters
    ----------
    t : (P, d) real array or tensor
    bits : int, 2 to 16
    range : (low, high), optional
        As calibrated, in the unit of ``t``; the extremes of ``t``, over all units, if not given.

    Returns
    -------
    (P, d) uint8 array, uint16 above 8 bits

    Raises
    ------
    TypeError, ValueError
        As `binning.information` for ``t``; other ``bits``; ``low >= high``, or a bound not finite.

    References
    ----------
    Jacob et al., CVPR 2018, arXiv:1712.05877, Eq. 1 and Sec. 3.
    """
    if not 2 <= operator.index(bits) <= 16:
        raise ValueError(f"bits must be between 2 and 16; got bits={bits}")
    values = _checks.as_points(t).values.cpu().numpy().astype(np.float64)
    low, high = (values.min(), values.max()) if range is None else uniform_edges(*range, 1)
    low, high, n_steps = min(low, 0.0), max(high, 0.0), 2**bits - 1
    # In units of the range, whose step would else be no number where the range is next to none.
    unit = -int(np.frexp(max(-low, high))[1])
    values = np.ldexp(np.clip(values, low, high), unit)
    low, high = np.ldexp(low, unit), np.ldexp(high, unit)
    step = (high - low) / n_steps or 1.0
    codes = np.rint(values / step) + np.rint(-low / step)
    return np.clip(codes, 0, n_steps).astype(np.uint8 if bits <= 8 else np.uint16)


def mixture_information(
    t, y, *, noise_variance: float, n_draws: int = 10_000, seed: int = 0
) -> MixtureInformation:
    r"""I(X;T) and I(T;Y) of T = h + N(0, s^2 I), h a row of ``t``, each as likely, in bits.

    What the KDE bounds hold between them, by Monte Carlo: the means of
    :math:`\log_2 p(t|x) / p(t)` and of :math:`\log_2 p(t|y) / p(t)` over draws of (x, t), where
    p(t) is the mixture of all P Gaussians and p(t|y) that of a class.

    Parameters
    ----------
    t : (P, d) real array or tensor
        The centres: a layer's activations before its noise, for each input.
    y : (P,) integer, bool or string labels
    noise_variance : float, > 0
        s^2, in the squared unit of ``t``.
    n_draws : int, >= 2
        The error falls as its square root.
    seed : int

    Returns
    -------
    MixtureInformation
        Unbiased, with standard errors. ``xt <= log2 P``; noise may leave a little below 0.

    Raises
    ------
    TypeError, ValueError
        As `kde.information`; ``n_draws < 2``; values beyond 1e150 standard deviations.

    Notes
    -----
    Cost: O(n_draws P min(d, P)) time, O(P d) memory and blocks of 32 MB.

    References
    ----------
    Cover & Thomas, Elements of Information Theory, Sec. 8.5; Goldfeld et al., arXiv:1810.05728.
    """
    deviation = math.sqrt(_checks.positive("noise_variance", noise_variance))
    if operator.index(n_draws) < 2:
        raise ValueError(f"n_draws must be at least 2; got n_draws={n_draws}")
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.n_samples)
    if points.largest > 1e150 * deviation:
        raise ValueError(f"t must be below 1e150 deviations of the noise; got {points.largest}")
    centres = points.values.cpu().numpy() / np.float64(deviation)
    centres -= centres.mean(0)
    n_samples = len(centres)
    if centres.shape[1] > n_samples:  # turned into the space that they span: same distances
        centres = np.linalg.qr(centres.T, mode="r").T
    classes, sizes = labels.codes.numpy(), np.array(labels.counts)
    member = np.eye(labels.n_classes)[classes]
    rng, bits = np.random.default_rng(seed), []
    block = max(1, 2**22 // max(centres.shape))
    while n_draws > 0:
        own = rng.integers(n_samples, size=min(block, n_draws))
        n_draws -= len(own)
        # differences, not products: near centres far from the others keep their digits
        noisy = centres[own] + rng.standard_normal((len(own), centres.shape[1]))
        half = cdist(noisy, centres, "sqeuclidean") / 2
        nearest = half.min(1)
        sums = np.exp(nearest[:, None] - half) @ member  # of each class
        log_all = np.log2(sums.sum(1) / n_samples)
        log_own = np.log2(sums[np.arange(len(own)), classes[own]] / sizes[classes[own]])
        to_own = (nearest - half[np.arange(len(own)), own]) / math.log(2)
        bits.append([to_own - log_all, log_own - log_all])
    found = np.concatenate(bits, axis=1)
    errors = found.std(1, ddof=1) / math.sqrt(found.shape[1])
    return MixtureInformation(*found.mean(1).tolist(), *errors.tolist(), found.shape[1])
