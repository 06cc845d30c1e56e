"""Listening to any network: what each call of a module gives, and which axis counts the samples."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Forward = Callable[[nn.Module, Any], Any]


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel``."""
    parallel = isinstance(network, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    inner = network.module if parallel else getattr(network, "_orig_mod", None)
    return network if inner is None else unwrapped(inner)


class Inputs:
    """Samples as a network takes them, handed out in copies that it may overwrite.

    Floats come in the type of the network's weights, integers and flags as they are.
    """

    def __init__(self, x: Any, network: nn.Module):
        self.x = _each(_plain, x)
        sized = [v for v in _arrays_in(self.x) if v.ndim]
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

        def taken(x: Any) -> Any:
            if isinstance(x, np.ndarray):  # of any strides, byte order and access
                x = torch.from_numpy(np.ascontiguousarray(x[rows], x.dtype.newbyteorder("=")))
            elif isinstance(x, Tensor) and x.ndim:
                x = x.detach()[torch.from_numpy(rows).to(x.device)]
            else:
                return x
            return x.to(self.device, self.dtype if x.is_floating_point() else None)

        return _each(taken, self.x)


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    """``x``, or what it maps or lists, through a function."""
    if isinstance(x, Mapping):
        return {name: _each(function, value) for name, value in x.items()}
    return tuple(_each(function, v) for v in x) if isinstance(x, tuple) else function(x)


def _plain(x: Any) -> Any:
    if isinstance(x, Tensor) or np.ndim(x) == 0:
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"inputs must be numbers; got dtype {array.dtype}")
    return array


def _arrays_in(x: Any) -> Iterator[np.ndarray | Tensor]:
    """Arrays and tensors, in mappings and sequences too."""
    if isinstance(x, (np.ndarray, Tensor)):
        yield x
    elif isinstance(x, (Mapping, list, tuple)):
        for value in x.values() if isinstance(x, Mapping) else x:
            yield from _arrays_in(value)


def _first_tensor(output: Any) -> Tensor | None:
    """The first tensor of a module's output: the first that holds no integers, if one does not."""
    tensors = [t for t in _arrays_in(output) if isinstance(t, Tensor)]
    inexact = [t for t in tensors if t.is_floating_point() or t.is_complex()]
    return next(iter(inexact or tensors), None)


