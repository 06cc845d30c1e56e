"""Kraskov on faiss' flat (exhaustive, float32) search."""

import faiss
import numpy as np

from benchmarks.formulas import information, kraskov_entropy


def prepare(threads: int) -> None:
    """Before the first search."""
    faiss.omp_set_num_threads(threads)


def kraskov(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """H(T) and I(T;Y): one flat index of all rows, one of each class."""
    k = settings["k"]

    def neighbour_entropy(rows: np.ndarray) -> float:
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows)
        # the nearest is the row itself; rounding can put squared distances below 0
        squared = np.maximum(index.search(rows, k + 1)[0][:, k], 0.0)
        return kraskov_entropy(np.sqrt(squared), rows.shape[1], k)

    h_t, ty = information(neighbour_entropy, t, y)
    return {"kraskov.h_t": h_t, "kraskov.ty": ty}
