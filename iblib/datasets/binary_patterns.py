"""The 12-bit task of Shwartz-Ziv and Tishby: one bit for each pattern on an icosahedron."""

import numpy as np

from iblib.config import key_of
from iblib.datasets import splits
from iblib.datasets.base import DataError, Dataset

N_BITS = 12
TRAINING_SHARE = 0.8
# Vertices joined to each vertex in graph A, and the antipodal pairs, of the icosahedron.
NEIGHBOURS = (
    (1, 3, 5, 10, 11), (0, 2, 3, 4, 11), (1, 3, 4, 8, 9), (0, 1, 2, 8, 10),
    (1, 2, 6, 9, 11), (0, 6, 7, 10, 11), (4, 5, 7, 9, 11), (5, 6, 8, 9, 10),
    (2, 3, 7, 9, 10), (2, 4, 6, 7, 8), (0, 3, 5, 7, 8), (0, 1, 4, 5, 6),
)  # fmt: skip
ANTIPODES = ((0, 9), (1, 7), (2, 5), (3, 6), (4, 10), (8, 11))
WEIGHTS = (206, 4, -44, -68)  # of n, e_A, e_B, e_Z
THRESHOLD = 859


def patterns() -> np.ndarray:
    """All patterns in ascending order: shape (4096, 12), int64 0 or 1, bit 0 most significant."""
    return np.arange(2**N_BITS)[:, None] >> np.arange(N_BITS)[::-1] & 1


def invariants(bits: np.ndarray | None = None) -> np.ndarray:
    """Counts that the label depends on: they do not change under rotations of the icosahedron.

    Of ``bits`` (n, 12), 0 or 1, by default all patterns: (n, 4) int64 of lit bits n, lit edges e_A
    of graph A, all other lit pairs e_B, lit antipodal pairs e_Z; e_A + e_B + e_Z = n (n - 1) / 2.
    """
    bits = patterns() if bits is None else np.asarray(bits, dtype=np.int64)
    adjacency = np.zeros((N_BITS, N_BITS), dtype=np.int64)
    for vertex, joined in enumerate(NEIGHBOURS):
        adjacency[vertex, list(joined)] = 1
    n = bits.sum(axis=1)
    e_a = np.einsum("ni,ij,nj->n", bits, adjacency, bits) // 2
    e_z = sum(bits[:, i] * bits[:, j] for i, j in ANTIPODES)
    return np.stack([n, e_a, n * (n - 1) // 2 - e_a - e_z, e_z], axis=1)


def labels(bits: np.ndarray | None = None) -> np.ndarray:
    """Label of each pattern: 1 iff 206 n + 4 e_A - 44 e_B - 68 e_Z > 859; shape (n,), int64.

    Over all patterns p(y = 1) = 0.51709 and H(Y) = 0.99916 bits. After Shwartz-Ziv and Tishby 2017,
    arXiv:1703.00810.
    """
    return (invariants(bits) @ np.array(WEIGHTS) > THRESHOLD).astype(np.int64)


def load(seed: int = 0, *, training_share: float = TRAINING_SHARE) -> Dataset:
    """The task as a data set: inputs (4096, 12) float32 of 0 and 1, in ascending order.

    The 80/10/10 split (``seed``) is shuffled and stratified: an unshuffled one has p(y = 1) = 0.437
    in training and 0.836 in test. A ``training_share`` below 0.8 trains on a stratified part of the
    same training rows; the others join the test rows, and the data set is called
    ``binary_patterns_<percent>``.
    """
    from sklearn.model_selection import train_test_split

    if not 0 < training_share <= TRAINING_SHARE:
        raise DataError(f"training_share must be in (0, {TRAINING_SHARE}]; got {training_share}")
    bits, y = patterns(), labels()
    split = splits.stratified(y, seed=seed)
    name, settings, note = "binary_patterns", [seed], ""
    if training_share < TRAINING_SHARE:
        name += f"_{100 * training_share:g}"
        settings.append(training_share)
        note = f", {training_share:.0%} for training"
        rows, n = np.flatnonzero(split == "training"), round(training_share * len(y))
        rows = train_test_split(rows, train_size=n, stratify=y[rows], random_state=seed)
        split[rows[1]] = "test"
    return Dataset(
        name=name,
        inputs=bits.astype(np.float32),
        labels=y,
        classes=("0", "1"),
        split=split,
        ids=np.arange(len(bits)),
        fingerprint=key_of("binary_patterns", *settings),
        source=f"12-bit task of Shwartz-Ziv and Tishby, 4096 patterns{note} (split seed {seed})",
    )
