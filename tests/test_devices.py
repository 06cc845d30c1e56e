"""Training and replay on a GPU, where there is none: fake tensors know which device they are on.

An operation between two devices fails there as it would on a GPU; numbers are not computed.
"""

import dataclasses

import numpy as np
import pytest
import torch
from small_data import pattern_data, picture_data
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from iblib.config import MeasureConfig, RunConfig
from iblib.probing import Inputs, Listener
from iblib.training import loop as training_loop
from iblib.training import planned

CONFIGS = {
    "one network": RunConfig("mlp", "tanh", batch_size=16),
    "an ensemble": RunConfig("mlp", "relu", batch_size=16, n_seeds=3, optimizer="adam"),
    "full batch": RunConfig("mlp", "tanh", batch_size=0, n_seeds=2),
    "simple_cnn": RunConfig("simple_cnn", "relu", options={"filters": [2, 3]}, batch_size=16),
    "mini_resnet": RunConfig("mini_resnet", "tanh", batch_size=16),
}


def training_on_cuda(config, folder) -> training_loop._Training:
    data = pattern_data(96) if config.model == "mlp" else picture_data()
    return training_loop._Training(planned(config, data, folder), data, "cuda")


def moved(network, device, **_):
    """``Module.to``, which cannot exchange the storage of fake tensors."""
    for module in network.modules():
        for name, value in module._parameters.items():
            if value is not None:
                module._parameters[name] = torch.nn.Parameter(value.detach().to(device))
        for name, value in module._buffers.items():
            module._buffers[name] = value.to(device)
    return network


@pytest.fixture
def fake(monkeypatch):
    # which draws until all numbers fit, and there are none
    monkeypatch.setattr(torch.nn.init, "trunc_normal_", lambda weight, *_, **__: weight)
    monkeypatch.setattr(torch.nn.Module, "to", moved)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: see the tests that use it")
@pytest.mark.parametrize("name", CONFIGS)
def test_an_epoch_of_training_stays_on_the_device(tmp_path, monkeypatch, fake, name):
    training = training_on_cuda(CONFIGS[name], tmp_path)

    def backward(loss):  # its engine asks the driver
        assert loss.device.type == "cuda"
        for p in training.members.parameters():
            p.grad = torch.zeros_like(p)

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    steps = []
    step = training.optimizer.step
    monkeypatch.setattr(training.optimizer, "step", lambda: steps.append(step()))
    with pytest.raises(
        DataDependentOutputException
    ):  # whether the loss is finite, asked at the end
        training._train_epoch(1)
    assert len(steps) == training.updates_per_epoch
    tensors = [*training.members.parameters()]
    tensors += [t for state in training.optimizer.state.values() for t in state.values()]
    assert {t.device.type for t in tensors if torch.is_tensor(t) and t.dim()} == {"cuda"}
    assert {t.device.type for t in training.members.state().values()} == {"cpu"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: see the tests that use it")
@pytest.mark.parametrize("name", ["one network", "simple_cnn", "mini_resnet"])
def test_a_network_on_the_device_is_replayed_there(tmp_path, fake, name):
    training = training_on_cuda(CONFIGS[name], tmp_path)
    network, split = training.members.network, training.splits["training"]
    x = torch.zeros(split._part(0, 4).shape)  # on the CPU, as a data set gives it
    devices = {}
    listener = Listener(network.eval())
    with listener.listening(lambda call, t: devices.update({call: t.device.type})) as send:
        send(Inputs(x, network)(np.arange(3)))
    assert {devices[path] for path in network.measured_layers().values()} == {"cuda"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: see the tests that use it")
def test_a_tensor_left_on_the_cpu_would_be_found(tmp_path, fake, monkeypatch):
    monkeypatch.setattr(
        training_loop._Split, "_read", lambda self, rows: torch.zeros(len(rows), 12)
    )
    with pytest.raises(RuntimeError, match=r"device"):
        training_on_cuda(CONFIGS["one network"], tmp_path)._train_epoch(1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", CONFIGS)
def test_a_gpu_trains_and_measures_as_the_cpu_does(tmp_path, name):
    from iblib.information_plane import measure_run
    from iblib.training import train

    config = dataclasses.replace(CONFIGS[name], epochs=2, n_points=2, learning_rate=0.01)
    data = pattern_data(96) if config.model == "mlp" else picture_data()
    tables, histories = [], []
    for device in ("cpu", "cuda"):
        run = train(config, data, runs_dir=tmp_path / device, device=device, progress=False)
        table = measure_run(run, data, MeasureConfig(), device=device, progress=False)
        tables.append(table[table["epoch"] == 0])  # before rounding has grown
        histories.append(run.history)
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-3)
    same = tables[0]["estimator"] != "kraskov"
    for one, other in zip(tables[0]["bits"][same], tables[1]["bits"][same], strict=True):
        assert one == pytest.approx(other, abs=1e-3)
