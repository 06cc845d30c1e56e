"""Tasks on a Dask cluster: this machine's own processes, or a scheduler by its address."""

import asyncio
import itertools
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

from iblib.config import ConfigError
from iblib.extras import extra

log = logging.getLogger(__name__)

# glibc's malloc gives every large block back at once, and in a thread (a task runs in one) takes
# each anew from the kernel, page by page: a third of the time of measuring a residual network. A
# worker keeps its memory instead. (dask's own MALLOC_TRIM_THRESHOLD_ makes torch 2.6 times slower.)
_MALLOC = {"ARENA_MAX": 1, "MMAP_MAX_": 0, "TRIM_THRESHOLD_": 2**32}
# Ctrl-C goes to every process of a terminal: the one that has the workers ends them. Their logs
# repeat what the task's outcome says.
_PRELOAD = """\
import logging, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
logging.getLogger("distributed").setLevel(logging.CRITICAL)
"""
# How long a scheduler has to answer, and to have a worker [s].
SCHEDULER_SECONDS = 30.0
_DIED, _AGAIN = "its process died twice (out of memory?)", "-again"
_SETTINGS = {
    "distributed.worker.preload": [_PRELOAD],
    **{f"distributed.nanny.pre-spawn-environ.MALLOC_{k}": str(v) for k, v in _MALLOC.items()},
    "distributed.scheduler.allowed-failures": 0,
}


class Ended(NamedTuple):
    """How a task ended: what its function returned, or ``failed`` and why; its own seconds."""

    key: str
    status: Any
    error: str
    seconds: float


def timed(key: str, function: Callable, arguments: tuple, settings: Mapping[str, Any]) -> Ended:
    """Run one task; whatever it raises is its end, not that of the others."""
    start = time.monotonic()
    try:
        status, error = function(*arguments, **settings), ""
    except Exception as failure:
        log.debug("%s failed", key, exc_info=True)
        status, error = "failed", f"{type(failure).__name__}: {failure}"
    return Ended(key, status, error, time.monotonic() - start)


def run_tasks(
    function: Callable,
    tasks: Mapping[str, tuple],
    settings: Mapping[str, Any],
    *,
    jobs: int,
    scheduler: str | None = None,
) -> Iterator[Ended]:
    """Run ``function(*arguments, **settings)`` for every task, in whatever order they end.

    On this machine, ``jobs`` processes of one thread each, as many tasks are given out as there are
    workers: when one dies, Dask suspects every task that waits for it. A ``scheduler``, an address
    such as ``tcp://host:8786``, gets them all, since its workers may come and go. A task whose
    worker died is run once more at the end, alone, and given up if it dies again.

    The function is importable by the workers, and idempotent: a result can be lost with the worker
    that had it. Keys are Dask's own, so that one task is never run twice at a time. Where no
    scheduler with workers answers in time, it is a ``ConfigError``.
    """
    with extra("dask"):
        import distributed
    with _client(distributed, jobs, scheduler) as client:

        def submit(key: str, mark: str = "") -> Any:
            task = (key, function, tasks[key], settings)
            return client.submit(timed, *task, key=f"{key}{mark}")

        waiting, died = iter(tasks), []
        first = itertools.islice(waiting, len(tasks) if scheduler else jobs)
        running = distributed.as_completed([submit(key) for key in first])
        for future in running:
            ended = _result(distributed, future)
            future.release()  # a held one would be computed again if its worker died
            running.update([submit(key) for key in itertools.islice(waiting, 1)])
            if ended.error == _DIED:
                died.append(ended.key)
            else:
                yield ended
        for key in died:
            yield _result(distributed, submit(key, _AGAIN))


def _result(distributed, future) -> Ended:
    try:
        return future.result()
    except distributed.scheduler.KilledWorker:
        error = _DIED
    except Exception as failure:  # Dask's own
        error = f"{type(failure).__name__}: {failure}"
    return Ended(future.key.removesuffix(_AGAIN), "failed", error, 0.0)


@contextmanager
def _client(distributed, jobs: int, scheduler: str | None) -> Iterator[Any]:
    import dask

    with ExitStack() as stack:
        # what a worker that is ended leaves behind goes with this folder
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        # LocalCluster would leave its workers' variables (OMP_NUM_THREADS=1) in this process
        stack.enter_context(mock.patch.dict(os.environ, TMPDIR=folder))
        stack.enter_context(dask.config.set(_SETTINGS | {"temporary-directory": folder}))
        if scheduler:
            _require_workers(distributed, scheduler)
        address = scheduler or stack.enter_context(
            distributed.LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit=distributed.system.MEMORY_LIMIT // jobs,
                silence_logs=logging.CRITICAL,
            )
        )
        yield stack.enter_context(distributed.Client(address, timeout=SCHEDULER_SECONDS))


def _require_workers(distributed, address: str) -> None:
    """Wait for a scheduler with a worker; a Client would wait for ever on a web server's port."""
    answer: dict[str, Any] = {}

    async def ask() -> None:
        security = distributed.security.Security().get_connection_args("client")
        async with (
            asyncio.timeout(SCHEDULER_SECONDS),
            distributed.rpc(address, connection_args=security) as scheduler,
        ):
            while not answer.get("workers"):
                answer.update(await scheduler.identity())
                await asyncio.sleep(0.2)

    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own loop is running in this one
            thread.submit(asyncio.run, ask()).result()
    except Exception as error:  # of many kinds: whatever is at that address
        what = "no Dask scheduler answers"
        if answer.get("type") == "Scheduler":
            what = "the Dask scheduler has no workers"
        reason = (str(error).splitlines() or [f"waited {SCHEDULER_SECONDS:.0f} s"])[0]
        raise ConfigError(
            f"{what} at {address} ({reason}): start `dask scheduler`, then `dask worker`"
        ) from error
