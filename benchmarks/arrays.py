"""The activations that are measured: seeded, float32, made of NumPy alone."""

import numpy as np

from iblib.datasets import binary_patterns

NOISE_LENGTH = 0.1  # square root of the noise variance that the KDE works use


def twelve_bit_layer(*widths: int) -> tuple[np.ndarray, np.ndarray]:
    """Last layer of a random tanh network on the 12-bit task: (4096, widths[-1]), 2 classes."""
    inputs = 2.0 * binary_patterns.patterns() - 1.0
    # a little of each row's own, so that no two rows agree: a rule and not a noise
    inputs += 0.05 * np.sin(np.outer(np.arange(len(inputs)), np.sqrt(np.arange(2, 14))))
    return _tanh_net(inputs, widths), binary_patterns.labels()


def tanh_layer(n_samples: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A tanh layer on Gaussian inputs: (n_samples, width), 2 classes; for any n_samples."""
    inputs = np.random.default_rng(n_samples).normal(size=(n_samples, 12))
    return _tanh_net(inputs, (width,)), (inputs.sum(1) > 0).astype(np.int64)


def _tanh_net(layer: np.ndarray, widths: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(12)
    for width in widths:
        weights = rng.normal(size=(layer.shape[1], width)) / np.sqrt(layer.shape[1])
        layer = np.tanh(1.5 * layer @ weights)
    return layer.astype(np.float32)


def conv_layer(
    n_samples: int, n_filters: int, height: int, width: int, n_classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """ReLU of smooth random maps around a map of the class: (n_samples, filters height width).

    The amplitude puts the nearest two samples about as near as a small trained network's: squared
    distances of 30 at d = 1024, of 3000 at d = 32768.
    """
    rng = np.random.default_rng((n_samples, n_filters, height, width))
    y = np.arange(n_samples) % n_classes
    coarse = (n_filters, height // 4, width // 4)
    maps = rng.normal(size=(n_classes, *coarse))[y] + rng.normal(size=(n_samples, *coarse))
    up, across = _interpolation(height), _interpolation(width)
    t = np.empty((n_samples, n_filters, height, width), dtype=np.float32)
    for sample, coarse_map in enumerate(maps):
        t[sample] = np.maximum(0.6 * (up @ coarse_map @ across.T) - 0.1, 0.0)
    return t.reshape(n_samples, -1), y


def _interpolation(size: int) -> np.ndarray:
    """Linear interpolation from size / 4 points to size points, (size, size / 4)."""
    places = np.linspace(0.0, size // 4 - 1.0, size)
    return np.maximum(1.0 - np.abs(places[:, None] - np.arange(size // 4)), 0.0)


def clusters(
    n_samples: int, dimension: int, *, apart: bool, n_classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Classes collapsed to clusters that ride on a common pattern of -1 and 1.

    Within a cluster squared distances are about 2 noise variances. The centres lie 3 noise lengths
    from each other, so that every pair counts, or with ``apart`` far away: a tenth of each centre's
    signs differ from the pattern.
    """
    rng = np.random.default_rng((n_samples, dimension))
    y = np.arange(n_samples) % n_classes
    centres = np.tile(rng.choice([-1.0, 1.0], size=dimension), (n_classes, 1))
    if apart:
        centres *= np.where(rng.random(centres.shape) < 0.1, -1.0, 1.0)
    # two independent vectors of length a lie sqrt(2) a from each other
    directions = rng.normal(size=centres.shape) / np.sqrt(dimension)
    centres += 3 * NOISE_LENGTH / np.sqrt(2) * directions
    t = np.empty((n_samples, dimension), dtype=np.float32)
    for sample, label in enumerate(y):
        t[sample] = centres[label] + NOISE_LENGTH * rng.normal(size=dimension) / np.sqrt(dimension)
    return t, y
