"""Arrays that are hard to measure: what the promise of 1e-3 bit is tested on.

A pattern is a function (generator, n_samples, dimension) -> float64 array; a case is such an array
as stored (in some dtype), with labels and the settings it is measured at.
"""

import functools
from typing import NamedTuple

import estimators_reference as reference
import numpy as np

NORM = 1e3  # norms and offsets go up to here
NEAR = 1e-6  # distance of near-duplicates
CLUSTER_NOISE = 0.01  # noise variance that equals the clusters' inner squared distance
NEIGHBOURS = (1, 2, 5, 10)
DIMENSIONS = {1: 203, 2: 203, 3: 203, 10: 203, 16: 203, 17: 203, 24: 203}
DIMENSIONS |= {64: 150, 256: 277, 1024: 141, 4096: 131, 32768: 41}  # d: P


class Case(NamedTuple):
    """One array, its labels, and by the settings what each estimator has to say of it."""

    t: np.ndarray
    y: np.ndarray  # each class has more than 10 samples
    rare: np.ndarray  # the same with three classes of one sample, for KDE and binning
    kde: dict  # noise variance -> reference.KDE
    kraskov: dict  # k -> reference.Kraskov
    binning: list  # (width or edges, reference.Binning)


def tanh(rng, n, d):
    """A saturating layer: most values near -1 and 1, some of them exactly there in float32."""
    return np.tanh(rng.normal(size=(n, 12)) @ rng.normal(size=(12, d)))


def relu(rng, n, d):
    """Half zeros, the largest norm 1e3."""
    t = np.maximum(rng.normal(size=(n, 12)) @ rng.normal(size=(12, d)), 0)
    return t * (NORM / np.linalg.norm(t, axis=1).max())


def tanh_far(rng, n, d):
    """The same far from the origin, where float32 squares keep no digit of the differences."""
    return tanh(rng, n, d) + NORM


def relu_far(rng, n, d):
    """Large norms, and far from the origin in another direction for each unit."""
    return relu(rng, n, d) + NORM * np.sign(rng.normal(size=d))


def near_duplicates(rng, n, d):
    """Pairs 1e-6 apart, the pairs about 1 apart."""
    t = rng.normal(size=(n, d)) / np.sqrt(d)
    return t[np.arange(n) // 2] + NEAR * directions(rng, n, d)


def near_duplicates_far(rng, n, d):
    """The same at 1e3: the last digits of float64."""
    return near_duplicates(rng, n, d) + NORM / np.sqrt(d)


def duplicates(rng, n, d):
    """Rows that occur once, twice, up to six times: some radii are zero, which depends on k."""
    t = rng.normal(size=(n, d))
    return t[rng.permutation(np.repeat(np.arange(n), 1 + np.arange(n) % 6)[:n])]


def dead_units(rng, n, d):
    """A ReLU layer of which a third of the rows is zero altogether, of either sign."""
    t = relu(rng, n, d)
    t[::3], t[::6] = 0.0, -0.0
    return t


def clusters_on_a_pattern(rng, n, d):
    """Classes collapsed to clusters as tight as the noise, all riding on one large pattern."""
    return collapsed(rng, n, d, distance=1.0) + NORM * directions(rng, 1, d)


def clusters_far_apart(rng, n, d):
    """Clusters as tight as the noise, 1e3 from each other."""
    return collapsed(rng, n, d, distance=NORM)


def clusters_in_clusters(rng, n, d):
    """Three levels: 1e3, 1, and the noise."""
    return collapsed(rng, n, d, 1.0) + NORM * directions(rng, 3, d)[np.arange(n) % 3]


def common_level(rng, n, d):
    """Rows that differ in one number added to all units: block means keep their whole distance."""
    return rng.normal(size=(1, d)) + rng.normal(size=(n, 1)) / np.sqrt(d)


def column_scales(rng, n, d):
    """Units of very different size: 1e-6 to 1e3."""
    return rng.normal(size=(n, d)) * np.logspace(-6, 3, d) / np.sqrt(d)


def softmax(rng, n, d):
    """A confident output layer: numbers down to 1e-30 beside 1, whose squares leave float32."""
    t = np.exp(20 * rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)))
    return t / t.sum(1, keepdims=True)


