"""Replay: what each layer answers to a fixed set of samples; the border of torch and arrays."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor, nn

from iblib.config import MeasureConfig
from iblib.models import samples_at_once


def measurement_rows(rows: np.ndarray, n_samples: int) -> np.ndarray:
    """``n_samples`` of ``rows``, evenly spaced, in their own order; 0 keeps all.

    The same call gives the same rows at every epoch and in every run: nothing is drawn.
    """
    if not n_samples or n_samples >= len(rows):
        return rows
    return rows[np.linspace(0, len(rows) - 1, n_samples).round().astype(int)]


def layers_to_measure(network: nn.Module, config: MeasureConfig) -> dict[str, str]:
    """Layer name -> module path of the layers a config asks for.

    A network without ``measured_layers`` of its own is measured at every leaf module, or at the
    modules that ``config.layers`` names by path. Names may be patterns (``*``, ``?``, ``[...]``).

    Raises
    ------
    ValueError
        Where a name or pattern matches no layer.
    """
    if hasattr(network, "measured_layers"):
        known = network.measured_layers()
    elif config.layers:
        known = {path: path for path, _ in network.named_modules() if path}
    else:
        known = {p: p for p, m in network.named_modules() if p and not any(m.children())}
    if not config.layers:
        return known
    chosen: dict[str, str] = {}
    for pattern in config.layers:
        names = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
        if not names:
            raise ValueError(f"layers must be among {list(known)}; got {pattern!r}")
        chosen |= {name: known[name] for name in names}
    return chosen


def record(
    network: nn.Module,
    x: np.ndarray | Tensor,
    layers: Mapping[str, str],
    *,
    batch_size: int | None = None,
    memory_limit: int = 2**30,
) -> Iterator[tuple[str, np.ndarray]]:
    """Outputs of layers for every sample, in evaluation mode, a few layers at a time.

    Parameters
    ----------
    network : Module
        Its mode, hooks and weights are left as they were.
    x : array or tensor, shape (P, ...)
        Inputs; row i of every yielded array belongs to row i of ``x``.
    layers : mapping
        Layer name -> module path.
    batch_size : int, optional
        Samples in one forward pass; by default ``models.samples_at_once``.
    memory_limit : int
        Bytes of activations held at once; a layer larger than this is recorded alone.

    Yields
    ------
    (name, activations) : str, ndarray of shape (P, ...) float32
        In the order of ``layers``.
    """
    x = torch.as_tensor(x)
    batch_size = batch_size or samples_at_once(x, _device(network))
    sizes, changed = _probe(network, x[:1], layers)
    group: dict[str, str] = {}
    held = 0
    for name, path in layers.items():
        n_bytes = 4 * len(x) * sizes[name]
        if group and held + n_bytes > memory_limit:
            yield from _record_group(network, x, group, batch_size, changed)
            group, held = {}, 0
        group[name] = path
        held += n_bytes
    yield from _record_group(network, x, group, batch_size, changed)


def _device(network: nn.Module) -> torch.device:
    return next((p.device for p in network.parameters()), torch.device("cpu"))


def _probe(
    network: nn.Module, x: Tensor, layers: Mapping[str, str]
) -> tuple[dict[str, int], set[str]]:
    """Numbers in each layer's output for one sample; the layers that a later one changes in place.

    Of ``Linear -> ReLU(inplace=True)`` the first one's output is gone when the pass is over.
    """
    with _listening(network, layers) as caught:
        network(x.to(_device(network)))
        missing = [name for name in layers if name not in caught]
        if missing:
            raise ValueError(f"layer {missing[0]!r} was not reached by the forward pass")
        sizes = {name: t[0].numel() for name, (t, _) in caught.items()}
        return sizes, {name for name, (t, version) in caught.items() if t._version != version}


def _record_group(
    network: nn.Module, x: Tensor, layers: Mapping[str, str], batch_size: int, changed: set[str]
) -> Iterator[tuple[str, np.ndarray]]:
    device = _device(network)
    recorded: dict[str, np.ndarray] = {}
    with _listening(network, layers, changed) as caught:
        for start in range(0, len(x), batch_size):
            network(x[start : start + batch_size].to(device))
            for name in layers:
                _store(recorded, caught.pop(name)[0], name, start, len(x))
    while recorded:
        name = next(iter(recorded))
        yield name, recorded.pop(name)


@contextmanager
def _listening(
    network: nn.Module, layers: Mapping[str, str], copied: Collection[str] = ()
) -> Iterator[dict[str, tuple[Tensor, int]]]:
    """Outputs of layers, each with its version when it was caught, filled by forward passes."""
    caught: dict[str, tuple[Tensor, int]] = {}
    hooks = [
        network.get_submodule(path).register_forward_hook(_catcher(caught, name, name in copied))
        for name, path in layers.items()
    ]
    was_training = network.training
    try:
        network.eval()
        with torch.no_grad():
            yield caught
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()


def _store(recorded: dict, t: Tensor, name: str, start: int, n: int) -> None:
    values = t.float().cpu().numpy()  # (batch, ...)
    if name not in recorded:
        recorded[name] = np.empty((n, *values.shape[1:]), np.float32)
    recorded[name][start : start + len(values)] = values


def _catcher(caught: dict[str, tuple[Tensor, int]], name: str, copied: bool):
    def catch(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if not isinstance(output, Tensor):
            raise TypeError(f"layer {name!r} must return a tensor; got {type(output).__name__}")
        if name in caught:
            raise ValueError(f"layer {name!r} is used more than once in one forward pass")
        t = output.detach()
        caught[name] = (t.clone() if copied else t, t._version)

    return catch
