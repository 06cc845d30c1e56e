"""Tasks on a Dask cluster: this machine's own processes, or a scheduler by its address."""

import itertools
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from iblib.config import ConfigError

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
_DIED = "died"  # a task's status inside this module
_SETTINGS = {
    "distributed.worker.preload": [_PRELOAD],
    **{f"distributed.nanny.pre-spawn-environ.MALLOC_{k}": str(v) for k, v in _MALLOC.items()},
    "distributed.scheduler.allowed-failures": 0,
}


def run_tasks(
    function: Callable[..., str],
    tasks: Mapping[str, tuple],
    settings: Mapping[str, Any],
    *,
    jobs: int,
    scheduler: str | None = None,
) -> Iterator[tuple[str, str, str, float]]:
    """Run ``function(*arguments, **settings)`` for every task, in whatever order they end.

    On this machine as many tasks are given out as there are workers: Dask blames a worker's death
    on all that wait for it. A scheduler gets them all, since its workers may come and go. A task
    whose worker died is run once more at the end, alone, and given up if it dies again.

    Parameters
    ----------
    function : callable
        Importable by the workers; returns a short status.
    tasks : mapping
        Key -> arguments; the key is Dask's own, so that one task is never run twice at a time.
        Functions must not mind to be run again when they were done: a result can be lost with the
        worker that had it.
    settings : mapping
        Keyword arguments of all tasks.
    jobs : int
        Worker processes of one thread each, where no scheduler is given.
    scheduler : str, optional
        Address, such as ``tcp://host:8786``.

    Yields
    ------
    (key, status, error, seconds)
        ``status`` is ``failed`` where the task raised or killed its workers; seconds since the
        start of all.

    Raises
    ------
    ConfigError
        Where Dask is not installed, or the scheduler does not answer.
    """
    distributed = _distributed()
    start = time.monotonic()
    with _client(distributed, jobs, scheduler) as client:
        run = partial(_run, distributed, client, function, settings)
        died: list[str] = []
        for key, status, error in run(tasks, len(tasks) if scheduler else jobs):
            if status == _DIED:
                died.append(key)
            else:
                yield key, status, error, time.monotonic() - start
        for key in died:
            alone = {key: tasks[key]}
            for _, status, error in run(alone, 1, "-again"):
                final = "failed" if status == _DIED else status
                yield key, final, error, time.monotonic() - start


def _run(
    distributed,
    client,
    function: Callable[..., str],
    settings: Mapping[str, Any],
    tasks: Mapping[str, tuple],
    at_once: int,
    mark: str = "",
) -> Iterator[tuple[str, str, str]]:
    """(key, status, error) of each task as it ends, ``at_once`` of them under way."""
    waiting = iter(tasks.items())

    def submit(n: int) -> list:
        return [
            client.submit(function, *arguments, **settings, key=f"{key}{mark}")
            for key, arguments in itertools.islice(waiting, n)
        ]

    running = distributed.as_completed(submit(at_once))
    for future in running:
        status, error = _result(distributed, future)
        future.release()  # a held one would be computed again if its worker died
        running.update(submit(1))
        yield future.key.removesuffix(mark), status, error


def _result(distributed, future) -> tuple[str, str]:
    try:
        return future.result(), ""
    except distributed.scheduler.KilledWorker:
        return _DIED, "its process died twice (out of memory?)"
    except Exception as failure:  # whatever the task raised
        return "failed", f"{type(failure).__name__}: {failure}"


def _distributed():
    try:
        import distributed
    except ImportError as error:
        raise ConfigError("--jobs and --scheduler need Dask: pip install 'iblib[dask]'") from error
    return distributed


@contextmanager
def _client(distributed, jobs: int, scheduler: str | None) -> Iterator[Any]:
    import dask

    with ExitStack() as stack:
        stack.enter_context(_environment_kept())
        # what a worker that is ended leaves behind goes with this folder
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        os.environ["TMPDIR"] = folder
        stack.enter_context(dask.config.set(_SETTINGS | {"temporary-directory": folder}))
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
        try:
            client = stack.enter_context(distributed.Client(address, timeout=20))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {scheduler}: start one with `dask scheduler`"
            ) from error
        yield client


@contextmanager
def _environment_kept() -> Iterator[None]:
    """LocalCluster leaves its workers' variables (OMP_NUM_THREADS=1) in this process."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
