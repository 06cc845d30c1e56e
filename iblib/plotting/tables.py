"""Tables to points: the rows one panel shows, paired quantities, layer order, facets, labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

SETTINGS = (
    *("dataset", "profile", "model", "activation", "batch_mode"),
    *("view", "channel", "estimator", "parameter", "value"),
)
KEYS = ("run", *SETTINGS, "seed", "epoch", "layer")
KDE = ("kde", "kde_relative")
ESTIMATOR_LABELS = {
    "binning": "binning",
    "binning_refit": "binning, refitted edges",
    "binning_mass": "binning, equal mass",
    "binning_net_input": "binning, equal in the net input",
    "pooled": "pooled histogram",
    "kde": "KDE",
    "kde_relative": "KDE, noise relative to the deviation",
    "kraskov": "Kraskov",
}


@dataclass(frozen=True)
class Facet:
    """The rows of one panel of a grid, with its place and its title."""

    row: int
    column: int
    title: str
    table: pd.DataFrame


def quantity_name(estimator: str, quantity: str, bound: str = "upper") -> str:
    """Name under which a table holds I_XT or I_TY of an estimator.

    KDE has an upper and a lower value; Kraskov and the pooled histogram have H(T) in the place
    of I(X;T).

    Raises
    ------
    ValueError
        If quantity is neither I_XT nor I_TY, or bound neither upper nor lower.
    """
    if bound not in ("upper", "lower"):
        raise ValueError(f'bound must be "upper" or "lower"; got {bound!r}')
    if quantity not in ("I_XT", "I_TY"):
        raise ValueError(f'quantity must be "I_XT" or "I_TY"; got {quantity!r}')
    if estimator in KDE:
        return f"{quantity}_{bound}"
    if quantity == "I_XT" and estimator in ("kraskov", "pooled"):
        return "H_T"
    return quantity


def axis_label(estimator: str, quantity: str) -> str:
    """Axis label of I_XT or I_TY as this estimator measures it, with the unit."""
    if quantity == "I_TY":
        return "I(T;Y) [bits]"
    if estimator == "kraskov":
        return "H(T) + const [bits]"
    if estimator == "pooled":
        return "H(one activation) [bits]"
    return "I(X;T) [bits]"


def estimator_label(estimator: str, bound: str = "upper") -> str:
    """Readable name of an estimator; KDE with the bound it stands for."""
    name = ESTIMATOR_LABELS.get(estimator, estimator)
    return f"{name} ({bound})" if estimator in KDE else name


def family(estimator: str) -> str:
    """Estimators of one family share axes: "information", "entropy" (Kraskov) or "pooled"."""
    return {"kraskov": "entropy", "pooled": "pooled"}.get(estimator, "information")


def values_of(table: pd.DataFrame, column: str) -> list:
    """Distinct values of a column, in order of first appearance (layers: network order)."""
    return list(dict.fromkeys(table[column].dropna()))


def estimator_rows(table: pd.DataFrame, estimator: str, quantity: str) -> pd.DataFrame:
    """Rows of one estimator and stored quantity that hold a finite number of bits.

    Raises
    ------
    ValueError
        If the table has no row of this estimator.
    """
    rows = table[table["estimator"] == estimator]
    if rows.empty:
        known = ", ".join(map(str, values_of(table, "estimator"))) or "none"
        raise ValueError(f"estimator must be one of the table's ({known}); got {estimator!r}")
    rows = rows[(rows["quantity"] == quantity) & np.isfinite(rows["bits"].astype(float))].copy()
    if "channel" in rows:
        rows["channel"] = pd.to_numeric(rows["channel"], errors="coerce").fillna(-1).astype(int)
    rows["hollow"] = _hollow(rows, estimator)
    return rows


def _hollow(rows: pd.DataFrame, estimator: str) -> pd.Series:
    """Values that say little: saturated at log2 P; for Kraskov, those with zero-radius points."""
    if family(estimator) == "entropy" and "zero_radius" in rows:
        return pd.to_numeric(rows["zero_radius"], errors="coerce").fillna(0) > 0
    if "saturated" not in rows:
        return pd.Series(False, index=rows.index)
    return rows["saturated"].astype(str).str.lower().isin(["true", "1", "1.0"])


def plane_points(table: pd.DataFrame, estimator: str, bound: str = "upper") -> pd.DataFrame:
    """Points of the information plane [bits]: one row a run, seed, epoch, layer, view, channel.

    Parameters
    ----------
    table : DataFrame
        Plane table, one row one number.
    estimator : str
        One of the table's estimators.
    bound : {"upper", "lower"}
        Which of the KDE's two values; the other estimators have one.

    Returns
    -------
    DataFrame
        The columns of the I(X;T) rows (Kraskov, pooled histogram: the H(T) rows) with ``x`` and
        ``y`` (I(T;Y)) [bits] and ``hollow`` in place of ``quantity`` and ``bits``; points without
        both numbers are left out.

    Raises
    ------
    ValueError
        If the table has no row of this estimator, or one point twice.
    """
    x = estimator_rows(table, estimator, quantity_name(estimator, "I_XT", bound))
    y = estimator_rows(table, estimator, quantity_name(estimator, "I_TY", bound))
    keys = [key for key in KEYS if key in x.columns]
    x = x.drop(columns="quantity").rename(columns={"bits": "x"})
    y = y[[*keys, "bits"]].rename(columns={"bits": "y"})
    return x.merge(y, on=keys, how="inner", validate="one_to_one")


def require_one(points: pd.DataFrame, but: Sequence[str] = ()) -> None:
    """Refuse to average over anything but seeds.

    Raises
    ------
    ValueError
        If a column of settings holds several values; it names the column and the values.
    """
    for column in SETTINGS:
        if column in but or column not in points:
            continue
        values = values_of(points, column)
        if len(values) > 1:
            raise ValueError(f"{column} must have one value in a panel; got {values}: select one")


def n_seeds(table: pd.DataFrame) -> int:
    """Number of trained networks behind the rows (a run may hold several seeds)."""
    keys = [key for key in ("run", "seed") if key in table]
    return len(table[keys].drop_duplicates()) if keys else 1


def seeds_text(counts: Sequence[int]) -> str:
    """``n = 3 seeds``, or a range where panels differ."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"n = {low if low == high else f'{low} to {high}'} seed{'' if high == 1 else 's'}"