def tiny_rows(rng, n, d):
    """Half of the rows 1e-30 from each other: none of them is a duplicate."""
    return rng.normal(size=(n, d)) * np.where(np.arange(n) % 2, 1, 1e-30)[:, None]


def outlier(rng, n, d):
    """One row at 1e3, which spoils every error bound that is shared by all rows."""
    t = 0.1 * rng.normal(size=(n, d)) / np.sqrt(d)
    t[n // 2] += NORM / np.sqrt(d)
    return t


def grid(rng, n, d):
    """Few different numbers: many neighbours at the same distance, rows equal where d is small."""
    return rng.integers(-2, 3, (n, d)) / 4


def on_bin_edges(rng, n, d):
    """Each two rows share their bins; values are at the lower edge, as floats are, or inside."""
    bins = (np.arange(n) // 2 - n // 4)[:, None]
    return 0.07 * (bins + rng.integers(0, 2, (n, d)) / 2)


def directions(rng, n, d):
    """(n, d) random unit vectors."""
    t = rng.normal(size=(n, d))
    return t / np.linalg.norm(t, axis=1, keepdims=True)


def collapsed(rng, n, d, distance):
    """Seven clusters on a sphere; two samples of one are about sqrt(CLUSTER_NOISE) apart."""
    inner = rng.normal(size=(n, d)) * np.sqrt(CLUSTER_NOISE / (2 * d))
    return distance * directions(rng, 7, d)[np.arange(n) % 7] + inner


ORDINARY = (tanh, relu, duplicates, grid)
LAST_DIGITS = (near_duplicates_far, clusters_on_a_pattern, clusters_in_clusters)  # of float64
PATTERNS = {
    "float64": (
        *ORDINARY,
        tanh_far,
        near_duplicates,
        near_duplicates_far,
        clusters_on_a_pattern,
        clusters_far_apart,
        clusters_in_clusters,
        common_level,
        column_scales,
        outlier,
    )
}
# Above 128 dimensions nothing branches: these stand for the others there.
ONE_OF_EACH_KIND = (relu, duplicates, near_duplicates_far, clusters_on_a_pattern, column_scales)
PATTERNS["float32"] = (*PATTERNS["float64"], relu_far, dead_units, softmax, tiny_rows)


@functools.cache  # each engine measures the same arrays, the reference runs once
def case(pattern, d: int, dtype: str = "float32", n: int | None = None) -> Case:
    """The case of a pattern; the generator's seed is d."""
    n = n or DIMENSIONS[d]
    rng = np.random.default_rng(d)
    t = pattern(rng, n, d)
    t = t.astype(dtype)
    return expected(t, labels(rng, n))


def expected(t, y) -> Case:
    """The case of an array; one noise variance and one width fit its own distances."""
    rare = y.copy()
    rare[[1, len(y) // 2, len(y) - 1]] = (-7, 99, 50)
    r, d = reference.distances(t), t.shape[1]
    typical = float(np.quantile(r[r > 0], 0.1))
    low, high = float(t.min()), float(t.max())
    inner = low + np.linspace(0.1, 0.8, 30) * (high - low)  # values fall outside both ends
    bins = [{"width": w} for w in (0.07, 0.5, max(typical / np.sqrt(d), 1e-9))] + [{"edges": inner}]
    noises = (1e-3, CLUSTER_NOISE, 1e-1, typical**2)
    return Case(
        *(t, y, rare),
        kde={s2: reference.kde_of_distances(r, rare, s2) for s2 in noises},
        kraskov={k: reference.kraskov_of_distances(r, y, d, k) for k in NEIGHBOURS},
        binning=[(setting, reference.binning(t, rare, **setting)) for setting in bins],
    )


def labels(rng, n: int) -> np.ndarray:
    """Three classes, unsorted, of about 1/4, 1/3 and the rest; each has more than ten samples."""
    y = np.full(n, 2)
    y[: max(11, n // 4)] = 7
    y[max(11, n // 4) :][: max(12, n // 3)] = 4
    return rng.permutation(y)
