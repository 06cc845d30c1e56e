"""Many runs, on one machine or on a Dask cluster; each fills its own folder under ``runs/``.

A spec is ``{"data": {arguments of iblib.datasets.load}, "run": {fields of RunConfig}, "measure":
{fields of MeasureConfig} or None}``. Its run has a key, and its table another: what is stored under
both and whole is never computed again, so that any engine which runs each spec at least once will
do.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from iblib import cluster, datasets, files, paths
from iblib.activations import chosen_layers
from iblib.config import ConfigError, MeasureConfig, RunConfig, canonical_json, key_of
from iblib.datasets.base import DataError, Dataset
from iblib.grid import Spec, labels, normalised
from iblib.information_plane import about_run, measure_run, stored_table, write_table
from iblib.models import build
from iblib.training import Run, planned, train
from iblib.views import VIEWS


@dataclass(frozen=True)
class Outcome:
    """One run of a sweep with one measurement of it, and how it ended."""

    spec: Spec
    label: str  # the settings that tell it from the other runs of the sweep
    run: Run
    status: str = ""  # finished, diverged, reused (whole before the sweep) or failed
    seconds: float = 0.0  # its own; 0 where its process died
    error: str = ""  # why it failed

    @property
    def id(self) -> str:
        """Key of the run, with that of the measurement's settings behind it."""
        measure = self.spec["measure"]
        return self.run.key + (f"-{key_of(measure, length=8)}" if measure else "")

    @property
    def planes(self) -> str | None:
        """CSV of the measured table, empty where none is asked for; None where it is not whole."""
        measure = self.spec["measure"]
        return stored_table(self.run, MeasureConfig.from_dict(measure)) if measure else ""

    @property
    def is_done(self) -> bool:
        """Whether the run has ended, and it and its table are as they were written."""
        ended = not self.run.damage() and self.run.status["status"] != "unfinished"
        return ended and self.planes is not None


