"""One work from beginning to end: arrays, reference, workers, interleaved rounds."""

import hashlib
import json
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.handle import Handle, WorkerError
from benchmarks.implementations import implementation
from benchmarks.works import SETTINGS, Work

FIRST_CALL = "iblib, first call"
_FEWEST = 3  # rounds, however slow
_PAUSE = 0.05  # seconds after a turn: threads may spin for 0.03 s before they sleep
_REFERENCE_LIMIT = 3600.0  # seconds


@dataclass(frozen=True)
class Options:
    """How a benchmark is run.

    Parameters
    ----------
    pythons : dict
        Interpreter by environment: "main", "peers".
    scratch : Path
        Folder for arrays, logs and the cache of reference values.
    rounds : int
        Most rounds of a work.
    seconds : float
        Time that one row may take for its rounds, except that it runs at least three.
    first_calls : int
        Fresh processes whose first call is timed.
    limit : float
        Seconds that one call may take.
    threads : int
    """

    pythons: dict[str, str]
    scratch: Path
    rounds: int = 21
    seconds: float = 20.0
    first_calls: int = 3
    limit: float = 300.0
    threads: int = 2


@dataclass
class Record:
    """What was seen of one row of a work."""

    row: str
    version: str = ""
    status: str = "ok"
    seconds: dict[int, float] = field(default_factory=dict)  # by round
    peak_mb: float | None = None
    values: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def take(self, values: dict[str, float | None]) -> None:
        """Keep the values of a call; one that is missing or infinite is the row's status."""
        self.values = {name: math.nan if v is None else v for name, v in values.items()}
        bad = [name for name, value in self.values.items() if not math.isfinite(value)]
        if bad:
            self.status = f"{bad[0]} is {self.values[bad[0]]}"


class Bench:
    """One work's files and the processes that work on them."""

    def __init__(self, work: Work, options: Options):
        self._work, self._options = work, options
        options.scratch.mkdir(parents=True, exist_ok=True)
        t, y = work.make()
        assert t.shape == work.shape
        self._files = {name: str(options.scratch / f"{name}.npy") for name in ("t", "y")}
        np.save(self._files["t"], t)
        np.save(self._files["y"], y)
        settings = SETTINGS | {"threads": options.threads}
        self._load = self._files | {"settings": settings}
        self._key = _digest(t.tobytes(), y.tobytes(), repr(SETTINGS).encode())

    def reference(self) -> dict[str, float]:
        """Reference values, bits; computed once for equal arrays."""
        cache = self._options.scratch / "references" / f"{self._key}.json"
        if cache.exists():
            return json.loads(cache.read_text())
        with ExitStack() as stack:
            handle = self._handle("reference", stack, _REFERENCE_LIMIT)
            handle.started()
            handle.ask("load", **self._load)
            values = handle.ask("run")["values"]
        cache.parent.mkdir(exist_ok=True)
        cache.write_text(json.dumps(values))
        return values

    def run(self) -> list[Record]:
        """All rows of the work: memory first, then the rounds, then ours in fresh processes."""
        records = {row: Record(row) for row in self._work.rows}
        with ExitStack() as stack:
            handles = {row: self._handle(row, stack) for row in records}
            for row, record in records.items():
                _attempt(record, _start, handles[row], record)
            for row, record in records.items():
                if record.ok:
                    _attempt(record, self._warm, handles[row], record)
            self._interleave(handles, records)
        if self._work.first_call:
            records[FIRST_CALL] = self._first_calls()
        return list(records.values())

    def _handle(self, row: str, stack: ExitStack, limit: float | None = None) -> Handle:
        options = self._options
        handle = Handle(
            options.pythons[implementation(self._work.task, row).environment],
            self._work.task,
            row,
            options.threads,
            limit or options.limit,
            options.scratch / f"{row.replace(' ', '-')}.log",
        )
        stack.callback(handle.close)
        return handle

    def _warm(self, handle: Handle, record: Record) -> None:
        """Arrays in memory, code loaded, the memory of one call; its time is not counted."""
        handle.ask("load", **self._load)
        handle.ask("settle")
        answer = handle.ask("memory")
        record.take(answer["values"])
        record.peak_mb = answer["peak_mb"]

    def _interleave(self, handles: dict[str, Handle], records: dict[str, Record]) -> None:
        """Each row once a round, the order turned by one from round to round."""
        rows = [row for row, record in records.items() if record.values]
        spent = dict.fromkeys(rows, 0.0)
        for number in range(self._options.rounds if rows else 0):
            turn = number % len(rows)
            for row in rows[turn:] + rows[:turn]:
                record = records[row]
                too_slow = number >= _FEWEST and spent[row] > self._options.seconds
                if record.values and not too_slow:
                    _attempt(record, _run, handles[row], record, number)
                    spent[row] += record.seconds.get(number, 0.0)

    def _first_calls(self) -> Record:
        """Ours in processes that have imported it and never called it; caches on disk are warm."""
        record = Record(FIRST_CALL)
        for number in range(self._options.first_calls):
            with ExitStack() as stack:
                handle = self._handle(self._work.ours, stack)
                _attempt(record, self._first_call, handle, record, number)
        return record

    def _first_call(self, handle: Handle, record: Record, number: int) -> None:
        _start(handle, record)
        handle.ask("load", **self._load)
        _run(handle, record, number)


def _attempt(record: Record, action, *arguments) -> None:
    """A row that fails says so and is left out of what follows."""
    try:
        action(*arguments)
    except WorkerError as error:
        record.status, record.values = str(error), {}


def _start(handle: Handle, record: Record) -> None:
    handle.started()
    record.version = handle.version


def _run(handle: Handle, record: Record, number: int) -> None:
    answer = handle.ask("run")
    time.sleep(_PAUSE)
    record.take(answer["values"])
    record.seconds[number] = answer["seconds"]


def _digest(*contents: bytes) -> str:
    sources = [
        (Path(__file__).parent / name).read_bytes() for name in ("reference.py", "formulas.py")
    ]
    return hashlib.sha256(b"\0".join([*contents, *sources])).hexdigest()[:24]
