"""Small networks of the shapes that people really have, each with inputs and its layers by default.

``CASES[name]()`` gives (network, inputs, names of the layers that are measured by default).
"""

import random
from collections import Counter, OrderedDict

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.utils import parametrizations

from iblib import measure_model
from iblib.config import MeasureConfig

P = 12
Y = np.arange(P) % 2
BINNING = MeasureConfig(estimators=("binning",))


def pictures(channels: int = 2, size: int = 8) -> torch.Tensor:
    return torch.randn(P, channels, size, size)


class Residual(nn.Module):
    """One ReLU for all of it."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True)
        self.shortcut, self.fc = nn.Conv2d(2, 4, 1), nn.Linear(4, 3)

    def forward(self, x):
        t = self.relu(self.bn(self.conv1(x)))
        t = self.relu(self.conv2(t) + self.shortcut(x))
        return self.fc(self.relu(t - 1).mean((2, 3)))


class Patches(nn.Module):
    """A vision transformer, sequences second or first."""

    def __init__(self, batch_first: bool):
        super().__init__()
        self.batch_first = batch_first
        self.embed = nn.Conv2d(2, 8, 4, stride=4)
        self.cls = nn.Parameter(torch.randn(1, 1, 8))
        self.dropout = nn.Dropout(0.5)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        t = self.embed(x).flatten(2).transpose(1, 2)  # (P, T, d)
        t = torch.cat([self.cls.expand(len(t), -1, -1), t], dim=1)
        t = self.dropout(t)
        t = self.encoder(t) if self.batch_first else self.encoder(t.transpose(0, 1)).transpose(0, 1)
        return self.head(t[:, 0])


ENCODER = ["self_attn", "dropout1", "norm1", "linear1", "dropout", "linear2", "dropout2", "norm2"]


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], batch_first: bool):
        super().__init__()
        self.batch_first = batch_first
        self.rnn = kind(3, 5, batch_first=batch_first)
        self.drop, self.fc = nn.Dropout(0.2), nn.Linear(5, 2)

    def forward(self, x):
        t = self.rnn(x if self.batch_first else x.transpose(0, 1))[0]
        t = self.drop(t)
        return self.fc(t[:, -1] if self.batch_first else t[-1])


class Gpt(nn.Module):
    """A table of positions, a causal mask, and the embedding's weights once more at the end."""

    def __init__(self, length: int = 6):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(11, 8), nn.Embedding(length, 8)
        self.norm, self.qkv, self.proj = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.tokens.weight
        self.register_buffer("mask", torch.ones(length, length).tril().bool(), persistent=False)

    def forward(self, ids):
        t = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        q, k, v = self.qkv(self.norm(t)).chunk(3, dim=-1)
        weights = (q @ k.transpose(1, 2)).masked_fill(~self.mask, -1e9).softmax(-1)
        return self.head(t + self.proj(weights @ v))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.pool, self.act = nn.MaxPool2d(2), nn.GELU()
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        one = self.act(self.down1(x))
        two = self.act(self.down2(self.pool(one)))
        return self.last(torch.cat([one, self.up(two)], dim=1))


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 4), nn.Sigmoid())

    def forward(self, x):
        t = self.conv(x)
        return (t * self.gate(self.pool(t).squeeze())[:, :, None, None]).squeeze()


class StochasticDepth(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.drop, self.fc2 = nn.Linear(4, 4), DropPath(), nn.Linear(4, 2)
        self.bare = nn.BatchNorm1d(4, track_running_stats=False)

    def forward(self, x):
        return self.fc2(x + self.drop(self.bare(self.fc1(x))))


class DropPath(nn.Module):
    def forward(self, x):
        if not self.training:
            return x
        return x * (torch.rand(len(x), 1) > 0.5)


class Fourier(nn.Module):
    class Transform(nn.Module):
        def forward(self, x):
            return torch.fft.rfft(x)

    class Size(nn.Module):
        def forward(self, z):
            return torch.stack([z.abs(), z.conj().imag], dim=-1)

    def __init__(self):
        super().__init__()
        self.fft, self.size, self.fc = self.Transform(), self.Size(), nn.Linear(6, 2)

    def forward(self, x):
        return self.fc(self.size(self.fft(x)).flatten(1))


class Auxiliary(nn.Module):
    """A loss that is never reached, one that is, and a part that is used in training only."""

    class Penalty(nn.Module):
        def forward(self, t):
            return (t**2).mean()

    def __init__(self):
        super().__init__()
        self.fc, self.aux = nn.Linear(4, 3), nn.Linear(3, 2)
        self.penalty, self.criterion = self.Penalty(), nn.CrossEntropyLoss()
        self.blocks, self.branch = nn.ModuleList([nn.Tanh()]), nn.Sequential()

    def forward(self, x):
        t = self.blocks[0](self.fc(x))
        self.features, self.loss = t, self.penalty(t)  # such a network cannot be copied in training
        return {"out": t, "aux": self.aux(t)} if self.training else {"out": t}


class Outputs(nn.Module):
    """Parts that give tuples, mappings, integers, and more samples than came in."""

    class Both(nn.Module):
        def forward(self, x):
            return [x.argmax(1), (None, {"values": x + 1})]

    class Named(nn.Module):
        def forward(self, x):
            return OrderedDict(logits=2 * x, state=torch.zeros(1))

    class Best(nn.Module):
        def forward(self, x):
            return x.argmax(1) + 2**24

    def __init__(self):
        super().__init__()
        self.both, self.named, self.best = self.Both(), self.Named(), self.Best()
        self.each = nn.Linear(2, 3)

    def forward(self, x):
        t = self.both(x)[1][1]["values"]
        t = self.named(t)["logits"]
        folded = self.each(t.reshape(-1, 2))  # (P 2, 2): sample after sample
        last = self.each(
            t.reshape(-1, 2, 2).transpose(0, 1).reshape(-1, 2)
        )  # all first halves first
        return self.best(t), folded, last


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.fc = nn.Embedding(11, 4), nn.Linear(4, 2)

    def forward(self, input_ids, attention_mask, scale=1.0):
        mask = attention_mask[..., None]
        return self.fc(scale * (self.embed(input_ids) * mask).sum(1) / mask.sum(1))


def masked():
    ids = torch.randint(0, 11, (P, 5))
    mask = (torch.arange(5) < torch.randint(1, 6, (P, 1))).long()
    return Masked(), {"input_ids": ids, "attention_mask": mask, "scale": 0.5}, ["embed", "fc"]


def frozen_batch_norm():
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.BatchNorm1d(5))
    network(torch.randn(20, 4))  # statistics of its own
    network.train()
    network[1].eval()
    return network, torch.randn(P, 4), ["0", "1", "2", "3"]


