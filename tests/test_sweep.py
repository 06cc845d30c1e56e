"""Sweeps: expansion, ids, sealed results, failures, and equal bits with and without Dask."""

import json
import os
import signal
import sys
from collections import Counter

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
    sweep.check(specs)  # imports what sets variables of its own
    before = dict(os.environ)
    parallel = {"out": tmp_path / "out-2", "runs_dir": tmp_path / "runs-2"}
    addresses = []

    def look(*_):
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            found = process.net_connections("inet")
            addresses.extend(c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN)

    result = run_all(specs, **parallel, jobs=2, on_done=look)
    assert (result.submitted, result.failed) == (4, [])
    assert len(addresses) >= 4  # scheduler, dashboard and two workers
    assert set(addresses) == {"127.0.0.1"}  # nobody else can send them anything to run
    assert dict(os.environ) == before
    run_all(specs, **folders)
    assert write_tables(specs, parallel["out"]) == write_tables(specs, folders["out"])
    assert run_all(specs, **parallel, jobs=2).submitted == 0


@pytest.fixture
def twenty(tmp_path):
    """Twenty small runs."""
    grid = GRID.replace("[0, 1, 2]", "[0, 1, 2, 3, 4]")
    found = read_grid(write_grid(tmp_path, grid))
    assert len(found) == 20
    return found


def counting(log, run_one=sweep.run_one, fault=lambda spec: None):
    """``run_one`` that notes each start of what is not done, and does what ``fault`` does."""

    def run(spec, out, **settings):
        if read_result(out, spec) is None:
            with open(log, "a") as f:  # appended whole, by whichever process
                f.write(f"{run_id(spec)}\n")
        fault(spec)
        return run_one(spec, out, **settings)

    return run


def test_a_killed_worker_costs_one_more_start_of_its_run(tmp_path, folders, twenty, monkeypatch):
    log, killed = tmp_path / "log", []

    def kill_one_worker(number, *_):
        if number == 5:
            children = psutil.Process().children(recursive=True)
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            killed.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)

    monkeypatch.setattr(sweep, "run_one", counting(log))
    result = run_all(twenty, **folders, jobs=2, on_done=kill_one_worker)
    assert len(killed) == 1
    assert (len(result.outcomes), result.failed) == (20, [])
    starts = Counter(log.read_text().split())
    assert len(starts) == 20
    assert starts.total() <= 21  # at most the run that was under way twice, and nothing done again
    serial = {"out": tmp_path / "serial", "runs_dir": tmp_path / "serial-runs"}
    run_all(twenty, **serial)
    digest = write_tables(twenty, serial["out"])
    assert write_tables(twenty, folders["out"]) == digest
    log.unlink()
    assert run_all(twenty, **folders, jobs=2).submitted == 0
    assert not log.exists()


def test_a_poison_run_is_listed_and_the_others_are_done(tmp_path, folders, twenty, monkeypatch):
    """One kills every worker that takes it, one raises: all the others are done."""

    def fault(spec):
        if spec["run"]["seed"] == 3 and spec["run"]["options"]["sizes"] == [12, 3, 2]:
            if spec["run"]["activation"] == "tanh":
                os.kill(os.getpid(), signal.SIGKILL)
            raise MemoryError("too large")

    log = tmp_path / "log"
    monkeypatch.setattr(sweep, "run_one", counting(log, fault=fault))
    result = run_all(twenty, **folders, jobs=2)
    errors = {o.spec["run"]["activation"]: o.error for o in result.failed}
    assert len(result.failed) == 2
    assert errors["tanh"] == "its process died twice (out of memory?)"
    assert errors["relu"] == "MemoryError: too large"
    assert all("\n" not in error for error in errors.values())
    failures = (folders["out"] / "failures.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in failures} == {o.id for o in result.failed}
    done = [o for o in result.outcomes if o.status == "finished"]
    assert len(done) == 18
    assert all(read_result(folders["out"], o.spec) for o in done)
    starts = Counter(log.read_text().split())
    assert sorted(starts.values()) == [1] * 19 + [2]  # tried once more, then given up
    assert starts[next(o.id for o in result.failed if "died" in o.error)] == 2
    monkeypatch.undo()
    assert run_all(twenty, **folders).submitted == 2


def test_a_sweep_feeds_a_report(tmp_path, monkeypatch, folders, specs):
    """Runs are known by their settings, whoever trained them: a report trains none again."""
    from iblib.config import RunConfig
    from iblib.training import loop

    run_all(specs[:1], **folders)
    monkeypatch.setattr(loop._Training, "_train_epoch", lambda *_: pytest.fail("trained again"))
    data = sweep._load(json.dumps(specs[0]["data"]))
    run = sweep.train(RunConfig.from_dict(specs[0]["run"]), data, runs_dir=folders["runs_dir"])
    assert run.status["status"] == "finished"
    assert run_all(specs[:1], out=tmp_path / "report", runs_dir=folders["runs_dir"]).failed == []


def test_several_measurements_and_some_estimators(tmp_path, folders):
    text = GRID.replace("[measure]", "[[measure]]").replace("[0, 1, 2]", "0")
    text += '[[measure]]\nn_samples = 60\nestimators = ["kde"]\nnoise_variance = 0.1\n'
    specs = read_grid(write_grid(tmp_path, text))
    assert len(specs) == 2 * 2 * 2
    assert len({run_id(spec) for spec in specs}) == 8
    pair = [specs[0], specs[4]]
    assert pair[0]["run"] == pair[1]["run"]
    assert run_all(pair, **folders).failed == []
    write_tables(pair, folders["out"])
    planes = read_table(folders["out"] / "planes.csv")
    noise = planes.query("estimator == 'kde'").groupby("value")["estimator"].count()
    assert sorted(noise.index) == [0.01, 0.1]
    assert set(planes["estimator"]) == {"binning", "kde", "kraskov"}
    only = json.loads(json.dumps(read_result(folders["out"], pair[1])))["planes"]
    assert "kraskov" not in only


def test_a_scheduler_by_its_address(specs, folders, tmp_path):
    distributed = pytest.importorskip("distributed")
    run_all(specs[:2], **folders)
    other = {"out": tmp_path / "out-2", "runs_dir": tmp_path / "runs-2"}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as running:
        result = run_all(specs[:2], **other, scheduler=running.scheduler_address)
    assert [o.status for o in result.outcomes] == ["finished"] * 2
    assert write_tables(specs[:2], other["out"]) == write_tables(specs[:2], folders["out"])


def test_missing_dask_names_the_cure(specs, folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'iblib\[dask\]'"):
        run_all(specs, **folders, jobs=2)


def test_unknown_device():
    with pytest.raises(ConfigError, match="device must be cpu or cuda"):
        sweep.check_device("tpu")
