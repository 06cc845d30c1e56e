"""What the notebooks show of Saxe's network on the 12-bit task."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from iblib.activations import record
from iblib.datasets import binary_patterns
from iblib.datasets.base import Dataset
from iblib.information_plane import measure_run, thin
from iblib.summaries import compression
from iblib.training import Run, train
from study.audio import histories
from study.plan import SAXE_ACTIVATIONS, RunSpec

if TYPE_CHECKING:
    from study.lab import Session

# Units beyond this are called saturated (tanh and softsign).
SATURATED = 0.95
N_BINS = 30
GRADIENT_POINTS = 18
HISTOGRAM_POINTS = 16


def data_of(spec: RunSpec) -> Dataset:
    """The 12-bit task as a run has it, with all or few of the patterns for training."""
    return binary_patterns.load(**{k: v for k, v in spec.data.items() if k != "name"})


def trained(session: "Session") -> Iterator[tuple[str, RunSpec, Run, Dataset]]:
    """(name, spec, run, data) of every run on the 12-bit task, trained now or reused."""
    for name, spec in session.saxe_runs().items():
        data = data_of(spec)
        yield name, spec, train(spec.run, data, device=session.device), data


def history(session: "Session") -> pd.DataFrame:
    """Learning curves of the 12-bit task: one row per seed, epoch and split."""
    return histories({name: run for name, _, run, _ in trained(session)}, session.profile.name)


def _measured(session: "Session", measure: str, names: tuple[str, ...]) -> pd.DataFrame:
    tables = [
        measure_run(
            run, data, spec.measures[measure], profile=session.profile.name, device=session.device
        )
        for name, spec, run, data in trained(session)
        if name in names and measure in spec.measures
    ]
    return pd.concat(tables, ignore_index=True)


_MAIN = tuple(f"{activation}-SGD" for activation in SAXE_ACTIVATIONS)


def planes(session: "Session") -> pd.DataFrame:
    """Information planes of the four activations, SGD, measured on all 4096 patterns."""
    return _measured(session, "planes", _MAIN)


def variants(session: "Session") -> pd.DataFrame:
    """Planes of tanh and ReLU by full batch, on 30 % of the patterns, and with widths reversed.

    They differ in ``batch_mode``, ``dataset`` and ``model``.
    """
    kinds = ("BGD", "few", "reversed")
    return _measured(session, "planes", tuple(f"{a}-{k}" for a in ("tanh", "relu") for k in kinds))


def components(session: "Session") -> pd.DataFrame:
    """Three principal components of every layer, with widths as they are and reversed."""
    kinds = ("SGD", "reversed")
    names = tuple(f"{a}-{k}" for a in ("tanh", "relu") for k in kinds)
    return _measured(session, "components", names)


def edges(session: "Session") -> pd.DataFrame:
    """tanh by 30 equal bins, by bins equal in the net input, and at machine precision."""
    return _measured(session, "edges", ("tanh-SGD",))


def sweeps(session: "Session") -> pd.DataFrame:
    """Rise and fall of the last hidden layer's I(X;T) by many bins and noises, tanh and ReLU.

    ``summaries.compression`` of each seed's curve; measured on all 4096 patterns.
    """
    measured = _measured(session, "sweep", ("tanh-SGD", "relu-SGD"))
    return compression(measured[measured["quantity"].str.startswith("I_XT")])


def _activations(
    run: Run, data: Dataset, epochs: list[int]
) -> Iterator[tuple[int, int, str, np.ndarray]]:
    """(epoch, seed, hidden layer, its activations for all patterns)."""
    x, _ = data.take(data.rows("all"))
    for epoch in epochs:
        for member, network in enumerate(run.networks(epoch)):
            hidden = {k: v for k, v in network.measured_layers().items() if k != "output"}
            for layer, t in record(network, x, hidden):
                yield epoch, run.config.seed + member, layer, t


def saturated_units(session: "Session") -> pd.DataFrame:
    """Size of activations: columns activation, seed, epoch, layer, saturated, zero, deviation.

    ``saturated`` is the share of values beyond ±0.95, ``zero`` of exact zeros, ``deviation`` the
    root of the mean variance of a layer's units.
    """
    rows = []
    for activation, run, data in _main_runs(session):
        epochs = thin(run.epochs, HISTOGRAM_POINTS)
        for epoch, seed, layer, t in _activations(run, data, epochs):
            row = {"activation": activation, "seed": seed, "epoch": epoch, "layer": layer}
            row |= {"saturated": float((np.abs(t) > SATURATED).mean())}
            row |= {"zero": float((t == 0).mean())}
            row |= {"deviation": float(np.sqrt(t.var(axis=0, dtype=np.float64).mean()))}
            rows.append(row)
    return pd.DataFrame(rows)


def histograms(session: "Session") -> dict[str, np.ndarray]:
    """Shares of activations by bin, of all seeds together.

    ``<activation>-<layer>`` has shape (epochs, 30), its bins ``<activation>-<layer>-edges`` (31,):
    equal bins on [-1, 1] for tanh and softsign, else from 0 to the 99.9 % quantile of the last
    epoch, larger values in the last bin. ``<activation>-epochs``.
    """
    arrays: dict[str, np.ndarray] = {}
    for activation, run, data in _main_runs(session):
        epochs = thin(run.epochs, HISTOGRAM_POINTS)
        bounds = _bounds(run, data, activation)
        counts = {layer: np.zeros((len(epochs), N_BINS)) for layer in bounds}
        for epoch, _, layer, t in _activations(run, data, epochs):
            found = np.histogram(np.clip(t, *bounds[layer]), N_BINS, bounds[layer])[0]
            counts[layer][epochs.index(epoch)] += found
        arrays[f"{activation}-epochs"] = np.array(epochs)
        for layer, found in counts.items():
            shares = found / found.sum(axis=1, keepdims=True)
            arrays[f"{activation}-{layer}"] = shares.astype(np.float32)
            arrays[f"{activation}-{layer}-edges"] = np.linspace(*bounds[layer], N_BINS + 1)
    return arrays


def _main_runs(session: "Session") -> Iterator[tuple[str, Run, Dataset]]:
    for name, spec, run, data in trained(session):
        if name in _MAIN:
            yield spec.run.activation, run, data


def _bounds(run: Run, data: Dataset, activation: str) -> dict[str, tuple[float, float]]:
    """Layer -> range of the histogram."""
    found: dict[str, list[np.ndarray]] = {}
    for _, _, layer, t in _activations(run, data, [run.epochs[-1]]):
        found.setdefault(layer, []).append(t.ravel())
    if activation in ("tanh", "softsign"):
        return dict.fromkeys(found, (-1.0, 1.0))
    tops = {layer: np.quantile(np.concatenate(parts), 0.999) for layer, parts in found.items()}
    return {layer: (0.0, max(float(top), 1e-6)) for layer, top in tops.items()}


def gradients(session: "Session") -> pd.DataFrame:
    """Signal and noise of the gradient: columns activation, seed, epoch, layer, mean, deviation.

    At each stored epoch the training rows are cut into SGD's mini-batches in a fixed order. For
    the weights of one layer, ``mean`` is the norm of the batches' mean gradient and ``deviation``
    the root of their summed variances; ``snr`` is the first over the second (Saxe et al., section
    4; Shwartz-Ziv & Tishby's drift and diffusion).
    """
    rows = []
    for name, spec, run, data in trained(session):
        if name not in ("tanh-SGD", "relu-SGD"):
            continue
        x, y = (torch.from_numpy(a) for a in data.take(data.rows("training")))
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
        batches = [(x[b], y[b]) for b in order.split(spec.run.batch_size)]
        whole = [pair for pair in batches if len(pair[1]) == spec.run.batch_size] or batches
        for epoch in thin(run.epochs, GRADIENT_POINTS):
            for member, frozen in enumerate(run.networks(epoch)):
                network = frozen.requires_grad_(True)
                about = {"activation": spec.run.activation, "seed": run.config.seed + member}
                rows += [{**about, "epoch": epoch, **row} for row in _signal(network, whole)]
    return pd.DataFrame(rows)


def _signal(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> Iterator[dict]:
    weights = {f"layer{i + 1}": linear.weight for i, linear in enumerate(network.linear)}
    found = []
    for x, y in batches:
        loss = functional.cross_entropy(network(x), y)
        found.append(torch.autograd.grad(loss, list(weights.values())))
    for layer, parts in zip(weights, zip(*found, strict=True), strict=True):
        stacked = torch.stack([part.double().flatten() for part in parts])
        mean, deviation = stacked.mean(0).norm(), stacked.var(0, correction=0).sum().sqrt()
        snr = float(mean / deviation) if deviation > 0 else np.nan
        yield {"layer": layer, "mean": float(mean), "deviation": float(deviation), "snr": snr}
