"""Replay: what each layer answers to a fixed set of samples; the border of torch and arrays."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from torch import Tensor, nn

from iblib.models import samples_at_once
from iblib.probing import Forward, Inputs, Layer, Listener, as_it_was, probe

Pick = str | Sequence[str] | Callable[[str, nn.Module], bool] | None


def measurement_rows(rows: np.ndarray, n_samples: int) -> np.ndarray:
    """``n_samples`` of ``rows``, evenly spaced, in their own order; 0 keeps all.

    The same call gives the same rows at every epoch and in every run: nothing is drawn.
    """
    if not n_samples or n_samples >= len(rows):
        return rows
    return rows[np.linspace(0, len(rows) - 1, n_samples).round().astype(int)]


def chosen_layers(
    network: nn.Module, x: Any, layers: Pick, exclude: Pick = None, forward: Forward | None = None
) -> dict[str, str]:
    """Layer name -> call of a module, as `record` picks them for these inputs."""
    listener = Listener(network, forward)
    found = probe(listener, x if isinstance(x, Inputs) else Inputs(x, network))
    chosen = _chosen(listener, found, layers, exclude)
    return {name: layer.name for name, layer in chosen.items()}


def _chosen(
    listener: Listener, known: dict[str, Layer], layers: Pick, exclude: Pick
) -> dict[str, Layer]:
    """The layers to record by their names; one warning says what is left out."""
    own = getattr(listener.network, "measured_layers", None)
    if own:
        called = {name: _layer(known, name, call) for name, call in own().items()}
        known = {name: replace(layer, names=(name,)) for name, layer in called.items()}
    if layers or callable(layers):
        picked = _picked(known, layers, "layers")
    else:
        picked = {name: bool(own) for name, layer in known.items() if own or layer.leaf}
    for name in _picked(known, exclude, "exclude") if exclude else ():
        picked.pop(name, None)
    lost: dict[str, list[str]] = {}
    for name, by_name in picked.items():
        if by_name or known[name].is_complex:
            _layer(known, name, name)
        elif known[name].problem and known[name].leaf:
            lost.setdefault(known[name].problem, []).append(name)
    if lost:
        reasons = "; ".join(f"{', '.join(names)} ({why})" for why, names in lost.items())
        warnings.warn(f"layers left out: {reasons}", RuntimeWarning, stacklevel=4)
    chosen = {name: known[name] for name in picked if not known[name].problem}
    if not chosen:
        raise ValueError(f"no layer is left of {_names(known)}; got layers={layers!r}")
    return chosen


def _picked(known: Mapping[str, Layer], pick: Pick, argument: str) -> dict[str, bool]:
    """Names that are asked for -> whether by name."""
    if callable(pick):
        return {name: False for name, layer in known.items() if pick(name, layer.module)}
    picked: dict[str, bool] = {}
    try:
        for pattern in (pick,) if isinstance(pick, str) else pick:
            exact = [name for name, layer in known.items() if pattern in layer.names]
            found = exact or [
                name
                for name, layer in known.items()
                if any(fnmatchcase(one, pattern) for one in layer.names)
                and (layer.leaf or not layer.is_whole)
            ]
            if not found:
                raise ValueError(f"{argument} must be among {_names(known)}; got {pattern!r}")
            picked |= {name: bool(exact) or picked.get(name, False) for name in found}
    except TypeError:
        words = f"{argument} must be a name, names, or (name, module) -> bool; got {pick!r}"
        raise TypeError(words) from None
    return picked


def _names(known: Mapping[str, Layer]) -> str:
    names = [name for name, layer in known.items() if layer.leaf or not layer.is_whole]
    return f"{names[:30]}" + " and more" * (len(names) > 30)


def _layer(found: Mapping[str, Layer], name: str, call: str) -> Layer:
    """The layer that a call of a module is, or an error that says why it cannot be measured."""
    layer = found.get(call) or next((v for v in found.values() if call in v.names), None)
    if layer is None:
        raise ValueError(f"layer {name!r} must be among {_names(found)}; got {call!r}")
    if layer.problem:
        kind = TypeError if layer.is_complex else ValueError
        raise kind(f"layer {name!r} cannot be measured: {layer.problem} (exclude= leaves it out)")
    return layer


def record(
    network: nn.Module,
    x: Any,
    layers: Mapping[str, str] | Pick = None,
    *,
    exclude: Pick = None,
    forward: Forward | None = None,
    batch_size: int | None = None,
    memory_limit: int = 2**30,
) -> Iterator[tuple[str, np.ndarray]]:
    """Outputs of layers for every sample, in evaluation mode, a few layers at a time.

    Parameters
    ----------
    network : Module
        It (a copy of its weights is held), the inputs and the random state stay as they were.
    x : array, tensor, DataFrame, or mapping or tuple of them, each of length P
        Inputs; row i of every yielded array belongs to row i of ``x``. Floats are given in the
        type of the network's weights; a mapping as keyword arguments, a tuple as arguments.
    layers, exclude : str, sequence of str, or callable, optional
        Names or patterns of modules such as ``"block?.*"`` (``*`` matches dots too), or
        ``(name, module) -> bool``: what is recorded, and what of it is left out. By default
        ``network.measured_layers()`` if it has them, else every innermost module as it is reached
        (dropout too: it passes on what it gets). A module called several times gives ``relu``,
        ``relu:2``, ``relu:3``; ``relu`` asks for all of them, ``relu:1`` for the first. A mapping
        gives names of one's own to calls.
    forward : callable, optional
        ``(network, batch) -> anything``: how a batch of ``x`` is given to the network.
    batch_size : int, optional
        Samples in one forward pass; by default what suits the cache, and all where a layer's
        values depend on the others in the batch (batch norm without running statistics).
    memory_limit : int
        Bytes of activations held at once; a layer larger than this is recorded alone.

    Yields
    ------
    (name, activations) : str, ndarray of shape (P, ...)
        In the order of ``layers``. Of an output that is no tensor its first; sequence-first
        outputs (T, P, d) are turned, an axis of P times k becomes two. Half precision becomes
        float32, other types stay.

    Raises
    ------
    TypeError, ValueError
        For a layer with complex output. Where a pattern matches no layer; a layer asked for by name
        is not reached, or its output is no tensor or has no sample axis (those not named are left
        out, with one warning); the forward pass fails, or lengths differ.
    """
    inputs = x if isinstance(x, Inputs) else Inputs(x, network)
    listener = Listener(network, forward)
    found = probe(listener, inputs)
    if isinstance(layers, Mapping):
        known = {name: _layer(found, name, call) for name, call in layers.items()}
    else:
        known = _chosen(listener, found, layers, exclude)
    if batch_size is None:
        largest = max(layer.n_bytes for layer in found.values())
        batch_size = samples_at_once(max(inputs.bytes_of_one, largest // 8), inputs.device)
        if any(layer.mixes for layer in known.values()):
            batch_size = inputs.n
    group: dict[str, Layer] = {}
    for name, layer in known.items():
        n_bytes = inputs.n * sum(one.n_bytes for one in (*group.values(), layer))
        if group and n_bytes > memory_limit:
            yield from _recorded(listener, inputs, group, batch_size)
            group = {}
        group[name] = layer
    yield from _recorded(listener, inputs, group, batch_size)


def _recorded(
    listener: Listener, inputs: Inputs, group: Mapping[str, Layer], batch_size: int
) -> Iterator[tuple[str, np.ndarray]]:
    recorded = {n: np.empty((inputs.n, *layer.shape), layer.dtype) for n, layer in group.items()}

    def heard(call: str, t: Tensor | None) -> None:  # copied: the next module may change it
        for name, layer in group.items():
            if layer.name == call and (values := layer.values(t, len(rows))) is not None:
                recorded[name][start:stop] = values[: stop - start]
                waiting.discard(name)

    with as_it_was(listener.network, inputs.device), listener.listening(heard) as send:
        for start in range(0, inputs.n, batch_size):
            stop, waiting = min(start + batch_size, inputs.n), set(group)
            rows = np.arange(start, stop).repeat(2 if stop - start == 1 else 1)  # never one alone
            send(inputs(rows))
            if waiting:
                layer = group[min(waiting)]
                raise ValueError(
                    f"layer {min(waiting)!r} must give {layer.dtype} of shape {layer.shape} for "
                    f"every sample, as for the first ones; not so for {start} to {stop - 1}"
                )
    for name in group:
        yield name, recorded.pop(name)
