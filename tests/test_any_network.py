"""Networks, inputs and weights as people have them: right numbers, and nothing left changed."""

import random
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from own_networks import CASES, Fourier, Gpt, P, built, sequences
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from iblib import Checkpoints, measure_model, models
from iblib.activations import record
from iblib.config import MeasureConfig
from iblib.views import views_of

Y = np.arange(P) % 2
BINNING = MeasureConfig(estimators=("binning",))
LEFT_OUT = {
    "gpt": "positions (its output, of shape (6, 8)",
    "gpt, as many positions as samples": f"positions (its output, of shape ({P}, 8)",
    "auxiliary": "aux, criterion (the forward pass does not reach it)",
}


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


def samples_first(t: np.ndarray, name: str, case: str) -> np.ndarray:
    """What is known of the cases' shapes: sequence first, or folded."""
    if case == "outputs" and name.startswith("each"):
        return t.reshape(P, 2, 3) if name == "each" else t.reshape(2, P, 3).swapaxes(0, 1)
    encoder_first = case == "transformer, sequence first" and name.startswith("encoder")
    recurrent = case in ("lstm, sequence first", "gru, as many steps as samples")
    return t.swapaxes(0, 1) if encoder_first or (recurrent and name != "fc") else t


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch_size", [None, 5])
def test_layers_and_values_are_those_of_a_recording_by_hand(case, batch_size):
    network, x, names = built(case)
    expected = by_hand(network, x)
    if case == "stochastic depth":
        batch_size = None  # its batch norm has no running statistics: all at once
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorded = dict(record(network, x, batch_size=batch_size, memory_limit=1))
    assert list(recorded) == names
    for name, t in recorded.items():
        right = samples_first(expected[name], name, case)
        assert t.shape == right.shape
        assert t.dtype == right.dtype
        np.testing.assert_allclose(t, right, rtol=1e-5, atol=1e-6, err_msg=name)
    assert len(caught) == (case in LEFT_OUT)
    assert LEFT_OUT.get(case, "") in "".join(str(one.message) for one in caught)


def state_of(network) -> dict:
    buffers = {k: v.numpy().tobytes() for k, v in network.named_buffers()}
    weights = {k: v.detach().numpy().tobytes() for k, v in network.named_parameters()}
    modes = [module.training for module in network.modules()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()]
    return {"buffers": buffers, "weights": weights, "modes": modes, "hooks": hooks}


def draws() -> tuple:
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), str(np.random.get_state())  # noqa: NPY002


@pytest.mark.filterwarnings("ignore:layers left out")
@pytest.mark.parametrize("case", CASES)
def test_five_equal_epochs_are_equal_and_nothing_has_changed(case):
    network, x, _ = built(case)
    inputs = {"x": x} if isinstance(x, torch.Tensor) else x
    contents = {k: v.numpy().tobytes() for k, v in inputs.items() if isinstance(v, torch.Tensor)}
    before, drawn = state_of(network), draws()
    state = {k: v.clone() for k, v in network.state_dict().items()}
    table = measured(network, (x, Y), epochs=dict.fromkeys(range(5), state))
    assert state_of(network) == before
    assert draws() == drawn
    assert all(inputs[k].numpy().tobytes() == content for k, content in contents.items())
    per_epoch = [
        part.drop(columns="epoch").reset_index(drop=True) for _, part in table.groupby("epoch")
    ]
    assert len(per_epoch) == 5
    for part in per_epoch[1:]:
        pd.testing.assert_frame_equal(part, per_epoch[0], check_exact=True)
    now = measured(network, (x, Y)).drop(columns="epoch")
    pd.testing.assert_frame_equal(now, per_epoch[0], check_exact=True)


def test_complex_layers_are_refused_by_name():
    network, x = Fourier(), sequences(4)
    with pytest.raises(TypeError, match=r"layer 'fft'.*\(3, 3\).*complex.*exclude="):
        measured(network, (x, Y))
    table = measured(network, (x, Y), exclude="fft")
    assert list(table["layer"].unique()) == ["size", "fc"]
    t = dict(record(network, x, "size"))["size"]
    np.testing.assert_allclose(t[..., 1], -torch.fft.rfft(x).imag.numpy(), atol=1e-6)


