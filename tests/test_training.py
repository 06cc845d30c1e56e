"""Training: keys, history, stored epochs, reuse, resume, ensembles, divergence, damage."""

import dataclasses
import logging
import time

import numpy as np
import pandas as pd
import pytest
import torch
from small_data import pattern_data, picture_data
from small_runs import interrupted_at

from iblib.config import ConfigError, RunConfig, log_epochs
from iblib.files import DamagedFileError
from iblib.training import Run, train
from iblib.training import loop as training_loop

MLP = RunConfig("mlp", "tanh", learning_rate=0.1, batch_size=16, epochs=6, n_points=4)
CNN = RunConfig("simple_cnn", "relu", options={"filters": [2, 3]}, epochs=2, n_points=2)


def run_mlp(tmp_path, **changes) -> Run:
    return train(dataclasses.replace(MLP, **changes), pattern_data(), runs_dir=tmp_path)


def test_log_epochs_hold_the_untrained_and_the_last():
    assert log_epochs(100, 5) == [0, 1, 3, 10, 32, 100]
    assert log_epochs(0, 5) == [0]
    assert log_epochs(3, 50) == [0, 1, 2, 3]


def test_history_and_weights_of_a_finished_run(tmp_path):
    run = run_mlp(tmp_path)
    assert (run.status["status"], run.status["epoch"]) == ("finished", 6)
    assert run.epochs == MLP.stored_epochs == [0, 1, 2, 3, 6]
    history = run.history
    assert set(history["split"]) == {"training", "validation", "test"}
    assert sorted(history["epoch"].unique()) == list(range(7))
    assert (history["updates"] == history["epoch"] * 5).all()  # 77 training rows, batches of 16
    first, last = (history.query(f"split == 'training' and epoch == {e}") for e in (0, 6))
    assert last["loss"].item() < first["loss"].item()
    assert not (run.folder / "state.pt").exists()


def test_history_is_what_the_stored_network_does(tmp_path):
    """The recorded accuracy equals the accuracy of the stored weights on aligned rows."""
    data, run = picture_data(), train(CNN, picture_data(), runs_dir=tmp_path)
    for epoch in run.epochs:
        for split in ("training", "test"):
            x, y = data.take(data.rows(split))
            with torch.no_grad():
                logits = run.network(epoch)(torch.from_numpy(x))
            rows = run.history.query(f"epoch == {epoch} and split == '{split}'")
            accuracy = (logits.argmax(1).numpy() == y).mean()
            assert rows["accuracy"].item() == pytest.approx(accuracy, abs=1e-6)
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)).item()
            assert rows["loss"].item() == pytest.approx(loss, rel=1e-4)


def test_a_finished_run_is_reused_and_another_config_is_not(tmp_path, monkeypatch):
    run = run_mlp(tmp_path)
    written = (run.folder / "status.json").stat().st_mtime_ns
    monkeypatch.setattr(training_loop._Training, "_train_epoch", lambda *_: pytest.fail("trained"))
    assert run_mlp(tmp_path).key == run.key
    assert (run.folder / "status.json").stat().st_mtime_ns == written
    keys = {MLP.key("data"), MLP.key("other data")}
    for change in ({"seed": 1}, {"batch_size": 8}, {"activation": "relu"}, {"epochs": 7}):
        keys.add(dataclasses.replace(MLP, **change).key("data"))
    assert len(keys) == 6


@pytest.mark.parametrize(
    "config", [MLP, dataclasses.replace(MLP, optimizer="adam", n_seeds=2), CNN]
)
def test_an_interrupted_run_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch, config):
    data = pattern_data() if config.model == "mlp" else picture_data()
    whole = train(config, data, runs_dir=tmp_path / "whole")
    monkeypatch.setattr(training_loop, "CHECKPOINT_SECONDS", 0.0)
    with interrupted_at(2):
        train(config, data, runs_dir=tmp_path / "parts")
    folder = tmp_path / "parts" / config.key(data.fingerprint)
    assert Run.open(folder).status["status"] == "unfinished"
    parts = train(config, data, runs_dir=tmp_path / "parts")
    for epoch in whole.epochs:
        ours, theirs = parts.weights(epoch), whole.weights(epoch)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (parts.folder / "history.csv").read_bytes() == (
        whole.folder / "history.csv"
    ).read_bytes()
    assert not list(parts.folder.rglob(".epoch*")) + list(parts.folder.rglob(".state*"))


@pytest.mark.parametrize("config", [dataclasses.replace(MLP, n_seeds=2), CNN])
def test_a_split_that_is_read_batch_by_batch_trains_the_same_network(tmp_path, monkeypatch, config):
    data = pattern_data() if config.model == "mlp" else picture_data()
    monkeypatch.setattr(training_loop, "samples_at_once", lambda *_: 16)
    held = train(config, data, runs_dir=tmp_path / "held")
    monkeypatch.setattr(training_loop, "IN_MEMORY", 0)
    rows = []
    take = type(data).take
    monkeypatch.setattr(type(data), "take", lambda self, r: rows.append(len(r)) or take(self, r))
    read = train(config, data, runs_dir=tmp_path / "read")
    assert max(rows) <= 32  # a batch of each member, or 16 to evaluate
    for name, weight in held.weights(config.epochs).items():
        assert torch.equal(read.weights(config.epochs)[name], weight)
    assert read.history.equals(held.history)


