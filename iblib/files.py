"""How files are written: whole or not at all, and sealed where damage must be noticed."""

import hashlib
import io
import json
import os
import re
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_SEAL = b"iblib-sha256 "


class DamagedFileError(OSError):
    """A sealed file does not hold what was written."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place, synced, when the block succeeds.

    What a killed process of this machine left of an earlier try is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(path)
    token = f"{socket.gethostname()}~{os.getpid()}~{uuid.uuid4().hex[:8]}"
    temporary = path.with_name(f".{path.stem}~{token}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_left_behind(path: Path) -> None:
    """Delete the temporary files of ``path`` whose process is gone."""
    name = re.compile(
        rf"\.{re.escape(path.stem)}~{re.escape(socket.gethostname())}~(\d+)~[0-9a-f]{{8}}"
        + re.escape(path.suffix)
    )
    for entry in os.scandir(path.parent):
        if (found := name.fullmatch(entry.name)) and not _is_alive(int(found[1])):
            Path(entry.path).unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def write_sealed(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write what ``write`` puts into a file object, behind its SHA-256."""
    buffer = io.BytesIO()
    write(buffer)
    payload = buffer.getvalue()
    write_atomic(path, _SEAL + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def read_sealed(path: Path) -> bytes:
    """Payload of a sealed file.

    Raises
    ------
    DamagedFileError
        Where the file is truncated, altered, or was never sealed.
    """
    head, _, payload = path.read_bytes().partition(b"\n")
    if head != _SEAL + hashlib.sha256(payload).hexdigest().encode():
        raise DamagedFileError(f"{path} is damaged: its checksum does not match")
    return payload
