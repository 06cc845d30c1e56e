"""The table's columns, its form on disk, and what it prints."""

import math
from typing import Any

import pandas as pd

from iblib.tidy import as_html, as_text, shown

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
        rows = pd.DataFrame(self).sort_index()
        rows = rows[rows["epoch"] == rows["epoch"].max()]
        words = shown(rows).set_index(rows.index)[["estimator", "trust"]]
        rows = rows.assign(**words, quantity=rows["quantity"].map(_SHOWN)).dropna(subset="quantity")
        by = ["layer", *(["view"] if len(set(rows["view"])) > 1 else []), "estimator"]
        bits = rows.pivot_table("bits", by, "quantity", sort=False, dropna=False, observed=True)
        said = rows.groupby(by, sort=False)["trust"].agg(", ".join)
        trust = said.map(lambda all: ", ".join(sorted({*all.split(", ")} - {"ok"})) or "ok")
        return bits.join(trust).reset_index()

    def __repr__(self) -> str:
        if not self._is_whole():
            return super().__repr__()
        return f"{self._title()}\n{as_text(self.summary())}"

    def _repr_html_(self) -> str | None:
        if not self._is_whole():
            return super()._repr_html_()
        return f"<p>{self._title()}</p>{as_html(self.summary())}"

    def _is_whole(self) -> bool:
        """Whether there is a summary: not of a table without rows, or changed in place."""
        return len(self) > 0 and set(COLUMNS) <= set(self.columns)

    def _title(self) -> str:
        one = self.iloc[0]
        layers, epochs = len(set(self["layer"])), len(set(self["epoch"]))
        return (
            f"{one['model']}, epoch {self['epoch'].max()} (of {epochs} measured), {layers} layers, "
            f"{one['n_samples']} samples; in bits: I(X;T) <= {math.log2(one['n_samples']):.3f}, "
            f"I(T;Y) <= {one['label_entropy']:.3f}"
        )


def write_table(table: pd.DataFrame, path: Any = None, *, header: bool = True) -> str | None:
    """Write a table as CSV, or give it: seven digits, so that equal results are equal bytes."""
    return table.to_csv(path, index=False, header=header, float_format="%.7g", lineterminator="\n")


def read_table(path: Any) -> pd.DataFrame:
    """Read what ``write_table`` wrote; empty text stays text."""
    text = {"run": str, "parameter": str, "profile": str, "status": str, "layer": str}
    empty = {column: [""] for column in ("bits", "unique_share", "loss", "accuracy")}
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=empty)
