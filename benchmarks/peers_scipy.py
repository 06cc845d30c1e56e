"""Kraskov on scipy's k-d tree."""

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.formulas import information, kraskov_entropy


def kraskov(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """H(T) and I(T;Y): one tree of all rows, one of each class."""
    k = settings["k"]

    def neighbour_entropy(rows: np.ndarray) -> float:
        # the nearest is the row itself
        radii = cKDTree(rows).query(rows, k=[k + 1], workers=settings["threads"])[0]
        return kraskov_entropy(radii[:, 0], rows.shape[1], k)

    h_t, ty = information(neighbour_entropy, t, y)
    return {"kraskov.h_t": h_t, "kraskov.ty": ty}
