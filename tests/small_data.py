"""Small data sets for tests: rows whose content tells their label."""

import numpy as np

from iblib.datasets.base import Dataset


def pattern_data(n: int = 128, n_classes: int = 2, seed: int = 0) -> Dataset:
    """Vectors of 12 numbers; the label is how many of the first coordinates are positive."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12)).astype(np.float32)
    y = (x[:, : n_classes - 1] > 0).sum(axis=1).astype(np.int64)
    return _dataset("patterns", x, y, n_classes, seed)


def picture_data(n: int = 48, n_classes: int = 4, size=(32, 40), seed: int = 0) -> Dataset:
    """Pictures (1, height, width) of noise around the class number."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    x = rng.normal(scale=0.3, size=(n, 1, *size)) + y[:, None, None, None]
    return _dataset("pictures", x.astype(np.float32), y, n_classes, seed, standardise=True)


def _dataset(name, x, y, n_classes, seed, standardise=False) -> Dataset:
    split = np.array(["training", "training", "training", "validation", "test"] * len(y))[: len(y)]
    return Dataset(
        name=name,
        inputs=x,
        labels=y,
        classes=tuple(f"class {c}" for c in range(n_classes)),
        split=split,
        ids=np.arange(len(y)),
        fingerprint=f"{name}-{len(y)}-{n_classes}-{seed}",
        source=f"{name} for tests",
        standardise=standardise,
    )
