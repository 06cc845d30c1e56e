"""The table of your own network: as it is now, or at checkpoints of your own training."""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, default_collate
from torch.utils.data import Dataset as TorchDataset

from iblib.activations import Pick, chosen_layers, measurement_rows, record
from iblib.config import MeasureConfig
from iblib.datasets.base import Dataset
from iblib.information_plane.replay import Replay
from iblib.information_plane.rows import epoch_rows, ranges_over
from iblib.information_plane.tables import COLUMNS, PlaneTable
from iblib.probing import Forward, Inputs, as_it_was, unwrapped
from iblib.progress import bar
from iblib.training.checkpoints import read_weights
from iblib.training.members import on_cpu

Data = Dataset | TorchDataset | DataLoader | tuple[Any, Any]
Weights = Mapping[str, Any] | str | Path


def measure_model(
    model: nn.Module,
    data: Data,
    *,
    layers: Pick = None,
    exclude: Pick = None,
    forward: Forward | None = None,
    epochs: Mapping[int, Weights] | int = 0,
    config: MeasureConfig | None = None,
    name: str = "",
    seed: int = 0,
    progress: bool = True,
) -> PlaneTable:
    """Information-plane table of your own network, with the columns ``COLUMNS``.

    It prints a summary of the last epoch, and ``iblib.plotting`` draws it: ``plane_grid(table)``.
    ``bits`` is raw, never clipped. Where a layer's output is not finite, it is NaN, ``status`` is
    ``diverged``, and a warning names the first of them.

    Parameters
    ----------
    model : Module
        Any network; it, the inputs and the random state stay as they were.
    data : (x, y), Dataset, or torch Dataset or DataLoader
        Inputs as of `iblib.activations.record`, all distinct (else I(X;T) is not H(T)), and P
        labels. Of an iblib ``Dataset`` as many rows of the split as ``config`` says. Items of
        torch's are (inputs, label), or mappings with the key ``labels`` or ``label``; of a
        ``DataLoader`` the whole data set is taken, in its own order.
    layers, exclude, forward : optional
        As of `record`; ``config.layers`` where ``layers`` is not given.
    epochs : mapping of int to weights, or int
        ``Checkpoints``, or epoch -> a state dict or the path of a stored one (``.safetensors``, or
        by ``torch.save``); the network is measured with each, and gets its own weights back. A
        number is the epoch that the network is at now.
    config : MeasureConfig, optional
        Views, binning conventions, noise variance, k. Bins of kind ``run`` span all epochs.
    name, seed : str, int
        Go into the columns ``model`` (the class's name by default) and ``seed``.

    Raises
    ------
    TypeError, ValueError
        As of `record`; for data of other kinds, and for weights that do not fit.
    """
    config = config or MeasureConfig()
    network = unwrapped(model)
    x, y = _samples(data, config, network)
    stored = epochs if isinstance(epochs, Mapping) else {epochs: None}
    if not stored:
        raise ValueError("epochs must hold weights of at least one epoch; got none")
    about = dict.fromkeys(("run", "profile", "activation", "batch_mode"), "")
    about |= {"dataset": data.name if isinstance(data, Dataset) else ""}
    about |= {"model": name or type(network).__name__, "seed": seed}
    layers = config.layers if layers is None else layers
    found: dict[str, str] = {}  # the layers, with the weights of the first epoch

    def recorded(epoch: int) -> Iterator[tuple[int, str, np.ndarray]]:
        if stored[epoch] is not None:
            _load(network, stored[epoch], epoch)
        if not found:
            found.update(chosen_layers(network, x, layers, exclude, forward))
        for layer, t in record(network, x, found, forward=forward):
            yield 0, layer, t

    replay, rows, at = Replay(recorded, config), [], sorted(stored)
    before = on_cpu(network.state_dict()) if isinstance(epochs, Mapping) else None
    try:
        ranges = ranges_over(at, replay.layers_to_return_to) if config.needs_ranges else {}
        for epoch in bar(at, "measuring", shown=progress and len(at) > 1):
            rows += epoch_rows(replay.layers(epoch), y, config, ranges, about | {"epoch": epoch})
    finally:
        if before is not None:
            network.load_state_dict(before)
    table = PlaneTable(rows, columns=COLUMNS)
    lost = table.loc[table["status"] == "diverged", ["epoch", "layer"]].drop_duplicates()
    if len(lost):
        epoch, layer = lost.iloc[0]
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        text = f"layer {layer!r} at epoch {epoch}{more} is not finite: its rows have no bits"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return table


def _load(network: nn.Module, weights: Weights, epoch: int) -> None:
    """Weights of an epoch into the network, those of a compiled or parallel one included."""
    state = read_weights(Path(weights)) if isinstance(weights, (str, Path)) else weights
    if not network.state_dict().keys() & state.keys():
        state = {re.sub(r"^((module|_orig_mod)\.)+", "", name): v for name, v in state.items()}
    try:
        network.load_state_dict(state)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"weights of epoch {epoch} do not fit the network: {reason}") from error


def _samples(data: Data, config: MeasureConfig, network: nn.Module) -> tuple[Inputs, Any]:
    """Inputs and labels."""
    if isinstance(data, Dataset):
        data = data.take(measurement_rows(data.rows(config.split), config.n_samples))
    elif isinstance(data, (DataLoader, TorchDataset)):
        with as_it_was(nn.Identity(), torch.device("cpu")):  # augmenting draws
            data = _collected(data if isinstance(data, DataLoader) else DataLoader(data))
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(
            f"data must be (x, y), a Dataset or a DataLoader; got {type(data).__name__}"
        )
    x, y = Inputs(data[0], network), data[1]
    y = y.cpu() if isinstance(y, Tensor) else y
    if x.n != len(y):
        raise ValueError(f"inputs and labels must be equally many; got {x.n} and {len(y)}")
    return x, y


def _collected(loader: DataLoader) -> tuple[Any, Any]:
    """All inputs and labels as one batch; a shuffled data set in its own order, none dropped."""
    data = loader.dataset
    if isinstance(data, IterableDataset):
        items = list(data)
    else:
        shuffled = type(loader.sampler) is RandomSampler
        items = [data[i] for i in (range(len(data)) if shuffled else loader.sampler)]
    batch = (default_collate if loader.batch_sampler is None else loader.collate_fn)(items)
    if isinstance(batch, Mapping):
        batch = dict(batch)
        key = next((key for key in ("labels", "label") if key in batch), None)
        batch = (batch, batch.pop(key)) if key else ()
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise TypeError("data must give (inputs, label), or mappings with the key labels")
    *x, y = batch
    x = x[0] if len(x) == 1 else x
    return tuple(x) if isinstance(x, list) and isinstance(x[0], Tensor) else x, y
