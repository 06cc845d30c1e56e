"""infomeasure's discrete and Kozachenko-Leonenko entropies, all rows and then each class."""

import infomeasure
import numpy as np

from benchmarks.formulas import information


def binning(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """Plug-in entropies of the binned rows."""

    def symbol_entropy(rows: np.ndarray) -> float:
        bins = np.floor(rows / settings["width"]).astype(np.int32)
        return float(infomeasure.entropy(bins, approach="discrete", base=2))

    h_t, ty = information(symbol_entropy, t, y)
    return {"binning.xt": h_t, "binning.ty": ty}


def kraskov(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """Euclidean distances and no added noise, as the others."""

    def neighbour_entropy(rows: np.ndarray) -> float:
        options = {"k": settings["k"], "minkowski_p": 2, "noise_level": 0}
        return float(infomeasure.entropy(rows, approach="kl", base=2, **options))

    h_t, ty = information(neighbour_entropy, t, y)
    return {"kraskov.h_t": h_t, "kraskov.ty": ty}
