"""Folders that are made once: by one process at a time, under their name only when whole."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

Loaded = TypeVar("Loaded")


class DamagedError(Exception):
    """What is on disk is not what was written; it can be made again."""


def file_sha1(path: Path) -> str:
    """SHA-1 of a file's bytes (the hash that FMA publishes)."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha1").hexdigest()


def make_once(
    folder: Path, build: Callable[[Path], None], load: Callable[[Path], Loaded]
) -> Loaded:
    """Load ``folder``, building it first if it is absent or damaged.

    Parameters
    ----------
    folder : Path
        Final name. It exists only when ``build`` has finished.
    build : callable
        Fills the empty folder it is given; whatever it raises leaves nothing behind.
    load : callable
        Reads a finished folder; raises ``DamagedError`` if it must be made again.

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
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir()
        try:
            build(unfinished)
            shutil.rmtree(folder, ignore_errors=True)  # damaged, as load has just said
            os.rename(unfinished, folder)
        except BaseException:
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
        raise OSError(f"no space for {folder}: {n_bytes} bytes needed, {free} free")
