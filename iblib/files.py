"""How files are written: whole or not at all, and sealed where damage must be noticed."""

import errno
import glob
import hashlib
import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WINDOWS = os.name == "nt"
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
_NO_FOLDER = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF}
_SEAL = b"iblib-sha256 "


class DamagedFileError(OSError):
    """A sealed file does not hold what was written."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place, synced, when the block succeeds.

    What a killed process of this machine left of an earlier try is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ours = f".{path.stem}~{socket.gethostname()}~"
    for file in path.parent.glob(f"{glob.escape(ours)}*~*{glob.escape(path.suffix)}"):
        if _is_gone(file.name.rsplit("~", 2)[1]):
            file.unlink(missing_ok=True)
    temporary = path.with_name(f"{ours}{os.getpid()}~{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _is_gone(process: str) -> bool:
    """Whether no process has this number; unknown on Windows, where asking sends it a Ctrl-C."""
    try:
        if process.isdecimal() and not _WINDOWS:
            os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # somebody else's; no number of a process
        return False
    return False


def _sync(path: Path) -> None:
    """Ask the disk to keep a file, or a folder's names, over a power failure, where it can.

    Windows syncs what can be written only, and opens no folders; network drives and those of user
    programs (FUSE) may refuse.
    """
    is_folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDWR if _WINDOWS and not is_folder else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (_NO_SYNC | _NO_FOLDER if is_folder else _NO_SYNC):
            raise


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write ``content`` whole: readers see the old file or the new one, never a part."""
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write JSON (no NaN) with sorted keys, whole."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; NaN and infinities, which JSON does not have, are refused."""

    def refuse(constant: str):
        raise DamagedFileError(f"{path} holds {constant}, which is not JSON")

    try:
        return json.loads(path.read_bytes(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is not JSON: {error}") from error


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def write_sealed(path: Path, payload: bytes) -> None:
    """Write ``payload`` behind its SHA-256."""
    write_atomic(path, _SEAL + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def read_sealed(path: Path) -> bytes:
    """Payload of a sealed file; ``DamagedFileError`` if it was truncated, altered, never sealed."""
    head, _, payload = path.read_bytes().partition(b"\n")
    if head != _SEAL + hashlib.sha256(payload).hexdigest().encode():
        raise DamagedFileError(f"{path} is damaged: its checksum does not match")
    return payload
