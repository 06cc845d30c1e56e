"""Compiled loops, when they are used, and the threads that run them."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import numba
import torch


def compiled(*reorderings: str) -> Callable:
    """Decorator: compile a loop with numba, without the GIL, and keep the result on disk.

    ``reorderings`` are LLVM's fast-math flags that the loop allows: "contract" lets a product and a
    sum become one instruction, "reassoc" a sum be taken in several lanes; NaN and infinity stay.
    The result is renewed when the function's own file changes, so call only functions of that file.
    """

    def decorate(function: Callable) -> Callable:
        options = {"nogil": True, "error_model": "numpy", "fastmath": set(reorderings)}
        try:
            loop = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no writable place for the cache: compile in every process
            return numba.njit(**options)(function)
        if hasattr(loop, "_cache"):  # not where NUMBA_DISABLE_JIT is set
            loop._cache.load_overload = _unless_spoilt(loop._cache)
        return loop

    return decorate


def _unless_spoilt(cache) -> Callable:
    """numba's ``cache.load_overload``, for which files that cannot be read are not there."""
    load = cache.load_overload

    def load_or_forget(signature, context):
        try:
            return load(signature, context)
        except Exception:  # of unpickling: of many kinds
            cache.flush()
            return None

    return load_or_forget


_WORTH_THREADS = 2**21  # fewer values are read through sooner than threads are woken
COMPILED_ON = ("cpu",)  # on other devices torch operations run; so do they where tests empty this


def runs_compiled(values: torch.Tensor) -> bool:
    """True where compiled loops take the values."""
    return values.device.type in COMPILED_ON


def in_threads(function: Callable, units: Iterable) -> list:
    """``[function(unit) for unit in units]`` in as many threads as torch is allowed to use.

    Within a thread torch itself uses one: units that wait for each other at the end of every matrix
    product are slow as soon as another program wants a core.
    """
    units = list(units)
    allowed = torch.get_num_threads()
    n_threads = min(allowed, len(units))
    if n_threads <= 1:
        return [function(unit) for unit in units]
    queue = iter(enumerate(units))  # its steps are atomic: each thread takes the next unit

    def work() -> list[tuple]:
        return [(place, function(unit)) for place, unit in queue]

    workers = [_pool(allowed, os.getpid()).submit(work) for _ in range(n_threads)]
    found = dict(pair for worker in workers for pair in worker.result())
    # A thread's setting is its own, but also the default of threads that come later.
    torch.set_num_threads(allowed)
    return [found[place] for place in range(len(units))]


@lru_cache(maxsize=1)
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that stay; ``process`` is in the key because a fork inherits the pool, not them."""
    return ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,))


def sixteenths(n_rows: int, n_values: int = _WORTH_THREADS) -> list[slice]:
    """The rows in up to 16 slices, enough to keep threads busy to the end; one for few values."""
    n_slices = 16 if n_values >= _WORTH_THREADS else 1
    cuts = sorted({round(n_rows * i / n_slices) for i in range(n_slices + 1)})
    return [slice(first, last) for first, last in pairwise(cuts)]
