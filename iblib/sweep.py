"""Many runs, on one machine or on a Dask cluster; every result is one sealed file.

A spec is ``{"data": {arguments of iblib.datasets.load}, "run": {fields of RunConfig}, "measure":
{fields of MeasureConfig} or None}``. Its canonical JSON gives the run id, and the id names the
result file, so that any engine which runs each spec at least once is good enough.
"""

import inspect
import io
import itertools
import json
import logging
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from iblib import cluster, datasets, files, paths
from iblib.config import (
    RUN_FORMAT,
    TABLE_FORMAT,
    ConfigError,
    MeasureConfig,
    RunConfig,
    canonical_json,
    key_of,
)
from iblib.datasets.base import DataError, Dataset
from iblib.information_plane import measure_run, write_table
from iblib.training import model_options, train

log = logging.getLogger(__name__)

RESULT_FORMAT = 1
_RESULT_KEYS = {"format", "spec", "fingerprint", "status", "history", "planes"}
_TABLES = ("data", "run", "measure")

Spec = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How one run of a sweep ended: ``finished``, ``diverged``, ``reused`` or ``failed``."""

    id: str
    spec: Spec
    status: str
    seconds: float = 0.0
    error: str = ""


OnDone = Callable[[int, int, Outcome], None]


@dataclass(frozen=True)
class SweepResult:
    """What a sweep did, in the order of its specs."""

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome]:
        """Runs without a result."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def submitted(self) -> int:
        """Runs that had no valid result yet."""
        return sum(outcome.status != "reused" for outcome in self.outcomes)


def read_grid(path: Path) -> list[Spec]:
    """Specs of a grid file: the product of all lists under ``[data]`` and ``[run]``.

    ``[measure]`` is one measurement, ``[[measure]]``, repeated, several of every run.

    Raises
    ------
    ConfigError
        Where the file is not TOML, or holds an unknown table, setting, model or activation.
    FileNotFoundError
        Where there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no grid file {path}: see `python -m iblib sweep --help`")
    try:
        grid = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    if unknown := sorted(set(grid) - set(_TABLES)):
        raise ConfigError(f"{path}: unknown table [{unknown[0]}]; known are {list(_TABLES)}")
    if missing := [name for name in ("data", "run") if name not in grid]:
        raise ConfigError(f"{path}: table [{missing[0]}] is missing")
    measures = grid.get("measure")
    return [
        normalised({"data": data, "run": run, "measure": measure})
        # outermost, so that no worker waits for another that trains the same run
        for measure in (measures if isinstance(measures, list) else [measures])
        for data, run in itertools.product(_product(grid["data"]), _product(grid["run"]))
    ]


def _product(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of one value per setting; a list is a choice, a sub-table expands too."""
    choices = []
    for value in table.values():
        if isinstance(value, Mapping):
            choices.append(list(_product(value)))
        else:
            choices.append(value if isinstance(value, list) else [value])
    for values in itertools.product(*choices):
        yield dict(zip(table, values, strict=True))


def normalised(spec: Mapping[str, Any]) -> Spec:
    """A spec with every default written out, so that equal runs have equal ids.

    Raises
    ------
    ConfigError
        For an unknown setting, a value of the wrong type, or one that is not legal.
    """
    data, measure = dict(spec["data"]), spec.get("measure")
    try:
        inspect.signature(datasets.load).bind(**data)
        run = RunConfig.from_dict(dict(spec["run"]))
        measure = None if measure is None else MeasureConfig.from_dict(measure).as_dict()
    except TypeError as error:
        raise ConfigError(f"a setting is missing, unknown or of the wrong type: {error}") from error
    plain = {"data": data, "run": asdict(run), "measure": measure}
    return json.loads(canonical_json(plain))


def run_id(spec: Mapping[str, Any]) -> str:
    """Key of a spec's canonical JSON; names its result file."""
    return key_of(RESULT_FORMAT, RUN_FORMAT, TABLE_FORMAT, normalised(spec))


def check_device(device: str) -> None:
    """Refuse ``cuda`` where there is none."""
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"device must be cpu or cuda; got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is visible to PyTorch: use --device cpu")


