"""Tasks on a Dask cluster: this machine's own processes, or a scheduler by its address."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
# A task whose worker died is tried once more, then given up.
_SETTINGS = {
    "distributed.worker.preload": [_PRELOAD],
    **{f"distributed.nanny.pre-spawn-environ.MALLOC_{k}": str(v) for k, v in _MALLOC.items()},
    "distributed.scheduler.allowed-failures": 1,
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

    Parameters
    ----------
    function : callable
        Importable by the workers; returns a short status.
    tasks : mapping
        Key -> arguments; the key is Dask's own, so that one task is never run twice at a time.
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
        futures = [
            client.submit(function, *arguments, **settings, key=key)
            for key, arguments in tasks.items()
        ]
        for future in distributed.as_completed(futures):
            status, error = _result(future)
            future.release()  # a held one would be computed again if its worker died
            yield future.key, status, error, time.monotonic() - start


def _result(future) -> tuple[str, str]:
    try:
        return future.result(), ""
    except Exception as failure:  # whatever the task raised, or KilledWorker
        return "failed", f"{type(failure).__name__}: {failure}"


def _distributed():
    try:
        import distributed
    except ImportError as error:
        raise ConfigError(
            "--jobs and --scheduler need Dask: pip install 'iblib[cluster]'"
        ) from error
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
