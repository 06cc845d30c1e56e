"""The table's columns, its form on disk, and what it prints."""

import math
from typing import Any

import pandas as pd

from iblib.tidy import shown

COLUMNS = (
    *("run", "dataset", "profile", "model", "activation", "batch_mode", "seed", "epoch"),
    *("layer", "view", "channel", "estimator", "ruler", "parameter", "value", "quantity", "bits"),
    *("n_samples", "dimension", "label_entropy", "saturated", "zero_radius", "unique_share"),
    *("clipped", "status"),
)


_SHOWN = {"I_XT": "I(X;T)", "I_XT_upper": "I(X;T)", "H_T": "I(X;T)"}
_SHOWN |= {"I_TY": "I(T;Y)", "I_TY_upper": "I(T;Y)"}


class PlaneTable(pd.DataFrame):
    """A plane table, which prints what it says of the last epoch; what is made of it is plain.

    ``pandas.DataFrame(table)`` prints the rows.
    """

    @property
    def _constructor(self):
        return pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """I(X;T), or H(T), and I(T;Y) of each layer by each estimator at the last epoch [bits].

        Means over seeds and channels; the KDE's upper values. ``trust`` says which of them say
        little, and why.
        """
        rows = pd.DataFrame(self)
        rows = rows[rows["epoch"] == rows["epoch"].max()]
        words = shown(rows).set_index(rows.index)[["estimator", "trust"]]
        rows = rows.assign(**words, quantity=rows["quantity"].map(_SHOWN)).dropna(subset="quantity")
        by = (
            ["layer", "estimator"]
            if len(set(rows["view"])) == 1
            else ["layer", "view", "estimator"]
        )
        bits = rows.pivot_table("bits", by, "quantity", sort=False, dropna=False, observed=True)
        trust = rows.groupby(by, sort=False)["trust"].agg(lambda found: "; ".join(found.unique()))
        return bits.join(trust).reset_index()

    def __repr__(self) -> str:
        return f"{self._title()}\n{self.summary().to_string(index=False, float_format='%.3f')}"

    def _repr_html_(self) -> str:
        return f"<p>{self._title()}</p>{self.summary().to_html(index=False, float_format='%.3f')}"

    def _title(self) -> str:
        one = self.iloc[0]
        layers, seeds = len(set(self["layer"])), len(set(self["seed"]))
        return (
            f"{one['model']} at epoch {self['epoch'].max()} of {len(set(self['epoch']))} measured: "
            f"{layers} layers, {seeds} seeds; {one['n_samples']} samples: I(X;T) <= "
            f"{math.log2(one['n_samples']):.3f} bits, I(T;Y) <= {one['label_entropy']:.3f} bits"
        )


def write_table(table: pd.DataFrame, path: Any, *, header: bool = True) -> None:
    """Write a table as CSV: seven digits, so that equal results are equal bytes."""
    table.to_csv(path, index=False, header=header, float_format="%.7g", lineterminator="\n")


def read_table(path: Any) -> pd.DataFrame:
    """Read what ``write_table`` wrote; empty text stays text."""
    text = {"run": str, "parameter": str, "profile": str, "status": str, "layer": str}
    empty = {column: [""] for column in ("bits", "unique_share", "loss", "accuracy")}
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=empty)
