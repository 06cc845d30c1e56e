"""Every row of the table of edge cases, all input kinds, all refusals, one for all estimators."""

import dataclasses
import math

import numpy as np
import pytest
import torch

import iblib.estimators as estimators
from iblib.estimators import (
    binning,
    exact_information,
    kde,
    kraskov,
    label_entropy,
    measure,
    mixture_information,
    quantise,
)

pytestmark = pytest.mark.usefixtures("engine")

RNG = np.random.default_rng(0)
T = (np.round(RNG.normal(size=(40, 3)) * 64) / 64).astype(np.float32)  # exact in half precision
Y = np.arange(40) % 3


def numbers(measurement) -> list:
    """All values of a measurement, in order."""
    parts = (measurement.binning, measurement.kde, measurement.kraskov)
    return [value for part in parts for value in dataclasses.astuple(part)]


def floats(measurement) -> list:
    return [value for value in numbers(measurement) if isinstance(value, float)]


def wide(t):
    """The same points in 18 dimensions: the other branch of the distances."""
    return np.tile(t, (1, 6))


@pytest.mark.parametrize("d", [1, 3, 40])
def test_one_sample(d):
    got = measure(np.full((1, d), 0.3), ["a"])
    assert numbers(got)[:2] == [0.0, 0.0]
    assert dataclasses.astuple(got.kde) == (0.0, 0.0, 0.0, 0.0, 1, False, 0.01, None, False)
    assert not got.binning.saturated
    assert got.kraskov.h_t is None
    assert got.kraskov.ty is None
    assert got.kraskov.reason == "k must be smaller than n_samples; got k=2, n_samples=1"
    for call in (kraskov.entropy, lambda t: kraskov.information(t, ["a"])):
        with pytest.raises(ValueError, match="k must be smaller than n_samples; got k=2"):
            call(np.full((1, d), 0.3))


@pytest.mark.parametrize("t", [T, wide(T), T.astype(float)])
def test_one_class_has_exactly_no_information(t):
    got = measure(t, ["same"] * 40)
    assert got.binning.ty == got.kde.ty_upper == got.kde.ty_lower == got.kraskov.ty == 0.0
    assert got.binning.xt > 0


@pytest.mark.parametrize("t", [T, wide(T)])
def test_class_of_one_sample(t):
    y = Y.copy()
    y[7] = 9
    got = measure(t, y)
    assert got.binning.ty <= label_entropy(y) + 1e-12
    assert got.kde.ty_upper <= label_entropy(y) + 1e-12
    assert got.kraskov.ty is None
    assert got.kraskov.reason == "each class must have more than k=2 samples; class 9 has 1"
    assert got.kraskov.h_t == pytest.approx(kraskov.entropy(t).bits, abs=1e-9)
    with pytest.raises(ValueError, match="class 9 has 1"):
        kraskov.information(t, y)
    assert kraskov.information(t, y, small_class="drop").dropped == (9,)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4, -3e-7])
@pytest.mark.parametrize("d", [1, 3, 40])
def test_all_rows_equal(value, d):
    got = measure(np.full((40, d), value, dtype=np.float32), Y)
    assert (got.binning.xt, got.binning.ty, got.binning.unique_share) == (0.0, 0.0, 0.0)
    assert dataclasses.astuple(got.kde)[:4] == (0.0, 0.0, 0.0, 0.0)
    assert math.copysign(1, got.kde.xt_upper) == math.copysign(1, got.binning.xt) == 1
    assert got.kraskov.zero_radius == 40
    assert got.kraskov.degenerate


def test_more_dimensions_than_samples_saturates():
    got = measure(RNG.normal(size=(20, 500)), np.arange(20) % 4)
    assert got.binning.saturated
    assert got.kde.saturated
    assert got.kraskov.high_dimension
    assert math.isfinite(got.kraskov.h_t)
    assert not measure(np.zeros((20, 500)), np.arange(20) % 4).kde.saturated


def test_out_of_range_values_are_counted():
    edges = binning.uniform_edges(-0.5, 0.5, 10)
    expected = int((np.abs(T) > 0.5).sum())
    assert measure(T, Y, edges=edges).binning.clipped == expected > 0
    assert measure(T, Y).binning.clipped == 0


