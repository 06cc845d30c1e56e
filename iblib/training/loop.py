"""Training one run: seeds, mini-batches or the full batch, history, checkpoints, resume."""

import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from torch import Tensor
from torch.nn import functional

from iblib import files, paths
from iblib.config import ConfigError, RunConfig, log_epochs
from iblib.datasets.base import SPLITS, Dataset
from iblib.models import MODELS, check_names, samples_at_once
from iblib.progress import bar
from iblib.training.members import Members
from iblib.training.runs import ResumeState, Run, save_tensors

log = logging.getLogger(__name__)

HISTORY_COLUMNS = ("member", "epoch", "updates", "split", "loss", "accuracy")
CHECKPOINT_SECONDS = 20.0
# Losses and accuracies are recorded at each of the first epochs, then on a log grid.
EVERY_EPOCH, LOG_SPACED = 50, 200
# A split of more bytes is read from the data set's memory map, batch by batch: 8000 clips of 30 s
# are 5 GB. A GPU holds more.
IN_MEMORY, IN_GPU_MEMORY = 2**27, 2**33


def model_options(config: RunConfig, dataset: Dataset) -> dict[str, Any]:
    """The model's arguments with the classes and channels that the data set asks for.

    The network is built with them and run on one input: what cannot be, an unknown model,
    activation or option among it, is a ``ConfigError``.
    """
    shape, n_out = dataset.inputs.shape[1:], len(dataset.classes) or dataset.labels.shape[1]
    try:
        check_names(config.model, config.activation)
        options = MODELS[config.model].options_for(config.options, shape, n_out)
        with torch.no_grad():
            Members(config, options, "cpu").network.eval()(torch.zeros(1, *shape))
    except ConfigError:
        raise
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
        hint = "; in a grid a list is a choice: write sizes = [[12, 4, 2]]"
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{config.model} with options {config.options} does not fit {dataset.name}: {reason}"
            + hint * isinstance(error, TypeError)
        ) from error
    return options


def planned(config: RunConfig, dataset: Dataset, runs_dir: Path) -> Run:
    """The run of these settings in its folder, trained or not."""
    folder, options = runs_dir / config.key(dataset.fingerprint), model_options(config, dataset)
    return Run(folder, config, dataset.name, dataset.fingerprint, options)