@pytest.mark.parametrize("length", [6, P])
def test_a_layer_without_a_sample_axis_is_refused_by_name(length):
    x = torch.randint(0, 11, (P, length))
    with pytest.raises(ValueError, match=rf"layer 'positions'.*\({length}, 8\).*no axis"):
        measured(Gpt(length), (x, Y), layers="positions")
    with pytest.warns(RuntimeWarning, match="positions") as caught:
        weights = Gpt(length).state_dict()
        measured(Gpt(length), (x, Y), epochs={0: weights, 1: weights, 2: weights})
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("layers", "exclude", "names"),
    [
        ("fc", None, ["fc"]),
        ("conv*", None, ["conv1", "conv2"]),
        (["fc", "conv?"], None, ["fc", "conv1", "conv2"]),
        ("relu", None, ["relu", "relu:2", "relu:3"]),
        ("relu:1", None, ["relu"]),
        (["relu:3", "bn"], None, ["relu:3", "bn"]),
        (lambda name, module: isinstance(module, nn.Conv2d), "shortcut", ["conv1", "conv2"]),
        (None, ["*conv*", "relu"], ["bn", "shortcut", "fc"]),
        ("Residual", None, ["Residual"]),
        (["*"], lambda name, module: name != "fc", ["fc"]),
    ],
)
def test_layers_are_picked_by_name_pattern_or_function(layers, exclude, names):
    network, x, _ = built("residual")
    assert list(dict(record(network, x, layers, exclude=exclude))) == names


@pytest.mark.parametrize(
    ("layers", "kind", "message"),
    [
        ("nowhere", ValueError, "layers must be among .*'fc'.*got 'nowhere'"),
        ("aux", ValueError, "layer 'aux' cannot be measured: the forward pass does not reach it"),
        (["blocks", "fc"], ValueError, "layer 'blocks' .*does not reach it"),
        ("penalty", ValueError, r"layer 'penalty'.*shape \(\).*no axis"),
        (lambda name, module: False, ValueError, "no layer is left"),
        (3, TypeError, "layers must be a name"),
        ([3], TypeError, "layers must be a name"),
    ],
)
def test_what_cannot_be_picked_is_said(layers, kind, message):
    network, x, _ = built("auxiliary")
    with pytest.raises(kind, match=message):
        list(record(network, x, layers))


def test_a_module_that_two_own_goes_by_either_name():
    act = nn.Tanh()
    network = nn.Sequential(nn.Linear(4, 3), act, nn.Sequential(nn.Linear(3, 3), act))
    recorded = dict(record(network, sequences(4), "2.1"))
    assert list(recorded) == ["1", "1:2"]


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
        random.random(), torch.rand(1)  # as augmentation does
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
    x.pop("scale")
    given = DataLoader(Items(x, Y), batch_size=5, shuffle=True)
    pd.testing.assert_frame_equal(measured(network, given), measured(network, (x, Y)))
    assert draws() == drawn
    with pytest.raises(TypeError, match="label"):
        measured(network, TensorDataset(x["input_ids"]))


def test_several_inputs_and_a_forward_of_ones_own():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, a, b):
            return self.fc(a + b)

    a, b, network = sequences(4), sequences(4), Sum()
    expected = (network.fc(a + b)).detach().numpy()
    data = TensorDataset(a, b, torch.from_numpy(Y))
    table = measured(network, ((a, b), Y))
    pd.testing.assert_frame_equal(measured(network, data), table)
    how = {"forward": lambda model, batch: model(batch, b=batch)}
    np.testing.assert_allclose(dict(record(network, (a, b)))["fc"], expected, atol=1e-6)
    twice = dict(record(network, a, **how))["fc"]
    np.testing.assert_allclose(twice, network.fc(2 * a).detach().numpy(), atol=1e-6)
    with pytest.raises(ValueError, match="fails in layer 'Sum'.*float32.*missing.*forward="):
        measured(network, (a, Y))


def test_a_failing_layer_is_named():
    network = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(ValueError, match=r"fails in layer '1.0', given torch.float32 \(2, 4\)"):
        measured(network, (sequences(4), Y))
    assert not any(m._forward_hooks for m in network.modules())
    assert network.training
    with pytest.raises(TypeError, match="numbers"):
        measured(network, (np.array([["a"] * 4] * P), Y))
    with pytest.raises(ValueError, match="one length"):
        measured(network, ((sequences(4), sequences(4)[:5]), Y))
    with pytest.raises(TypeError, match="data must be"):
        measured(network, sequences(4))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    "case", ["squeeze-excite", "stochastic depth", "transformer, sequence first"]
)
def test_few_samples(case, n):
    network, x, names = built(case)
    recorded = dict(record(network, x[:n]))
    assert list(recorded) == names
    assert {len(t) for t in recorded.values()} == {n}
    if case == "squeeze-excite":
        whole = dict(record(network, x))
        for name, t in recorded.items():
            np.testing.assert_allclose(t, whole[name][:n], rtol=1e-5, atol=1e-6)