def check(specs: Iterable[Spec]) -> dict[str, str]:
    """Load every data set once and try every network on it, before anything is trained.

    Returns
    -------
    dict
        Run id -> fingerprint of its data.
    """
    fingerprints = {}
    for spec in specs:
        dataset = _load(canonical_json(spec["data"]))
        model_options(RunConfig.from_dict(spec["run"]), dataset)
        fingerprints[run_id(spec)] = dataset.fingerprint
    return fingerprints


@lru_cache(maxsize=4)
def _load(data: str) -> Dataset:
    dataset = datasets.load(**json.loads(data))
    if len(dataset.classes) == 1:
        raise DataError(
            f"{dataset.name} has one class ({dataset.classes[0]}): add a second one to classify"
        )
    return dataset


def run_one(
    spec: Mapping[str, Any],
    out: str | Path,
    *,
    runs_dir: str | Path | None = None,
    device: str = "cpu",
) -> str:
    """Train and measure one spec on one thread, and write its result file, if there is none yet.

    Parameters
    ----------
    spec : mapping
    out : path
        Folder of the result files.
    runs_dir : path, optional
        Folder of all runs, where a finished one is reused; the repository's by default.
    device : {"cpu", "cuda"}

    Returns
    -------
    str
        The run's status, ``finished`` or ``diverged``.
    """
    spec = normalised(spec)
    dataset = _load(canonical_json(spec["data"]))
    if done := read_result(out, spec, dataset.fingerprint):
        return done["status"]
    folder = Path(runs_dir) if runs_dir else None
    planes = ""
    with one_thread():
        config = RunConfig.from_dict(spec["run"])
        run = train(config, dataset, runs_dir=folder, device=device, progress=False)
        if spec["measure"] is not None:
            config = MeasureConfig.from_dict(spec["measure"])
            planes = _csv(measure_run(run, dataset, config, device=device, progress=False))
    result = {
        "format": RESULT_FORMAT,
        "spec": spec,
        "fingerprint": dataset.fingerprint,
        "status": run.status["status"],
        "history": _csv(_with_run(run.history, run, dataset)),
        "planes": planes,
    }
    payload = canonical_json(result).encode()
    files.write_sealed(result_path(out, run_id(spec)), lambda handle: handle.write(payload))
    return result["status"]


def _with_run(history: pd.DataFrame, run, dataset: Dataset) -> pd.DataFrame:
    config, columns = run.config, history.drop(columns="member")
    about = {
        "run": run.key,
        "dataset": dataset.name,
        "model": config.name,
        "activation": config.activation,
        "batch_mode": config.batch_mode,
        "seed": config.seed + history["member"],
    }
    named = pd.DataFrame(about, index=history.index)
    return pd.concat([named, columns], axis=1).assign(status=run.status["status"])


def _csv(table: pd.DataFrame) -> str:
    buffer = io.StringIO()
    write_table(table, buffer)
    return buffer.getvalue()


@contextmanager
def one_thread() -> Iterator[None]:
    """The same thread count everywhere, so that serial and parallel runs agree bit for bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def result_path(out: str | Path, identity: str) -> Path:
    """Result file of a run id."""
    return Path(out) / "results" / f"{identity}.json"


def read_result(out: str | Path, spec: Spec, fingerprint: str = "") -> dict[str, Any] | None:
    """A run's result, or None where there is no file whose checksum, JSON and spec all agree."""
    path = result_path(out, run_id(spec))
    if not path.is_file():
        return None
    try:
        result = json.loads(files.read_sealed(path))
        agrees = (result["format"], result["spec"]) == (RESULT_FORMAT, normalised(spec))
        if not agrees or result.keys() != _RESULT_KEYS:
            raise ValueError("it is another run's")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        log.warning("%s does not count (%s); the run is done again", path, error)
        return None
    return result if not fingerprint or result["fingerprint"] == fingerprint else None