def test_a_damaged_state_falls_back_to_the_older_one(tmp_path, caplog):
    state = training_loop.ResumeState(tmp_path)
    state.save({"epoch": 1})
    state.save({"epoch": 2})
    taken = []
    assert state.restore(taken.append)
    data = bytearray(state.newer.read_bytes())
    data[-1] ^= 1
    state.newer.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert state.restore(taken.append)
    assert "trying an older state" in caplog.text
    state.older.write_bytes(b"")
    assert not state.restore(taken.append)
    assert taken == [{"epoch": 2}, {"epoch": 1}]


def test_damaged_weights_and_configs_are_refused(tmp_path):
    run = run_mlp(tmp_path)
    path = run.weights_path(6)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedFileError, match="checksum does not match"):
        run.weights(6)
    with pytest.raises(FileNotFoundError, match="stores epochs"):
        run.weights(5)
    config = run.folder / "config.json"
    config.write_text(config.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DamagedFileError, match="does not match its key"):
        Run.open(run.folder)


def test_full_batch_is_one_update_an_epoch_and_ignores_the_order(tmp_path):
    run = run_mlp(tmp_path, batch_size=0)
    assert run.config.batch_mode == "full batch"
    assert run.history["updates"].max() == 6
    # one full-batch step by hand
    data, network = pattern_data(), run.network(0)
    x, y = (torch.from_numpy(a) for a in data.take(data.rows("training")))
    network.requires_grad_(True)
    torch.nn.functional.cross_entropy(network(x), y).backward()
    stepped = network.linear[0].weight - 0.1 * network.linear[0].weight.grad
    assert torch.allclose(run.network(1).linear[0].weight, stepped, atol=1e-6)


def test_an_ensemble_is_its_members_trained_alone(tmp_path):
    """Batched training equals separate training of each seed, to rounding."""
    together = run_mlp(tmp_path, n_seeds=3, optimizer="adam", learning_rate=0.01)
    for member in range(3):
        alone = run_mlp(tmp_path, seed=member, optimizer="adam", learning_rate=0.01)
        ours, theirs = together.network(6, member), alone.network(6)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-5)
        accuracy = together.history.query(f"member == {member}")["accuracy"].to_numpy()
        assert accuracy == pytest.approx(alone.history["accuracy"].to_numpy(), abs=0.02)


def test_networks_with_batch_norm_cannot_be_an_ensemble(tmp_path):
    with pytest.raises(ConfigError, match="n_seeds > 1 needs a network without batch norm"):
        train(dataclasses.replace(CNN, n_seeds=2), picture_data(), runs_dir=tmp_path)


def test_divergence_stops_the_run_and_says_when(tmp_path):
    run = run_mlp(tmp_path, activation="relu", learning_rate=1e30, momentum=0.0)
    assert run.status["status"] == "diverged"
    assert 1 <= run.status["epoch"] < 6
    assert pd.read_csv(run.folder / "history.csv")["epoch"].max() == run.status["epoch"]


def test_regression_has_a_squared_error_and_no_accuracy(tmp_path):
    data = pattern_data()
    targets = data.inputs[:, :1] * 2
    data = dataclasses.replace(data, labels=targets, classes=(), fingerprint="regression")
    config = RunConfig("mlp", "linear", options={"sizes": [12, 8, 1]}, epochs=3, batch_size=0)
    run = train(config, data, runs_dir=tmp_path)
    assert run.history["accuracy"].isna().all()
    x, y = data.take(data.rows("test"))
    with torch.no_grad():
        error = ((run.network(3)(torch.from_numpy(x)).numpy() - y) ** 2).mean()
    row = run.history.query("epoch == 3 and split == 'test'")
    assert row["loss"].item() == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "lion"}, "optimizer must be one of"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": float("inf")}, "learning_rate must be positive and finite"),
        ({"batch_size": -1}, "batch_size must not be negative"),
        ({"n_seeds": 0}, "n_seeds must be at least 1"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
    ],
)
def test_illegal_settings_name_the_rule(changes, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(MLP, **changes)


def test_networks_that_do_not_fit_the_data_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs spectrograms"):
        train(CNN, pattern_data(), runs_dir=tmp_path)
    with pytest.raises(ConfigError, match="do not fit inputs"):
        train(MLP, pattern_data(n_classes=3), runs_dir=tmp_path)
    for options, words in (({"fan": "sideways"}, "fan must be"), ({"depth": 2}, "'depth'")):
        with pytest.raises(ConfigError, match=words):
            run_mlp(tmp_path, options=options)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="model must be one of"):
        train(RunConfig("lenet"), pattern_data(), runs_dir=tmp_path)
    with pytest.raises(ConfigError, match="unknown setting 'modle'"):
        RunConfig.from_dict({"modle": "mlp"})


def test_each_member_and_epoch_has_its_own_stream():
    orders = [
        torch.randperm(50, generator=training_loop.stream(seed, epoch)).tolist()
        for seed in (0, 1)
        for epoch in (1, 2)
    ]
    assert len({tuple(order) for order in orders}) == 4
    again = torch.randperm(50, generator=training_loop.stream(1, 2)).tolist()
    assert again == orders[-1]


def test_a_second_process_waits_for_the_first(tmp_path):
    """Two threads asking for one run: it is trained once."""
    from concurrent.futures import ThreadPoolExecutor

    calls = []
    finish = training_loop._Training.finish

    def counted(self, progress):
        calls.append(self.run.key)
        time.sleep(0.05)
        finish(self, progress)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(training_loop._Training, "finish", counted)
        runs = list(pool.map(lambda _: run_mlp(tmp_path), range(2)))
    assert len(calls) == 1
    assert np.array_equal(*(run.history["loss"].to_numpy() for run in runs))
