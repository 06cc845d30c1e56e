"""A worker: one implementation in a process of its own, commanded by JSON lines on stdin.

Each command is answered by one line: what was asked for, or ``{"error": text}``.
"""

import ctypes
import gc
import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.implementations import implementation

_FEW = 8  # rows of each class in the first, small call
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Worker:
    """Answers the commands ``load``, ``settle``, ``memory`` and ``run``."""

    def __init__(self, task: str, row: str, threads: int):
        start = time.perf_counter()
        found = implementation(task, row)
        module, self._function = found.load()
        if hasattr(module, "prepare"):
            module.prepare(threads)
        self.ready = {"version": found.version(), "import_s": time.perf_counter() - start}

    def load(self, t: str, y: str, settings: dict) -> dict:
        """Read the arrays into memory."""
        self._t, self._y, self._settings = np.load(t), np.load(y), settings
        gc.collect()
        gc.freeze()
        return {}

    def settle(self) -> dict:
        """Call once on a few rows: libraries load their code and make their threads."""
        order = np.argsort(self._y, kind="stable")
        starts = np.flatnonzero(np.diff(self._y[order], prepend=-1))
        few = np.concatenate([order[start : start + _FEW] for start in starts])
        self._function(self._t[few], self._y[few], self._settings)
        return {}

    def memory(self) -> dict:
        """Call once; the largest resident memory of that call above what was there before it."""
        _give_back_free_memory()
        if not _CLEAR.exists():
            return self.run() | {"peak_mb": None}
        _CLEAR.write_text("5")  # the high-water mark starts anew
        before = _resident("VmRSS")
        answer = self.run()
        return answer | {"peak_mb": max(0.0, _resident("VmHWM") - before)}

    def run(self) -> dict:
        """Call once."""
        start = time.perf_counter()
        values = self._function(self._t, self._y, self._settings)
        return {"seconds": time.perf_counter() - start, "values": values}


def _resident(name: str) -> float:
    """A line of this process's status, MB (10^6 bytes)."""
    return int(re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())[1]) * 1024 / 1e6


def _give_back_free_memory() -> None:
    """Freed memory that the allocator keeps would hide the next call's from the count."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _answers(commands, worker: Worker):
    for line in commands:
        command = json.loads(line)
        try:
            yield getattr(worker, command.pop("do"))(**command)
        except Exception as error:
            yield _failure(error)


def _failure(error: Exception) -> dict:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return {"error": text[:200]}


def main(task: str, row: str, threads: str) -> None:
    """Serve until stdin ends."""
    # libraries that print must not get between the answers
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        worker = Worker(task, row, int(threads))
    except Exception as error:
        print(json.dumps(_failure(error)), file=answers)
        return
    print(json.dumps(worker.ready), file=answers)
    for answer in _answers(sys.stdin, worker):
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
