"""Sweeps: expansion, ids, sealed results, failures, and equal bits with and without Dask."""

import json
import os
import signal
import sys

import psutil
import pytest
import torch

from iblib import sweep
from iblib.config import ConfigError
from iblib.datasets.base import DataError
from iblib.information_plane import read_table
from iblib.sweep import (
    normalised,
    read_grid,
    read_result,
    result_path,
    run_all,
    run_id,
    write_tables,
)

GRID = """
[data]
name = "binary_patterns"
[run]
model = "mlp"
activation = ["tanh", "relu"]
seed = [0, 1, 2]
epochs = 2
n_points = 2
batch_size = 512
[run.options]
sizes = [[12, 4, 2], [12, 3, 2]]
[measure]
n_samples = 60
views = ["layer"]
bins = [{kind = "width", value = 0.07}, {kind = "bounds", value = 30}]
"""


def write_grid(tmp_path, text=GRID):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    return path


@pytest.fixture
def specs(tmp_path):
    """Four small runs."""
    small = GRID.replace("[[12, 4, 2], [12, 3, 2]]", "[[12, 4, 2]]").replace("[0, 1, 2]", "[0, 1]")
    found = read_grid(write_grid(tmp_path, small))
    assert len(found) == 4
    return found


@pytest.fixture
def folders(tmp_path):
    return {"out": tmp_path / "out", "runs_dir": tmp_path / "runs"}


def test_lists_expand_to_their_product(tmp_path):
    specs = read_grid(write_grid(tmp_path))
    assert len(specs) == 2 * 3 * 2
    assert len({run_id(spec) for spec in specs}) == 12
    assert specs[0]["run"]["options"] == {"sizes": [12, 4, 2]}
    assert specs[1]["run"]["options"] == {"sizes": [12, 3, 2]}
    assert specs[0]["measure"]["views"] == ["layer"]
    assert [bins["kind"] for bins in specs[0]["measure"]["bins"]] == ["width", "bounds"]


def test_run_id_depends_on_the_settings_alone(specs):
    spec = specs[0]
    shuffled = json.loads(json.dumps({k: spec[k] for k in reversed(spec)}))
    assert run_id(shuffled) == run_id(spec)
    short = {"data": {"name": "binary_patterns"}, "run": {"model": "mlp"}, "measure": {}}
    long = {**short, "run": {"model": "mlp", "activation": "relu", "seed": 0}}
    assert run_id(short) == run_id(long) == run_id(normalised(short))
    assert run_id({**short, "measure": None}) != run_id(short)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[data]", "[dataset]", "unknown table \\[dataset\\]"),
        ('name = "binary_patterns"', "", "missing"),
        ("epochs = 2", "epoks = 2", "unknown setting 'epoks'"),
        ("epochs = 2", 'epochs = "two"', "wrong type"),
        ("epochs = 2", "epochs = -1", "epochs must not be negative"),
        ("n_samples = 60", "samples = 60", "unknown setting 'samples'"),
        ('kind = "width"', 'kind = "fair"', "kind must be one of"),
        ('model = "mlp"', "model =", "is not TOML"),
    ],
)
def test_grid_errors_name_the_setting(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message) as raised:
        read_grid(write_grid(tmp_path, GRID.replace(old, new)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('model = "mlp"', 'model = "lenet"', "model must be one of"),
        ('"tanh", "relu"', '"swish"', "activation of mlp must be one of"),
        ("[12, 4, 2]", "[12, 4, 3]", "do not fit"),
        ('name = "binary_patterns"', 'name = "mnist"', "unknown data set 'mnist'"),
    ],
)
def test_everything_is_checked_before_anything_is_trained(tmp_path, folders, old, new, message):
    specs = read_grid(write_grid(tmp_path, GRID.replace(old, new)))
    with pytest.raises((ConfigError, DataError), match=message):
        run_all(specs, **folders)
    assert not folders["runs_dir"].exists()