@contextmanager
def as_it_was(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode without gradients; modes, weights, buffers and random states are put back.

    Modes one by one: a module's own ``train`` may do more, and a frozen BatchNorm stays frozen.
    """
    modes = [(module, module.training) for module in network.modules()]
    holders = [(h, dict(h)) for module, _ in modes for h in (module._parameters, module._buffers)]
    held = {t for _, tensors in holders for t in tensors.values() if t is not None}
    copies = [(t, t.detach().clone()) for t in held]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # it calls none of a transformer's modules
        for module, _ in modes:
            module.training = False
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        for module, mode in modes:
            module.training = mode
        for holder, tensors in holders:
            for name in set(holder.keys()) - tensors.keys():
                del holder[name]
            for name, t in tensors.items():
                holder[name] = t
        with torch.no_grad():  # a pass may change weights: Embedding(max_norm=) does
            for t, copy in copies:
                if not torch.equal(t, copy):
                    t.copy_(copy)


class Listener:
    """Sends batches through a network and hears what each call of each module gives.

    Calls are named by the module's path, from the second on ``path:2``, ``path:3``; the network
    itself by its class. What is inside of parametrised weights is not listened to.
    """

    def __init__(self, network: nn.Module, forward: Forward | None = None):
        self.network, self.forward = unwrapped(network), forward or _forward
        self.paths: dict[nn.Module, list[str]] = {}  # a shared module has several
        for path, module in self.network.named_modules(remove_duplicate=False):
            if "parametrizations" not in path.split("."):
                self.paths.setdefault(module, []).append(path or type(module).__name__)
        # module, names and surrounding calls of each call, in the order in which they begin
        self.calls: dict[str, tuple[nn.Module, tuple[str, ...], tuple[str, ...]]] = {}
        self.running: list[str] = []

    @contextmanager
    def listening(self, heard: Callable[[str, Tensor | None], None]) -> Iterator[Callable]:
        """Sends a batch through, or says where it fails; ``heard`` gets calls' first tensors."""
        counts: Counter[nn.Module] = Counter()

        def begin(module: nn.Module, inputs: tuple) -> None:
            counts[module] += 1
            path = self.paths[module][0]
            numbered = f"{path}:{counts[module]}"
            name = path if counts[module] == 1 else numbered
            self.calls[name] = module, (name, numbered, *self.paths[module]), tuple(self.running)
            self.running.append(name)

        def end(module: nn.Module, inputs: tuple, output: Any) -> None:
            while self.calls[name := self.running.pop()][0] is not module:
                pass  # a call that failed, of which the network thought nothing
            heard(name, _first_tensor(output))

        def send(batch: Any) -> None:
            for state in (counts, self.calls, self.running):
                state.clear()
            try:
                with stance("force_eager") if compiled else nullcontext():
                    self.forward(self.network, batch)
            except Exception as error:
                where = f"layer {self.running[-1]!r}" if self.running else "the network"
                what = ", ".join(f"{t.dtype} {tuple(t.shape)}" for t in _arrays_in(batch))
                raise ValueError(
                    f"the forward pass fails in {where}, given {what}: "
                    f"{' '.join(str(error).split())} (cast x, or say by forward= how it is given)"
                ) from error

        # parts that were compiled call no hooks (torch below 2.6 cannot be told)
        stance = getattr(torch.compiler, "set_stance", nullcontext)
        compiled = any(m._compiled_call_impl or hasattr(m, "_orig_mod") for m in self.paths)
        with ExitStack() as hooks:
            for module in self.paths:
                hooks.enter_context(module.register_forward_pre_hook(begin))
                hooks.enter_context(module.register_forward_hook(end))
            yield send


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
    leaf: bool = True  # nothing within it can be measured by itself
    problem: str = ""  # why it cannot be measured
    is_complex: bool = False
    axis: int = 0  # that counts the samples, or P times k of them
    shape: tuple[int, ...] = ()  # of one sample
    dtype: Any = np.float32
    n_bytes: int = 0  # of one sample
    mixes: bool = False  # a sample's values depend on the others in its batch

    def values(self, t: Tensor | None, n: int) -> np.ndarray | None:
        """The output for n samples as an array (n, ...); None where it has another form."""
        with suppress(AttributeError, IndexError, RuntimeError):
            values = _array(_samples_first(t, self.axis, n))
            if (values.shape, values.dtype) == ((n, *self.shape), self.dtype):
                return values
        return None


def probe(listener: Listener, inputs: Inputs) -> dict[str, Layer]:
    """Every call of a module, in the order in which they begin, then the modules never called.

    Two passes, of two and of three samples (repeated where there are fewer): what grows with them
    is the sample axis. One is never sent alone: ``squeeze`` and batch statistics would differ.
    """
    rows = np.arange(3) * max(inputs.n // 3, 1) % inputs.n
    given: list[dict[str, Tensor | None]] = []

    def heard(name: str, t: Tensor | None) -> None:  # copied: the next module may change it
        given[-1][name] = None if t is None else t.detach().to("cpu", copy=True)

    with as_it_was(listener.network, inputs.device), listener.listening(heard) as send:
        for n in (2, 3):
            given.append({})
            send(inputs(rows[:n]))
    known, around = {}, set()
    for name, (_, _, outer) in listener.calls.items():
        known[name] = one = _known(*(outputs.get(name) for outputs in given))
        counts = "problem" not in one or "is_complex" in one
        around.update(other for other in outer if counts or "problem" in known[other])
    found = {}
    for name, (module, names, _) in listener.calls.items():
        whole, leaf = module is listener.network, name not in around
        found[name] = Layer(name, names, module, whole, leaf, **known[name])
    called = {layer.module for layer in found.values()}
    parts = {m for layer in found.values() if layer.leaf for m in layer.module.modules()}
    for module, paths in listener.paths.items():
        if module not in called:
            idle = module in parts or any(module.children()) or isinstance(module, nn.Sequential)
            leaf = not idle and type(module).forward is not nn.Module.forward
            problem = "the forward pass does not reach it"
            found[paths[0]] = Layer(paths[0], tuple(paths), module, leaf=leaf, problem=problem)
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
    size = two.shape[axes[0]]
    if size % 2 or three.shape[axes[0]] * 2 != size * 3:
        return {"problem": f"{output} does not grow with the samples"}
    first, second = (_samples_first(t, axes[0], n) for t, n in ((two, 2), (three, 3)))
    mixes = not _same(first, second[:2])
    if mixes and size > 2:
        return {"problem": f"{output} mixes the samples with another axis"}
    one = _array(second[0])
    form = {"shape": one.shape, "dtype": one.dtype, "n_bytes": one.nbytes}
    return {"axis": axes[0], "mixes": mixes, **form}


def _samples_first(t: Tensor, axis: int, n: int) -> Tensor:
    """An output for n samples as (n, ...): ``axis`` first, and in two where it is n times k."""
    t = t.movedim(axis, 0)
    return t if len(t) == n else t.unflatten(0, (n, -1))


def _array(t: Tensor) -> np.ndarray:
    """A tensor's numbers, on the CPU; half precision, which NumPy lacks in part, as float32."""
    t = t.detach().cpu().resolve_neg()
    return (t.float() if t.is_floating_point() and t.itemsize < 4 else t).numpy()


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether values agree but for rounding; those that are not numbers agree with their like."""
    tolerance = 0.0
    if a.is_floating_point():
        tolerance = 1e-3 if a.itemsize >= 4 else 3e-2
    a, b = a.double(), b.double()
    scale = float(a.nan_to_num().abs().max())
    return torch.allclose(a, b, tolerance, tolerance * scale, equal_nan=True)
