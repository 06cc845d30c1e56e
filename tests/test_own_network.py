"""Networks and training loops of one's own: patterns, checkpoints, and layers changed in place."""

import numpy as np
import pytest
import torch
from small_data import pattern_data
from torch import nn

import iblib
from iblib.activations import record
from iblib.config import Binning, MeasureConfig
from iblib.files import DamagedFileError
from iblib.information_plane import measure_model
from iblib.plotting import plane_grid, plane_player
from iblib.training import Checkpoints


def network(inplace: bool = False) -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace), nn.Linear(6, 5), nn.ReLU(inplace))
    return nn.Sequential(body, nn.Linear(5, 2))


def samples(n: int = 60):
    x = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ((), ["0.0", "0.1", "0.2", "0.3", "1"]),
        (("0.[13]",), ["0.1", "0.3"]),
        (("0.*", "1"), ["0.0", "0.1", "0.2", "0.3", "1"]),
        (("1", "0.0"), ["1", "0.0"]),
        (("0",), ["0"]),
        (("0.1", "0.?"), ["0.1", "0.0", "0.2", "0.3"]),
    ],
)
def test_layers_by_pattern(patterns, found):
    assert list(dict(record(network(), samples()[0], patterns))) == found


def test_a_pattern_without_a_layer_names_the_layers():
    with pytest.raises(ValueError, match=r"layers must be among \['0', '0\.0'.*got 'conv\*'"):
        measure_model(network(), samples(), layers=["conv*"])


def test_a_layer_that_the_next_changes_in_place_is_recorded_as_it_was():
    x, _ = samples()
    layers = {name: name for name in ("0.0", "0.1", "0.2", "0.3", "1")}
    plain, inplace = (dict(record(network(i), x, layers, batch_size=7)) for i in (False, True))
    assert (inplace["0.0"] < 0).any()
    for name in layers:
        assert np.array_equal(plain[name], inplace[name])


def trained(checkpoints: Checkpoints, n_epochs: int = 5) -> None:
    """A loop as anyone writes it."""
    model = checkpoints.model
    x, y = (torch.from_numpy(a) for a in samples())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for epoch in range(n_epochs + 1):
        if epoch:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        checkpoints(epoch)


@pytest.mark.parametrize("on_disk", [False, True])
def test_checkpoints_are_the_network_at_those_epochs(tmp_path, on_disk):
    checkpoints = Checkpoints(network(), at=[0, 2, 5], folder=tmp_path if on_disk else None)
    trained(checkpoints)
    assert list(checkpoints) == [0, 2, 5]
    assert len(checkpoints) == 3
    again = Checkpoints(network())
    trained(again, 2)
    for name, weight in checkpoints[2].items():
        assert torch.equal(weight, again.model.state_dict()[name])
        assert not torch.equal(weight, checkpoints[5][name])
    with pytest.raises(KeyError):
        checkpoints[1]
    with pytest.raises(TypeError):
        checkpoints(1.5)
    if on_disk:  # an interrupted training finds what it has kept
        assert list(Checkpoints(network(), folder=tmp_path)) == [0, 2, 5]


def test_the_table_of_all_epochs_is_that_of_each(tmp_path):
    checkpoints, data = Checkpoints(network(), at=[0, 5]), samples()
    trained(checkpoints)
    before = {k: v.clone() for k, v in checkpoints.model.state_dict().items()}
    table = iblib.measure_model(
        checkpoints.model, data, layers=["0.[13]"], epochs=checkpoints, name="mine", seed=3
    )
    assert all(torch.equal(v, before[k]) for k, v in checkpoints.model.state_dict().items())
    assert set(table["layer"]) == {"0.1", "0.3"}
    assert set(table["seed"]) == {3}
    for epoch in (0, 5):
        model = network()
        model.load_state_dict(checkpoints[epoch])
        one = measure_model(model, data, layers=["0.[13]"], epochs=epoch, name="mine", seed=3)
        part = table[table["epoch"] == epoch].reset_index(drop=True)
        assert one.equals(part)
    torch.save(checkpoints[5], tmp_path / "mine.pt")
    paths = {5: tmp_path / "mine.pt"}
    stored = measure_model(network(), data, layers=["0.[13]"], epochs=paths, name="mine", seed=3)
    assert stored.equals(part)


