"""Folders that are made once: by one process at a time, under their name only when whole."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from iblib import files

Loaded = TypeVar("Loaded")


class DamagedError(Exception):
    """What is on disk is not what was written; it can be made again."""


def file_sha1(path: Path) -> str:
    """SHA-1 of a file's bytes (the hash that FMA publishes)."""
    return files.digest(path, "sha1")


def make_once(
    folder: Path,
    build: Callable[[Path], None],
    load: Callable[[Path], Loaded],
    *,
    resume: bool = False,
) -> Loaded:
    """Load ``folder``, building it first if it is absent or damaged.

    Parameters
    ----------
    folder : Path
        Final name. It exists only when ``build`` has finished.
    build : callable
        Fills the empty folder it is given; whatever it raises leaves nothing behind, but for
        ``resume``.
    load : callable
        Reads a finished folder; raises ``DamagedError`` if it must be made again.
    resume : bool
        ``build`` goes on in the hidden folder that an earlier call did not finish.

    Returns
    -------
    object
        What ``load`` returns. Of several processes that ask at once, one builds and the others
        wait.
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
    if not folder.is_dir():
        return None
    try:
        return load(folder)
    except DamagedError:
        return None


def require_space(folder: Path, n_bytes: int) -> None:
    """Raise ``OSError`` with path, needed and free bytes if ``n_bytes`` do not fit."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise _no_space(folder, n_bytes)


def reserve(path: Path, n_bytes: int) -> None:
    """Make a file, where it is shorter, ``n_bytes`` long, with its blocks reserved on the disk.

    So a disk that others fill meanwhile fails here and not in the middle.

    Raises
    ------
    OSError
        With path, needed and free bytes, if they do not fit.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        missing = n_bytes - os.fstat(descriptor).st_size
        if missing <= 0:
            return
        if shutil.disk_usage(path.parent).free < missing:
            raise OSError(errno.ENOSPC, "no space")
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, n_bytes)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(path, n_bytes) from error
        raise
    finally:
        os.close(descriptor)


def _no_space(path: Path, n_bytes: int) -> OSError:
    free = shutil.disk_usage(path if path.is_dir() else path.parent).free
    return OSError(f"no space for {path}: {n_bytes} bytes needed, {free} free")
