"""Saxe's network on the 12-bit task: trained runs in, tables and arrays out."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from iblib.activations import record
from iblib.information_plane import thin
from iblib.summaries import compression
from study.inputs import Trained, measured

# Values beyond this are near the bounds of tanh and softsign.
NEAR_BOUNDS = 0.95
N_BINS = 30
GRADIENT_POINTS = 18
HISTOGRAM_POINTS = 16


def sweeps(runs: list[Trained]) -> pd.DataFrame:
    """Rise and fall of the last hidden layer's I(X;T) by many bins and noises, tanh and ReLU.

    ``summaries.compression`` of each seed's curve; measured on all 4096 patterns.
    """
    table = measured(runs)
    return compression(table[table["quantity"].str.startswith("I_XT")])


def _activations(one: Trained, epochs: list[int]) -> Iterator[tuple[int, int, str, np.ndarray]]:
    """(epoch, seed, hidden layer, its activations for all patterns)."""
    x, _ = one.data.take(one.data.rows("all"))
    for epoch in epochs:
        for member, network in enumerate(one.run.networks(epoch)):
            hidden = {k: v for k, v in network.measured_layers().items() if k != "output"}
            for layer, t in record(network, x, hidden):
                yield epoch, one.run.config.seed + member, layer, t


def activity(runs: list[Trained]) -> pd.DataFrame:
    """Size of activations: columns activation, seed, epoch, layer, at_bounds, zero, deviation.

    ``at_bounds`` is the share of values beyond ±0.95, ``zero`` of exact zeros, ``deviation`` the
    root of the mean variance of a layer's units.
    """
    rows = []
    for one in runs:
        epochs = thin(one.run.epochs, HISTOGRAM_POINTS)
        for epoch, seed, layer, t in _activations(one, epochs):
            row = {"activation": one.spec.run.activation, "seed": seed, "epoch": epoch}
            row |= {"layer": layer, "at_bounds": float((np.abs(t) > NEAR_BOUNDS).mean())}
            row |= {"zero": float((t == 0).mean())}
            row |= {"deviation": float(np.sqrt(t.var(axis=0, dtype=np.float64).mean()))}
            rows.append(row)
    return pd.DataFrame(rows)


def histograms(runs: list[Trained]) -> dict[str, np.ndarray]:
    """Shares of activations by bin, of all seeds together.

    ``<activation>-<layer>`` has shape (epochs, 30), its bins ``<activation>-<layer>-edges`` (31,):
    equal bins on [-1, 1] for tanh and softsign, else from 0 to the 99.9 % quantile of the last
    epoch, larger values in the last bin. ``<activation>-epochs``.
    """
    arrays: dict[str, np.ndarray] = {}
    for one in runs:
        activation, epochs = one.spec.run.activation, thin(one.run.epochs, HISTOGRAM_POINTS)
        bounds = _bounds(one)
        counts = {layer: np.zeros((len(epochs), N_BINS)) for layer in bounds}
        for epoch, _, layer, t in _activations(one, epochs):
            found = np.histogram(np.clip(t, *bounds[layer]), N_BINS, bounds[layer])[0]
            counts[layer][epochs.index(epoch)] += found
        arrays[f"{activation}-epochs"] = np.array(epochs)
        for layer, found in counts.items():
            shares = found / found.sum(axis=1, keepdims=True)
            arrays[f"{activation}-{layer}"] = shares.astype(np.float32)
            arrays[f"{activation}-{layer}-edges"] = np.linspace(*bounds[layer], N_BINS + 1)
    return arrays


def _bounds(one: Trained) -> dict[str, tuple[float, float]]:
    """Layer -> range of the histogram."""
    found: dict[str, list[np.ndarray]] = {}
    for _, _, layer, t in _activations(one, [one.run.epochs[-1]]):
        found.setdefault(layer, []).append(t.ravel())
    if one.spec.run.activation in ("tanh", "softsign"):
        return dict.fromkeys(found, (-1.0, 1.0))
    tops = {layer: np.quantile(np.concatenate(parts), 0.999) for layer, parts in found.items()}
    return {layer: (0.0, max(float(top), 1e-6)) for layer, top in tops.items()}


def gradients(runs: list[Trained]) -> pd.DataFrame:
    """Signal and noise of the gradient: columns activation, seed, epoch, layer, mean, deviation.

    At each stored epoch the training rows are cut into mini-batches in a fixed order. For
    the weights of one layer, ``mean`` is the norm of the batches' mean gradient and ``deviation``
    the root of their summed variances; ``snr`` is the first over the second (Saxe et al., section
    4; Shwartz-Ziv & Tishby's drift and diffusion).
    """
    rows = []
    for one in runs:
        run, batch_size = one.run, one.spec.run.batch_size
        x, y = (torch.from_numpy(a) for a in one.data.take(one.data.rows("training")))
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
        batches = [(x[b], y[b]) for b in order.split(batch_size)]
        whole = [pair for pair in batches if len(pair[1]) == batch_size] or batches
        for epoch in thin(run.epochs, GRADIENT_POINTS):
            for member, frozen in enumerate(run.networks(epoch)):
                network = frozen.requires_grad_(True)
                about = {"activation": run.config.activation, "seed": run.config.seed + member}
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
