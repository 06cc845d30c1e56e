"""Sweeps: what is stored is reused, failures are listed, bits are equal with and without Dask."""

import contextlib
import http.server
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter

import psutil
import pytest
import torch
from small_data import pattern_data
from small_grid import GRID, write_grid

from iblib import cluster, sweep
from iblib.config import ConfigError
from iblib.grid import labels, normalised, read_grid
from iblib.information_plane import read_table
from iblib.sweep import run_all, write_tables


def ids(specs, runs_dir):
    return list(sweep.check(specs, runs_dir))


def test_ids_depend_on_the_settings_alone(tmp_path, specs):
    spec = specs[0]
    shuffled = json.loads(json.dumps({k: spec[k] for k in reversed(spec)}))
    assert ids([shuffled], tmp_path) == ids([spec], tmp_path)
    short = {"data": {"name": "binary_patterns"}, "run": {"model": "mlp"}, "measure": {}}
    long = {**short, "run": {"model": "mlp", "activation": "relu", "seed": 0}}
    assert ids([short], tmp_path) == ids([long], tmp_path) == ids([normalised(short)], tmp_path)
    assert ids([{**short, "measure": None}], tmp_path) != ids([short], tmp_path)


def test_a_relative_data_dir_is_resolved_and_is_in_no_key(tmp_path, monkeypatch, specs):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sweep.datasets.DATASETS, "own", lambda data_dir="": pattern_data(64))
    spec = {**specs[0], "data": {"name": "own"}}
    placed = {**specs[0], "data": {"name": "own", "data_dir": "some/where"}}
    assert normalised(placed)["data"]["data_dir"] == str(tmp_path / "some" / "where")
    assert ids([placed], tmp_path) == ids([spec], tmp_path)


def damage_history(run):
    (run.folder / "history.csv").write_text("epoch\n")


def damage_weights(run):
    path = run.weights_path(run.epochs[-1])
    path.write_bytes(path.read_bytes()[:-10])


def damage_table(run):
    [path] = (run.folder / "planes").glob("*.sealed")
    path.write_bytes(path.read_bytes()[:-10])


def remove_table(run):
    [path] = (run.folder / "planes").glob("*.sealed")
    path.unlink()


def other_table(run):
    [path] = (run.folder / "planes").glob("*.sealed")
    path.write_text("epoch,bits\n0,1\n")


def test_a_second_sweep_reuses_and_what_is_damaged_is_made_again(specs, folders):
    threads = torch.get_num_threads()
    first = run_all(specs, **folders)
    assert (first.submitted, first.failed) == (4, [])
    assert torch.get_num_threads() == threads
    digest = write_tables(first, folders["out"])
    again = run_all(specs, **folders)
    assert again.submitted == 0
    assert write_tables(again, folders["out"]) == digest
    for damage in (damage_history, damage_weights, damage_table, remove_table, other_table):
        damage(first.outcomes[1].run)
        again = run_all(specs, **folders)
        assert [o.status for o in again.outcomes] == ["reused", "finished", "reused", "reused"]
        assert write_tables(again, folders["out"]) == digest


def test_a_run_on_other_data_does_not_count(specs, folders, monkeypatch):
    spec = {**specs[0], "data": {"name": "own"}, "measure": None}
    for n in (64, 96):
        data = pattern_data(n)
        monkeypatch.setitem(sweep.datasets.DATASETS, "own", lambda *_, data=data: data)
        sweep._load.cache_clear()
        assert [o.status for o in run_all([spec], **folders).outcomes] == ["finished"]
        assert [o.status for o in run_all([spec], **folders).outcomes] == ["reused"]


def test_a_diverged_run_is_no_failure(specs, folders):
    """The epochs before it are measured."""
    spec = {**specs[2], "run": {**specs[2]["run"], "learning_rate": 1e25, "epochs": 8}}
    result = run_all([spec, specs[0]], **folders)
    assert [(o.status, o.error) for o in result.outcomes] == [("diverged", ""), ("finished", "")]
    write_tables(result, folders["out"])
    planes = read_table(folders["out"] / "planes.csv")
    assert set(planes.query(f"run == '{result.outcomes[0].run.key}'")["epoch"]) == {0}
    assert set(read_table(folders["out"] / "history.csv")["status"]) == {"diverged", "finished"}
    assert run_all([spec], **folders).submitted == 0


