"""Tables to tables: the numbers that the notebooks' verdicts stand on."""

import pandas as pd

# What tells one curve over epochs from another in a plane table.
CURVE = [
    *("run", "model", "activation", "batch_mode", "seed", "layer", "view", "channel"),
    *("estimator", "parameter", "value", "quantity"),
]
SETTING = ["model", "activation", "batch_mode"]


def select(table: pd.DataFrame, **conditions) -> pd.DataFrame:
    """Rows whose columns equal the given values (or lie in the given list).

    Raises
    ------
    ValueError
        For an unknown column, or where nothing is left; it names the column and its values.
    """
    for column, wanted in conditions.items():
        if column not in table:
            raise ValueError(f"column must be one of {list(table.columns)}; got {column!r}")
        values = wanted if isinstance(wanted, list | tuple | set) else [wanted]
        chosen = table[table[column].isin(values)]
        if chosen.empty:
            known = ", ".join(map(str, table[column].dropna().unique()[:20])) or "none"
            raise ValueError(f"{column} must be one of the table's ({known}); got {wanted!r}")
        table = chosen
    return table


def compression(table: pd.DataFrame) -> pd.DataFrame:
    """Rise and fall of each curve over epochs, in bits: one row per curve.

    ``first`` (the first epoch's value), ``maximum``, ``epoch_of_maximum``, ``last``, ``rise`` =
    maximum - first and ``fall`` = maximum - last (both >= 0).
    """
    table = table.dropna(subset="bits").sort_values("epoch", kind="stable", ignore_index=True)
    groups = table.groupby(CURVE, sort=False, dropna=False)
    found = groups["bits"].agg(first="first", maximum="max", last="last")
    top = table.loc[groups["bits"].idxmax()].set_index(CURVE)["epoch"]
    found["epoch_of_maximum"] = top.reindex(found.index)
    found["rise"] = found["maximum"] - found["first"]
    found["fall"] = found["maximum"] - found["last"]
    return found.reset_index()
