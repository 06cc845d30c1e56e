"""The values that errors are differences from: float64, direct differences, nothing clever."""

import numpy as np
import torch

from benchmarks.formulas import entropy, kraskov_entropy

_BLOCK = 64  # rows of distances at once


def prepare(threads: int) -> None:
    """Before the first operation."""
    torch.set_num_threads(threads)


def values(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """All values of all three estimators, bits."""
    return _distance_values(t, y, settings) | _binning_values(t, y, settings)


def _distance_values(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    x = torch.from_numpy(t).to(torch.float64)
    labels = torch.from_numpy(y)
    factors = {"upper": 2.0, "lower": 8.0}
    log_mean = {(b, own): torch.empty(len(x)).double() for b in factors for own in (False, True)}
    radii = {own: torch.empty(len(x)).double() for own in (False, True)}
    for start in range(0, len(x), _BLOCK):
        block = slice(start, start + _BLOCK)
        distance = torch.cdist(
            x[block], x, compute_mode="donot_use_mm_for_euclid_dist"
        )  # (block, P)
        other = labels[block, None] != labels[None, :]
        for own in (False, True):
            seen = distance.masked_fill(other, torch.inf) if own else distance
            radii[own][block] = torch.kthvalue(seen, settings["k"] + 1, dim=1).values
            n_seen = torch.isfinite(seen).sum(1)
            for bound, factor in factors.items():
                kernel = torch.exp(-seen.square() / (factor * settings["noise_variance"]))
                log_mean[bound, own][block] = torch.log2(kernel.sum(1) / n_seen)
    return _kde_values(log_mean) | _kraskov_values(radii, y, t.shape[1], settings["k"])


def _kde_values(log_mean: dict) -> dict:
    named = {}
    for bound in ("upper", "lower"):
        whole, own = log_mean[bound, False], log_mean[bound, True]
        named |= {f"kde.xt_{bound}": -float(whole.mean())}
        named |= {f"kde.ty_{bound}": float((own - whole).mean())}
    return named


def _kraskov_values(radii: dict, y: np.ndarray, dimension: int, k: int) -> dict:
    h_t = kraskov_entropy(radii[False].numpy(), dimension, k)
    within = 0.0
    for label in np.unique(y):
        own = radii[True].numpy()[y == label]
        within += len(own) / len(y) * kraskov_entropy(own, dimension, k)
    return {"kraskov.h_t": h_t, "kraskov.ty": h_t - within}


def _binning_values(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    rows = [np.floor(row / settings["width"]).astype(np.int64).tobytes() for row in t]

    def entropy_of(symbols: list) -> float:
        table: dict = {}
        for symbol in symbols:
            table[symbol] = table.get(symbol, 0) + 1
        return entropy(np.array(list(table.values())))

    pairs = list(zip(rows, y.tolist(), strict=True))
    h_t = entropy_of(rows)
    return {"binning.xt": h_t, "binning.ty": h_t + entropy_of(y.tolist()) - entropy_of(pairs)}
