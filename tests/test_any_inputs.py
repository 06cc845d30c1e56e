"""Inputs, numbers and weights as people have them: the table is that of plain ones."""

import io
import random
import sys
import types
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from own_networks import P, Y, built, draws, measured, sequences, state_of
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, TensorDataset

from iblib import Checkpoints
from iblib.activations import record
from iblib.progress import bar


def arrays(x: torch.Tensor, kind: str):
    a = x.numpy().copy()
    if kind == "read-only":
        a.flags.writeable = False
    return {
        "flipped": a[::-1].copy()[::-1],
        "float64": a.astype(np.float64),
        "non-contiguous": np.repeat(a, 2, axis=1)[:, ::2],
        "big-endian": a.astype(">f4"),
        "read-only": a,
        "data frame": pd.DataFrame(a, index=np.arange(len(a))[::-1]),
        "lists": a.tolist(),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["flipped", "float64", "non-contiguous", "big-endian", "read-only", "data frame", "lists"],
)
def test_inputs_of_any_kind_give_the_same_table(kind):
    network, x, _ = built("in place")
    expected = measured(network, (x, Y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = measured(network, (arrays(x, kind), pd.Series(Y)))
    pd.testing.assert_frame_equal(given, expected)


class Items(torch.utils.data.Dataset):
    """As tokenised text comes: mappings, with the label among them."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        random.shuffle([1, 2]), torch.rand(1)  # as augmentation draws
        return {k: v[i] for k, v in self.x.items()} | {"labels": int(self.y[i])}


def test_data_sets_and_loaders_of_torch():
    network, x, _ = built("residual")
    expected, drawn = measured(network, (x, Y)), draws()
    data = TensorDataset(x, torch.from_numpy(Y))
    shuffled = {"batch_size": 5, "shuffle": True, "drop_last": True}
    for given in (data, DataLoader(data, 5), DataLoader(data, **shuffled)):
        pd.testing.assert_frame_equal(measured(network, given), expected)
    assert draws() == drawn
    network, x, _ = built("masked")
    drawn = draws()
    x.pop("scale")
    given = DataLoader(Items(x, Y), batch_size=5, shuffle=True)
    pd.testing.assert_frame_equal(measured(network, given), measured(network, (x, Y)))
    assert draws() == drawn
    with pytest.raises(TypeError, match="label"):
        measured(network, TensorDataset(x["input_ids"]))


@pytest.mark.parametrize("how", ["batches", "subset", "one by one", "stream"])
def test_loaders_that_batch_in_other_ways(how):
    network, x = nn.Linear(4, 2), sequences(4)
    data, rows = TensorDataset(x, torch.from_numpy(Y)), np.arange(P)
    if how == "batches":
        given = DataLoader(data, batch_sampler=BatchSampler(range(P), 5, drop_last=True))
    elif how == "subset":
        rows = np.array([7, 2, 3, 11, 0])
        given = DataLoader(data, 2, sampler=rows.tolist(), drop_last=True)
    elif how == "one by one":
        given = DataLoader(data, batch_size=None)
    else:

        class Stream(IterableDataset):
            def __iter__(self):
                return iter(data)

        given = DataLoader(Stream(), 5)
    pd.testing.assert_frame_equal(measured(network, given), measured(network, (x[rows], Y[rows])))


class Sum(nn.Module):
    """A network of two inputs."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, a, b):
        return self.fc(a + b)


def test_items_of_several_inputs_and_of_many_lengths():
    a, b, network = sequences(4), sequences(4), Sum()
    items = [((one, two), int(y)) for one, two, y in zip(a, b, Y, strict=True)]
    expected = measured(network, ((a, b), Y))
    for given in (Listed(items), DataLoader(Listed(items), 5)):
        pd.testing.assert_frame_equal(measured(network, given), expected)

    def padded(batch):
        x = nn.utils.rnn.pad_sequence([x for x, _ in batch], batch_first=True)
        return x, torch.tensor([y for _, y in batch])

    tokens = [(torch.arange(1, 2 + i % 4), i % 2) for i in range(P)]
    given = DataLoader(Listed(tokens), 5, collate_fn=padded)
    x, y = padded(tokens)
    table = measured(nn.Embedding(9, 2), given)
    pd.testing.assert_frame_equal(table, measured(nn.Embedding(9, 2), (x, y)))


class Listed(torch.utils.data.Dataset):
    """A list of items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def test_several_inputs_and_a_forward_of_ones_own():
    a, b, network = sequences(4), sequences(4), Sum()
    expected = (network.fc(a + b)).detach().numpy()
    data = TensorDataset(a, b, torch.from_numpy(Y))
    table = measured(network, ((a, b), Y))
    pd.testing.assert_frame_equal(measured(network, data), table)
    how = {"forward": lambda model, batch: model(batch, b=batch)}
    np.testing.assert_allclose(dict(record(network, (a, b)))["fc"], expected, atol=1e-6)
    twice = dict(record(network, a, **how))["fc"]
    np.testing.assert_allclose(twice, network.fc(2 * a).detach().numpy(), atol=1e-6)
    with pytest.raises(ValueError, match=r"fails in layer 'Sum'.*float32.*missing.*forward="):
        measured(network, (a, Y))


def test_a_failing_layer_is_named():
    network = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(ValueError, match=r"fails in layer '1.0', given torch.float32 \(2, 4\)"):
        measured(network, (sequences(4), Y))
    assert not any(m._forward_hooks for m in network.modules())
    assert network.training
    late = torch.zeros(P, 2, dtype=torch.long)
    late[-1] = 50  # beyond the first samples, which are tried beforehand
    embedding = nn.Sequential(nn.Embedding(11, 3))
    with pytest.raises(ValueError, match=r"fails in layer '0', given torch.int64.*out of range"):
        measured(embedding, (late, Y))
    assert state_of(embedding)["hooks"] == [(0, 0)] * 2
    with pytest.raises(TypeError, match="numbers"):
        measured(network, (np.array([["a"] * 4] * P), Y))
    with pytest.raises(ValueError, match="one length"):
        measured(network, ((sequences(4), sequences(4)[:5]), Y))
    with pytest.raises(ValueError, match=r"layer '0', given torch.int64 \(2, 4\).*cast x"):
        measured(network, (np.ones((P, 4), int), Y))
    with pytest.raises(TypeError, match="data must be"):
        measured(network, sequences(4))


def test_wide_integers_and_floats_stay_exact():
    class Large(nn.Module):
        def forward(self, x):
            return x + 1

    x = 2**24 + np.arange(128)
    for given in (x, x.astype(np.float64), x + 2**45):
        table = measured(Large(), (given[:, None], np.arange(128) % 2))
        assert table.query("quantity == 'I_XT'")["bits"].item() == pytest.approx(7)
    network = nn.Linear(1, 1).double()
    torch.nn.init.ones_(network.weight)
    assert dict(record(network, x[:, None] / 1.0))["Linear"].dtype == np.float64


def test_half_precision_and_autocast():
    network, x, names = built("in place")
    expected = dict(record(network, x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = dict(record(network, x))
    half = dict(record(network.bfloat16(), x))
    for recorded in (mixed, half):
        for name in names:
            assert recorded[name].dtype == np.float32
            np.testing.assert_allclose(recorded[name], expected[name], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("wrap", ["compile", "compile in place", "part compiled", "parallel"])
def test_wrapped_networks_are_what_they_wrap(wrap):
    network, x, _ = built("in place")
    expected, state = measured(network, (x, Y), name="n"), network.state_dict()
    wrapped = network
    if wrap == "compile":
        wrapped = torch.compile(network, backend="eager")
        wrapped(x.clone())
    elif wrap == "compile in place":
        network.compile(backend="eager")
        network(x.clone())
    elif wrap == "part compiled":
        network[1] = torch.compile(network[1], backend="eager")
        table = measured(network, (x, Y), name="n", exclude="1._orig_mod")
        assert list(table["layer"].unique()) == ["0", "2"]
        return
    else:
        wrapped = nn.DataParallel(network)
    for epochs in (0, {0: wrapped.state_dict()}, {0: state}):
        pd.testing.assert_frame_equal(measured(wrapped, (x, Y), name="n", epochs=epochs), expected)
    pd.testing.assert_frame_equal(
        measured(network, (x, Y), name="n", epochs={0: wrapped.state_dict()}), expected
    )


def test_inference_mode():
    class Inference(nn.Sequential):
        @torch.inference_mode()
        def forward(self, x):
            return super().forward(x)

    network, x, names = built("in place")
    expected = dict(record(network, x))
    inner = Inference(*network)
    recorded = dict(record(inner, x))
    with torch.inference_mode():
        also = dict(record(network, x))
    for name in names:
        np.testing.assert_array_equal(recorded[name], expected[name])
        np.testing.assert_array_equal(also[name], expected[name])
    nn.functional.mse_loss(
        network(x.clone()), torch.zeros(P, 3)
    ).backward()  # as trainable as before


class WithExtra(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.extra = {"scale": torch.ones(2), "steps": (1, 2)}

    def get_extra_state(self):
        return self.extra

    def set_extra_state(self, state):
        self.extra = state


def test_extra_state_is_kept_in_memory_and_refused_on_disk(tmp_path):
    network, x = WithExtra(), sequences(4)
    checkpoints = Checkpoints(network)
    checkpoints(-1)
    network.extra["steps"] = (3, 4)
    checkpoints(2)
    assert checkpoints[-1]["_extra_state"]["steps"] == (1, 2)
    assert set(measured(network, (x, Y), epochs=checkpoints)["epoch"]) == {-1, 2}
    assert network.extra["steps"] == (3, 4)
    with pytest.raises(TypeError, match="'_extra_state' is none: leave folder= out"):
        Checkpoints(network, folder=tmp_path)(0)


def test_checkpoints_on_disk_are_safetensors_for_everyone(tmp_path):
    network, x, _ = built("residual")
    network.conv2.weight.data = network.conv2.weight.data.transpose(0, 1)  # not in one piece
    network.again = network.fc  # the same weights twice
    checkpoints = Checkpoints(network, folder=tmp_path)
    checkpoints(-1)
    checkpoints(3)
    assert list(checkpoints) == [-1, 3]
    state = load_file(tmp_path / "epoch_000003.safetensors")
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[k], v) for k, v in network.state_dict().items())
    torch.save(state, tmp_path / "mine.pt")
    paths = {3: tmp_path / "epoch_000003.safetensors"}
    expected = measured(network, (x, Y), epochs={3: checkpoints[3]})
    for epochs in (paths, {3: str(tmp_path / "mine.pt")}):
        pd.testing.assert_frame_equal(measured(network, (x, Y), epochs=epochs), expected)


@pytest.mark.parametrize(
    ("static", "kernel", "terminal", "seen"),
    [
        (False, False, True, True),
        (False, False, False, False),
        (False, True, False, True),
        (True, True, True, False),
    ],
)
def test_bars_are_seen_in_terminals_and_in_jupyter(monkeypatch, static, kernel, terminal, seen):
    class Shell:
        kernel = object()

    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    monkeypatch.setenv("IBLIB_STATIC", "1" if static else "0")
    monkeypatch.setattr("sys.stderr", Stream())
    ipython = types.SimpleNamespace(get_ipython=Shell if kernel else lambda: None)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert list(bar(range(3), "measuring")) == [0, 1, 2]
    assert ("measuring" in sys.stderr.getvalue()) == seen
    list(bar(range(3), "hidden", shown=False))
    assert "hidden" not in sys.stderr.getvalue()


def test_weights_that_do_not_fit_leave_the_network_as_it_was():
    network, x, _ = built("residual")
    before, other = state_of(network), network.state_dict()
    others = {k: torch.full_like(v, 7) for k, v in other.items()} | {"fc.weight": torch.ones(2, 2)}
    with pytest.raises(ValueError, match=r"weights of epoch 4 do not fit.*fc\.weight"):
        measured(network, (x, Y), epochs={4: others})
    assert state_of(network) == before