def test_far_from_the_origin():
    near, far = measure(T, Y).kraskov, measure(T + np.float32(1024), Y).kraskov
    assert far.h_t == pytest.approx(near.h_t, abs=1e-9)


@pytest.mark.parametrize("t", [T, wide(T), T.astype(float)])
def test_measure_equals_the_estimators(t):
    got = measure(t, Y, width=0.3, noise_variance=0.05, k=3, epsilon=1e-12)
    assert got.binning == binning.information(t, Y, width=0.3)
    assert got.kde == kde.information(t, Y, noise_variance=0.05)
    assert got.kraskov == kraskov.information(t, Y, k=3, epsilon=1e-12)
    edges = [-1.0, 0.0, 1.0]
    assert measure(t, Y, edges=edges).binning == binning.information(t, Y, edges=edges)


@pytest.mark.parametrize("t", [T, wide(T), T.astype(float)])
def test_the_same_call_gives_the_same_numbers(t):
    assert numbers(measure(t, Y)) == numbers(measure(t, Y))
    duplicates = np.repeat(t[:20], 2, axis=0)  # no jitter, ever
    first, second = (measure(duplicates, Y, k=1) for _ in range(2))
    assert numbers(first) == numbers(second)
    assert first.kraskov.zero_radius == 40


@pytest.mark.parametrize("columns", [1, 20])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_smallest_numbers_are_no_duplicates(dtype, columns):
    least = np.finfo(dtype).smallest_subnormal
    t = np.repeat(np.array([[0.0], [1.0], [3.0], [3.0]]), columns, axis=1) * least
    got = measure(t.astype(dtype), [0, 0, 1, 1], k=1)
    assert got.kraskov.zero_radius == 2
    assert dataclasses.astuple(got.kde)[:4] == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("columns", [1, 20])
@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 3e38), (np.float64, 5e307)])
def test_the_largest_numbers_are_measured(dtype, large, columns):
    t = np.zeros((3, columns), dtype=dtype)
    t[:, 0] = (-large, 0.0, large)
    got = measure(t, [0, 1, 1], width=large, k=1)
    values = got.binning.xt, got.kde.xt_upper, got.kde.xt_lower
    assert values == pytest.approx((math.log2(3),) * 3, abs=1e-12)
    expected = kraskov.entropy(t / dtype(large), k=1).bits + columns * math.log2(large)
    assert got.kraskov.h_t == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("width", [1e-46, 1e-39, 1e39, 1e300])
def test_widths_beyond_float32(width):
    t = np.array([[-1.0], [0.0], [1e-45], [3e38]], dtype=np.float32)
    expected = binning.information(t.astype(float), range(4), width=width)
    assert binning.information(t, range(4), width=width) == expected


