"""The one input check of all estimators: arrays become tensors, labels become codes, or it raises.

Nothing is modified and nothing is warned about: whatever layout or byte order comes in, a dense
row-major float tensor of the same values goes out.
"""

import math
import operator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from iblib.estimators._engine.threads import compiled, in_threads, runs_compiled, sixteenths

_SMALL = (torch.float16, torch.bfloat16, torch.float32, torch.bool)
_SMALL += (torch.uint8, torch.int8, torch.int16, torch.uint16)  # all are exact in float32
_LARGE = (torch.float64, torch.int32, torch.int64, torch.uint32, torch.uint64)


@dataclass(frozen=True)
class Points:
    """Samples that have passed the check."""

    values: torch.Tensor  # (P, d) float32 or float64, C-contiguous, finite
    largest: float  # largest magnitude

    @property
    def n_samples(self) -> int:
        return self.values.shape[0]


@dataclass(frozen=True)
class Labels:
    """Labels as contiguous codes 0..L-1, with what each code stands for."""

    codes: torch.Tensor  # (P,) int64, on the device of the points
    names: tuple  # L label values, ascending; names[c] is the label of code c
    counts: tuple[int, ...]  # L class sizes

    @property
    def n_classes(self) -> int:
        return len(self.names)


def as_points(t) -> Points:
    """Check ``t`` and return it as a dense float tensor on its own device, perhaps the same memory.

    float16, bfloat16, bool and integers of up to 16 bits become float32, wider integers float64,
    all exactly or not at all; float32 and float64 stay. TypeError for object, complex, string,
    sparse or masked input; ValueError for other than two dimensions, P = 0, d = 0, NaN, infinity.
    """
    return finite_points(unchecked_points(t))


def unchecked_points(t, split: bool = False) -> torch.Tensor:
    """`as_points` without a look at the values: for a reader that meets each of them anyway.

    ``split``: 64-bit integers become pairs of 32-bit ones, which no float rounds.
    """
    if not isinstance(t, torch.Tensor):
        return _from_numpy(t, split)
    if t.layout != torch.strided or t.dtype not in _SMALL + _LARGE:
        raise TypeError(f"t must be a dense real tensor; got {t.dtype}, {t.layout}")
    if t.dtype in (torch.int64, torch.uint64):
        return _from_numpy(t.cpu().numpy(), split).to(t.device)
    _require_two_dimensions(t.shape)
    return t.detach().to(torch.float32 if t.dtype in _SMALL else torch.float64).contiguous()


def finite_points(values: torch.Tensor) -> Points:
    """The second half of `as_points`: one pass over the values."""
    if runs_compiled(values):
        flat = values.numpy().reshape(-1)
        bits = flat.view(np.int32 if flat.dtype == np.float32 else np.int64)
        parts = sixteenths(len(bits), len(bits))
        bits_of_largest = max(in_threads(lambda part: _largest_magnitude(bits[part]), parts))
        largest = float(np.array(bits_of_largest, bits.dtype).view(flat.dtype))
    else:
        largest = float(values.abs().max())
    if not math.isfinite(largest):
        bad = (~torch.isfinite(values)).nonzero()
        found = f"{len(bad)} NaN or infinite values, the first at index {tuple(bad[0].tolist())}"
        raise ValueError(f"t must be finite; got {found}")
    return Points(values, largest)


@compiled()
def _largest_magnitude(bits):
    """Without their sign floats compare as their bits do, infinity above all numbers, NaN above."""
    magnitude = bits.dtype.type(~(bits.dtype.type(1) << (8 * bits.itemsize - 1)))
    largest = bits.dtype.type(0)
    for i in range(len(bits)):
        largest = max(largest, bits[i] & magnitude)
    return largest


def _from_numpy(t, split: bool) -> torch.Tensor:
    array = plain_array("t", t)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"t must be a real numeric array; got dtype {array.dtype}")
    _require_two_dimensions(array.shape)
    if split and array.dtype.kind in "iu" and array.itemsize == 8:
        array = np.ascontiguousarray(array).view(np.int32)
    target = np.float32 if np.can_cast(array.dtype, np.float32) else np.float64
    # torch refuses negative strides and foreign byte order, and warns about read-only memory:
    # `require` copies in exactly those cases.
    values = np.require(array, dtype=target, requirements="CAW")
    if array.dtype.kind in "iu" and array.itemsize == 8:
        _require_unrounded("t", array, values)
    return torch.from_numpy(values)