def test_tables_are_tidy_and_in_the_order_of_the_specs(specs, folders):
    write_tables(run_all(specs, **folders), folders["out"])
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
    assert [line[2].label for line in lines] == labels(specs)
    assert all(line[2].seconds > 0 for line in lines)
    failures = (folders["out"] / "failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in failures] == [result.outcomes[2].id]
    assert json.loads(failures[0])["error"] == "RuntimeError: no more\nmemory"
    monkeypatch.undo()
    assert run_all(specs, **folders).submitted == 1
    assert not (folders["out"] / "failures.jsonl").exists()


def counting(log, run_one=sweep.run_one, fault=lambda spec: None):
    """``run_one`` that notes each start, and does what ``fault`` does."""

    def run(spec, **settings):
        with open(log, "a") as f:  # appended whole, by whichever process
            f.write(f"{json.dumps(spec['run'], sort_keys=True)}\n")
        fault(spec)
        return run_one(spec, **settings)

    return run


@pytest.mark.cluster
def test_dask_gives_the_same_bits_although_a_worker_is_killed(tmp_path, folders, monkeypatch):
    """Nobody else can send its processes anything to run; the environment is as it was."""
    twelve = read_grid(write_grid(tmp_path))
    sweep.check(twelve, tmp_path)  # imports what sets variables of its own
    log, killed, addresses, before = tmp_path / "log", [], [], dict(os.environ)

    def kill_one_worker(number, *_):
        children = psutil.Process().children(recursive=True)
        for process in (psutil.Process(), *children) if number == 1 else ():
            found = process.net_connections("inet")
            addresses.extend(c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN)
        if number == 4:
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            killed.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)

    monkeypatch.setattr(sweep, "run_one", counting(log))
    result = run_all(twelve, **folders, jobs=2, on_done=kill_one_worker)
    assert len(killed) == 1
    assert len(addresses) >= 4  # scheduler, dashboard and two workers
    assert set(addresses) == {"127.0.0.1"}
    assert dict(os.environ) == before
    assert (len(result.outcomes), result.submitted, result.failed) == (12, 12, [])
    starts = Counter(log.read_text().splitlines())
    assert len(starts) == 12
    # At most the run that was under way, and one whose answer went with the worker, start again.
    assert starts.total() <= 14
    serial = run_all(twelve, out=tmp_path / "serial", runs_dir=tmp_path / "serial-runs")
    digest = write_tables(serial, tmp_path / "serial")
    assert write_tables(result, folders["out"]) == digest
    log.unlink()
    assert run_all(twelve, **folders, jobs=2).submitted == 0
    assert not log.exists()


@pytest.mark.cluster
def test_a_poison_run_is_listed_and_the_others_are_done(tmp_path, folders, specs, monkeypatch):
    """One kills every worker that takes it, one raises: all the others are done."""

    def fault(spec):
        if spec["run"]["seed"] == 1:
            if spec["run"]["activation"] == "tanh":
                os.kill(os.getpid(), signal.SIGKILL)
            raise MemoryError("too large")

    log = tmp_path / "log"
    monkeypatch.setattr(sweep, "run_one", counting(log, fault=fault))
    result = run_all(specs, **folders, jobs=2)
    assert [o.status for o in result.outcomes] == ["finished", "failed", "finished", "failed"]
    errors = ["its process died twice (out of memory?)", "MemoryError: too large"]
    assert [o.error for o in result.failed] == errors
    failures = (folders["out"] / "failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in failures] == [o.id for o in result.failed]
    starts = Counter(log.read_text().splitlines())
    assert starts[json.dumps(specs[1]["run"], sort_keys=True)] == 2  # once more, then given up
    monkeypatch.undo()
    assert run_all(specs, **folders).submitted == 2


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
    pair = [specs[0], specs[4]]
    assert pair[0]["run"] == pair[1]["run"]
    result = run_all(pair, **folders)
    assert result.failed == []
    assert len({outcome.id for outcome in result.outcomes}) == 2
    write_tables(result, folders["out"])
    planes = read_table(folders["out"] / "planes.csv")
    noise = planes.query("estimator == 'kde'").groupby("value")["estimator"].count()
    assert sorted(noise.index) == [0.01, 0.1]
    assert set(planes["estimator"]) == {"exact", "binning", "kde", "kde_resolution", "kraskov"}
    history = read_table(folders["out"] / "history.csv")
    assert not history.duplicated().any()  # one run, measured twice
    assert "kraskov" not in result.outcomes[1].planes


@pytest.mark.cluster
def test_a_scheduler_by_its_address(specs, folders, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    digest = write_tables(run_all(specs[:2], **folders), folders["out"])
    other = {"out": tmp_path / "out-2", "runs_dir": tmp_path / "runs-2"}
    monkeypatch.setattr(cluster, "SCHEDULER_SECONDS", 3.0)
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as running:
        with pytest.raises(ConfigError, match="has no workers"):
            run_all(specs[:2], **other, scheduler=running.scheduler_address)
        running.scale(1)
        monkeypatch.setattr(cluster, "SCHEDULER_SECONDS", 60.0)
        result = run_all(specs[:2], **other, scheduler=running.scheduler_address)
        assert [o.status for o in result.outcomes] == ["finished"] * 2
        assert write_tables(result, other["out"]) == digest
        # a worker that sees other folders
        monkeypatch.setattr(sweep, "run_one", lambda spec, **_: "finished")
        [lost] = run_all(specs[2:3], **other, scheduler=running.scheduler_address).outcomes
    assert (lost.status, "do workers see" in lost.error) == ("failed", True)


class Answers(http.server.BaseHTTPRequestHandler):
    """A web server, as Dask's dashboard is."""

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("what", ["web server", "silent", "nobody", "web address", "no address"])
def test_what_is_no_scheduler_is_said_in_time(specs, folders, monkeypatch, what):
    monkeypatch.setattr(cluster, "SCHEDULER_SECONDS", 1.0)
    with contextlib.ExitStack() as stack:
        if what in ("web server", "web address"):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
            stack.enter_context(server)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            port = server.server_address[1]
        else:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listening.getsockname()[1]
        if what == "nobody":
            listening.close()
        address = {"web address": f"http://127.0.0.1:{port}", "no address": "somewhere"}
        start = time.monotonic()
        with pytest.raises(ConfigError, match="no Dask scheduler answers") as raised:
            run_all(specs, **folders, scheduler=address.get(what, f"tcp://127.0.0.1:{port}"))
    assert time.monotonic() - start < 10
    assert "\n" not in str(raised.value)
    assert not folders["runs_dir"].exists()


def test_missing_dask_names_the_cure(specs, folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "iblib\[dask\]"'):
        run_all(specs, **folders, jobs=2)


def test_unknown_device():
    with pytest.raises(ConfigError, match="device must be cpu or cuda"):
        sweep.check_device("tpu")