def test_results_are_frozen_records_of_python_numbers():
    got = measure(T, Y)
    assert {type(value) for value in numbers(got)} <= {float, int, bool, tuple, type(None)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        got.kde.xt_upper = 0.0


def test_public_names():
    for name in estimators.__all__:
        assert hasattr(estimators, name)


def read_only(t):
    t = t.copy()
    t.flags.writeable = False
    return t


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda t: np.repeat(t, 2, axis=1)[:, ::2],
    "negative strides": lambda t: t[::-1, ::-1].copy()[::-1, ::-1],
    "read only": read_only,
    "big endian": lambda t: t.astype(">f4"),
    "half": lambda t: t.astype(np.float16),
    "torch": torch.from_numpy,
    "torch strided": lambda t: torch.from_numpy(t).T.contiguous().T,
    "torch half": lambda t: torch.from_numpy(t).to(torch.float16),
    "a view of more": lambda t: np.pad(t, ((2, 3), (1, 4)))[2:-3, 1:-4],
    "torch view of more": lambda t: torch.from_numpy(np.pad(t, ((2, 3), (1, 4))))[2:-3, 1:-4],
    "requires grad": lambda t: torch.from_numpy(t.copy()).requires_grad_(),
    "list": lambda t: torch.from_numpy(t).tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("t", [T, wide(T)], ids=["narrow", "wide"])
def test_layouts_give_equal_results(layout, t):
    expected = measure(t, Y)
    got = measure(LAYOUTS[layout](t), Y)
    if layout == "list":  # float64: another precision of the same numbers
        assert floats(got) == pytest.approx(floats(expected), abs=1e-5)
    else:
        assert numbers(got) == numbers(expected)


def test_memmap(tmp_path):
    np.save(tmp_path / "t.npy", T)
    for mode in ("r", "c", "r+"):
        mapped = np.load(tmp_path / "t.npy", mmap_mode=mode)
        assert numbers(measure(mapped, Y)) == numbers(measure(T, Y))


@pytest.mark.parametrize(
    "dtype",
    ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"],
)
@pytest.mark.parametrize("container", [np.asarray, torch.from_numpy])
def test_integers_and_bools(dtype, container):
    t = (np.abs(T) * 3).astype(dtype)
    given = container(t)
    got, expected = measure(given, Y), measure(t.astype(np.float64), Y)
    assert floats(got) == pytest.approx(floats(expected), abs=1e-4)


def test_inputs_are_never_modified():
    for t in (T.copy(), wide(T).astype(float), torch.from_numpy(wide(T).astype(float))):
        before, y = t.copy() if isinstance(t, np.ndarray) else t.clone(), Y.copy()
        measure(t, y)
        kraskov.information(t, y, small_class="drop")
        assert (t == before).all()
        assert (y == Y).all()


LABELS = {
    "int8": Y.astype(np.int8),
    "uint64": Y.astype(np.uint64) + np.uint64(2**63),
    "negative": -Y * 1000,
    "strings": np.array(["rock", "pop", "folk"])[Y],
    "objects": np.array(["rock", "pop", "folk"], dtype=object)[Y],
    "bytes": np.array([b"x", b"y", b"z"])[Y],
    "list": Y.tolist(),
    "tuple of strings": tuple("abc"[i] for i in Y),
    "torch": torch.from_numpy(Y),
    "torch int32": torch.from_numpy(Y).int(),
    "whole floats": Y.astype(float),
    "big endian": Y.astype(">i4"),
    "reversed view": Y[::-1].copy()[::-1],
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind(kind):
    got = measure(T, LABELS[kind])
    assert floats(got) == pytest.approx(floats(measure(T, Y)), abs=1e-12)


@pytest.mark.parametrize("y", [Y > 0, torch.from_numpy(Y > 0), (Y > 0).tolist()])
def test_bool_labels(y):
    assert floats(measure(T, y)) == pytest.approx(floats(measure(T, (Y > 0).astype(int))))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("t", [T, wide(T)])
def test_gpu_equals_cpu(t):
    got = measure(torch.from_numpy(t).cuda(), torch.from_numpy(Y).cuda())
    assert floats(got) == pytest.approx(floats(measure(t, Y)), abs=1e-5)


CALLS = {
    "binning": binning.information,
    "pooled": binning.pooled_information,
    "kde": kde.information,
    "kraskov": kraskov.information,
    "kraskov.entropy": lambda t, y: kraskov.entropy(t),
    "measure": measure,
    "exact": exact_information,
    "quantise": lambda t, y: quantise(t),
    "mixture": lambda t, y: mixture_information(t, y, noise_variance=1.0),
}


def changed(index, value):
    t = T.astype(float)
    t[index] = value
    return t


BAD_POINTS = {
    "object": (T.astype(object), TypeError, "t must be a real numeric array"),
    "complex": (T.astype(complex), TypeError, "t must be a real numeric array"),
    "strings": (T.astype(str), TypeError, "t must be a real numeric array"),
    "dates": (T.astype("M8[s]"), TypeError, "t must be a real numeric array"),
    "masked": (np.ma.masked_array(T), TypeError, "masked"),
    "beyond float64": (T.astype(np.longdouble), TypeError, "t must be a real numeric array"),
    "ragged": ([[1.0, [2.0]]] * 40, ValueError, "inhomogeneous"),
    "torch complex": (torch.zeros(40, 3, dtype=torch.complex64), TypeError, "complex64"),
    "torch sparse": (torch.from_numpy(T).to_sparse(), TypeError, "dense"),
    "vector": (T[:, 0], ValueError, r"t must have shape \(n_samples, dimension\); got \(40,\)"),
    "image": (T[:, :, None], ValueError, r"got \(40, 3, 1\)"),
    "scalar": (1.0, ValueError, r"got \(\)"),
    "no samples": (T[:0], ValueError, r"at least one row and one column; got shape \(0, 3\)"),
    "no columns": (T[:, :0], ValueError, r"got shape \(40, 0\)"),
    "nan": (changed((5, 1), np.nan), ValueError, r"got 1 NaN .* first at index \(5, 1\)"),
    "infinity": (changed((slice(4, 6), 2), -np.inf), ValueError, r"got 2 .* at index \(4, 2\)"),
    "half infinity": (np.where(T > 1, np.inf, T).astype("f2"), ValueError, "t must be finite"),
    "torch nan": (torch.from_numpy(changed((0, 0), np.nan)), ValueError, r"index \(0, 0\)"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("case", BAD_POINTS)
def test_bad_points(call, case):
    t, error, message = BAD_POINTS[case]
    with pytest.raises(error, match=message):
        CALLS[call](t, Y)


BAD_LABELS = {
    "short": (Y[:-1], ValueError, "one label for each row of t; got 39 labels, 40 rows"),
    "matrix": (Y[:, None], ValueError, r"y must have shape \(n_samples,\); got \(40, 1\)"),
    "nan": (np.where(Y == 1, np.nan, Y), ValueError, "labels; got 13, the first, nan, at index 1"),
    "list with nan": (
        [math.nan, *Y[1:].tolist()],
        ValueError,
        "missing labels; got 1, the first, nan, at index 0",
    ),
    "strings with nan": (
        ["a", math.nan] * 20,
        ValueError,
        "labels; got 20, the first, nan, at index 1",
    ),
    "none": ([None] * 40, ValueError, "labels; got 40, the first, None, at index 0"),
    "mixed": ([1, "a"] * 20, TypeError, "labels of one kind"),
    "fractions": (Y + 0.5, ValueError, "not whole numbers"),
    "scalar": (3, ValueError, r"y must have shape \(n_samples,\); got \(\)"),
    "none at all": ([], ValueError, "got 0 labels, 40 rows"),
    "infinite": (np.where(Y == 1, np.inf, Y), ValueError, "not whole numbers"),
    "torch nan": (
        torch.from_numpy(np.where(Y == 1, np.nan, Y)),
        ValueError,
        "must not have missing labels",
    ),
    "complex": (Y.astype(complex), TypeError, "integer, bool or string"),
    "complex objects": ([1j] * 40, TypeError, "of one kind; got complex"),
    "masked": (np.ma.masked_array(Y), TypeError, "masked"),
    "dates": (Y.astype("M8[s]"), TypeError, "integer, bool or string"),
}


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"kraskov.entropy", "quantise"}))
@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(call, case):
    y, error, message = BAD_LABELS[case]
    with pytest.raises(error, match=message):
        CALLS[call](T, y)


def test_no_labels_have_no_entropy():
    with pytest.raises(ValueError, match="at least one label"):
        label_entropy([])


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (binning.information, "width"),
        (binning.pooled_information, "width"),
        (kde.information, "noise_variance"),
        (kraskov.information, "epsilon"),
        (measure, "width"),
        (measure, "noise_variance"),
        (measure, "epsilon"),
    ],
)
def test_settings_must_be_positive(call, name, value):
    with pytest.raises(ValueError, match=f"{name} must be positive and finite; got {name}={value}"):
        call(T, Y, **{name: value})


@pytest.mark.parametrize("call", [kraskov.information, measure])
def test_k_must_be_a_positive_integer(call):
    for k in (0, -2):
        with pytest.raises(ValueError, match=f"k must be at least 1; got k={k}"):
            call(T, Y, k=k)
    with pytest.raises(TypeError):
        call(T, Y, k=2.5)


def test_k_must_be_smaller_than_n_samples():
    with pytest.raises(ValueError, match="k must be smaller than n_samples; got k=5, n_samples=4"):
        kraskov.entropy(T[:4], k=5)
    assert math.isfinite(kraskov.entropy(T[:4], k=3).bits)
