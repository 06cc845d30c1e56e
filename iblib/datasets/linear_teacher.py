"""Gaussian inputs and a noisy linear teacher: the case whose information is known exactly."""

import numpy as np

from iblib.config import key_of
from iblib.datasets.base import SPLITS, DataError, Dataset

N_INPUTS = 100


def teacher(
    seed: int = 0, *, n_inputs: int = N_INPUTS, n_relevant: int | None = None, snr: float = 1.0
) -> np.ndarray:
    """Weights of the teacher y = x w + noise, for inputs x ~ N(0, I / n_inputs), noise N(0, 1).

    (n_inputs,) float64, drawn from a normal distribution, then scaled so that the signal's variance
    |w|^2 / n_inputs is exactly ``snr`` times the noise's. Only the first ``n_relevant`` inputs, all
    by default, have a weight. DataError unless that is in 1..n_inputs, and ``snr`` > 0.
    """
    n_relevant = n_inputs if n_relevant is None else n_relevant
    if not 1 <= n_relevant <= n_inputs:
        raise DataError(f"n_relevant must be in 1..{n_inputs}; got {n_relevant}")
    if not snr > 0:
        raise DataError(f"snr must be positive; got {snr}")
    weights = np.random.default_rng([seed, 0]).normal(size=n_inputs)
    weights[n_relevant:] = 0
    return weights * np.sqrt(snr * n_inputs / (weights @ weights))


def load(
    seed: int = 0,
    *,
    n_training: int = 100,
    n_validation: int = 100,
    n_test: int = 1000,
    n_inputs: int = N_INPUTS,
    n_relevant: int | None = None,
    snr: float = 1.0,
) -> Dataset:
    """Samples of the teacher: inputs (n, n_inputs) and targets (n, 1), float32, no classes.

    Training, validation and test samples come in this order. Each split has a random stream of its
    own: more test samples leave the training samples as they are. The others are as in ``teacher``;
    ``n_relevant=30`` leaves 70 irrelevant inputs (Saxe et al. 2018, sections 3 and 4).
    """
    counts = dict(zip(SPLITS, (n_training, n_validation, n_test), strict=True))
    if min(counts.values()) < 1:
        raise DataError(f"each split needs a sample; got {counts}")
    weights = teacher(seed, n_inputs=n_inputs, n_relevant=n_relevant, snr=snr)
    parts = []
    for k, n in enumerate(counts.values()):
        random = np.random.default_rng((seed, 1 + k))
        x = random.normal(scale=n_inputs**-0.5, size=(n, n_inputs))
        parts.append((x, x @ weights[:, None] + random.normal(size=(n, 1))))
    inputs, targets = (np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True))
    relevant = n_relevant or n_inputs
    about = f"{relevant} of {n_inputs} inputs relevant, SNR {snr:g} (seed {seed})"
    return Dataset(
        name="linear_teacher",
        inputs=inputs,
        labels=targets,
        classes=(),
        split=np.repeat(SPLITS, list(counts.values())),
        ids=np.arange(len(inputs)),
        fingerprint=key_of("linear_teacher", seed, counts, n_inputs, relevant, snr),
        source=f"linear teacher, {about}",
    )
