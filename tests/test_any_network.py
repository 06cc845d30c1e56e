"""Networks, inputs and weights as people have them: right numbers, and nothing left changed."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from own_networks import (
    CASES,
    Fourier,
    Gpt,
    P,
    Y,
    built,
    by_hand,
    draws,
    measured,
    sequences,
    state_of,
)
from torch import nn

from iblib import models
from iblib.activations import record
from iblib.config import MeasureConfig
from iblib.views import views_of

LEFT_OUT = {
    "gpt": "positions (its output, of shape (6, 8)",
    "gpt, as many positions as samples": f"positions (its output, of shape ({P}, 8)",
    "auxiliary": "aux, criterion (the forward pass does not reach it)",
    "outputs": "each:2 (its output, of shape (6, 3) for 3 samples, mixes the samples",
}


def samples_first(t: np.ndarray, name: str, case: str) -> np.ndarray:
    """What is known of the cases' shapes: sequence first, or folded."""
    if case == "outputs" and name == "each":
        return t.reshape(P, 2, 3)
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
    epochs = dict.fromkeys(range(3), Gpt(length).state_dict())
    with pytest.warns(RuntimeWarning, match="positions") as caught:
        measured(Gpt(length), (x, Y), epochs=epochs)
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


@pytest.mark.parametrize("kind", ["not reached", "another shape", "another type"])
def test_a_layer_that_gives_something_else_late_is_said(kind):
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.last = nn.Linear(1, 1), nn.Tanh()

        def forward(self, x):
            t = self.fc(x)
            if x.abs().max() < 100:
                return self.last(t)
            if kind == "not reached":
                return t
            return self.last(t.repeat(1, 2) if kind == "another shape" else t.double())

    x = np.arange(P, dtype=np.float32)[:, None]
    x[P - 1] = 1000
    with pytest.raises(ValueError, match=r"'last' must give float32 of shape \(1,\).* 9 to 11"):
        list(record(Sometimes(), x, batch_size=3))


def test_a_pass_that_changes_the_network_leaves_it_as_it_was():
    class Restless(nn.Linear):
        def __init__(self):
            super().__init__(4, 3)
            self.register_buffer("cache", None)

        def forward(self, x):
            self.weight.data = self.weight.data.renorm(2, 0, 0.1)  # as EEGNet bounds its filters
            self.cache = x.mean(0)
            self.register_buffer("more", torch.ones(2))
            return super().forward(x)

    class Bounded(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.fc = nn.Embedding(11, 4, max_norm=0.1), Restless()

        def forward(self, x):
            return self.fc(self.embed(x).mean(1))

    network, x = Bounded().train(), torch.randint(0, 11, (P, 5))
    before, weight = state_of(network), network.fc.weight
    assert list(dict(record(network, x))) == ["embed", "fc"]
    assert state_of(network) == before
    assert network.fc.weight is weight
    assert network.fc.cache is None


def test_a_call_whose_failure_the_network_bears_takes_no_others_name():
    class Either(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(5, 3), nn.Linear(4, 3)

        def forward(self, x):
            try:
                return self.first(x)
            except RuntimeError:
                return 2 * self.second(x)

    network, x = Either(), sequences(4)
    recorded = dict(record(network, x, ["second", "Either"]))
    np.testing.assert_array_equal(recorded["Either"], 2 * recorded["second"])
    assert list(dict(record(network, x))) == ["second"]
    with pytest.raises(ValueError, match="layer 'first' cannot be measured"):
        list(record(network, x, "first"))


def test_tied_layers_and_samples_that_are_all_equal():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
            self.two.weight = self.one.weight

        def forward(self, x):
            return self.two(self.one(x)).reshape(-1, 2)

    network = Tied()
    recorded = dict(record(network, torch.ones(P, 4), ["one", "two", "Tied"]))
    assert [t.shape for t in recorded.values()] == [(P, 4), (P, 4), (P, 2, 2)]
    assert (recorded["Tied"].reshape(P, 4) == recorded["two"]).all()
    assert network.two.weight is network.one.weight


def test_random_layers_are_the_same_each_time_and_leave_the_stream():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    network, x = nn.Sequential(nn.Linear(4, 3), Noisy()), sequences(4)
    drawn = draws()
    one, two = (dict(record(network, x, batch_size=None))["1"] for _ in range(2))
    assert np.array_equal(one, two)
    assert draws() == drawn


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
    frozen = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    before = state_of(network)
    models.summary(network, (1, 32, 32))
    assert state_of(network) == before
    assert not frozen.training
