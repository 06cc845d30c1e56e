"""Folders that are made once: by one process at a time, under their name only when whole."""

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from iblib.files import DamagedFileError
from iblib.progress import bar

Loaded = TypeVar("Loaded")


def make_once(
    folder: Path, build: Callable[[Path], None], load: Callable[[Path], Loaded], resume=False
) -> Loaded:
    """What ``load`` returns of ``folder``, built first if it is absent or damaged.

    ``load`` says so by a ``DamagedFileError``. ``build`` fills an empty folder, which gets its name
    when it is whole. What it raises leaves nothing behind; with ``resume`` it goes on in the hidden
    folder that an earlier call did not finish. Of several processes, one builds, the others wait.
    """
    if (loaded := _try(load, folder)) is not None:
        return loaded
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if (loaded := _try(load, folder)) is not None:
            return loaded
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        if not resume:
            shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir(exist_ok=resume)
        try:
            build(unfinished)
            shutil.rmtree(folder, ignore_errors=True)  # damaged, as load has just said
            os.rename(unfinished, folder)
        except BaseException:
            if not resume:
                shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return load(folder)


def _try(load: Callable[[Path], Loaded], folder: Path) -> Loaded | None:
    try:
        return load(folder) if folder.is_dir() else None
    except DamagedFileError:
        return None


def in_order(
    work: Callable, items: Collection, name: str, jobs: int | None, progress: bool, done: int = 0
) -> Iterator:
    """Results of ``work`` in ``jobs`` threads, in order; at most some dozens wait in memory.

    To be closed (``contextlib.closing``), which stops the threads; ``done`` were so before.
    """
    waiting, pool = [], ThreadPoolExecutor(jobs or os.cpu_count())
    counts = {"total": done + len(items), "initial": done, "unit": "clip"}
    try:
        with bar(None, name, shown=progress, leave=True, **counts) as ahead:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 64:
                    yield waiting.pop(0).result()
                    ahead.update()
            for future in waiting:
                yield future.result()
                ahead.update()
    finally:
        pool.shutdown(cancel_futures=True)


def require_space(folder: Path, n_bytes: int, name: str = "") -> None:
    """Raise ``OSError`` with path, needed and free bytes if ``n_bytes`` do not fit."""
    if (free := shutil.disk_usage(folder).free) < n_bytes:
        raise OSError(f"no space for {folder / name}: {n_bytes} bytes needed, {free} free")


def reserve(path: Path, n_bytes: int) -> None:
    """Make a file, where it is shorter, ``n_bytes`` long, with its blocks reserved on the disk.

    So a disk that others fill meanwhile fails here, with the ``OSError`` of ``require_space``, and
    not in the middle.
    """
    with path.open("ab") as handle:
        missing = n_bytes - os.fstat(handle.fileno()).st_size
        require_space(path.parent, max(missing, 0), path.name)
        if missing <= 0 or not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(handle.fileno(), 0, n_bytes)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                full = f"no space for {path}: {n_bytes} bytes needed, the disk is full"
                raise OSError(full) from error
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # cannot reserve
                raise