def test_second_sweep_reuses_and_damaged_results_run_again(specs, folders):
    threads = torch.get_num_threads()
    first = run_all(specs, **folders)
    assert (first.submitted, first.failed) == (4, [])
    assert torch.get_num_threads() == threads
    digest = write_tables(specs, folders["out"])
    assert run_all(specs, **folders).submitted == 0
    paths = [result_path(folders["out"], run_id(spec)) for spec in specs]
    paths[0].write_bytes(paths[0].read_bytes()[:-10])
    paths[1].write_bytes(paths[2].read_bytes())  # sealed, but another run's
    again = run_all(specs, **folders)
    assert [o.status for o in again.outcomes] == ["finished", "finished", "reused", "reused"]
    assert write_tables(specs, folders["out"]) == digest


def test_result_of_other_data_does_not_count(specs, folders):
    run_all(specs[:1], **folders)
    assert read_result(folders["out"], specs[0]) is not None
    assert read_result(folders["out"], specs[0], "other-fingerprint") is None


def test_tables_are_tidy_and_in_the_order_of_the_specs(specs, folders):
    run_all(specs, **folders)
    write_tables(specs, folders["out"])
    planes = read_table(folders["out"] / "planes.csv")
    assert list(dict.fromkeys(zip(planes["activation"], planes["seed"], strict=True))) == [
        (spec["run"]["activation"], spec["run"]["seed"]) for spec in specs
    ]
    history = read_table(folders["out"] / "history.csv")
    assert list(history.columns[:6]) == [
        *("run", "dataset", "model", "activation", "batch_mode", "seed"),
    ]
    assert set(history["run"]) == set(planes["run"])
    assert set(history["status"]) == {"finished"}


def test_a_failing_run_is_listed_and_the_others_are_done(specs, folders, monkeypatch):
    train = sweep.train

    def fail_once(config, *arguments, **settings):
        if (config.activation, config.seed) == ("relu", 0):
            raise RuntimeError("no more\nmemory")
        return train(config, *arguments, **settings)

    monkeypatch.setattr(sweep, "train", fail_once)
    lines = []
    result = run_all(specs, **folders, on_done=lambda *line: lines.append(line))
    assert [o.status for o in result.outcomes] == ["finished", "finished", "failed", "finished"]
    assert [line[:2] for line in lines] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    failures = (folders["out"] / "failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in failures] == [run_id(specs[2])]
    assert json.loads(failures[0])["error"] == "RuntimeError: no more\nmemory"
    monkeypatch.undo()
    assert run_all(specs, **folders).submitted == 1
    assert not (folders["out"] / "failures.jsonl").exists()


def test_dask_gives_the_same_bits_and_leaves_the_environment(specs, folders, tmp_path):
    before = dict(os.environ)
    parallel = {"out": tmp_path / "out-2", "runs_dir": tmp_path / "runs-2"}
    result = run_all(specs, **parallel, jobs=2)
    assert (result.submitted, result.failed) == (4, [])
    assert dict(os.environ) == before
    run_all(specs, **folders)
    assert write_tables(specs, parallel["out"]) == write_tables(specs, folders["out"])
    assert run_all(specs, **parallel, jobs=2).submitted == 0


def test_a_killed_worker_loses_no_result(tmp_path, folders):
    specs = read_grid(write_grid(tmp_path))
    killed = []

    def kill_one_worker(*_):
        if not killed:
            children = psutil.Process().children(recursive=True)
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            killed.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)

    result = run_all(specs, **folders, jobs=2, on_done=kill_one_worker)
    assert killed
    assert result.failed == []
    assert all(read_result(folders["out"], spec) for spec in specs)


def test_workers_and_scheduler_listen_on_this_machine_alone(specs, folders):
    addresses = []

    def look(*_):
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            found = process.net_connections("inet")
            addresses.extend(c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN)

    assert run_all(specs[:2], **folders, jobs=2, on_done=look).failed == []
    assert len(addresses) >= 4  # scheduler, dashboard and two workers
    assert set(addresses) == {"127.0.0.1"}


def test_missing_dask_names_the_cure(specs, folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'iblib\[cluster\]'"):
        run_all(specs, **folders, jobs=2)


def test_unknown_device():
    with pytest.raises(ConfigError, match="device must be cpu or cuda"):
        sweep.check_device("tpu")
