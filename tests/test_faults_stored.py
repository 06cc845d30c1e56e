"""Whatever is found in place of a stored file: it is noticed, said, and made anew."""

import dataclasses
import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from damage import DAMAGE, Hostile
from small_data import pattern_data
from small_runs import contents, interrupted_at

from iblib.config import MeasureConfig, RunConfig
from iblib.information_plane import measure_run
from iblib.training import Run, train
from iblib.training import loop as training_loop
from study.results import Results

CONFIG = RunConfig("mlp", "tanh", batch_size=16, epochs=6, n_points=3)
MEASURE = MeasureConfig(n_samples=40)


STORED = {
    "status": lambda folder: folder / "status.json",
    "config": lambda folder: folder / "config.json",
    "history": lambda folder: folder / "history.csv",
    "weights": lambda folder: sorted((folder / "weights").iterdir())[1],
    "planes": lambda folder: next((folder / "planes").iterdir()),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Folder of one run, trained and measured."""
    data, folder = pattern_data(96), tmp_path_factory.mktemp("whole")
    run = train(CONFIG, data, runs_dir=folder, progress=False)
    measure_run(run, data, MEASURE, progress=False)
    return folder


def redo(folder: Path, caplog) -> list[str]:
    """Train and measure in ``folder``; the lines that were said."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        data = pattern_data(96)
        run = train(CONFIG, data, runs_dir=folder, progress=False)
        measure_run(run, data, MEASURE, progress=False)
    return [record.getMessage() for record in caplog.records]


CASES = [(name, kind) for name in STORED for kind in DAMAGE]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_damaged_file_of_a_finished_run(tmp_path, whole, caplog, name, kind):
    folder, marker = tmp_path / "runs", tmp_path / "marker"
    shutil.copytree(whole, folder)
    run = next(folder.iterdir())
    path = STORED[name](run)
    DAMAGE[kind](path, marker)
    lines = redo(folder, caplog)
    assert contents(folder) == contents(whole)
    assert not marker.exists()
    silent = kind == "missing" and name in ("status", "planes")  # nothing tells that it was there
    assert len(lines) == (0 if silent else 1), lines
    assert all(run.name in line and "\n" not in line for line in lines)


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("generations", [1, 2])
def test_a_damaged_state_to_resume_from(tmp_path, whole, monkeypatch, caplog, kind, generations):
    monkeypatch.setattr(training_loop, "CHECKPOINT_SECONDS", 0.0)
    data, marker = pattern_data(96), tmp_path / "marker"
    train_epoch, trained = training_loop._Training._train_epoch, []
    with interrupted_at(5):
        train(CONFIG, data, runs_dir=tmp_path / "runs", progress=False)
    folder = next((tmp_path / "runs").iterdir())
    for name in ("state.pt", "state-older.pt")[:generations]:
        DAMAGE[kind](folder / name, marker)
    monkeypatch.setattr(
        training_loop._Training,
        "_train_epoch",
        lambda self, epoch: trained.append(epoch) or train_epoch(self, epoch),
    )
    lines = redo(tmp_path / "runs", caplog)
    assert contents(tmp_path / "runs") == contents(whole)
    assert not marker.exists()
    assert trained[0] == (4 if generations == 1 else 1)  # the older generation, or from the start
    assert len(lines) == (0 if kind == "missing" else generations), lines
    assert all("cannot resume from" in line and "\n" not in line for line in lines)


def test_a_run_is_not_resumed_past_weights_that_were_lost(tmp_path, whole, monkeypatch, caplog):
    monkeypatch.setattr(training_loop, "CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "end", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, pattern_data(96), runs_dir=tmp_path / "runs", progress=False)
    folder = next((tmp_path / "runs").iterdir())
    STORED["weights"](folder).write_bytes(b"")
    lines = redo(tmp_path / "runs", caplog)
    assert contents(tmp_path / "runs") == contents(whole)
    assert all("epoch_" in line for line in lines)
    assert lines


def test_weights_of_another_network_are_not_replayed(tmp_path, whole, caplog):
    shutil.copytree(whole, tmp_path / "runs")
    other = dataclasses.replace(CONFIG, options={"sizes": (12, 3, 2)})
    other = train(other, pattern_data(96), runs_dir=tmp_path / "other", progress=False)
    run = Run.open(tmp_path / "runs" / next(whole.iterdir()).name)
    shutil.copy(other.weights_path(6), run.weights_path(6))
    assert "weights are not as they were written" in " ".join(redo(tmp_path / "runs", caplog))
    assert contents(tmp_path / "runs") == contents(whole)


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", ["table.csv", "arrays.npz", "table.csv.json"])
def test_a_damaged_file_of_results_is_not_read(tmp_path, kind, name):
    results, asked = Results(tmp_path), name.removesuffix(".json")
    value = pd.DataFrame({"bits": [1.5, 2.0]}) if "table" in name else {"a": np.arange(300)}
    results.write(asked, value, "key")
    assert results.problem(asked, "key") == ""
    DAMAGE[kind](tmp_path / name, tmp_path / "marker")
    if (name, kind) == ("table.csv.json", "a bit flipped"):  # its key and checksum are compared
        return
    assert str(tmp_path / asked) in results.problem(asked, "key")
    assert not (tmp_path / "marker").exists()


def test_the_hostile_pickle_is_one(tmp_path):
    """What the tests above refuse would have run."""
    pickle.loads(pickle.dumps(Hostile(tmp_path / "marker")))  # noqa: S301
    assert (tmp_path / "marker").exists()
