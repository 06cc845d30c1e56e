"""A callback for a training loop of one's own: weights kept at chosen epochs."""

import hashlib
import operator
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from iblib import files
from iblib.training.members import on_cpu

_FILE = re.compile(r"epoch_(-?\d+)\.safetensors")
_SEAL = b'"iblib-sha256":"'  # in the header of a safetensors file, before the digits


class Checkpoints(Mapping[int, dict[str, Any]]):
    """Weights of a network at chosen epochs: call it at the end of each, then measure them.

    >>> checkpoints = Checkpoints(nn.Linear(2, 1), at=[0, 2])
    >>> for epoch in range(4):
    ...     checkpoints(epoch)  # after the epoch's updates; 0 is the untrained network
    >>> list(checkpoints)
    [0, 2]

    Parameters
    ----------
    model : Module
        The network that is trained, on any device.
    at : collection of int, optional
        Epochs to keep, such as ``iblib.config.log_epochs(100, 20)``; all of them by default.
    folder : path, optional
        Keeps them on disk instead of in memory, as ``epoch_000012.safetensors``: plain
        safetensors, whole, with a checksum in the metadata. What is there already belongs to it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        at: Collection[int] | None = None,
        folder: str | Path | None = None,
    ):
        self.model, self.at = model, at
        self.folder = Path(folder) if folder is not None else None
        self._kept: dict[int, dict[str, Any]] = {}

    def __call__(self, epoch: int) -> None:
        """Keep the weights as they are now, if this epoch is one of those to keep."""
        epoch = operator.index(epoch)
        if self.at is not None and epoch not in self.at:
            return
        state = on_cpu(self.model.state_dict())
        if self.folder is None:
            self._kept[epoch] = state
        else:
            files.write_atomic(self._path(epoch), _sealed(state))

    def __getitem__(self, epoch: int) -> dict[str, Any]:
        if self.folder is None:
            return self._kept[epoch]
        path = self._path(epoch)
        if not path.is_file():
            raise KeyError(epoch)
        return read_weights(path, sealed=True)

    def __iter__(self) -> Iterator[int]:
        if self.folder is None:
            return iter(sorted(self._kept))
        found = (_FILE.fullmatch(path.name) for path in self.folder.glob("epoch_*"))
        return iter(sorted(int(match[1]) for match in found if match))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch_{epoch:06d}.safetensors"


def _sealed(state: Mapping[str, Any]) -> bytes:
    if odd := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        raise TypeError(f"a folder keeps tensors only; {odd[0]!r} is none: leave folder= out")
    tensors = {name: value.contiguous() for name, value in state.items()}
    about = {"format": "pt", "iblib-sha256": "0" * 64}
    return _with_checksum(safetensors.torch.save(tensors, about))


def _with_checksum(payload: bytes) -> bytes:
    """A safetensors file with, in its header, the checksum of itself with zeros in that place."""
    head, seal, rest = payload.partition(_SEAL)
    digest = hashlib.sha256(head + seal + b"0" * 64 + rest[64:]).hexdigest()
    return head + seal + digest.encode() + rest[64:]


def read_weights(path: Path, *, sealed: bool = False) -> dict[str, Any]:
    """A state dict from a safetensors file, or from one that ``torch.save`` wrote.

    Nothing but tensors and plain values is ever unpickled. ``sealed`` asks for a checksum.

    Raises
    ------
    DamagedFileError
        Where the file is not whole, or holds anything else.
    """
    try:
        if path.suffix != ".safetensors":
            return torch.load(path, weights_only=True, map_location="cpu")
        payload = path.read_bytes()
        if (sealed or _SEAL in payload) and payload != _with_checksum(payload):
            raise files.DamagedFileError(f"{path} is damaged: its checksum does not match")
        return safetensors.torch.load(payload)
    except OSError:
        raise
    except Exception as error:  # of many kinds: whatever was put there is not followed
        reason = " ".join(str(error).split())[:200]
        raise files.DamagedFileError(f"{path} holds no plain weights: {reason}") from error
