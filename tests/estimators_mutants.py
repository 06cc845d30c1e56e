"""Wrong implementations: the reference with one mistake each, as it was made in code that exists
or is one keystroke away.
"""

import math

import estimators_reference as reference
import numpy as np


def with_wrong(part: str, wrong, information):
    """``information`` of the reference while its function ``part`` is the wrong one."""

    def mutant(t, y, **settings):
        right = getattr(reference, part)
        setattr(reference, part, wrong)
        try:
            with np.errstate(all="ignore"):  # an infinity is an answer that a check refuses
                return information(t, y, **settings)
        finally:
            setattr(reference, part, right)

    return mutant


def answering(change, information):
    """``information`` whose answer is changed."""

    def mutant(t, y, **settings):
        got = information(t, y, **settings)
        return got._replace(**change(got))

    return mutant


def nats(got) -> dict:
    bits = {name: value for name, value in got._asdict().items() if name != "zero_radius"}
    return {name: value * math.log(2) for name, value in bits.items()}


def unweighted(entropy, r, y, *settings):
    """Each class counts the same, whatever its size."""
    total = entropy(r, *settings)
    own = [np.flatnonzero(np.asarray(y) == label) for label in np.unique(y)]
    return total, total - np.mean([entropy(r[np.ix_(i, i)], *settings) for i in own])


# Distances


def product_distances(t):
    """|a|^2 + |b|^2 - 2ab in float32."""
    t = np.asarray(t, dtype=np.float32)
    squares = (t * t).sum(1)
    squared = squares[:, None] + squares - 2 * t @ t.T
    np.fill_diagonal(squared, 0)
    return np.sqrt(np.maximum(squared, 0)).astype(np.float64)


def centred_product_distances(t):
    """The same around the mean: enough far from the origin, not for clusters."""
    return product_distances(reference.in_float64(t) - reference.in_float64(t).mean(0))


def screened_distances(t):
    """Right distances, with what a float32 product makes of them as imaginary part."""
    return right_distances(t) + 1j * centred_product_distances(t)


def radii_of_screened(r, k):
    """The right distance of what the product takes for the k-th neighbour: no certificate."""
    others = r[~np.eye(len(r), dtype=bool)].reshape(len(r), -1)
    order = np.argsort(others.imag, axis=1)
    return np.take_along_axis(others.real, order, axis=1)[:, k - 1]


right_distances, right_radii = reference.distances, reference.radii

# KDE


def bound_without_own_term(r, variance):
    kernel = np.exp(-((r / math.sqrt(2 * variance)) ** 2))
    return -float(np.mean(np.log2((kernel.sum(1) - 1) / len(r))))


def bound_with_variance_for_twice_it(r, variance):
    return -float(np.mean(np.log2(np.exp(-(r**2) / variance).mean(1))))


def bound_of_the_mean_kernel(r, variance):
    """log of the mean where the mean of the log belongs."""
    return -float(np.log2(np.exp(-(r**2) / (2 * variance)).mean()))


def bounds_swapped(got) -> dict:
    return {
        "xt_upper": got.xt_lower,
        "xt_lower": got.xt_upper,
        "ty_upper": got.ty_lower,
        "ty_lower": got.ty_upper,
    }


KDE = {
    "nats": answering(nats, reference.kde),
    "bounds swapped": answering(bounds_swapped, reference.kde),
    "own term dropped": with_wrong("kde_bound", bound_without_own_term, reference.kde),
    "s2 for 2 s2": with_wrong("kde_bound", bound_with_variance_for_twice_it, reference.kde),
    "log of the mean": with_wrong("kde_bound", bound_of_the_mean_kernel, reference.kde),
    "class weights forgotten": with_wrong("information", unweighted, reference.kde),
    "not centred": with_wrong("distances", product_distances, reference.kde),
    "float32 product": with_wrong("distances", centred_product_distances, reference.kde),
}

# Kraskov


def radii_one_further(r, k):
    return right_radii(r, min(k + 1, len(r) - 1))


def radii_with_itself(r, k):
    return np.sort(r, axis=1)[:, k - 1]


def radii_with_a_threshold(r, k):
    radii = right_radii(r, k)
    return np.where(radii < 1e-5, 0.0, radii)


def jittered(t):
    noise = np.random.default_rng(0).normal(size=np.shape(t))
    return np.asarray(t, dtype=np.float64) + 1e-10 * noise


def kraskov_on_screened_distances(t, y, **settings):
    screened = with_wrong("distances", screened_distances, reference.kraskov)
    return with_wrong("radii", radii_of_screened, screened)(t, y, **settings)


KRASKOV = {
    "nats": answering(nats, reference.kraskov),
    "I(T;Y) clipped at 0": answering(lambda got: {"ty": max(0.0, got.ty)}, reference.kraskov),
    "k one too many": with_wrong("radii", radii_one_further, reference.kraskov),
    "its own neighbour": with_wrong("radii", radii_with_itself, reference.kraskov),
    "near is equal": with_wrong("radii", radii_with_a_threshold, reference.kraskov),
    "jitter nobody asked for": with_wrong("in_float64", jittered, reference.kraskov),
    "a cube for a ball": with_wrong("gammaln", np.zeros_like, reference.kraskov),
    "ln for psi": with_wrong("digamma", np.log, reference.kraskov),
    "class weights forgotten": with_wrong("information", unweighted, reference.kraskov),
    "not centred": with_wrong("distances", product_distances, reference.kraskov),
    "float32 product": with_wrong("distances", centred_product_distances, reference.kraskov),
    "neighbours not certified": kraskov_on_screened_distances,
}

# Binning


def edge_codes_wrapped(t, edges):
    return (np.digitize(t, edges) - 1) % (len(edges) - 1)


def edge_codes_open_ended(t, edges):
    """Values outside, and the last edge, in bins of their own."""
    return np.digitize(t, edges)


def codes_truncated(t, width):
    return np.trunc(np.asarray(t) / width).astype(np.int64)


def codes_by_the_inverse(t, width):
    t = np.asarray(t)
    return np.floor(t * t.dtype.type(1 / width)).astype(np.int64)


def codes_as_floats(t, width):
    """Compared byte by byte: -0.0 and 0.0 differ."""
    return np.floor(np.asarray(t) / width)


def symbols_by_sum(codes, y):
    """A hash whose collisions nobody looks at."""
    return right_binning_of_codes(codes.sum(1, keepdims=True), y)


def unweighted_binning(codes, y):
    whole, y = right_binning_of_codes(codes, y), np.asarray(y)
    own = [right_binning_of_codes(codes[y == label], y[y == label]).xt for label in np.unique(y)]
    return whole._replace(ty=whole.xt - np.mean(own))


right_binning_of_codes = reference.binning_of_codes

BINNING = {
    "nats": answering(nats, reference.binning),
    "wrapped bin": with_wrong("edge_codes", edge_codes_wrapped, reference.binning),
    "ends in bins of their own": with_wrong("edge_codes", edge_codes_open_ended, reference.binning),
    "truncated": with_wrong("floor_codes", codes_truncated, reference.binning),
    "times the inverse": with_wrong("floor_codes", codes_by_the_inverse, reference.binning),
    "bins as floats": with_wrong("floor_codes", codes_as_floats, reference.binning),
    "collisions": with_wrong("binning_of_codes", symbols_by_sum, reference.binning),
    "class weights forgotten": with_wrong(
        "binning_of_codes", unweighted_binning, reference.binning
    ),
}
