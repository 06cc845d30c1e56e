"""Specs of a sweep: the grid file that lists them, their checks, and what tells them apart."""

import inspect
import itertools
import json
import tomllib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import UnionType
from typing import Any

from iblib import datasets
from iblib.config import ConfigError, MeasureConfig, RunConfig, canonical_json

Spec = dict[str, Any]

_TABLES = ("data", "run", "measure")


def read_grid(path: Path) -> list[Spec]:
    """Specs of a grid file: the product of all lists under ``[data]`` and ``[run]``.

    ``[measure]`` is one measurement, ``[[measure]]``, repeated, several of every run. A file that
    is missing, or no TOML, an empty list, and a table or setting that cannot be are a
    ``ConfigError``.
    """
    if not path.is_file():
        raise ConfigError(f"no grid file {path}: see `iblib sweep --help`")
    try:
        grid = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    if unknown := sorted(set(grid) - set(_TABLES)):
        raise ConfigError(f"{path}: unknown table [{unknown[0]}]; known are {list(_TABLES)}")
    if missing := [name for name in ("data", "run") if not isinstance(grid.get(name), dict)]:
        raise ConfigError(f"{path}: table [{missing[0]}] is missing")
    measures = grid.get("measure")
    return [
        normalised({"data": data, "run": run, "measure": measure})
        # outermost, so that no worker waits for another that trains the same run
        for measure in (measures if isinstance(measures, list) and measures else [measures])
        for data, run in itertools.product(_product(grid["data"]), _product(grid["run"]))
    ]


def _product(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of one value per setting; a list is a choice, a sub-table expands too."""
    choices = []
    for name, value in table.items():
        if value == []:
            raise ConfigError(f"{name} = [] leaves no run: a list is a choice of values")
        one = _product(value) if isinstance(value, Mapping) else [value]
        choices.append(value if isinstance(value, list) else one)
    for values in itertools.product(*choices):
        yield dict(zip(table, values, strict=True))


def normalised(spec: Mapping[str, Any]) -> Spec:
    """A spec with every default written out, and the folder of its data as an absolute path.

    A setting that is unknown, of the wrong type or not legal is a ``ConfigError``.
    """
    data, measure = dict(spec["data"]), spec.get("measure")
    if not isinstance(data.get("name"), str):
        raise ConfigError("[data] name is missing")
    try:
        if data.get("name") in datasets.DATASETS:
            _check_types("data", datasets.DATASETS[data["name"]], data)
        _check_types("run", RunConfig, spec["run"])
        run = RunConfig.from_dict(dict(spec["run"]))
        if measure is not None:
            _check_types("measure", MeasureConfig, measure)
            measure = MeasureConfig.from_dict(measure).as_dict()
        if data.get("data_dir"):
            data["data_dir"] = str(Path(data["data_dir"]).expanduser().resolve())
    except TypeError as error:
        raise ConfigError(f"a setting is missing, unknown or of the wrong type: {error}") from error
    try:
        return json.loads(canonical_json({"data": data, "run": asdict(run), "measure": measure}))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"settings must be texts, lists and finite numbers: {error}") from error


def _check_types(table: str, taken_by: Callable, settings: Mapping[str, Any]) -> None:
    """Refuse values that are not of the annotated types; a whole number will do for a float."""
    if not isinstance(settings, Mapping):
        raise ConfigError(f"[{table}] must be a table; got {settings!r}")
    parameters = inspect.signature(taken_by).parameters
    for name in settings.keys() & parameters.keys():
        hint, value = parameters[name].annotation, settings[name]
        hints = typing.get_args(hint) if isinstance(hint, UnionType) else (hint,)
        kinds = {typing.get_origin(one) or one for one in hints}
        if hint is inspect.Parameter.empty or not all(isinstance(kind, type) for kind in kinds):
            continue  # a function of the user's says nothing of it, or what is not checked here
        kinds |= {int} if float in kinds else {list} if tuple in kinds else set()
        if not isinstance(value, tuple(kinds)) or (isinstance(value, bool) and bool not in kinds):
            expected = getattr(hint, "__name__", hint)
            raise ConfigError(f"[{table}] {name} must be of type {expected}; got {value!r}")


def labels(specs: Iterable[Spec]) -> list[str]:
    """The settings of each spec that are not the same in all, the run's own first.

    Where none differs, model and activation. A long label ends in the number of its run.
    """
    flat = [dict(_flat(spec)) for spec in specs]
    names = sorted({n for one in flat for n in one}, key=lambda n: (not n.startswith("run"), n))
    chosen = [name for name in names if len({one.get(name) for one in flat}) > 1]
    told = []
    for number, one in enumerate(flat, 1):
        shown = [name for name in chosen or ("run.model", "run.activation") if name in one]
        label = " ".join(f"{name.rpartition('.')[2]}={one[name]}" for name in shown)
        label = label or "not measured"
        told.append(label if len(label) <= 60 else f"{label[:50]}… {number}")
    return told


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Settings of nested tables, in words, by dotted names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, list):
            parts = [list(one.values()) if isinstance(one, dict) else [one] for one in value]
            yield above + name, ",".join(":".join(map(str, part)) for part in parts) or "all"
        elif value is not None:
            yield above + name, str(value)
