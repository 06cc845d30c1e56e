"""scikit-learn: mutual information of row codes and labels; brute-force nearest neighbours."""

import math

import numpy as np
from sklearn.metrics import mutual_info_score
from sklearn.neighbors import NearestNeighbors

from benchmarks.formulas import information, kraskov_entropy


def binning(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """`mutual_info_score` twice, of codes that a dictionary of the rows' bytes gives."""
    seen: dict[bytes, int] = {}
    bins = _bins(t, settings)
    return _scores(np.array([seen.setdefault(row.tobytes(), len(seen)) for row in bins]), y)


def binning_unique(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """The same, of codes that `numpy.unique` gives to rows as opaque values."""
    bins = _bins(t, settings)
    rows = bins.view(np.dtype((np.void, bins.itemsize * bins.shape[1]))).ravel()
    return _scores(np.unique(rows, return_inverse=True)[1], y)


def _bins(t: np.ndarray, settings: dict) -> np.ndarray:
    return np.floor(t / settings["width"]).astype(np.int32)


def _scores(codes: np.ndarray, y: np.ndarray) -> dict:
    bits = 1.0 / math.log(2)
    xt, ty = mutual_info_score(codes, codes), mutual_info_score(codes, y)
    return {"binning.xt": float(xt) * bits, "binning.ty": float(ty) * bits}


def kraskov(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """H(T) and I(T;Y) from `NearestNeighbors`, all rows and then each class."""
    k = settings["k"]

    def neighbour_entropy(rows: np.ndarray) -> float:
        search = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=settings["threads"])
        # without an argument a row is not its own neighbour
        return kraskov_entropy(search.fit(rows).kneighbors()[0][:, -1], rows.shape[1], k)

    h_t, ty = information(neighbour_entropy, t, y)
    return {"kraskov.h_t": h_t, "kraskov.ty": ty}
