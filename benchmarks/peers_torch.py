"""The naive KDE on torch: one float32 product of all rows with all rows."""

import numpy as np
import torch


def prepare(threads: int) -> None:
    """Before the first operation."""
    torch.set_num_threads(threads)


def kde(t: np.ndarray, y: np.ndarray, settings: dict) -> dict:
    """All four values from one float32 matrix of squared distances; exp once for each bound."""
    x, labels = torch.from_numpy(t), torch.from_numpy(y)
    norms = x.square().sum(1)
    squared = (norms[:, None] + norms[None, :] - 2.0 * x @ x.T).clamp(min=0.0)
    values = {}
    for bound, factor in (("upper", 2.0), ("lower", 8.0)):
        kernel = torch.exp(-squared / (factor * settings["noise_variance"]))
        xt = -torch.log2(kernel.mean(1)).mean()
        within = torch.zeros(())
        for label in torch.unique(labels):
            rows = (labels == label).nonzero()[:, 0]
            own = kernel[rows[:, None], rows]
            within -= len(rows) / len(x) * torch.log2(own.mean(1)).mean()
        values |= {f"kde.xt_{bound}": float(xt), f"kde.ty_{bound}": float(xt - within)}
    return values
