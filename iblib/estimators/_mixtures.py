"""The one integral of `exact` without a closed form: what a Gaussian mixture's value tells."""

from dataclasses import dataclass

import numpy as np

# A component is integrated over 12 standard deviations; what lies outside weighs 1e-32. Panels one
# deviation wide with 20 Gauss-Legendre nodes leave an error below 1e-10.
_CUTS = np.arange(-12.0, 13.0)
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)
_BLOCK = 2**16  # nodes times components held at once


@dataclass(frozen=True)
class Mixture:
    """Components that occur, each array (n,); means relative to the mixture's own."""

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray

    def component_entropy(self) -> float:
        """Entropy of the value when the component is known, bits."""
        return float(self.weights @ np.log2(self.deviations * np.sqrt(2 * np.pi * np.e)))

    def information(self) -> float:
        """I(component; value), bits.

        The panels end at whole deviations of every component, so that none is wider than the
        narrowest component that has mass in it.
        """
        cuts = np.unique(self.means[:, None] + self.deviations[:, None] * _CUTS)
        middles, halves = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts) / 2
        n_panels = max(1, _BLOCK // (len(_NODES) * len(self.means)))
        total = 0.0
        for start in range(0, len(middles), n_panels):
            half = halves[start : start + n_panels, None]
            values = middles[start : start + n_panels, None] + half * _NODES
            total += float(np.sum(half * _NODE_WEIGHTS * self._integrand(values)))
        return total / np.log(2)

    def _integrand(self, values: np.ndarray) -> np.ndarray:
        """sum_c w_c N_c ln(N_c / p) at each value, nats."""
        z = (values[..., None] - self.means) / self.deviations  # (..., n)
        log_parts = -0.5 * z * z - np.log(self.deviations * np.sqrt(2 * np.pi))  # ln N_c
        log_total = np.logaddexp.reduce(log_parts + np.log(self.weights), axis=-1)  # ln p
        return np.exp(log_parts) * (log_parts - log_total[..., None]) @ self.weights


def checked(weights: np.ndarray, means, variances) -> Mixture:
    """The mixture of ``weights`` (probabilities), or a ValueError; components of weight 0 go."""
    means = np.asarray(means, dtype=np.float64)
    if weights.ndim != 1 or means.shape != weights.shape:
        raise ValueError(f"means must match weights; got shapes {means.shape}, {weights.shape}")
    variances = np.asarray(variances, dtype=np.float64)
    if variances.shape not in ((), means.shape):
        raise ValueError(f"variances must match weights; got shape {variances.shape}")
    if not (np.isfinite(means).all() and np.isfinite(variances).all() and (variances > 0).all()):
        raise ValueError("means must be finite, variances positive and finite; got others")
    there = weights > 0
    deviations = np.sqrt(np.broadcast_to(variances, means.shape))[there]
    return Mixture(weights[there], means[there] - weights @ means, deviations)
