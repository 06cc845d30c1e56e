"""What can be found in place of a stored file."""

import os
import pickle
from pathlib import Path

import torch

from iblib import files


class Hostile:
    """Unpickled, it runs a command."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def sealed(path: Path, payload: bytes) -> None:
    files.write_sealed(path, payload)


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def torch_pickle(path: Path, marker: Path) -> None:
    torch.save({"members": Hostile(marker)}, path)
    sealed(path, path.read_bytes())


# name -> function of the file and of a marker, which is made where hostile code is executed
DAMAGE = {
    "empty": lambda path, marker: path.write_bytes(b""),
    "truncated": lambda path, marker: path.write_bytes(path.read_bytes()[:-7]),
    "a bit flipped": lambda path, marker: path.write_bytes(flipped(path.read_bytes())),
    "random bytes": lambda path, marker: path.write_bytes(bytes(range(256)) * 9),
    "missing": lambda path, marker: path.unlink(),
    "a hostile pickle": lambda path, marker: path.write_bytes(pickle.dumps(Hostile(marker))),
    "a hostile pickle, sealed": lambda path, marker: sealed(path, pickle.dumps(Hostile(marker))),
    "a hostile torch file, sealed": torch_pickle,
    "JSON of another kind": lambda path, marker: path.write_text('["finished", 6]'),
    "deep JSON": lambda path, marker: path.write_text("[" * 200_000),
    "JSON of another kind, sealed": lambda path, marker: sealed(path, b'["finished", 6]'),
}