def test_batches_never_hold_one_sample_alone():
    network, x, _ = built("squeeze-excite")
    whole, parts = dict(record(network, x)), dict(record(network, x, batch_size=11))
    for name, t in parts.items():
        np.testing.assert_allclose(t, whole[name], rtol=1e-5, atol=1e-6)


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


@pytest.mark.parametrize("on_disk", [False, True])
def test_extra_state_tied_and_turned_weights_are_kept(tmp_path, on_disk):
    network = nn.ModuleDict({"gpt": Gpt(), "extra": WithExtra()})
    network["gpt"].qkv.weight.data = torch.randn(8, 24).T
    checkpoints = Checkpoints(network, folder=tmp_path if on_disk else None)
    checkpoints(-1)
    network["extra"].extra["steps"] = (3, 4)
    checkpoints(2)
    assert list(checkpoints) == [-1, 2]
    assert checkpoints[-1]["extra._extra_state"]["steps"] == (1, 2)
    assert torch.equal(checkpoints[2]["extra._extra_state"]["scale"], torch.ones(2))
    for name, weight in network.state_dict().items():
        if isinstance(weight, torch.Tensor):
            assert torch.equal(checkpoints[2][name], weight)
    model = network["extra"]
    own = Checkpoints(model, folder=tmp_path / "own" if on_disk else None)
    own(0)
    assert set(measured(model, (sequences(4), Y), epochs=own)["layer"]) == {"WithExtra"}
    assert model.extra["steps"] == (3, 4)


def test_checkpoints_on_disk_are_safetensors_for_everyone(tmp_path):
    load_file = pytest.importorskip("safetensors.torch").load_file
    network, x, _ = built("residual")
    checkpoints = Checkpoints(network, folder=tmp_path)
    checkpoints(3)
    state = load_file(tmp_path / "epoch_000003.safetensors")
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[k], v) for k, v in network.state_dict().items())
    torch.save(state, tmp_path / "mine.pt")
    paths = {3: tmp_path / "epoch_000003.safetensors"}
    expected = measured(network, (x, Y), epochs=checkpoints)
    for epochs in (paths, {3: str(tmp_path / "mine.pt")}):
        pd.testing.assert_frame_equal(measured(network, (x, Y), epochs=epochs), expected)


def test_weights_that_do_not_fit_leave_the_network_as_it_was():
    network, x, _ = built("residual")
    before, other = state_of(network), network.state_dict()
    others = {k: torch.full_like(v, 7) for k, v in other.items()} | {"fc.weight": torch.ones(2, 2)}
    with pytest.raises(ValueError, match=r"weights of epoch 4 do not fit.*fc\.weight"):
        measured(network, (x, Y), epochs={4: others})
    assert state_of(network) == before


def test_a_layer_named_late_is_said_with_the_batch_that_differs():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.extra = nn.Linear(1, 1), nn.Tanh()

        def forward(self, x):
            return self.extra(self.fc(x)) if x.abs().max() < 100 else self.fc(x)

    x = np.arange(P, dtype=np.float32)[:, None]
    x[P - 1] = 1000
    with pytest.raises(ValueError, match="layer 'extra' is reached for some of the samples only"):
        list(record(Sometimes(), x, batch_size=3))


def test_sequences_have_views_of_their_positions():
    t = np.random.default_rng(0).normal(size=(9, 4, 5)).astype(np.float32)
    found = {(v.name, v.channel): v.values for v in views_of(t, ("token", "token_mean"))}
    assert list(found) == [*(("token", i) for i in range(4)), ("token_mean", -1)]
    assert np.array_equal(found["token", 2], t[:, 2])
    np.testing.assert_allclose(found["token_mean", -1], t.mean(axis=1), atol=1e-6)
    assert list(views_of(t[:, 0], ("token", "token_mean"))) == []
    network, x, _ = built("lstm")
    config = MeasureConfig(estimators=("binning",), views=("token", "token_mean"))
    table = measured(network, (x, Y), layers="rnn", config=config)
    assert list(table.query("view == 'token' and quantity == 'I_XT'")["channel"]) == list(range(7))


def test_a_summary_leaves_modes_and_layers_folded_as_they_are():
    network = models.build("mini_resnet", "tanh").train()
    frozen = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)][0].eval()
    before = state_of(network)
    models.summary(network, (1, 32, 32))
    assert state_of(network) == before
    assert not frozen.training
