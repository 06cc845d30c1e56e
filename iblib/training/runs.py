"""A run's folder: config, history, weights at the stored epochs, and the state to resume from."""

import io
import logging
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from iblib import files
from iblib.config import RUN_FORMAT, RunConfig, key_of
from iblib.models import build

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One training run on disk, finished or not."""

    folder: Path  # runs/<key>
    config: RunConfig
    dataset: str  # name of the data set
    fingerprint: str  # of the data set
    options: dict[str, Any]  # the model's arguments, classes and channels included

    @property
    def key(self) -> str:
        """Key of the run, its folder's name."""
        return self.config.key(self.fingerprint)

    @property
    def status(self) -> dict[str, Any]:
        """``{"status": "finished" | "diverged" | "unfinished", "epoch": last epoch}``.

        Of a run that has ended, ``seal`` is a checksum of both, of history.csv and the weights.
        """
        path = self.folder / "status.json"
        if not path.is_file():
            return {"status": "unfinished", "epoch": -1}
        found = files.read_json(path)
        if not isinstance(found, dict) or found.keys() != {"status", "epoch", "seal"}:
            raise files.DamagedFileError(f"{path} is damaged: it does not say how the run ended")
        return found

    @property
    def epochs(self) -> list[int]:
        """Epochs whose weights are stored, ascending."""
        names = [path.name for path in (self.folder / "weights").glob("*.pt")]
        found = (re.fullmatch(r"epoch_(\d+)\.pt", name) for name in names)
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

        An epoch that was not stored is a ``FileNotFoundError``.
        """
        path = self.weights_path(epoch)
        if not path.is_file():
            raise FileNotFoundError(f"run {self.key} stores epochs {self.epochs}, not {epoch}")
        return load_tensors(path)

    def network(self, epoch: int, member: int = 0) -> nn.Module:
        """One network as it was at a stored epoch, in evaluation mode, on the CPU."""
        return list(self.networks(epoch))[member]

    def networks(self, epoch: int) -> Iterator[nn.Module]:
        """Every member in turn as ``network`` gives it."""
        weights = self.weights(epoch)
        for member in range(self.config.n_seeds):
            network = build(self.config.model, self.config.activation, **self.options)
            one = {k: v[member] for k, v in weights.items()} if self.config.n_seeds > 1 else weights
            network.load_state_dict(one)
            network = network.to(memory_format=torch.channels_last)  # as it was trained: faster
            yield network.eval().requires_grad_(False)

    def end(self, status: str, epoch: int, history: pd.DataFrame) -> None:
        """Write history.csv, then that the run has ended."""
        path = self.folder / "history.csv"
        with files.replacing(path) as temporary:
            history.to_csv(temporary, index=False, float_format="%.7g")
        last = {"status": status, "epoch": epoch, "seal": self._seal(status, epoch)}
        files.write_json(self.folder / "status.json", last)

    def _seal(self, status: str, epoch: int) -> str:
        stored = [self.weights_path(e) for e in self.config.stored_epochs if e <= epoch]
        digests = [files.digest(path) for path in (self.folder / "history.csv", *stored)]
        return key_of(status, epoch, digests, length=64)

    def damage(self) -> str:
        """What of a run that has ended is not as it was written; empty where all of it is."""
        try:
            status = self.status
            if status["status"] == "unfinished":
                return ""
            Run.open(self.folder)
            if self._seal(status["status"], status["epoch"]) == status["seal"]:
                return ""
        except OSError as error:
            return str(error)
        others = f"{self.folder}: status, history or weights are not as they were written"
        return self.damaged_weights(status["epoch"]) or others

    def damaged_weights(self, last: int) -> str:
        """Which stored weights up to an epoch are missing or damaged; empty where none is."""
        for epoch in self.config.stored_epochs:
            try:
                if epoch <= last:
                    self.weights(epoch)
            except OSError as error:
                return str(error)
        return ""

    def forget(self) -> None:
        """Delete what training and measuring have stored."""
        for name in ("weights", "planes"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("status.json", "history.csv"):
            (self.folder / name).unlink(missing_ok=True)
        ResumeState(self.folder).clear()

    def write_config(self) -> None:
        """Write config.json, and beside it what the key leaves out: versions, threads, CPU."""
        about = {"key": self.key, "format": RUN_FORMAT, "config": asdict(self.config)}
        data = {"dataset": self.dataset, "fingerprint": self.fingerprint}
        files.write_json(self.folder / "config.json", about | data | {"options": self.options})
        files.write_json(self.folder / "environment.json", environment())

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """The run in a folder, by its config.json.

        Where that is missing, or describes no run: ``FileNotFoundError``, ``DamagedFileError``.
        """
        path = folder / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: train the run again")
        stored = files.read_json(path)
        try:
            config = RunConfig.from_dict(stored["config"])
            run = cls(folder, config, stored["dataset"], stored["fingerprint"], stored["options"])
            if run.key == stored["key"]:
                return run
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise files.DamagedFileError(f"{path} does not describe a run: {error}") from error
        raise files.DamagedFileError(f"{path} does not match its key {stored['key']}")


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
    buffer = io.BytesIO()
    torch.save(value, buffer)
    files.write_sealed(path, buffer.getvalue())


def load_tensors(path: Path) -> Any:
    """Read sealed tensors; nothing but tensors and plain values is ever unpickled.

    A file that is not whole, or holds anything else, is a ``DamagedFileError``.
    """
    payload = io.BytesIO(files.read_sealed(path))
    try:
        return torch.load(payload, weights_only=True, map_location="cpu")
    except Exception as error:  # of many kinds: whatever was put there is not followed
        raise files.DamagedFileError(f"{path} holds no plain tensors: {reason(error)}") from error


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class ResumeState:
    """The state to resume from, in two generations: a damaged newer one falls back to the older."""

    def __init__(self, folder: Path):
        self.newer, self.older = folder / "state.pt", folder / "state-older.pt"

    def save(self, value: dict[str, Any]) -> None:
        """Store ``value`` as the newer generation."""
        if self.newer.is_file():
            os.replace(self.newer, self.older)
        save_tensors(self.newer, value)

    def restore(self, take: Callable[[dict[str, Any]], None]) -> bool:
        """Hand the newest generation that ``take`` accepts to it; False where there is none."""
        for path in filter(Path.is_file, (self.newer, self.older)):
            try:
                take(load_tensors(path))
                return True
            except (OSError, LookupError, TypeError, ValueError, RuntimeError) as error:
                why = reason(error)
                log.warning("cannot resume from %s (%s); trying an older state", path, why)
        return False

    def clear(self) -> None:
        """Remove both generations."""
        self.newer.unlink(missing_ok=True)
        self.older.unlink(missing_ok=True)
