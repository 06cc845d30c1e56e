"""Listening to any network: what each call of a module gives, and which axis counts the samples."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, is_dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Forward = Callable[[nn.Module, Any], Any]


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel``."""
    while True:
        if hasattr(network, "_orig_mod"):
            network = network._orig_mod
        elif isinstance(network, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            network = network.module
        else:
            return network


class Inputs:
    """Samples as a network takes them, handed out in copies that it may overwrite.

    Parameters
    ----------
    x : array, tensor, DataFrame, or mapping or tuple of them
        All of length P. Floats are given in the type of the network's weights, integers as they
        are; what has no length (a flag among keyword arguments) is given as it is.
    network : Module
    """

    def __init__(self, x: Any, network: nn.Module):
        self.x = _plain(x)
        sized = list(_leaves(self.x))
        lengths = {len(v) for v in sized}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"inputs must have one length, at least 1; got {sorted(lengths)}")
        self.n = lengths.pop()
        self.bytes_of_one = sum(v[:1].nbytes for v in sized)
        weights = list(chain(network.parameters(), network.buffers()))
        self.device = weights[0].device if weights else torch.device("cpu")
        self.dtype = next((w.dtype for w in weights if w.is_floating_point()), None)

    def __call__(self, rows: np.ndarray) -> Any:
        """These samples, one or more times each."""
        return self._taken(self.x, rows)

    def _taken(self, x: Any, rows: np.ndarray) -> Any:
        if isinstance(x, dict):
            return {name: self._taken(value, rows) for name, value in x.items()}
        if isinstance(x, tuple):
            return tuple(self._taken(value, rows) for value in x)
        if isinstance(x, np.ndarray):  # of any strides, byte order and access
            part = np.ascontiguousarray(x[rows])
            t = torch.from_numpy(part.astype(part.dtype.newbyteorder("="), copy=False))
        elif isinstance(x, Tensor):
            t = x.detach()[torch.from_numpy(rows).to(x.device)]
        else:
            return x
        return t.to(self.device, self.dtype if t.is_floating_point() else None)


def _plain(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {name: _plain(value) for name, value in x.items()}
    if isinstance(x, tuple):
        return tuple(map(_plain, x))
    if isinstance(x, Tensor) or x is None or np.ndim(x) == 0:
        return x
    array = x.to_numpy() if hasattr(x, "to_numpy") else np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"inputs must be numbers; got dtype {array.dtype}")
    return array


def _leaves(x: Any) -> Iterator[np.ndarray | Tensor]:
    """The arrays and tensors with a length in (nested) mappings, sequences and data classes."""
    if isinstance(x, (np.ndarray, Tensor)):
        yield from [x] if x.ndim else []
    elif isinstance(x, (Mapping, list, tuple)) or (is_dataclass(x) and not isinstance(x, type)):
        inside = vars(x) if is_dataclass(x) and not isinstance(x, Mapping) else x
        for value in inside.values() if isinstance(inside, Mapping) else inside:
            yield from _leaves(value)


def _first_tensor(output: Any) -> Tensor | None:
    """The first tensor of a module's output: the first of real or complex numbers, if one is."""
    tensors = [output] if isinstance(output, Tensor) else [*_leaves(output)]
    tensors = [t for t in tensors if isinstance(t, Tensor)]
    return next((t for t in tensors if not _is_integer(t)), tensors[0] if tensors else None)


def _is_integer(t: Tensor) -> bool:
    return not (t.is_floating_point() or t.is_complex())