def weight_parametrised():
    network = nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(4, 5)),
        nn.Tanh(),
        parametrizations.weight_norm(nn.Linear(5, 3)),
        nn.utils.spectral_norm(nn.Linear(3, 2)),  # the old one, which cannot be copied
    )
    return network, torch.randn(P, 4), ["0", "1", "2", "3"]


def in_place():
    network = nn.Sequential(nn.LeakyReLU(0.5, inplace=True), nn.Linear(4, 3), nn.ReLU(inplace=True))
    return network, torch.randn(P, 4), ["0", "1", "2"]


def transformer(first: bool):
    names = [f"encoder.layers.0.{name}" for name in ENCODER]
    return Patches(first), pictures(), ["embed", "dropout", *names, "head"]


def sequences(*shape: int) -> torch.Tensor:
    return torch.randn(P, *shape)


RESIDUAL = ["conv1", "bn", "relu", "conv2", "shortcut", "relu:2", "relu:3", "fc"]
CASES = {
    "residual": lambda: (Residual(), pictures(), RESIDUAL),
    "transformer": lambda: transformer(True),
    "transformer, sequence first": lambda: transformer(False),
    "lstm": lambda: (Recurrent(nn.LSTM, True), sequences(7, 3), ["rnn", "drop", "fc"]),
    "lstm, sequence first": lambda: (
        *(Recurrent(nn.LSTM, False), sequences(7, 3), ["rnn", "drop", "fc"]),
    ),
    "gru": lambda: (Recurrent(nn.GRU, True), sequences(P, 3), ["rnn", "drop", "fc"]),
    "gru, as many steps as samples": lambda: (
        *(Recurrent(nn.GRU, False), sequences(P, 3), ["rnn", "drop", "fc"]),
    ),
    "gpt": lambda: (
        *(Gpt(), torch.randint(0, 11, (P, 6)), ["tokens", "norm", "qkv", "proj", "head"]),
    ),
    "gpt, as many positions as samples": lambda: (
        *(Gpt(P), torch.randint(0, 11, (P, P)), ["tokens", "norm", "qkv", "proj", "head"]),
    ),
    "u-net": lambda: (UNet(), pictures(), ["down1", "act", "pool", "down2", "act:2", "up", "last"]),
    "squeeze-excite": lambda: (
        *(SqueezeExcite(), pictures(), ["conv", "pool", *(f"gate.{i}" for i in range(4))]),
    ),
    "weight-parametrised": weight_parametrised,
    "stochastic depth": lambda: (StochasticDepth(), sequences(4), ["fc1", "bare", "drop", "fc2"]),
    "frozen batch norm": frozen_batch_norm,
    "auxiliary": lambda: (Auxiliary(), sequences(4), ["fc", "blocks.0"]),
    "outputs": lambda: (Outputs(), sequences(4), ["both", "named", "each", "best"]),
    "masked": masked,
    "in place": in_place,
    "the network itself": lambda: (nn.Linear(4, 2), sequences(4), ["Linear"]),
}


def built(name: str):
    """One case, the same at every call, in training mode as it came."""
    torch.manual_seed(0)
    return CASES[name]()


def measured(model, data, **how) -> pd.DataFrame:
    return measure_model(model, data, **{"config": BINNING, "progress": False} | how)


def by_hand(network, x) -> dict[str, np.ndarray]:
    """Every module's outputs for all samples at once, by the calls' names."""
    caught, calls = {}, Counter()

    def catch(path):
        def hook(module, inputs, output):
            calls[path] += 1
            while not isinstance(output, torch.Tensor):
                values = list(output.values() if isinstance(output, dict) else output)
                values = [v for v in values if v is not None]
                output = values[-1] if len(values) == 2 and path == "both" else values[0]
            caught[path + f":{calls[path]}" * (calls[path] > 1)] = output.detach().clone().numpy()

        return hook

    modes = {module: module.training for module in network.modules()}
    network.eval()
    hooks = [
        module.register_forward_hook(catch(path or type(module).__name__))
        for path, module in network.named_modules()
        if "parametrizations" not in path
    ]
    with torch.no_grad():
        network(**x) if isinstance(x, dict) else network(x.clone())
    for hook in hooks:
        hook.remove()
    for module, mode in modes.items():
        module.training = mode
    return caught


def state_of(network) -> dict:
    buffers = {k: v.numpy().tobytes() for k, v in network.named_buffers()}
    weights = {k: v.detach().numpy().tobytes() for k, v in network.named_parameters()}
    modes = [module.training for module in network.modules()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()]
    return {"buffers": buffers, "weights": weights, "modes": modes, "hooks": hooks}


def draws() -> tuple:
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
