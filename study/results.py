"""Files of results/, each with the key of what made it: written, read, checked. Knows no maker."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iblib import files
from iblib.names import estimator_named
from iblib.training import environment

Value = pd.DataFrame | Mapping[str, np.ndarray] | bytes

# Long in memory and wide on disk: (the column that is spread, its values' columns, the column that
# says which of its values a row has). One row is a measurement, or an epoch.
_SPREAD = (("quantity", ["bits"], "estimator"), ("split", ["loss", "accuracy"], "dataset"))
# What tells runs apart; a run's key follows from them.
_SETTINGS = (["dataset", "model", "activation", "batch_mode"], ["seed"])


class StaleResultError(FileNotFoundError):
    """A result is missing or was made of something else; the message holds the command."""


@dataclass(frozen=True)
class Results:
    """A folder of results.

    Each file has a ``.json`` beside it: the key of what made it, its checksum, versions and CPU,
    and of a table what is constant in it.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """Where the file of this name is."""
        return self.folder / name

    def about(self, name: str) -> dict[str, Any]:
        """What is known of a file; empty where nothing is."""
        path = self._about_path(name)
        try:
            found = files.read_json(path) if path.is_file() else {}
        except files.DamagedFileError:
            return {}
        return found if isinstance(found, dict) else {}

    def problem(self, name: str, key: str) -> str:
        """Why a file is not the result with this key; empty where it is."""
        path, about = self.path(name), self.about(name)
        if not path.is_file() or not about:
            return f"{path} is missing"
        if about.get("key") != key:
            return f"{path} was made of something else than this asks for"
        if files.digest(path) != about.get("sha256"):
            return f"{path} is not as it was made (damaged, or edited)"
        return ""

    def write(self, name: str, value: Value, key: str, **about) -> None:
        """Write a result whole, then what made it; equal values are equal bytes."""
        with files.replacing(self.path(name)) as temporary:
            if isinstance(value, pd.DataFrame):
                wide, shape = _wide(value)
                wide.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
                about |= shape
            elif isinstance(value, bytes):
                temporary.write_bytes(value)
            else:
                _write_arrays(temporary, value)
            about |= {"key": key, "sha256": files.digest(temporary)}
        files.write_json(self._about_path(name), about | {"environment": environment()})

    def table(self, name: str) -> pd.DataFrame:
        """A table as it was given to ``write``, rounded to six significant digits."""
        about = self.about(name)
        table = _read(self.path(name), about.get("text", []))
        for column, value in about.get("constant", {}).items():
            table[column] = value
        if spread := about.get("spread"):
            table = _gathered(table, **spread)
        if runs := about.get("runs"):
            keys = pd.DataFrame(runs["keys"], columns=[*runs["by"], "run"])
            table = table.merge(keys, on=runs["by"], how="left", validate="many_to_one")
        if "ruler" in about.get("columns", ()):
            table["ruler"] = table["estimator"].map(lambda name: estimator_named(name).ruler)
        return table[about["columns"]] if "columns" in about else table

    def environments(self, names: Iterable[str]) -> dict[str, list[str]]:
        """What last digits depend on, in words -> the files, of these names, made with it."""
        found: dict[str, list[str]] = {}
        for name in names:
            if made := self.about(name).get("environment"):
                words = f"{made['cpu_capability']}, torch {made['packages']['torch']}"
                found.setdefault(words, []).append(name)
        return found

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Arrays as they were given to ``write``."""
        with np.load(self.path(name), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def _about_path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _read(path: Path, text: list[str]) -> pd.DataFrame:
    """A CSV; an empty place is a missing number, or in a column of text an empty text."""
    columns = pd.read_csv(path, nrows=0).columns
    missing = {column: [""] for column in columns if column not in text}
    types = dict.fromkeys(text, str)
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=missing)


def _wide(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table without what is constant, quantities side by side; and how to undo it."""
    shape: dict[str, Any] = {"columns": list(table.columns)}
    for by, values, group in _SPREAD:
        if {by, group, *values} <= set(table) and len(table):
            how = {"by": by, "values": values, "group": group}
            wide, how["found"] = _spread(table, **how)
            again = _gathered(wide, **how)[shape["columns"]].astype(object)
            if again.equals(table.reset_index(drop=True).astype(object)):  # else it stays long
                table, shape["spread"] = wide, how
    if "estimator" in table:
        table = table.drop(columns="ruler", errors="ignore")  # it follows from the estimator
    if "run" in table and (runs := _keys_of_runs(table)):
        table, shape["runs"] = table.drop(columns="run"), runs
    constant = {c: _plain(table[c].iloc[0]) for c in table.columns if _is_constant(table[c])}
    shape["constant"] = constant
    table = table.drop(columns=list(constant))
    shape["text"] = list(table.select_dtypes(exclude=["number", "bool"]).columns)
    return table, shape


def _keys_of_runs(table: pd.DataFrame) -> dict[str, list]:
    """The key of each run beside the settings that it follows from; empty where it does not."""
    by: list[str] = []
    for further in _SETTINGS:
        by += [column for column in further if column in table]
        keys = table[[*by, "run"]].drop_duplicates()
        if by and not keys.duplicated(by).any():
            return {"by": by, "keys": keys.to_numpy(object).tolist()}
    return {}


def _spread(
    table: pd.DataFrame, by: str, values: list[str], group: str
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """One row for the rows that differ in ``by`` and ``values`` only, which stand together."""
    names = table.groupby(group, sort=False)[by]
    found = {str(name): list(dict.fromkeys(of_group)) for name, of_group in names}
    sizes = table[group].map({name: len(of_group) for name, of_group in found.items()}).to_numpy()
    starts, position = [], 0
    while position < len(table):
        starts.append(position)
        position += sizes[position]
    row = np.zeros(len(table), int)
    row[starts[1:]] = 1
    row = row.cumsum()
    wide = table.drop(columns=[by, *values]).iloc[starts].reset_index(drop=True)
    for name in _all(found):
        here = (table[by] == name).to_numpy()
        for value in values:
            column = np.full(len(wide), np.nan)
            column[row[here]] = table[value].to_numpy()[here]
            wide[_column(name, value, values)] = column
    return wide, found


def _gathered(
    table: pd.DataFrame, by: str, values: list[str], group: str, found: Mapping[str, list[str]]
) -> pd.DataFrame:
    """One row a number again, in the old order."""
    columns = [_column(name, value, values) for name in _all(found) for value in values]
    parts = []
    for of_group, names in found.items():
        rows = table[table[group] == of_group]
        for place, name in enumerate(names):
            numbers = {value: rows[_column(name, value, values)] for value in values}
            part = rows.drop(columns=columns).assign(**{by: name}, **numbers)
            parts.append(part.assign(_row=rows.index, _place=place))
    long = pd.concat(parts).sort_values(["_row", "_place"], ignore_index=True)
    return long.drop(columns=["_row", "_place"])


def _column(name: str, value: str, values: list[str]) -> str:
    return name if len(values) == 1 else f"{name}_{value}"


def _all(found: Mapping[str, list[str]]) -> list[str]:
    """All names, each once."""
    return list(dict.fromkeys(name for names in found.values() for name in names))


def _is_constant(column: pd.Series) -> bool:
    first = column.iloc[0] if len(column) > 1 else np.nan
    is_finite = not isinstance(first, float) or np.isfinite(first)
    return is_finite and bool((column == first).all())


def _plain(value: Any) -> Any:
    """A value as JSON has it, rounded as the columns are."""
    value = value.item() if isinstance(value, np.generic) else value
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A zip of npy members with a fixed date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, buffer.getvalue())
