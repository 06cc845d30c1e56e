"""What estimators found, as rows of a table: one row, one number, with what its trust hangs on."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from iblib.names import estimator_named

_FIELDS = {"I_XT": "xt", "I_TY": "ty", "H_T": "h_t"}
_SYMBOLS = {"I_XT": "I(X;T)", "I_TY": "I(T;Y)", "H_T": "H(T)"}
_BIASED = 0.05  # share of H(Y) from which a bias is said


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
        "parameter": parameter or next(iter(known.parameters), ""),
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


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Readable columns of a table's rows: estimator, quantity, bits, ceiling [bits], trust.

    The ceiling is log2 P or H(Y); that of H(T), which knows none, is NaN. ``trust`` is ``ok``, or
    why the number says little. Rows of one measurement stand together, I(X;T) before I(T;Y).
    """
    found, cells = [], {}  # quantity -> I(X;T) of the same bound
    for row in rows.to_dict("records"):
        known, quantity = estimator_named(row["estimator"]), row["quantity"]
        kind, bound = quantity[:4], quantity[4:]
        ceiling = row["label_entropy"] if kind == "I_TY" else math.log2(row["n_samples"])
        if kind == "I_XT":
            cells[bound] = row["bits"] if known.ruler != "exact" else -math.inf
        elif kind == "H_T":
            cells = {}
            ceiling = ceiling if known.has_ceiling else math.nan
        words = _words(row)
        if kind == "I_TY" and _bias(cells.get(bound, -math.inf), row) > _BIASED * ceiling:
            words.append("small-sample bias")
        label = f"{known.label}, {row['parameter'].replace('_', ' ')} {row['value']:g}"
        label = label if row["parameter"] else known.label
        symbol = _SYMBOLS[kind] + bound.replace("_", " ")
        found.append((label, symbol, row["bits"], ceiling, ", ".join(words) or "ok"))
    return pd.DataFrame(found, columns=["estimator", "quantity", "bits", "ceiling", "trust"])


def _bias(xt: float, row: Mapping[str, Any]) -> float:
    """About how many bits of I(T;Y) are due to P being finite, 2^xt cells being told apart.

    Panzeri & Treves, Network 7 (1996) 87, Eq. 8, with 2^H(Y) classes.
    """
    return (2.0**xt - 1) * (2.0 ** row["label_entropy"] - 1) / (2 * row["n_samples"] * math.log(2))


def _words(row: Mapping[str, Any]) -> list[str]:
    status = row["status"].replace("_", " ")
    if status == "degenerate":
        status = "duplicates" if row["zero_radius"] else "constant"
    words = [] if status == "ok" else [status]
    if row["saturated"]:
        words.append("saturated")
    if row["clipped"]:
        words.append(f"{row['clipped']} clipped")
    return words


def as_text(table: pd.DataFrame) -> str:
    """A table for a terminal: text on the left, three decimals, nothing for missing numbers."""
    texts = table.select_dtypes(exclude="number").columns
    widths = {name: max(map(len, [name, *table[name].astype(str)])) for name in texts}
    padded = table.assign(**{n: table[n].astype(str).str.ljust(w) for n, w in widths.items()})
    padded = padded.rename(columns={name: name.ljust(width) for name, width in widths.items()})
    return padded.to_string(index=False, float_format="%.3f", na_rep="")


def as_html(table: pd.DataFrame) -> str:
    """The same for Jupyter."""
    return table.to_html(index=False, float_format="%.3f", na_rep="")
