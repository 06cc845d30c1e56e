"""The networks, one per file; each names the layers worth measuring.

``MODELS`` holds them by name; put your own class into it (CONTRIBUTING.md, "Add a model"). A class

- is called as ``Class(activation, *, generator, **options)`` and draws its weights from
  ``generator``;
- has ``activations``, the names it can be built with;
- has ``options_for(options, input_shape, n_outputs)``, its options with those that the data ask
  for, or a ``ValueError``;
- has ``measured_layers()``, name -> module whose output is measured.
"""

import math

import pandas as pd
import torch
from torch import nn

from iblib.models.layers import ACTIVATIONS, CNN_ACTIVATIONS
from iblib.models.mini_resnet import MiniResNet
from iblib.models.mlp import MLP, SAXE_SIZES
from iblib.models.simple_cnn import SimpleCNN
from iblib.probing import Inputs, Listener, probe

__all__ = [
    "ACTIVATIONS", "CNN_ACTIVATIONS", "MLP", "MODELS", "SAXE_SIZES", "MiniResNet", "SimpleCNN",
    "build", "check_names", "count_parameters", "samples_at_once", "summary",
]  # fmt: skip

MODELS = {"simple_cnn": SimpleCNN, "mini_resnet": MiniResNet, "mlp": MLP}


def check_names(model: str, activation: str) -> None:
    """Raise ``ValueError`` where no such network can be built."""
    if model not in MODELS:
        raise ValueError(f"model must be one of {sorted(MODELS)}; got {model!r}")
    legal = MODELS[model].activations
    if activation not in legal:
        raise ValueError(f"activation of {model} must be one of {legal}; got {activation!r}")


def build(model: str, activation: str = "relu", *, seed: int = 0, **options) -> nn.Module:
    """A new network with weights drawn from ``seed``; ``options`` go to its class.

    Raises
    ------
    ValueError
        For an unknown model, activation or option.
    """
    check_names(model, activation)
    generator = torch.Generator().manual_seed(seed)
    try:
        with torch.random.fork_rng(devices=[]):  # layers draw weights that are then replaced
            return MODELS[model](activation, generator=generator, **options)
    except TypeError as error:
        raise ValueError(f"options of {model} are wrong: {error}") from error


# Bytes of inputs in one forward pass without gradients. A layer is some 4 to 8 times its input: on
# a CPU that much stays in the cache (for MiniResNet half the time of 256 spectrograms at once).
_CPU_BYTES, _GPU_BYTES = 2**21, 2**25


def samples_at_once(bytes_of_one: int, device: str | torch.device) -> int:
    """How many samples of a size should go through a network in one pass on a device."""
    room = _CPU_BYTES if torch.device(device).type == "cpu" else _GPU_BYTES
    return max(room // max(bytes_of_one, 1), 1)


def count_parameters(network: nn.Module) -> int:
    """Number of trained scalars."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def summary(network: nn.Module, input_shape: tuple[int, ...]) -> pd.DataFrame:
    """One row per measured layer: its module, the shape of its output and its dimension."""
    found = probe(Listener(network), Inputs(torch.zeros(1, *input_shape), network))
    layers = network.measured_layers()
    rows = [
        (name, path, " x ".join(map(str, found[path].shape)), math.prod(found[path].shape))
        for name, path in layers.items()
    ]
    return pd.DataFrame(rows, columns=["layer", "module", "shape", "dimension"])
