"""Tables to points: the rows one panel shows, paired quantities, layer order, facets, labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from iblib.names import estimator_named

SETTINGS = (
    *("dataset", "profile", "model", "activation", "batch_mode"),
    *("view", "channel", "estimator", "parameter", "value"),
)
KEYS = ("run", *SETTINGS, "seed", "epoch", "layer")
# Rows that agree in all of these differ in the trained network alone.
_POINT = ("dataset", "model", "activation", "batch_mode", "layer", "epoch")


@dataclass(frozen=True)
class Facet:
    """The rows of one panel of a grid, with its place and its title."""

    row: int
    column: int
    title: str
    table: pd.DataFrame


def values_of(table: pd.DataFrame, column: str) -> list:
    """Distinct values of a column, in order of first appearance (layers: network order).

    A column that has a value in some rows only is a ValueError: the others would not be drawn.
    """
    missing = int(table[column].isna().sum())
    if 0 < missing < len(table):
        raise ValueError(f"{column} must have a value in every row; {missing} rows have none")
    return list(dict.fromkeys(table[column].dropna()))


def estimator_rows(
    table: pd.DataFrame, estimator: str, quantity: str, bound: str = "upper"
) -> pd.DataFrame:
    """Rows of one estimator with what stands for I_XT or I_TY in finite bits, and ``hollow``.

    A table without a row of this estimator, or an unknown quantity or bound, is a ValueError.
    """
    known, rows = estimator_named(estimator), table[table["estimator"] == estimator]
    if rows.empty:
        names = ", ".join(map(str, values_of(table, "estimator"))) or "none"
        raise ValueError(f"estimator must be one of the table's ({names}); got {estimator!r}")
    stored = known.quantity(quantity, bound)
    rows = rows[(rows["quantity"] == stored) & np.isfinite(rows["bits"].astype(float))].copy()
    if "channel" in rows:
        rows["channel"] = pd.to_numeric(rows["channel"], errors="coerce").fillna(-1).astype(int)
    # flags and counts, whatever a file made of them
    mark = rows.get(known.hollow, pd.Series("", rows.index)).astype(str).str.lower()
    rows["hollow"] = (mark == "true") | (pd.to_numeric(mark, errors="coerce") > 0)
    return rows


def ceilings(rows: pd.DataFrame, quantity: str) -> dict[float, str]:
    """What I_XT or I_TY of these rows cannot pass [bits], with its label; empty for an entropy."""
    if quantity == "I_TY":
        heights = sorted({round(float(h), 6) for h in values_of(rows, "label_entropy")})
        return {height: f"H(Y) = {height:.3g}" for height in heights}
    if not estimator_named(values_of(rows, "estimator")[0]).has_ceiling:
        return {}
    heights = [float(np.log2(p)) for p in values_of(rows, "n_samples")]
    return {height: rf"$\log_2 P$ = {height:.3g}" for height in heights}


def plane_points(table: pd.DataFrame, estimator: str, bound: str = "upper") -> pd.DataFrame:
    """Points of the information plane [bits]: one row a run, seed, epoch, layer, view, channel.

    The columns of the I(X;T) rows (Kraskov, pooled histogram: the H(T) rows) with ``x`` and ``y``
    (I(T;Y)) [bits] and ``hollow`` in place of ``quantity`` and ``bits``; points without both
    numbers are left out. ``bound``: which of the KDE's two values. A table without a row of this
    estimator, or with one point twice, is a ValueError.
    """
    x = estimator_rows(table, estimator, "I_XT", bound)
    y = estimator_rows(table, estimator, "I_TY", bound)
    keys = [key for key in KEYS if key in x.columns]
    x = x.drop(columns="quantity").rename(columns={"bits": "x"})
    y = y[[*keys, "bits"]].rename(columns={"bits": "y"})
    return x.merge(y, on=keys, how="inner", validate="one_to_one")


def require_one(points: pd.DataFrame, but: Sequence[str] = (), also: Sequence[str] = ()) -> None:
    """Refuse to average over settings, or ``also`` over other columns: over anything but seeds."""
    for column in (*SETTINGS, *also):
        if column not in but and column in points and len(found := values_of(points, column)) > 1:
            raise ValueError(f"{column} must have one value in a panel; got {found}: select one")


def n_seeds(table: pd.DataFrame) -> int:
    """Number of trained networks behind the rows (a run may hold several seeds)."""
    keys = [key for key in ("run", "seed") if key in table]
    return len(table[keys].drop_duplicates()) if keys else 1


def seed_counts(tables: Iterable[pd.DataFrame]) -> list[int]:
    """How many trained networks are behind each value: of a setting, a layer and an epoch.

    A network without ``bits`` there does not count.
    """
    counts: list[int] = []
    for table in tables:
        rows = table.dropna(subset="bits") if "bits" in table else table
        by = [name for name in _POINT if name in rows]
        networks = rows[[*by, *(key for key in ("run", "seed") if key in rows)]].drop_duplicates()
        counts += networks.groupby(by, dropna=False).size().tolist() if by else [n_seeds(rows)]
    return counts


def seeds_text(tables: Iterable[pd.DataFrame]) -> str:
    """``n = 3 seeds`` behind the values of these tables; a range where they differ."""
    counts = seed_counts(tables) or [0]
    low, high = min(counts), max(counts)
    return f"n = {low if low == high else f'{low} to {high}'} seed{'' if high == 1 else 's'}"


def facets(
    table: pd.DataFrame, rows: str | None, columns: str | None, bound: str = "upper"
) -> list[Facet]:
    """Split a table into the panels of a grid, row by row, in order of first appearance.

    ``rows`` and ``columns`` are columns of the table; None makes one row or column of panels. A
    pair that the table does not hold has an empty table. KDE panels are titled with the ``bound``.
    What is no column of the table, or has values in some rows only, is a ValueError.
    """
    found = []
    for name in (rows, columns):
        if name is not None and name not in table:
            raise ValueError(f"rows and columns must be columns of the table; got {name!r}")
        if name is not None and table[name].isna().all():
            table = table.assign(**{name: ""})  # a file keeps no empty text
        found.append(enumerate([None] if name is None else values_of(table, name)))
    grid = []
    for (i, row), (j, column) in product(*found):
        chosen, titles = table, []
        for name, value in ((rows, row), (columns, column)):
            if name is not None:
                chosen = chosen[chosen[name] == value]
                titles.append(_title(name, value, bound))
        grid.append(Facet(i, j, ", ".join(filter(None, titles)), chosen))
    return grid


def shown_name(value: object) -> str:
    """An activation, or a name that holds one, as a reader says it."""
    return str(value).replace("relu", "ReLU")


def _title(name: str, value: object, bound: str) -> str:
    """A facet's value as a reader says it."""
    if name == "estimator":
        return estimator_named(str(value)).shown(bound)
    if name in ("activation", "batch_mode", "model", "dataset", "layer", "configuration"):
        return shown_name(value)
    return f"{name.replace('_', ' ')} {value}"


def data_note(table: pd.DataFrame) -> str:
    """What the numbers come from: data set, profile and measured samples."""
    texts = []
    for name, title in (("dataset", "data: "), ("profile", "profile: "), ("n_samples", "P = ")):
        values = [value for value in values_of(table, name) if value] if name in table else []
        if values:
            told = (f"{v:.0f}" if name == "n_samples" else str(v) for v in values)
            texts.append(title + ", ".join(told))
    return "   ".join(texts)
