"""Tasks that wait for each other, in processes of their own."""

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from study import ReportError

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Done:
    """A task that has ended: what it returned, and its own seconds."""

    name: str
    value: Any
    seconds: float


def run_tasks(
    function: Callable[[str], Any], before: Mapping[str, tuple[str, ...]], jobs: int
) -> Iterator[Done]:
    """Call ``function(name)`` for every name, each after those it waits for.

    Parameters
    ----------
    function : callable
        Of a name; it and what it returns can be pickled.
    before : mapping
        Name -> names that come before it. Of those that are ready, the first named is begun first
        where there are several processes.
    jobs : int
        Processes at once, of one thread each; 1: none but this one.

    Raises
    ------
    ReportError
        Where a process died. What the function raises is raised.
    """
    if jobs == 1:
        yield from _in_turn(function, before)
        return
    rank = {name: place for place, name in enumerate(before)}
    order, ready = TopologicalSorter(before), []
    order.prepare()
    others = set(multiprocessing.active_children())
    # what a process that is ended leaves behind goes with this folder
    scratch = tempfile.TemporaryDirectory(prefix="iblib-", ignore_cleanup_errors=True)
    with scratch as folder, _pool(jobs, folder) as pool:
        running: dict = {}
        try:
            while order.is_active():
                ready = sorted([*ready, *order.get_ready()], key=rank.__getitem__)
                while ready and len(running) < jobs:
                    name = ready.pop(0)
                    running[pool.submit(_timed, function, name)] = name
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    order.done(name)
                    yield Done(name, *future.result())
        except BrokenProcessPool as error:
            names = ", ".join([name, *running.values()])
            raise ReportError(f"a process died (out of memory?) at one of: {names}") from error
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()  # their kernels see that, and end
            raise


def _in_turn(function: Callable, before: Mapping[str, tuple[str, ...]]) -> Iterator[Done]:
    for name in TopologicalSorter(before).static_order():
        yield Done(name, *_timed(function, name))


def _timed(function: Callable, name: str) -> tuple[Any, float]:
    start = time.monotonic()
    return function(name), time.monotonic() - start


def _pool(jobs: int, folder: str) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, spawn, initializer=_begin, initargs=(folder,))


def _begin(folder: str) -> None:
    """A process that leaves Ctrl-C to its parent, and the other cores to its siblings."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(dict.fromkeys(_THREADS, "1"), TMPDIR=folder)
    tempfile.tempdir = folder
