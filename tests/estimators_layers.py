"""For the tests of the engines: layers of three kinds, their rows, and who was called."""

import numpy as np

from iblib.estimators import _checks
from iblib.estimators._engine.rows import one_group, sort_rows

N = 300


def sorted_rows(t, y=None):
    points = _checks.as_points(t)
    if y is None:
        return one_group(points)
    labels = _checks.as_labels(y, len(t))
    return sort_rows(points, labels.codes, labels.counts)


def layer(kind, d=200, n=N, seed=0):
    """Activations (n, d) float32 and 3 labels: all far apart, near in pairs, or collapsed."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    if kind == "far":
        t = rng.normal(size=(n, d)) * 3
    elif kind == "pairs":
        t = rng.normal(size=(n, d)) * 3
        t[1::2] = t[::2] + 0.02 * rng.normal(size=(n // 2, d)) / np.sqrt(d / 10)
        t[-3:] = t[0]
    else:
        pattern = np.sign(rng.normal(size=d)) + 0.5 * rng.normal(size=(3, d))[y]
        t = pattern + rng.normal(size=(n, d)) * np.sqrt(0.02 / d)
    return t.astype(np.float32), y


def numbers(found):
    lists = (found.sums_all, found.sums_own, found.nearest_all, found.nearest_own)
    return [one for one in lists if one is not None]


def assert_same(found, expected, rtol=1e-9):
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol)


def spy(monkeypatch, module, name):
    """Calls of a function, as they come; it goes on working."""
    calls = []
    original = getattr(module, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return calls