def stream(seed: int, epoch: int) -> torch.Generator:
    """The random stream of one member in one epoch; nothing else needs to be stored to resume."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(2, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def train(
    config: RunConfig,
    dataset: Dataset,
    *,
    runs_dir: str | Path | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> Run:
    """Train a run, or reuse it where its folder says that it is finished.

    An interrupted run goes on from its last state and ends as if it had never stopped. A second
    process that asks for the same run waits for the first and reuses its result. A run of which a
    file is missing or damaged is trained again.

    ``runs_dir`` is the folder of all runs, the repository's ``runs/`` by default; ``device``,
    ``cpu`` or ``cuda``, is not part of the key (results agree to rounding only); ``progress``
    shows a bar. The ``status`` of the run is ``finished``, or ``diverged`` with the epoch of the
    first non-finite loss.
    """
    run = planned(config, dataset, Path(runs_dir or paths.runs_dir()))
    run.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(run.folder / ".lock"):
        if damage := run.damage():
            log.warning("%s; the run is trained anew", damage)
            run.forget()
        if run.status["status"] == "unfinished":
            _Training(run, dataset, device).finish(progress)
    return run


class _Split:
    """Inputs and labels of one split, on the device where they fit there, else read by batch."""

    def __init__(self, dataset: Dataset, name: str, device: str):
        self.dataset, self.rows, self.device = dataset, dataset.rows(name), device
        self.y = torch.from_numpy(dataset.labels[self.rows]).to(device)
        n_bytes = 4 * len(self.rows) * math.prod(dataset.inputs.shape[1:])
        limit = IN_MEMORY if torch.device(device).type == "cpu" else IN_GPU_MEMORY
        self.x = self._read(self.rows) if n_bytes <= limit else None

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (members, batch, ...) and labels of rows (members, batch) of this split."""
        if self.x is not None:
            return self.x[rows], self.y[rows]
        chosen = self.rows[rows.cpu().numpy().ravel()]
        return self._read(chosen).unflatten(0, rows.shape), self.y[rows]

    def parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All of it in order, as much at once as should go through a network."""
        size = samples_at_once(self._part(0, 1).nbytes, self.device)
        for start in range(0, len(self), size):
            yield self._part(start, start + size), self.y[start : start + size]

    def _part(self, start: int, stop: int) -> Tensor:
        return self._read(self.rows[start:stop]) if self.x is None else self.x[start:stop]

    def _read(self, rows: np.ndarray) -> Tensor:
        """Standardised inputs of rows of the data set, on the device."""
        return torch.from_numpy(self.dataset.take(rows)[0]).to(self.device)


class _Training:
    """One run in the making."""

    def __init__(self, run: Run, dataset: Dataset, device: str):
        self.run, self.config, self.device = run, run.config, device
        self.splits = {name: _Split(dataset, name, device) for name in SPLITS}
        self.n_training = len(self.splits["training"])
        if self.n_training == 0:
            raise ConfigError(f"{dataset.name} has no training rows: choose another split")
        self.updates_per_epoch = -(-self.n_training // (self.config.batch_size or self.n_training))
        self._begin()
        log_spaced = log_epochs(self.config.epochs, LOG_SPACED)
        self.evaluated = {*range(EVERY_EPOCH + 1), *log_spaced, *self.config.stored_epochs}
        self.resume = ResumeState(run.folder)
        self.saved_at = time.monotonic()

    def _begin(self) -> None:
        """Before the first epoch."""
        self.members = Members(self.config, self.run.options, self.device)
        parameters, rate = self.members.parameters(), self.config.learning_rate
        if self.config.optimizer == "adam":
            self.optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, lr=rate, momentum=self.config.momentum)
        self.epoch, self.history = -1, []

    def finish(self, progress: bool) -> None:
        """Train to the last epoch, storing what a run stores."""
        self.run.write_config()
        self.resume.restore(self._take)
        status = "finished"
        epochs = range(self.epoch + 1, self.config.epochs + 1)
        title = f"{self.config.model} {self.config.activation} {self.config.batch_mode}"
        for epoch in bar(epochs, title, shown=progress):
            finite = epoch == 0 or self._train_epoch(epoch)
            self.epoch = epoch
            self._record(epoch)
            if not finite:
                status = "diverged"
                break
        self.run.end(status, self.epoch, pd.DataFrame(self.history, columns=HISTORY_COLUMNS))
        self.resume.clear()

    def _take(self, state: dict[str, Any]) -> None:
        """Go on from a stored state, if the weights stored up to it are whole."""
        epoch, history = state["epoch"], state["history"]
        if type(epoch) is not int or type(history) is not list:
            raise TypeError("it is not the state of a training run")
        if damage := self.run.damaged_weights(epoch):
            raise files.DamagedFileError(damage)
        try:
            self.members.load(state["members"])
            self.optimizer.load_state_dict(state["optimizer"])
        except Exception:
            self._begin()  # part of it may have been taken over
            raise
        self.epoch, self.history = epoch, history

    def _train_epoch(self, epoch: int) -> bool:
        """One pass over the training split; False where a loss is not finite."""
        self.members.network.train()
        total = torch.zeros((), device=self.device)
        for rows in self._batches(epoch):  # (members, batch)
            x, y = self.splits["training"].batch(rows)
            loss = self._loss(self.members(x), y).sum()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return bool(torch.isfinite(total))

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        if not self.config.batch_size:
            yield torch.arange(self.n_training, device=self.device).expand(self.members.n, -1)
            return
        orders = [
            torch.randperm(self.n_training, generator=stream(self.config.seed + s, epoch))
            for s in range(self.members.n)
        ]
        yield from torch.stack(orders).to(self.device).split(self.config.batch_size, dim=1)

    def _loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Mean loss of each member: cross-entropy [nats], or squared error for regression.

        output (members, batch, out); y (members, batch), or (members, batch, out) for regression.
        """
        if y.is_floating_point():
            return ((output - y) ** 2).mean(dim=(1, 2))
        losses = functional.cross_entropy(output.flatten(0, 1), y.flatten(), reduction="none")
        return losses.view(y.shape).mean(dim=1)

    @torch.no_grad()
    def _evaluate(self, split: _Split) -> tuple[list[float], list[float]]:
        """Loss and accuracy of each member on one split, in evaluation mode."""
        loss = torch.zeros(self.members.n, device=self.device)
        right = torch.zeros(self.members.n, device=self.device)
        for x, y in split.parts():
            output = self.members.on_same(x)
            target = y.expand(self.members.n, *y.shape)
            loss += self._loss(output, target) * len(y)
            # regression has no accuracy
            right += torch.nan if y.is_floating_point() else (output.argmax(-1) == target).sum(1)
        n = len(split)
        return (loss / n).tolist(), (right / n).tolist()

    def _record(self, epoch: int) -> None:
        if epoch in self.evaluated:
            self.members.network.eval()
            for name, split in self.splits.items():
                if len(split):
                    about = [epoch, epoch * self.updates_per_epoch, name]
                    each = enumerate(zip(*self._evaluate(split), strict=True))
                    self.history += [[member, *about, *found] for member, found in each]
        if is_stored := epoch in self.config.stored_epochs:
            save_tensors(self.run.weights_path(epoch), self.members.state())
        if is_stored or time.monotonic() - self.saved_at > CHECKPOINT_SECONDS:
            state = {"members": self.members.state(), "optimizer": self.optimizer.state_dict()}
            self.resume.save(state | {"epoch": self.epoch, "history": self.history})
            self.saved_at = time.monotonic()
