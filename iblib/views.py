"""Views: which random variable T a layer's activations (P, ...) are turned into."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

VIEWS = ("layer", "filter", "filter_mean", "spatial_mean", "token", "token_mean", "pca")


@dataclass(frozen=True)
class View:
    """One T of a layer."""

    name: str  # one of VIEWS
    channel: int  # filter or position, or -1 where the view is of the whole layer
    values: np.ndarray  # (P, d)


def views_of(
    activations: np.ndarray, names: Sequence[str] = ("layer",), *, n_components: int = 3
) -> Iterator[View]:
    """Views of one layer's activations.

    ========================  ==============================================  ===========
    view                      T                                               d
    ========================  ==============================================  ===========
    ``layer``                 everything the layer says, flattened            C H W
    ``filter``                one feature map; one view per filter            H W
    ``filter_mean``           one map's mean; one view per filter             1
    ``spatial_mean``          all maps' means: what average pooling passes    C
    ``token``                 one position of a sequence; one view for each   d
    ``token_mean``            the mean over the positions of a sequence       d
    ``pca``                   first principal components of ``layer``         n_components
    ========================  ==============================================  ===========

    A layer without maps, shape (P, d) or (P,), has only ``layer`` and ``pca``; ``token`` and
    ``token_mean`` are of layers (P, T, d). The other names give nothing for it.

    Parameters
    ----------
    activations : ndarray, shape (P,), (P, d), (P, T, d) or (P, C, ...)
    names : sequence of str
    n_components : int
        Components of ``pca``, fewer where the layer has fewer.

    Raises
    ------
    ValueError
        For an unknown name, or activations without a sample axis.
    """
    if activations.ndim == 0:
        raise ValueError("activations must have shape (P, ...); got a single number")
    if unknown := [name for name in names if name not in VIEWS]:
        raise ValueError(f"views must be among {VIEWS}; got {unknown[0]!r}")
    t = activations if activations.ndim > 1 else activations[:, None]
    for name in names:
        yield from _one_kind(t, name, n_components)


def _one_kind(t: np.ndarray, name: str, n_components: int) -> list[View]:
    if name == "layer":
        return [View(name, -1, t.reshape(len(t), -1))]
    if name == "pca":
        return [View(name, -1, principal_components(t.reshape(len(t), -1), n_components))]
    tokens = name.startswith("token")
    if t.ndim < 3 or (tokens and t.ndim > 3):
        return []
    parts = t if tokens else t.reshape(*t.shape[:2], -1)  # (P, T, d), or (P, C, H W)
    if name in ("token", "filter"):
        return [View(name, i, parts[:, i]) for i in range(parts.shape[1])]
    with np.errstate(invalid="ignore"):  # infinities of a network that diverged
        means = parts.mean(axis=1 if tokens else 2, dtype=np.float64)
    if name == "filter_mean":
        return [View(name, c, means[:, c : c + 1]) for c in range(means.shape[1])]
    return [View(name, -1, means)]


# Above this many dimensions the Gram matrix is summed in float32 (relative error about 1e-6).
_FLOAT64_DIMENSION = 4096
_LARGEST = 1e15  # squares of larger values, summed over a layer, leave float32


def has_diverged(t: np.ndarray) -> bool:
    """Whether floats are infinite, not numbers, or too large to be squared and summed."""
    return t.dtype.kind == "f" and not (t.min() > -_LARGEST and t.max() < _LARGEST)


def principal_components(t: np.ndarray, n_components: int) -> np.ndarray:
    """Scores on the first principal components, shape (P, min(n_components, P, d)), float64.

    By the smaller of covariance (d x d) and Gram matrix (P x P), so that a conv layer costs
    ``O(P^2 d)``. A component's sign is arbitrary; no estimator here depends on it except binning
    anchored at 0, so the largest loading sample is made positive.
    """
    if has_diverged(t):  # it has no directions
        return np.full((len(t), min(n_components, *t.shape)), np.nan)
    dtype = np.float64 if t.shape[1] <= _FLOAT64_DIMENSION else np.float32
    t = (t - t.mean(axis=0, dtype=np.float64).astype(dtype)).astype(dtype, copy=False)
    n, wide = min(n_components, *t.shape), t.shape[1] > t.shape[0]
    matrix = (t @ t.T if wide else t.T @ t).astype(np.float64)
    values, vectors = eigh(matrix, subset_by_index=[len(matrix) - n, len(matrix) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]  # falling
    scores = vectors * np.sqrt(np.maximum(values, 0)) if wide else t @ vectors
    largest = np.abs(scores).argmax(axis=0)
    return scores * np.where(scores[largest, np.arange(n)] < 0, -1.0, 1.0)
