"""The table's columns, and its form on disk."""

from typing import Any

import pandas as pd

COLUMNS = (
    *("run", "dataset", "profile", "model", "activation", "batch_mode", "seed", "epoch"),
    *("layer", "view", "channel", "estimator", "parameter", "value", "quantity", "bits"),
    *("n_samples", "dimension", "label_entropy", "saturated", "zero_radius", "unique_share"),
    *("clipped", "status"),
)


def write_table(table: pd.DataFrame, path: Any, *, header: bool = True) -> None:
    """Write a table as CSV: seven digits, so that equal results are equal bytes."""
    table.to_csv(path, index=False, header=header, float_format="%.7g", lineterminator="\n")


def read_table(path: Any) -> pd.DataFrame:
    """Read what ``write_table`` wrote; empty text stays text."""
    text = {"run": str, "parameter": str, "profile": str, "status": str, "layer": str}
    empty = {column: [""] for column in ("bits", "unique_share", "loss", "accuracy")}
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=empty)
