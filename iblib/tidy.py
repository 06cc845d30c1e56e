"""What estimators found, as rows of a table: one row, one number, with what its trust hangs on."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from iblib.names import PARAMETERS, estimator_named

_FIELDS = {"I_XT": "xt", "I_TY": "ty", "H_T": "h_t"}
_SYMBOLS = {"I_XT": "I(X;T)", "I_TY": "I(T;Y)", "H_T": "H(T)"}


def rows_of(found: Any, name: str, value: float = 0.0, parameter: str = "") -> list[dict[str, Any]]:
    """One row for each quantity of what an estimator found.

    Parameters
    ----------
    found : record of an estimator
        Such as ``KDEInformation``.
    name : str
        Its name in ``iblib.names.ESTIMATORS``.
    value, parameter
        What it was asked with: a bin width, a noise variance, k; which of them where the estimator
        knows several.
    """
    known = estimator_named(name)
    common = {
        "estimator": name,
        "ruler": known.ruler,
        "parameter": parameter or known.parameters[0],
        "value": value,
    }
    marks = {
        "saturated": getattr(found, "saturated", False),
        "zero_radius": getattr(found, "zero_radius", 0),
        "unique_share": getattr(found, "unique_share", np.nan),
        "clipped": getattr(found, "clipped", 0),
    }
    rows = []
    for quantity in known.quantities:
        bits = getattr(found, _FIELDS[quantity[:4]] + quantity[4:])
        status = "too_few_samples" if bits is None else _status(found)
        bits = np.nan if bits is None else bits
        rows.append({**common, "quantity": quantity, "bits": bits, **marks, "status": status})
    return rows


def _status(found: Any) -> str:
    for status in ("degenerate", "high_dimension"):
        if getattr(found, status, False):
            return status
    return "ok"


def trust_of(row: Mapping[str, Any]) -> str:
    """What a row's number is worth, in a word or two: ``ok``, or why it says little."""
    status = row["status"].replace("_", " ")
    words = [] if status == "ok" else [status]
    if status == "degenerate":
        words = ["duplicates" if row["zero_radius"] else "constant"]
    if row["saturated"]:
        words.append("saturated")
    if row["clipped"]:
        words.append(f"{row['clipped']} clipped")
    return ", ".join(words) or "ok"


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Readable columns of some rows: estimator, quantity, bits, ceiling, trust.

    The ceiling is log2 P or H(Y) [bits]; that of H(T), which knows none, is NaN.
    """
    found = []
    for row in rows.to_dict("records"):
        known, quantity = estimator_named(row["estimator"]), row["quantity"]
        label, ceiling = known.label, math.log2(row["n_samples"])
        if row["parameter"]:
            label += f", {PARAMETERS.get(row['parameter'], row['parameter'])} {row['value']:g}"
        if quantity.startswith("I_TY"):
            ceiling = row["label_entropy"]
        elif not known.has_ceiling:
            ceiling = math.nan
        symbol = _SYMBOLS[quantity[:4]] + quantity[4:].replace("_", " ")
        found.append((label, symbol, row["bits"], ceiling, trust_of(row)))
    return pd.DataFrame(found, columns=["estimator", "quantity", "bits", "ceiling", "trust"])
