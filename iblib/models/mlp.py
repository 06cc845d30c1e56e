"""The fully connected network of Shwartz-Ziv & Tishby and of Saxe et al.: 12-10-7-5-4-3-2."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from iblib.models.layers import ACTIVATIONS

SAXE_SIZES = (12, 10, 7, 5, 4, 3, 2)


class MLP(nn.Module):
    """Fully connected network; every hidden layer has the activation, the output has none.

    ``sizes`` are the widths from input to output, Saxe's by default. Biases start at 0, weights
    normal with a standard deviation of ``gain/sqrt(width)``, truncated at two deviations (Saxe et
    al. 2018, code for the 12-bit task). The width is a layer's own (``fan="out"``, Saxe's code) or
    its input's (``"in"``, which keeps the variance of wide layers in front of a narrow one
    bounded). With a ``gain`` below 1, training starts near the zero function.
    """

    activations = tuple(ACTIVATIONS)

    def __init__(
        self,
        activation: str = "tanh",
        sizes: Sequence[int] = SAXE_SIZES,
        *,
        fan: str = "out",
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must hold at least two positive widths; got {sizes}")
        if fan not in ("out", "in"):
            raise ValueError(f"fan must be 'out' or 'in'; got {fan!r}")
        if not gain > 0:
            raise ValueError(f"gain must be positive; got {gain}")
        self.linear = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes))
        self.activation = nn.ModuleList(ACTIVATIONS[activation]() for _ in sizes[2:])
        for linear in self.linear:
            width = linear.out_features if fan == "out" else linear.in_features
            std = gain * width**-0.5
            cut = {"a": -2 * std, "b": 2 * std, "generator": generator}
            nn.init.trunc_normal_(linear.weight, std=std, **cut)
            nn.init.zeros_(linear.bias)

    @staticmethod
    def options_for(
        options: Mapping[str, Any], input_shape: tuple[int, ...], n_outputs: int
    ) -> dict[str, Any]:
        """The options with their sizes written out, which must be those of the data."""
        sizes = list(options.get("sizes", SAXE_SIZES))
        if (sizes[:1], sizes[-1:]) != (list(input_shape), [n_outputs]):
            what = f"inputs of shape {tuple(input_shape)} and {n_outputs} outputs"
            raise ValueError(f"sizes {sizes} do not fit {what}")
        return {**options, "sizes": sizes}

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (batch, sizes[-1]), of inputs, shape (batch, sizes[0])."""
        for linear, activation in zip(self.linear[:-1], self.activation, strict=True):
            x = activation(linear(x))  # (batch, width)
        return self.linear[-1](x)

    def forward_many(self, weights: dict[str, Tensor], x: Tensor) -> Tensor:
        """Logits (members, batch, out) of many networks of this shape, each on its own batch.

        ``weights`` is their state, stacked along a leading member axis; x (members, batch,
        sizes[0]). ``torch.func.vmap`` would make more calls, which cost more than the products.
        """
        x = x.mT.contiguous()  # samples last: rows as long as the batch, not as the width
        for i in range(len(self.linear)):
            bias, weight = weights[f"linear.{i}.bias"], weights[f"linear.{i}.weight"]
            x = torch.baddbmm(bias[:, :, None], weight, x)  # (members, width, batch)
            if i < len(self.activation):
                x = self.activation[i](x)
        return x.mT

    def measured_layers(self) -> dict[str, str]:
        """Layer name -> module whose output is measured."""
        hidden = {f"hidden{i + 1}": f"activation.{i}" for i in range(len(self.activation))}
        return {**hidden, "output": f"linear.{len(self.linear) - 1}"}
