"""The table of your own network: as it is now, or at checkpoints of your own training."""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from iblib.activations import layers_to_measure, measurement_rows, record
from iblib.config import MeasureConfig
from iblib.datasets.base import Dataset
from iblib.information_plane.replay import Replay
from iblib.information_plane.rows import epoch_rows, ranges_over
from iblib.information_plane.tables import COLUMNS

Data = Dataset | tuple[np.ndarray | Tensor, np.ndarray | Tensor | Sequence]
Weights = Mapping[str, Tensor] | str | Path


def measure_model(
    model: nn.Module,
    data: Data,
    *,
    layers: Sequence[str] = (),
    epochs: Mapping[int, Weights] | int = 0,
    config: MeasureConfig | None = None,
    name: str = "",
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Information-plane table of your own network.

    Parameters
    ----------
    model : Module
        Any network whose layers return tensors; it is left as it was.
    data : (x, y) or Dataset
        Inputs (P, ...), all distinct (else I(X;T) is not H(T)), and P labels: all are measured.
        Of a ``Dataset`` as many rows of the split as ``config`` says.
    layers : sequence of str
        Paths of modules as ``model.named_modules()`` has them, or patterns such as ``"block?.*"``
        (``*`` matches dots too); by default ``model.measured_layers()`` if it has them, else every
        module without children. They stand for ``config.layers``.
    epochs : mapping of int to weights, or int
        ``Checkpoints``, or epoch -> a state dict or the path of a stored one; the network is
        measured with each. A number is the epoch that the network is at now.
    config : MeasureConfig, optional
        Views, binning conventions, noise variance, k. Bins of kind ``run`` span all epochs.
    name : str
        Goes into the ``model`` column; the class's name by default.
    seed : int
        Goes into the ``seed`` column.
    progress : bool
        Show a bar on a terminal, where there is more than one epoch.

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``; ``bits`` is raw, never clipped. Where a layer's output is not finite,
        ``bits`` is NaN, ``status`` is ``diverged``, and a warning names the first of them.
        ``iblib.plotting`` draws the table: ``plane_grid(table)``,
        ``plane_player(table, estimator="kde")``.

    Raises
    ------
    ValueError
        Where a pattern matches no layer, lengths differ, or a layer's output is not usable.
    """
    config = config or MeasureConfig()
    if layers:
        config = replace(config, layers=tuple(layers))
    x, y, dataset = _arrays(data, config)
    stored = _Stored(model, epochs, x, config)
    replay = Replay(stored.recorded, config)
    about = dict.fromkeys(("run", "profile", "activation", "batch_mode"), "")
    about |= {"dataset": dataset, "model": name or type(model).__name__, "seed": seed}
    ranges = ranges_over(stored.epochs, replay.layers_to_return_to) if config.needs_ranges else {}
    rows: list[dict] = []
    shown = None if progress and len(stored.epochs) > 1 else True
    for epoch in tqdm(stored.epochs, "measuring", leave=False, disable=shown):
        rows += epoch_rows(replay.layers(epoch), y, config, ranges, about | {"epoch": epoch})
    table = pd.DataFrame(rows, columns=COLUMNS)
    lost = table.loc[table["status"] == "diverged", ["epoch", "layer"]].drop_duplicates()
    if len(lost):
        epoch, layer = lost.iloc[0]
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        text = f"layer {layer!r} at epoch {epoch}{more} is not finite: its rows have no bits"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return table


def _arrays(data: Data, config: MeasureConfig) -> tuple[Any, np.ndarray, str]:
    """Inputs, labels, and the data set's name where it has one."""
    if isinstance(data, Dataset):
        rows = measurement_rows(data.rows(config.split), config.n_samples)
        return *data.take(rows), data.name
    x, y = data
    y = y.cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if len(x) != len(y):
        raise ValueError(f"inputs and labels must be equally many; got {len(x)} and {len(y)}")
    return x, y, ""


class _Stored:
    """A network on fixed inputs, with the weights of one epoch after the other."""

    def __init__(self, model: nn.Module, epochs, x, config: MeasureConfig):
        self.now = None if isinstance(epochs, Mapping) else epochs
        self.weights = epochs if isinstance(epochs, Mapping) else {epochs: None}
        self.epochs = sorted(self.weights)
        if not self.epochs:
            raise ValueError("epochs must hold weights of at least one epoch; got none")
        self.model = model if self.now is not None else copy.deepcopy(model)
        self.x, self.config = x, config

    def recorded(self, epoch: int) -> Iterator[tuple[int, str, np.ndarray]]:
        """(0, layer, its activations) of one epoch."""
        if self.now is None:
            self.model.load_state_dict(_state(self.weights[epoch]))
        for layer, t in record(self.model, self.x, layers_to_measure(self.model, self.config)):
            yield 0, layer, t


def _state(weights: Weights) -> Mapping[str, Tensor]:
    if isinstance(weights, (str, Path)):
        return torch.load(weights, weights_only=True, map_location="cpu")
    return weights
