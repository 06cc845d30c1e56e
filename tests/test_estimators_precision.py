"""The promise: every value within 1e-3 bit of float64 differences on the array as stored."""

import dataclasses

import estimators_cases as cases
import estimators_reference as reference
import numpy as np
import pytest
import torch
from estimators_checks import CONTRACT, check_binning, check_kde, check_kraskov, kde_values

from iblib.estimators import binning, kde, kraskov, measure

pytestmark = pytest.mark.usefixtures("engine")


def check_all(hard, **within):
    check_kde(kde.information, hard, **within)
    check_kraskov(kraskov.information, hard, **within)
    check_binning(binning.information, hard)


def named(*cells):
    """Parameters (pattern, d, ...) with readable names."""
    return [pytest.param(*cell, id="-".join(map(name_of, cell))) for cell in cells]


def name_of(value) -> str:
    return getattr(value, "__name__", str(value))


CELLS = [
    (pattern, d, dtype)
    for dtype, patterns in cases.PATTERNS.items()
    for pattern in patterns
    for d in cases.DIMENSIONS
    if (d > 1 or pattern is not cases.softmax)  # one unit's softmax is 1
    and (d < 1024 or pattern in cases.ONE_OF_EACH_KIND)
    and (d < 4096 or dtype == "float32" or pattern in cases.LAST_DIGITS)
]


def promised(pattern, d: int, dtype: str) -> float:
    """Bits: on ordinary layers what notebooks 03 to 05 ask of float64 and float32."""
    if pattern not in cases.ORDINARY or d > 4096:
        return CONTRACT
    return 1e-9 if dtype == "float64" else 1e-4


@pytest.mark.parametrize(("pattern", "d", "dtype"), named(*CELLS))
def test_hard_arrays(pattern, d, dtype):
    check_all(cases.case(pattern, d, dtype), within=promised(pattern, d, dtype))


LARGE = [
    (pattern, d, n)
    for pattern in (cases.clusters_on_a_pattern, cases.near_duplicates)
    for d, n in ((2, 1100), (17, 1087), (256, 1031))
]
LARGE.append((cases.clusters_on_a_pattern, 32768, 131))


@pytest.mark.parametrize(("pattern", "d", "n"), named(*LARGE))
def test_more_samples(pattern, d, n):
    check_all(cases.case(pattern, d, n=n))


@pytest.mark.parametrize("d", [3, 16, 24, 256])
@pytest.mark.parametrize("s2", [1e-300, 1e-12, 1e-6, 1e6, 1e300])
def test_extreme_noise(d, s2):
    hard = cases.case(cases.near_duplicates, d, "float64")
    got = kde.information(hard.t, hard.rare, noise_variance=s2)
    expected = tuple(reference.kde(hard.t, hard.rare, s2))
    assert kde_values(got) == pytest.approx(expected, abs=CONTRACT)


@pytest.mark.parametrize("k", [30, 100, 202])
@pytest.mark.parametrize("d", [3, 24, 256])
def test_many_neighbours(d, k):
    for dtype in cases.PATTERNS:
        t = cases.case(cases.tanh, d, dtype).t
        got, expected = kraskov.entropy(t, k=k), reference.entropy(t, k)
        assert got.bits == pytest.approx(expected, abs=CONTRACT)
        got = kraskov.information(t, np.arange(len(t)) > k, k=k, small_class="drop")
        assert got.h_t == pytest.approx(expected, abs=CONTRACT)


@pytest.mark.parametrize("d", [3, 40, 300])
@pytest.mark.parametrize(
    "dtype", ["float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_types_are_measured_as_stored(d, dtype):
    t = 100 + 20 * cases.tanh(np.random.default_rng(d), 150, d)
    if dtype in ("int32", "uint32", "int64", "uint64"):
        t = t * 1e5  # beyond the integers of float32
    t = t.astype(dtype)
    check_all(cases.expected(t, cases.labels(np.random.default_rng(0), 150)))


@pytest.mark.parametrize("d", [3, 40])
def test_bfloat16_and_bool(d):
    t = torch.from_numpy(cases.tanh(np.random.default_rng(d), 77, d))
    y = np.arange(77) % 3
    for stored in (t.to(torch.bfloat16), t > 0):
        as_numpy = stored.double().numpy()
        got, expected = kde.information(stored, y), tuple(reference.kde(as_numpy, y))
        assert kde_values(got) == pytest.approx(expected, abs=CONTRACT)
        got, expected = kraskov.information(stored, y), tuple(reference.kraskov(as_numpy, y))
        assert (got.h_t, got.ty, got.zero_radius) == pytest.approx(expected, abs=CONTRACT)


@pytest.mark.parametrize("d", [2, 24, 256])
def test_one_class_and_a_class_for_each(d):
    hard = cases.case(cases.tanh, d)
    alone = np.arange(len(hard.t))[::-1] * 3
    expected = tuple(reference.kde(hard.t, alone))
    got = measure(hard.t, alone)
    assert kde_values(got.kde) == pytest.approx(expected, abs=CONTRACT)
    assert (got.kde.ty_upper, got.kde.ty_lower) == (got.kde.xt_upper, got.kde.xt_lower)
    assert got.binning.ty == pytest.approx(got.binning.xt, abs=1e-12)
    one = measure(hard.t, np.full(len(hard.t), "all"))
    assert one.binning.ty == one.kde.ty_upper == one.kde.ty_lower == one.kraskov.ty == 0.0


@pytest.mark.parametrize("d", [3, 24, 256])
@pytest.mark.parametrize("pattern", cases.PATTERNS["float32"], ids=name_of)
def test_measure_says_what_the_three_say_alone(pattern, d):
    hard = cases.case(pattern, d)
    got = measure(hard.t, hard.y, width=0.5, noise_variance=0.02, k=5)
    alone = (
        binning.information(hard.t, hard.y, width=0.5),
        kde.information(hard.t, hard.y, noise_variance=0.02),
        kraskov.information(hard.t, hard.y, k=5),
    )
    for together, single in zip((got.binning, got.kde, got.kraskov), alone, strict=True):
        assert values_of(together) == pytest.approx(values_of(single), abs=1e-6)


def values_of(record) -> dict:
    """Numbers, flags included; what is no number (labels, reasons) is empty for these arrays."""
    return {name: v for name, v in dataclasses.asdict(record).items() if not hasattr(v, "__len__")}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("d", [3, 24, 1024])
@pytest.mark.parametrize("pattern", cases.PATTERNS["float32"], ids=name_of)
def test_hard_arrays_on_a_gpu(pattern, d):
    hard = cases.case(pattern, d)
    check_all(hard._replace(t=torch.from_numpy(hard.t).cuda()))