@dataclass(frozen=True)
class SweepResult:
    """What a sweep did, in the order of its specs."""

    outcomes: list[Outcome]

    @property
    def failed(self) -> list[Outcome]:
        """Runs without a result."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def submitted(self) -> int:
        """Runs that were not whole yet."""
        return sum(outcome.status != "reused" for outcome in self.outcomes)


def check_device(device: str) -> None:
    """Refuse ``cuda`` where there is none."""
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"device must be cpu or cuda; got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is visible to PyTorch: use --device cpu")


def check(specs: Iterable[Mapping[str, Any]], runs_dir: Path) -> dict[str, Outcome]:
    """Load every data set once and try every network on it, before anything is trained.

    Returns outcomes without a status by id, in order. A network, a measurement or data that cannot
    be used is a ``ConfigError`` or a ``DataError``.
    """
    specs = [normalised(spec) for spec in specs]
    found = {}
    for spec, label in zip(specs, labels(specs), strict=True):
        dataset = load_once(spec["data"])
        run = planned(RunConfig.from_dict(spec["run"]), dataset, runs_dir)
        if spec["measure"] is not None:
            _check_measure(MeasureConfig.from_dict(spec["measure"]), run, dataset)
        outcome = Outcome(spec, label, run)
        found[outcome.id] = outcome
    return found


def _check_measure(config: MeasureConfig, run: Run, dataset: Dataset) -> None:
    if dataset.labels.dtype.kind == "f":
        raise ConfigError(f"{dataset.name} has no classes to measure: leave [measure] out")
    if unknown := set(config.views) - set(VIEWS):
        raise ConfigError(f"views must be among {sorted(VIEWS)}; got {min(unknown)!r}")
    try:
        x, _ = dataset.take(dataset.rows(config.split)[:1])
        network = build(run.config.model, run.config.activation, **run.options)
        chosen_layers(network, x, config.layers)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def load_once(settings: Mapping[str, Any]) -> Dataset:
    """The data set of these arguments of ``datasets.load``; the last ones asked for are kept."""
    return _load(canonical_json(settings))


@lru_cache(maxsize=4)
def _load(data: str) -> Dataset:
    dataset = datasets.load(**json.loads(data))
    if len(dataset.classes) == 1:
        raise DataError(
            f"{dataset.name} has one class ({dataset.classes[0]}): add a second one to classify"
        )
    return dataset


def run_one(
    spec: Mapping[str, Any], *, runs_dir: str | Path, device: str = "cpu", home: str = ""
) -> str:
    """Train and measure one spec on one thread, as far as ``runs_dir`` does not hold it yet.

    ``home`` tells a worker of another machine the folder whose data/ holds the audio. Returns the
    run's status, ``finished`` or ``diverged``.
    """
    if home:
        os.environ["IBLIB_HOME"] = home
    with one_thread():
        dataset = load_once(spec["data"])
        config = RunConfig.from_dict(spec["run"])
        run = train(config, dataset, runs_dir=Path(runs_dir), device=device, progress=False)
        if spec["measure"] is not None:
            measure = MeasureConfig.from_dict(spec["measure"])
            measure_run(run, dataset, measure, device=device, progress=False)
    return run.status["status"]


@contextmanager
def one_thread() -> Iterator[None]:
    """The same thread count everywhere, so that serial and parallel runs agree bit for bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_all(
    specs: Iterable[Mapping[str, Any]],
    *,
    out: str | Path,
    runs_dir: str | Path | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    device: str = "cpu",
    on_done: Callable[[int, int, Outcome], None] | None = None,
) -> SweepResult:
    """Do every run that is not whole yet in ``runs_dir`` (by default ``paths.runs_dir()``).

    What failed is listed in ``failures.jsonl`` in ``out``; ``on_done(number, total, outcome)`` is
    called after each run. ``jobs`` runs are done at once on this machine; 1 needs no Dask.
    ``scheduler`` is the address of a Dask scheduler to use instead, whose workers need the same
    folders (TLS, for ``tls://...``, is configured as Dask's own ``distributed.comm.tls``).
    Settings or data that cannot be used are a ``ConfigError`` or a ``DataError``, before anything
    is trained.
    """
    check_device(device)
    runs_dir = Path(runs_dir or paths.runs_dir()).resolve()
    outcomes = check(specs, runs_dir)
    missing = {key: (o.spec,) for key, o in outcomes.items() if not o.is_done}
    outcomes |= {k: replace(o, status="reused") for k, o in outcomes.items() if k not in missing}
    settings = {"runs_dir": str(runs_dir), "device": device}
    if missing and (jobs > 1 or scheduler):
        settings["home"] = str(paths.home().resolve())
        workers = {"jobs": min(jobs, len(missing)), "scheduler": scheduler}
        ended = cluster.run_tasks(run_one, missing, settings, **workers)
    else:
        ended = (cluster.timed(key, run_one, spec, settings) for key, spec in missing.items())
    for number, end in enumerate(ended, start=len(outcomes) - len(missing) + 1):
        outcome = replace(outcomes[end.key], status=end.status, seconds=end.seconds)
        if end.error or not outcome.is_done:
            error = end.error or f"it left no whole run in {runs_dir}: do workers see this folder?"
            outcome = replace(outcome, status="failed", error=error)
        outcomes[end.key] = outcome
        if on_done:
            on_done(number, len(outcomes), outcome)
    result, path = SweepResult(list(outcomes.values())), Path(out) / "failures.jsonl"
    failed = [{"id": o.id, "error": o.error, "spec": o.spec} for o in result.failed]
    if failed:
        files.write_atomic(path, "".join(f"{canonical_json(one)}\n" for one in failed))
    else:
        path.unlink(missing_ok=True)
    return result


def write_tables(result: SweepResult, out: str | Path) -> str:
    """Combine all runs into ``planes.csv`` and ``history.csv``, in the order of the specs.

    Returns a digest of both: equal for equal results, however they were computed.
    """
    done = [outcome for outcome in result.outcomes if outcome.status != "failed"]
    runs = {outcome.run.key: outcome.run for outcome in done}  # one may be measured twice
    tables = {
        "history": _stacked([_history(run) for run in runs.values()]),
        "planes": _stacked([outcome.planes or "" for outcome in done]),
    }
    for name, text in tables.items():
        files.write_atomic(Path(out) / f"{name}.csv", text)
    return key_of(tables, length=64)


def _history(run: Run) -> str:
    about = about_run(run)
    table = run.history.assign(**about, status=run.status["status"])
    table["seed"] += table.pop("member")
    return write_table(table[[*about, *table.columns.drop(list(about))]])


def _stacked(tables: list[str]) -> str:
    """CSV texts of the same columns as one."""
    filled = [text for text in tables if text]
    return "".join(filled[:1] + [text.partition("\n")[2] for text in filled[1:]])