def _require_two_dimensions(shape) -> None:
    if len(shape) != 2:
        cure = ": t.reshape(len(t), -1) flattens it" if len(shape) > 2 else ""
        raise ValueError(f"t must have shape (n_samples, dimension); got {tuple(shape)}{cure}")
    if 0 in shape:
        raise ValueError(f"t must have at least one row and one column; got shape {tuple(shape)}")


def plain_array(name: str, given) -> np.ndarray:
    """``given`` as an array of the same values, or an error where it is masked or rounded."""
    if np.ma.isMaskedArray(given):
        raise TypeError(f"{name} must be a plain array; got a masked array")
    array = np.asarray(given)
    if array.dtype == np.float64 and not isinstance(given, np.ndarray):
        _require_unrounded(name, given, array)  # integers beside floats have become floats
    return array


def _require_unrounded(name: str, given, floats: np.ndarray) -> None:
    large = np.abs(floats) >= 2.0**53
    if large.any():
        exact = np.asarray(given, dtype=object)[large]  # Python's numbers compare without rounding
        lost = exact != floats[large].astype(object)
        if lost.any():
            value = exact[np.argmax(lost)]
            raise ValueError(f"{name} must hold integers that float64 holds exactly; got {value}")


def as_labels(y, n_samples: int | None = None, device="cpu") -> Labels:
    """Check ``y``, (P,) integers, bools, strings or whole floats, and return contiguous codes.

    TypeError for labels of mixed or other kinds; ValueError for other than one dimension, none,
    missing ones, another number than ``n_samples``.
    """
    values = _label_array(y)
    if n_samples is None and not len(values):
        raise ValueError("y must hold at least one label; got 0")
    if n_samples is not None and len(values) != n_samples:
        found = f"{len(values)} labels, {n_samples} rows"
        raise ValueError(f"y must have one label for each row of t; got {found}")
    names, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    codes = torch.from_numpy(codes.astype(np.int64)).to(device)
    return Labels(codes, tuple(names.tolist()), tuple(counts.tolist()))


def _label_array(y) -> np.ndarray:
    """The labels as an array of one kind; a missing one is an error, never a class of its own."""
    if isinstance(y, torch.Tensor):
        y = (y.float() if y.dtype == torch.bfloat16 else y).detach().cpu().numpy()
    values = np.asarray(y, dtype=object) if isinstance(y, (list, tuple)) else plain_array("y", y)
    if values.ndim != 1:
        raise ValueError(f"y must have shape (n_samples,); got {values.shape}")
    missing = pd.isna(values)
    if missing.any():
        at = int(np.argmax(missing))
        found = f"{missing.sum()}, the first, {values[at]}, at index {at}"
        raise ValueError(f"y must not have missing labels; got {found}")
    kind = values.dtype
    if values.dtype.kind == "O" and len(values):
        types = {type(value) for value in values}
        kind = ", ".join(sorted(one.__name__ for one in types))
        one_of = (int, float, np.bool_, np.integer, np.floating), str, bytes
        if any(all(issubclass(one, some) for one in types) for some in one_of):
            values = plain_array("y", values.tolist())
    if values.dtype.kind not in "biufUST" and len(values):
        raise TypeError(f"y must hold integer, bool or string labels of one kind; got {kind}")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        raise ValueError("y must hold class labels; got floats that are not whole numbers")
    return values


def positive(name: str, value) -> float:
    """``value`` as a float, or a ValueError unless it is finite and above zero."""
    number = float(value)
    if not 0.0 < number < float("inf"):
        raise ValueError(f"{name} must be positive and finite; got {name}={value}")
    return number


def at_least_one(name: str, value) -> int:
    """``value`` as an int, or a ValueError below 1 (TypeError where it is no integer)."""
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1; got {name}={number}")
    return number


def bounds(range) -> np.ndarray:
    """(low, high) as two floats, or a ValueError unless they are finite and low is smaller."""
    ends = np.array(range, dtype=np.float64)
    if ends.shape != (2,) or not -math.inf < ends[0] < ends[1] < math.inf:
        raise ValueError(f"range must be (low, high), finite, low < high; got {range}")
    return ends


def neighbour_count(k, n_samples: int) -> int:
    """``k`` as an int with 1 <= k < n_samples, or a ValueError that says which rule broke."""
    k = at_least_one("k", k)
    if k >= n_samples:
        raise ValueError(f"k must be smaller than n_samples; got k={k}, n_samples={n_samples}")
    return k