@contextmanager
def as_it_was(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode without gradients; modes, buffers and random states are put back.

    Modes are set one by one: a module's own ``train`` may do more than that, and a BatchNorm that
    was frozen among others that were not stays so.
    """
    modes = [(module, module.training) for module in network.modules()]
    buffers = [
        (module._buffers, name, buffer, buffer.clone())
        for module, _ in modes
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    fused = torch.backends.mha.get_fastpath_enabled()
    cuda = [device] if device.type == "cuda" else []
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # it calls none of a transformer's modules
        for module, _ in modes:
            module.training = False
        with torch.no_grad(), torch.random.fork_rng(cuda):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        for module, mode in modes:
            module.training = mode
        for holder, name, buffer, value in buffers:
            holder[name] = buffer
            if not torch.equal(buffer, value):
                with torch.no_grad():
                    buffer.copy_(value)


class Listener:
    """Sends batches through a network and hears what each call of each module gives.

    Calls are named by the module's path, from the second on ``path:2``, ``path:3``; the network
    itself by its class. A module that calls no other is a leaf: so is one with parametrised
    weights, and one that uses its parts' weights without calling them.
    """

    def __init__(self, network: nn.Module, forward: Forward | None = None):
        self.network, self.forward = unwrapped(network), forward or _forward
        self.paths: dict[nn.Module, list[str]] = {}  # a shared module has several
        for path, module in self.network.named_modules(remove_duplicate=False):
            if "parametrizations" not in path.split("."):
                self.paths.setdefault(module, []).append(path or type(module).__name__)
        # module, number and surrounding calls of each call, in the order in which they began
        self.calls: dict[str, tuple[nn.Module, int, tuple[str, ...]]] = {}
        self._running: list[str] = []

    @contextmanager
    def listening(self, heard: Callable[[str, Tensor | None], None]) -> Iterator[Forward]:
        """A function that sends one batch through; ``heard`` gets each call's first tensor."""
        counts: Counter[nn.Module] = Counter()

        def begin(module: nn.Module, inputs: tuple) -> None:
            counts[module] += 1
            n = counts[module]
            name = self.paths[module][0] + (f":{n}" if n > 1 else "")
            self.calls[name] = module, n, tuple(self._running)
            self._running.append(name)

        def end(module: nn.Module, inputs: tuple, output: Any) -> None:
            heard(self._running.pop(), _first_tensor(output))

        def send(batch: Any) -> None:
            for state in (counts, self.calls, self._running):
                state.clear()
            with _uncompiled(self.paths):
                self.forward(self.network, batch)

        hooks = [m.register_forward_pre_hook(begin) for m in self.paths]
        hooks += [m.register_forward_hook(end) for m in self.paths]
        try:
            yield send
        finally:
            for hook in hooks:
                hook.remove()

    @property
    def running(self) -> str:
        """The innermost module that is running, for an error's text."""
        return f"layer {self._running[-1]!r}" if self._running else "the network"


def _uncompiled(modules: Iterable[nn.Module]) -> AbstractContextManager:
    """Inside it parts that were compiled run as they were written: compiled ones call no hooks."""
    if any(getattr(m, "_compiled_call_impl", None) or hasattr(m, "_orig_mod") for m in modules):
        return torch.compiler.set_stance("force_eager")
    return nullcontext()


def _forward(network: nn.Module, batch: Any) -> Any:
    if isinstance(batch, dict):
        return network(**batch)
    return network(*batch) if isinstance(batch, tuple) else network(batch)


@dataclass(frozen=True)
class Layer:
    """One call of a module: what a pass with 2 samples and one with 3 say of its output."""

    name: str
    names: tuple[str, ...]  # all by which it can be asked for
    module: nn.Module
    is_whole: bool = False  # the network itself
    leaf: bool = True  # nothing in it can be measured by itself
    problem: str = ""  # why it cannot be measured
    is_complex: bool = False
    shape: tuple[int, ...] = ()  # of one sample
    dtype: Any = np.float32
    axis: int = 0  # that counts the samples
    order: str = ""  # where that axis is P times k long: "samples first" or "samples last"
    mixes: bool = False  # a sample's values depend on the others in its batch

    @property
    def n_bytes(self) -> int:
        """Bytes of one sample."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def samples(self, t: Tensor, n: int) -> Tensor:
        """The output for n samples, as (n, ...)."""
        t = t.movedim(self.axis, 0)
        if self.order == "samples last":
            return t.unflatten(0, (len(t) // n, n)).transpose(0, 1)
        return t.unflatten(0, (n, len(t) // n)) if self.order else t

    def values(self, t: Tensor | None, n: int) -> np.ndarray:
        """The output for n samples as an array (n, ...), on the CPU.

        Raises
        ------
        ValueError
            Where it is not of the form that the probe found.
        """
        fits = t is not None and t.ndim > self.axis and t.shape[self.axis] % n == 0
        values = _array(self.samples(t, n)) if fits else None
        if values is None or values.shape != (n, *self.shape) or values.dtype != self.dtype:
            form = "no tensor" if t is None else f"{t.dtype} of shape {tuple(t.shape)}"
            raise ValueError(
                f"layer {self.name!r} must give {self.dtype} of shape {self.shape} for each sample,"
                f" as at first; got {form} for {n}"
            )
        return values


def probe(listener: Listener, inputs: Inputs) -> dict[str, Layer]:
    """Every call of a module, in the order in which they begin, then the modules never called.

    Two passes, of two and of three samples (repeated where there are fewer): what grows with them
    is the sample axis. One sample is never sent alone: ``squeeze`` and batch statistics would
    differ.

    Raises
    ------
    ValueError
        Where the forward pass fails; it says in which module.
    """
    rows = np.arange(3) * max(inputs.n // 3, 1) % inputs.n
    given: list[dict[str, Tensor | None]] = []

    def heard(name: str, t: Tensor | None) -> None:  # copied: the next module may change it
        given[-1][name] = None if t is None else t.detach().to("cpu", copy=True)

    with as_it_was(listener.network, inputs.device), listener.listening(heard) as send:
        for n in (2, 3):
            given.append({})
            batch = inputs(rows[:n])
            try:
                send(batch)
            except Exception as error:
                what = ", ".join(f"{t.dtype} {tuple(t.shape)}" for t in _leaves(batch))
                raise ValueError(
                    f"the forward pass fails in {listener.running}, given {what}: "
                    f"{' '.join(str(error).split())} (forward= says how a batch is given)"
                ) from error
    found: dict[str, Layer] = {}
    for name, (module, n, _) in listener.calls.items():
        paths, whole = listener.paths[module], module is listener.network
        known = _known(given[0].get(name), given[1].get(name))
        found[name] = Layer(name, (name, f"{paths[0]}:{n}", *paths), module, whole, **known)
    around = {
        one
        for name, layer in found.items()
        if not layer.problem or layer.is_complex
        for one in listener.calls[name][2]
    }
    around |= {
        one
        for name, layer in found.items()
        if layer.problem
        for one in listener.calls[name][2]
        if found[one].problem
    }
    found = {name: replace(layer, leaf=name not in around) for name, layer in found.items()}
    within = {m for layer in found.values() if layer.leaf for m in layer.module.modules()}
    for module, paths in listener.paths.items():
        if all(module is not layer.module for layer in found.values()):
            leaf = module not in within and not any(module.children())
            leaf &= type(module).forward is not nn.Module.forward
            leaf &= not isinstance(module, nn.Sequential)
            problem = "the forward pass does not reach it"
            whole = module is listener.network
            found[paths[0]] = Layer(paths[0], tuple(paths), module, whole, leaf, problem)
    return found


def _known(two: Tensor | None, three: Tensor | None) -> dict[str, Any]:
    """What a call's outputs for two and for three samples say of its layer."""
    if two is None or three is None or three.is_nested or three.layout != torch.strided:
        return {"problem": "its output is no (dense) tensor"}
    output = f"its output, of shape {tuple(three.shape)} for 3 samples,"
    if three.is_complex():
        return {"problem": f"{output} is complex", "is_complex": True}
    if two.ndim != three.ndim or not three.numel():
        return {"problem": f"{output} is empty or changes its number of axes"}
    axes = [i for i in range(three.ndim) if two.shape[i] != three.shape[i]]
    if len(axes) != 1:
        return {"problem": f"{output} has {'several axes' if axes else 'no axis'} of the samples"}
    axis, size = axes[0], two.shape[axes[0]]
    if size % 2 or three.shape[axis] * 2 != size * 3:
        return {"problem": f"{output} does not grow with the samples"}
    for order in ("samples first", "samples last") if size > 2 else ("",):
        layer = Layer("", (), nn.Identity(), axis=axis, order=order)
        first, second = layer.samples(two, 2), layer.samples(three, 3)
        known = {"axis": axis, "order": order, "shape": tuple(second.shape[1:])}
        known["dtype"] = _array(second).dtype
        if _same(first, second[:2]):
            return known
    if size > 2:
        return {"problem": f"{output} mixes the samples with another axis"}
    return known | {"mixes": True}


def _array(t: Tensor) -> np.ndarray:
    """A tensor's numbers, on the CPU; half precision, which NumPy lacks in part, as float32."""
    t = t.detach().cpu().resolve_neg()
    return (t.float() if t.is_floating_point() and t.itemsize < 4 else t).numpy()


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether values agree but for rounding; those that are not numbers agree with their like."""
    if _is_integer(a):
        return torch.equal(a, b)
    tolerance = 1e-3 if a.itemsize >= 4 else 3e-2
    a, b = a.double(), b.double()
    scale = float(a.nan_to_num().abs().max())
    return torch.allclose(a, b, tolerance, tolerance * scale, equal_nan=True)