def test_bins_of_a_run_span_all_epochs():
    checkpoints = Checkpoints(network(), at=[0, 5])
    trained(checkpoints)
    config = MeasureConfig(bins=(Binning("run", 7),))
    data = samples()
    table = measure_model(
        checkpoints.model, data, layers=["0.3"], epochs=checkpoints, config=config
    )
    model, values = network(), []
    for epoch in checkpoints:
        model.load_state_dict(checkpoints[epoch])
        values.append(dict(record(model, data[0], {"0.3": "0.3"}))["0.3"])
    edges = np.linspace(np.min(values), np.max(values), 8)
    for epoch, t in zip(checkpoints, values, strict=True):
        codes = np.clip(np.searchsorted(edges, t, "right") - 1, 0, 6)
        _, counts = np.unique(codes, axis=0, return_counts=True)
        p = counts / len(t)
        row = table[(table["epoch"] == epoch) & (table["estimator"] == "binning")]
        row = row[row["quantity"] == "I_XT"]
        assert row["bits"].item() == pytest.approx(-(p * np.log2(p)).sum(), abs=1e-9)


def test_a_data_set_gives_the_rows_that_the_config_asks_for():
    data = pattern_data(96)
    model = nn.Sequential(nn.Linear(12, 3), nn.Tanh())
    table = measure_model(model, data, config=MeasureConfig(split="test", n_samples=5))
    assert set(table["n_samples"]) == {5}
    assert set(table["dataset"]) == {data.name}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": (np.zeros((3, 4), np.float32), [0, 1])}, "equally many; got 3 and 2"),
        ({"epochs": {}}, "at least one epoch"),
    ],
)
def test_what_cannot_be_measured_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure_model(network(), **{"data": samples(), **arguments})


@pytest.mark.parametrize("harm", ["cut", "altered", "unsealed", "no tensors"])
def test_a_damaged_checkpoint_is_refused(tmp_path, harm):
    checkpoints = Checkpoints(network(), folder=tmp_path)
    trained(checkpoints, 1)
    path = tmp_path / "epoch_000001.safetensors"
    whole = path.read_bytes()
    if harm == "cut":
        path.write_bytes(whole[:-1])
    elif harm == "altered":
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    elif harm == "unsealed":
        path.write_bytes(whole.replace(b"iblib-sha256", b"iblib-sha255"))
    else:
        path.write_bytes(b"weights")
    with pytest.raises(DamagedFileError, match=path.name):
        measure_model(network(), samples(), epochs=checkpoints)
    if harm != "unsealed":
        with pytest.raises(DamagedFileError, match=path.name):
            measure_model(network(), samples(), epochs={1: path})


@pytest.mark.parametrize("content", [b"", b"weights", b"\x80\x04N."])
def test_a_file_without_plain_weights_is_refused(tmp_path, content):
    path = tmp_path / "mine.pt"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"mine\.pt holds no plain weights"):
        measure_model(network(), samples(), epochs={1: path})
    with pytest.raises(FileNotFoundError, match="gone"):
        measure_model(network(), samples(), epochs={1: tmp_path / "gone.pt"})


def test_the_table_can_be_drawn():
    checkpoints = Checkpoints(network(), at=[0, 1, 5])
    trained(checkpoints)
    table = measure_model(checkpoints.model, samples(), layers=["0.[13]"], epochs=checkpoints)
    assert len(plane_grid(table).axes) >= 3
    assert plane_player(table, estimator="kde") is not None
