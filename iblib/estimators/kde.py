"""Pairwise-distance bounds on I(X;T) and I(T;Y) for T = h(X) + Gaussian noise (KDE)."""

from dataclasses import dataclass

import torch

from iblib.estimators import _checks, pairwise

_FLOAT32_RATES = (2.0**-100, 2.0**100)  # outside, rate * distance needs float64's exponent
# exp(-80) = 2e-35 vanishes beside a row's own term, 1; smaller float32 numbers are slow denormals
_NEGLIGIBLE = -80.0

_STRETCH = 256  # columns summed in the tile's own precision


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
    r"""KDE estimates of I(X;T) and I(T;Y), in bits.

    The layer is read as :math:`T = h + N(0, s^2 I)`, h the rows of ``t``. Then

    .. math:: I(X;T) \le -\frac1P \sum_i \log_2 \frac1P \sum_j e^{-|h_i - h_j|^2 / (2 s^2)}

    (`xt_upper`); with 8 s^2 in place of 2 s^2 the sum bounds it from below (`xt_lower`). The term
    i = j is included. I(T;Y) is the same minus its p(y)-weighted mean within the classes: a
    difference of two bounds, hence an estimate and no bound; `ty_upper` and `ty_lower` name the
    bound that was used.

    Parameters
    ----------
    t : (P, d) real array or tensor
        Activations, one row a sample; NumPy or torch, any device.
    y : (P,) integer, bool or string labels
    noise_variance : float, > 0
        s^2, in the squared unit of ``t``.

    Returns
    -------
    KDEInformation
        ``0 <= xt_lower <= xt_upper <= log2 P``; ``ty <= min(H(Y), xt)`` for either bound. Exactly 0
        for P = 1 and for equal rows, ``ty`` for one class.

    Raises
    ------
    TypeError
        ``t`` is not real numeric, or the labels are of no supported kind.
    ValueError
        Wrong shape, P = 0, d = 0, NaN or infinity, length mismatch, ``noise_variance <= 0``.

    Notes
    -----
    Cost: O(P^2 d) time, O(P b) memory. Distances follow the policy in `pairwise`; sums over
    samples are float64. For float32 input with d <= 16 the kernel values carry 7 digits, their
    sums and the bits about 8.

    References
    ----------
    Kolchinsky & Tracey, "Estimating mixture entropy with pairwise distances", Entropy 19 (2017)
    361, Eqs. 10 and 12 (Bhattacharyya and KL distances between equal-covariance Gaussians).

    Notebook: 04
    """
    noise_variance = _checks.positive("noise_variance", noise_variance)
    points = _checks.as_points(t)
    labels = _checks.as_labels(y, points.shape[0], points.device)
    rows = pairwise.sort_rows(points, labels.codes, labels.counts)
    sums = KernelSums(rows, noise_variance)
    pairwise.sweep(rows, [sums])
    return sums.result()


class KernelSums:
    """Collects, tile by tile, each row's kernel sum over all rows and over its own class."""

    def __init__(self, rows: pairwise.Rows, noise_variance: float):
        self._rows = rows
        unit = rows.scale * rows.scale / noise_variance
        # The cap keeps 0 * rate = 0 where unit overflows; no nonzero distance feels it.
        self._rates = {name: min(unit / c, 1e300) for name, c in (("upper", 2.0), ("lower", 8.0))}
        shape = (rows.n_samples,)
        empty = torch.empty(shape, dtype=torch.float64, device=rows.points.device)
        self._all = {name: empty.clone() for name in self._rates}
        self._own = {name: empty.clone() for name in self._rates}

    def add(self, tile: pairwise.Tile) -> None:
        """Take one tile."""
        for name, rate in self._rates.items():
            kernel = _kernel(tile.squared, rate)
            total = _row_sums(kernel)
            self._all[name][tile.start : tile.stop] = total
            if self._rows.n_classes == 1:
                self._own[name][tile.start : tile.stop] = total
            else:
                self._add_classes(self._own[name], tile.start, tile.stop, kernel)

    def _add_classes(self, own, start: int, stop: int, kernel: torch.Tensor) -> None:
        bounds = self._rows.bounds
        for label, first, last in self._rows.spans(start, stop):
            block = kernel[first - start : last - start, bounds[label] : bounds[label + 1]]
            own[first:last] = _row_sums(block)

    def result(self) -> KDEInformation:
        """The four values, once every tile has been added."""
        n_samples = self._rows.n_samples
        sizes = torch.diff(torch.tensor(self._rows.bounds))
        sizes = torch.repeat_interleave(sizes, sizes).to(self._rows.points.device)
        xt, ty = {}, {}
        for name in self._rates:
            log_all = torch.log2(self._all[name] / n_samples)
            log_own = torch.log2(self._own[name] / sizes)
            xt[name] = 0.0 - float(log_all.mean())
            # the difference row by row: equal terms cancel exactly, and ty <= H(Y) survives
            ty[name] = float((log_own - log_all).mean())
        ceiling = float(torch.log2(torch.tensor(n_samples, dtype=torch.float64)))
        saturated = n_samples > 1 and xt["upper"] > 0.99 * ceiling
        return KDEInformation(
            xt["upper"], xt["lower"], ty["upper"], ty["lower"], n_samples, saturated
        )


def _kernel(squared: torch.Tensor, rate: float) -> torch.Tensor:
    if not _FLOAT32_RATES[0] < rate < _FLOAT32_RATES[1]:
        squared = squared.to(torch.float64)
    return torch.mul(squared, -rate).clamp_(min=_NEGLIGIBLE).exp_()


def _row_sums(kernel: torch.Tensor) -> torch.Tensor:
    """Sum of each row, float64; float32 only within stretches of _STRETCH columns.

    Summing a float32 tile straight into float64 converts every element first and takes five times
    as long; within a stretch torch's pairwise float32 sum is right to 1e-7 of it.
    """
    whole = kernel.shape[1] // _STRETCH * _STRETCH
    sums = kernel[:, whole:].sum(1, dtype=torch.float64)
    if whole:
        stretches = kernel[:, :whole].unflatten(1, (-1, _STRETCH)).sum(2)
        sums += stretches.sum(1, dtype=torch.float64)
    return sums
