"""The networks of one run: a single one, or several seeds of one shape as a batched ensemble."""

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from iblib.config import ConfigError, RunConfig
from iblib.models import build


class Members:
    """``n_seeds`` networks trained side by side.

    A single network is called as it is. Several become one stack of weights (leading axis:
    member) that ``torch.func`` applies to all members at once, so that a spread over seeds costs
    little more than one run; this needs networks without batch norm (no buffers).
    """

    def __init__(self, config: RunConfig, options: dict[str, Any], device: str):
        networks = [
            build(config.model, config.activation, seed=config.seed + s, **options).to(
                device, memory_format=torch.channels_last
            )  # convolutions of few channels are up to three times faster so
            for s in range(config.n_seeds)
        ]
        self.network, self.n = networks[0], len(networks)
        self.stack: dict[str, Tensor] = {}
        if self.n > 1:
            if any(True for _ in self.network.buffers()):
                rule = "n_seeds > 1 needs a network without batch norm"
                raise ConfigError(f"{rule}; {config.model} has it: use one run per seed")
            self.stack = stack_module_state(networks)[0]

    def parameters(self) -> list[Tensor]:
        """What an optimiser updates."""
        return list(self.stack.values() if self.stack else self.network.parameters())

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (n, batch, out) of each member's own batch x (n, batch, ...)."""
        if not self.stack:
            return self.network(x[0])[None]
        if hasattr(self.network, "forward_many"):
            return self.network.forward_many(self.stack, x)
        return vmap(partial(functional_call, self.network))(self.stack, x)

    def state(self) -> dict[str, Tensor]:
        """Weights on the CPU, copied; an ensemble's have a leading member axis."""
        return on_cpu(self.stack or self.network.state_dict())

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what ``state`` returned."""
        if not self.stack:
            self.network.load_state_dict(state)
        with torch.no_grad():
            for name, value in self.stack.items():
                value.copy_(state[name])


def on_cpu(state: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of weights (and extra state) on the CPU, which later updates leave alone."""
    return {
        name: value.detach().cpu().clone() if isinstance(value, Tensor) else deepcopy(value)
        for name, value in state.items()
    }
