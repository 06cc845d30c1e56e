"""A run's folder: config, history, weights at the stored epochs, and the state to resume from."""

import io
import logging
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from iblib import files
from iblib.config import RUN_FORMAT, RunConfig
from iblib.models import build
from iblib.training.members import member_state

log = logging.getLogger(__name__)

_WEIGHTS = re.compile(r"epoch_(\d+)\.pt")


@dataclass(frozen=True)
class Run:
    """One training run on disk, finished or not.

    Parameters
    ----------
    folder : Path
        ``runs/<key>``.
    config : RunConfig
    dataset : str
        Name of the data set.
    fingerprint : str
        The data set's fingerprint.
    options : dict
        The model's arguments, classes and channels included.
    """

    folder: Path
    config: RunConfig
    dataset: str
    fingerprint: str
    options: dict[str, Any]

    @property
    def key(self) -> str:
        """Key of the run, its folder's name."""
        return self.config.key(self.fingerprint)

    @property
    def status(self) -> dict[str, Any]:
        """``{"status": "finished" | "diverged" | "unfinished", "epoch": last epoch}``."""
        path = self.folder / "status.json"
        return files.read_json(path) if path.is_file() else {"status": "unfinished", "epoch": -1}

    @property
    def epochs(self) -> list[int]:
        """Epochs whose weights are stored."""
        found = (_WEIGHTS.fullmatch(p.name) for p in (self.folder / "weights").glob("*.pt"))
        return sorted(int(match[1]) for match in found if match)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Learning curves: member, epoch, updates, split, loss [nats], accuracy in [0, 1]."""
        return pd.read_csv(self.folder / "history.csv")

    def weights_path(self, epoch: int) -> Path:
        """File of the weights of one stored epoch."""
        return self.folder / "weights" / f"epoch_{epoch:06d}.pt"

    def weights(self, epoch: int) -> dict[str, Tensor]:
        """Stored weights of one epoch; an ensemble's have a leading member axis.

        Raises
        ------
        FileNotFoundError
            Where this epoch was not stored.
        """
        path = self.weights_path(epoch)
        if not path.is_file():
            raise FileNotFoundError(f"run {self.key} stores epochs {self.epochs}, not {epoch}")
        return load_tensors(path)

    def network(self, epoch: int, member: int = 0) -> nn.Module:
        """One network as it was at a stored epoch, in evaluation mode, on the CPU."""
        return self._network(self.weights(epoch), member)

    def networks(self, epoch: int) -> Iterator[nn.Module]:
        """Every member in turn as ``network`` gives it; the file is read once."""
        weights = self.weights(epoch)
        for member in range(self.config.n_seeds):
            yield self._network(weights, member)

    def _network(self, weights: dict[str, Tensor], member: int) -> nn.Module:
        network = build(self.config.model, self.config.activation, **self.options)
        network.load_state_dict(member_state(weights, member, self.config.n_seeds))
        network = network.to(memory_format=torch.channels_last)  # as it was trained: faster
        return network.eval().requires_grad_(False)

    def write_config(self) -> None:
        """Write config.json, and beside it what the key leaves out: versions, threads, CPU."""
        files.write_json(
            self.folder / "config.json",
            {
                "key": self.key,
                "format": RUN_FORMAT,
                "config": asdict(self.config),
                "dataset": self.dataset,
                "fingerprint": self.fingerprint,
                "options": self.options,
            },
        )
        files.write_json(self.folder / "environment.json", environment())

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """The run in a folder, by its config.json."""
        path = folder / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: train the run again")
        stored = files.read_json(path)
        config = RunConfig.from_dict(stored["config"])
        run = cls(folder, config, stored["dataset"], stored["fingerprint"], stored["options"])
        if run.key != stored["key"]:
            raise files.DamagedFileError(f"{path} does not match its key {stored['key']}")
        return run


def environment() -> dict[str, Any]:
    """Versions, threads and CPU capability: what may change last digits without changing a key."""
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("torch", "numpy", "scipy", "pandas")},
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def save_tensors(path: Path, value: Any) -> None:
    """Write tensors sealed and whole."""
    files.write_sealed(path, lambda handle: torch.save(value, handle))


def load_tensors(path: Path) -> Any:
    """Read sealed tensors; nothing but tensors and plain values is ever unpickled."""
    payload = io.BytesIO(files.read_sealed(path))
    return torch.load(payload, weights_only=True, map_location="cpu")


class ResumeState:
    """The state to resume from, in two generations: a damaged newer one falls back to the older."""

    def __init__(self, folder: Path):
        self.newer, self.older = folder / "state.pt", folder / "state-older.pt"

    def save(self, value: dict[str, Any]) -> None:
        """Store ``value`` as the newer generation."""
        if self.newer.is_file():
            os.replace(self.newer, self.older)
        save_tensors(self.newer, value)

    def load(self) -> dict[str, Any] | None:
        """The newest readable generation, or None."""
        for path in (self.newer, self.older):
            if path.is_file():
                try:
                    return load_tensors(path)
                except Exception as error:
                    log.warning("cannot resume from %s (%s); trying the older state", path, error)
        return None

    def clear(self) -> None:
        """Remove both generations."""
        self.newer.unlink(missing_ok=True)
        self.older.unlink(missing_ok=True)
