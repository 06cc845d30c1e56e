"""Stratified 80/10/10 splits of one's own."""

import numpy as np
import pandas as pd

from iblib.datasets.base import DataError

FEWEST = 3  # members of a class, so that each set holds one


def stratified(labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Split names with every class at 80/10/10, as nearly as its members allow.

    ``labels`` (n,) are the classes; returned are ``training``, ``validation`` or ``test`` (n,). One
    fold of ten is the test set, the next the validation set. A class with fewer than ten members
    makes as many folds as it has, so that each set holds it; DataError if it has fewer than three.
    Equal seed, equal split.
    """
    from sklearn.model_selection import StratifiedKFold

    sizes = pd.Series(labels).value_counts(sort=False)
    if not len(sizes) or sizes.min() < FEWEST:
        few = ", ".join(f"{name!r} ({n})" for name, n in sizes[sizes < FEWEST].items()) or "none"
        raise DataError(f"a split needs {FEWEST} clips in each class; add clips to: {few}")
    folds = StratifiedKFold(min(10, int(sizes.min())), shuffle=True, random_state=seed)
    held_out = [rows for _, rows in folds.split(np.zeros(len(labels)), labels)]
    split = np.full(len(labels), "training", dtype="<U10")
    split[held_out[0]], split[held_out[1]] = "test", "validation"
    return split