def select(table: pd.DataFrame, **wanted) -> pd.DataFrame:
    """Rows whose columns have these values; ``None`` selects nothing away.

    Raises
    ------
    ValueError
        If no row is left; it names the column and its values.
    """
    for column, value in wanted.items():
        if value is None or column not in table:
            continue
        chosen = table[table[column] == value]
        if chosen.empty:
            known = ", ".join(map(str, values_of(table, column))) or "none"
            raise ValueError(f"{column} must be one of the table's ({known}); got {value!r}")
        table = chosen
    return table


def facets(
    table: pd.DataFrame, rows: str | None, columns: str | None, bound: str = "upper"
) -> list[Facet]:
    """Split a table into the panels of a grid, in order of first appearance.

    Parameters
    ----------
    table : DataFrame
        Plane or history table.
    rows, columns : str or None
        Table columns; None makes one row or column of panels.
    bound : {"upper", "lower"}
        Named in the title of KDE panels.

    Returns
    -------
    list of Facet
        Row by row; a pair that the table does not hold has an empty table.

    Raises
    ------
    ValueError
        If rows or columns is no column of the table.
    """
    for name in (rows, columns):
        if name is not None and name not in table:
            raise ValueError(f"rows and columns must be columns of the table; got {name!r}")
    row_values = [None] if rows is None else values_of(table, rows)
    column_values = [None] if columns is None else values_of(table, columns)
    out = []
    for i, row in enumerate(row_values):
        for j, column in enumerate(column_values):
            chosen = table if row is None else table[table[rows] == row]
            chosen = chosen if column is None else chosen[chosen[columns] == column]
            names = [_title(rows, row, bound), _title(columns, column, bound)]
            out.append(Facet(i, j, ", ".join(filter(None, names)), chosen))
    return out


def shown_name(value: object) -> str:
    """An activation, or a name that holds one, as a reader says it."""
    return str(value).replace("relu", "ReLU")


def _title(name: str | None, value: object, bound: str) -> str:
    """A facet's value as a reader says it."""
    if name is None:
        return ""
    if name == "estimator":
        return estimator_label(str(value), bound)
    if name in ("activation", "batch_mode", "model", "dataset", "layer", "configuration"):
        return shown_name(value)
    return f"{name.replace('_', ' ')} {value}"


def data_note(table: pd.DataFrame) -> str:
    """What the numbers come from: data set, profile and measured samples."""
    parts = []
    for name, title in (("dataset", "data"), ("profile", "profile")):
        known = [str(value) for value in values_of(table, name) if value] if name in table else []
        if known:
            parts.append(f"{title}: {', '.join(known)}")
    if "n_samples" in table:
        parts.append("P = " + ", ".join(f"{p:.0f}" for p in values_of(table, "n_samples")))
    return "   ".join(parts)
