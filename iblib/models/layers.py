"""What the networks share: activations by name, and drawing weights from a generator."""

from collections.abc import Mapping
from typing import Any

from torch import Generator, nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "softsign": nn.Softsign,
    "softplus": nn.Softplus,
    "linear": nn.Identity,
}
CNN_ACTIVATIONS = ("relu", "tanh")


def picture_options(
    options: Mapping[str, Any], input_shape: tuple[int, ...], n_outputs: int
) -> dict[str, Any]:
    """Options of a network of pictures, with the classes and channels of the data."""
    if len(input_shape) != 3:
        raise ValueError("needs spectrograms, (channels, mels, frames): use mlp")
    return {**options, "n_classes": n_outputs, "in_channels": input_shape[0]}


def initialise(network: nn.Module, activation: str, generator: Generator | None) -> None:
    """Draw every convolution and linear weight (He for ReLU, Xavier for tanh); biases to 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if activation == "relu":
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            else:
                nn.init.xavier_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
