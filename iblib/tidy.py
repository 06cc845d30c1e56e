"""What estimators found, as rows of a table: one row, one number, with what its trust hangs on."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from iblib.names import estimator_named

_FIELDS = {"I_XT": "xt", "I_TY": "ty", "H_T": "h_t"}
_SYMBOLS = {"I_XT": "I(X;T)", "I_TY": "I(T;Y)", "H_T": "H(T)"}
_MARKS = {"saturated": False, "zero_radius": 0, "unique_share": np.nan, "clipped": 0}  # or these
# Share of H(Y) from which a bias is said. Of 3,200 values with shuffled labels these are 99 in 100
# of those above 10 % of H(Y), and fewer than 1 in 100 of those below 3 %.
_BIASED = 0.04


def rows_of(found: Any, name: str, value: float = 0.0, parameter: str = "") -> list[dict[str, Any]]:
    """One row for each quantity of an estimator's record, such as ``KDEInformation``.

    ``name`` is that in ``iblib.names.ESTIMATORS``; ``value`` and ``parameter`` say what was asked:
    a bin width, a noise variance, k, and which of them where the estimator knows several.
    """
    known = estimator_named(name)
    common = {
        "estimator": name,
        "ruler": known.ruler,
        "parameter": parameter or next(iter(known.parameters), ""),
        "value": value,
    }
    marks = {mark: getattr(found, mark, other) for mark, other in _MARKS.items()}
    flags = [flag for flag in ("degenerate", "high_dimension") if getattr(found, flag, False)]
    rows = []
    for quantity in known.quantities:
        bits = getattr(found, _FIELDS[quantity[:4]] + quantity[4:])
        status = "too_few_samples" if bits is None else [*flags, "ok"][0]
        bits = np.nan if bits is None else bits
        rows.append({**common, "quantity": quantity, "bits": bits, **marks, "status": status})
    return rows


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Readable columns of a table's rows: estimator, quantity, bits, ceiling [bits], trust.

    The ceiling is log2 P or H(Y); that of H(T), which knows none, is NaN. ``trust`` is ``ok``, or
    why the number says little. Rows of one measurement stand together, I(X;T) before I(T;Y).
    """
    found, xt = [], {}  # I(X;T) of each bound
    for row in rows.to_dict("records"):
        known, words = estimator_named(row["estimator"]), _words(row)
        kind, bound = row["quantity"][:4], row["quantity"][4:]
        ceiling = math.log2(row["n_samples"])
        if kind == "I_XT":
            xt[bound] = row["bits"]
        elif kind == "H_T":
            ceiling, xt = math.nan, {}
        else:
            ceiling = row["label_entropy"]
            if _bias(xt.get(bound, 0.0), row) > _BIASED * ceiling:
                if known.ruler != "exact":
                    words.append("small-sample bias")
                elif not row["saturated"]:  # which says as much
                    words.append("small-sample bias if a sample")  # all inputs are none
        label = f"{known.label}, {row['parameter'].replace('_', ' ')} {row['value']:g}"
        label = label if row["parameter"] else known.label
        symbol = _SYMBOLS[kind] + bound.replace("_", " ")
        found.append((label, symbol, row["bits"], ceiling, ", ".join(words) or "ok"))
    return pd.DataFrame(found, columns=["estimator", "quantity", "bits", "ceiling", "trust"])


def _bias(xt: float, row: Mapping[str, Any]) -> float:
    """About how many bits of I(T;Y) are due to P being finite, 2^xt cells being told apart.

    Panzeri & Treves, Network 7 (1996) 87, Eq. 8, with as few classes as H(Y) can have.
    """
    n_classes = math.ceil(2.0 ** row["label_entropy"] - 1e-9)
    return (2.0**xt - 1) * (n_classes - 1) / (2 * row["n_samples"] * math.log(2))


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