def run_all(
    specs: Iterable[Mapping[str, Any]],
    *,
    out: str | Path,
    runs_dir: str | Path | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    device: str = "cpu",
    on_done: OnDone | None = None,
) -> SweepResult:
    """Do every run that has no valid result file yet.

    Parameters
    ----------
    specs : iterable of mappings
    out : path
        Folder of the results; ``failures.jsonl`` in it lists what failed.
    runs_dir : path, optional
        Folder of all runs; the repository's by default.
    jobs : int
        Runs at once on this machine; 1 needs no Dask.
    scheduler : str, optional
        Address of a Dask scheduler to use instead. Its workers need the same folders. TLS is
        configured as Dask's own ``distributed.comm.tls``, for an address ``tls://...``.
    device : {"cpu", "cuda"}
    on_done : callable, optional
        Called as ``on_done(number, total, outcome)`` after each run.

    Returns
    -------
    SweepResult

    Raises
    ------
    ConfigError, DataError
        For settings or data that cannot be used, before anything is trained.
    """
    check_device(device)
    by_id = {run_id(spec): normalised(spec) for spec in specs}
    fingerprints = check(by_id.values())
    out, runs_dir = Path(out).resolve(), Path(runs_dir or paths.runs_dir()).resolve()
    outcomes = {
        key: Outcome(key, spec, "reused")
        for key, spec in by_id.items()
        if read_result(out, spec, fingerprints[key])
    }
    missing = {key: spec for key, spec in by_id.items() if key not in outcomes}
    for outcome in _execute(missing, out, runs_dir, device, jobs, scheduler):
        outcomes[outcome.id] = _confirmed(outcome, out)
        if on_done:
            on_done(len(outcomes), len(by_id), outcomes[outcome.id])
    result = SweepResult([outcomes[key] for key in by_id])
    _write_failures(result, out / "failures.jsonl")
    return result


def _execute(
    missing: dict[str, Spec], out: Path, runs_dir: Path, device: str, jobs: int, scheduler
) -> Iterator[Outcome]:
    settings = {"runs_dir": str(runs_dir), "device": device}
    if not missing:
        return
    if jobs == 1 and not scheduler:
        yield from _serial(missing, out, settings)
        return
    tasks = {key: (spec, str(out)) for key, spec in missing.items()}
    for key, status, error, seconds in cluster.run_tasks(
        run_one, tasks, settings, jobs=min(jobs, len(tasks)), scheduler=scheduler
    ):
        yield Outcome(key, missing[key], status, seconds, error)


def _serial(missing: dict[str, Spec], out: Path, settings: dict) -> Iterator[Outcome]:
    for key, spec in missing.items():
        start = time.monotonic()
        try:
            status, error = run_one(spec, out, **settings), ""
        except Exception as failure:  # a failing run is listed, the others go on
            log.debug("run %s failed", key, exc_info=True)
            status, error = "failed", f"{type(failure).__name__}: {failure}"
        yield Outcome(key, spec, status, time.monotonic() - start, error)


def _confirmed(outcome: Outcome, out: Path) -> Outcome:
    """The file decides: a run that says it is done but left no valid result has failed."""
    if outcome.status != "failed" and read_result(out, outcome.spec) is None:
        return replace(outcome, status="failed", error="it left no valid result file")
    return outcome


def _write_failures(result: SweepResult, path: Path) -> None:
    if not result.failed:
        path.unlink(missing_ok=True)
        return
    lines = [canonical_json({"id": o.id, "error": o.error, "spec": o.spec}) for o in result.failed]
    files.write_atomic(path, "\n".join(lines) + "\n")


def write_tables(specs: Iterable[Mapping[str, Any]], out: str | Path) -> str:
    """Combine all results into ``planes.csv`` and ``history.csv``, in the order of the specs.

    Returns
    -------
    str
        Digest of both tables: equal for equal results, however they were computed.
    """
    by_id = {run_id(spec): normalised(spec) for spec in specs}
    results = [result for spec in by_id.values() if (result := read_result(out, spec))]
    tables = {name: _stacked([r[name] for r in results]) for name in ("history", "planes")}
    for name, text in tables.items():
        files.write_atomic(Path(out) / f"{name}.csv", text)
    return key_of(tables, length=64)


def _stacked(tables: list[str]) -> str:
    """CSV texts of the same columns as one."""
    filled = [text for text in tables if text]
    return "".join(filled[:1] + [text.partition("\n")[2] for text in filled[1:]])
