"""Runs that are killed end byte-equal to one that was not; and this test has teeth."""

import contextlib
import dataclasses
import errno
import logging
import multiprocessing
import socket
import stat
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from forms import long_form
from small_data import pattern_data
from small_runs import contents, interrupted_at

from iblib import files
from iblib.config import Binning, MeasureConfig, RunConfig
from iblib.information_plane import measure_run, runs
from iblib.information_plane import rows as measuring
from iblib.training import Run, train
from iblib.training import loop as training_loop

CONFIG = RunConfig(
    "mlp",
    "tanh",
    optimizer="adam",
    learning_rate=0.01,
    batch_size=16,
    epochs=24,
    n_points=6,
    n_seeds=2,
)
MEASURE = MeasureConfig(n_samples=60, bins=(Binning("run", 30), Binning("width", 0.07)))


def train_and_measure(folder: Path, notify=None) -> None:
    """Train, then measure; everything is saved at every step, so that a kill can hit it all."""
    training_loop.CHECKPOINT_SECONDS = runs.SAVE_SECONDS = 0.0
    data = pattern_data(96)
    if notify:
        notify.send("training")
    run = train(CONFIG, data, runs_dir=folder, progress=False)
    if notify:
        notify.send("measuring")
    measure_run(run, data, MEASURE, progress=False)


@pytest.fixture
def saving_always(monkeypatch):
    monkeypatch.setattr(training_loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(runs, "SAVE_SECONDS", 0.0)


def leftovers(folder: Path) -> list[str]:
    """Temporary files, and states to resume from, of which a finished run has none."""
    return [
        name
        for name in contents(folder)
        if name.endswith(".partial") or "/." in f"/{name}" or Path(name).name.startswith("state")
    ]


def kill_and_resume(folder: Path, n_kills: int, rng: np.random.Generator) -> dict[str, int]:
    """One run, killed at random moments, first in training, then in measuring; then finished."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["iblib.training", "iblib.information_plane"])
    hit = {"training": 0, "measuring": 0}
    while True:
        total = sum(hit.values())
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=train_and_measure, args=(folder, theirs))
        process.start()
        theirs.close()
        phase = ours.recv()
        if total >= n_kills // 2:
            phase = ours.recv()
        if total < n_kills:
            process.join(rng.uniform(0.0, 0.1))
            process.kill()
        process.join(60)
        if process.exitcode == 0:
            return hit
        assert process.exitcode == -9
        with contextlib.suppress(EOFError):
            while ours.poll():
                phase = ours.recv()
        hit[phase] += 1


def check_killed_runs(tmp_path: Path, n_kills: int, seed: int = 0) -> None:
    """Runs of six kills each until ``n_kills`` have hit."""
    train_and_measure(tmp_path / "whole")
    expected, rng = contents(tmp_path / "whole"), np.random.default_rng(seed)
    hit = {"training": 0, "measuring": 0}
    while sum(hit.values()) < n_kills:
        folder = tmp_path / f"killed-{sum(hit.values())}"
        for phase, n in kill_and_resume(folder, min(6, n_kills), rng).items():
            hit[phase] += n
        assert leftovers(folder) == []
        assert contents(folder) == expected
    assert min(hit.values()) >= n_kills // 4, hit


@pytest.mark.campaign
@pytest.mark.parametrize("seed", long_form([0], [0, 1, 2]))
def test_runs_killed_at_random_moments_end_as_if_they_had_not_been(tmp_path, seed):
    check_killed_runs(tmp_path, long_form(6, 20), seed)


# The same in one process, stopped at a chosen epoch, so that mutants can be put into it.


def resumes_byte_equal(folder: Path, data, stop_after: int = 11) -> bool:
    """Whether a run that is stopped once in training and once in measuring ends as a whole one."""
    for name in ("whole", "parts"):
        counted = []

        def stopping_rows(*arguments, layer_rows=measuring.layer_rows, counted=counted):
            counted.append(1)
            if len(counted) == 15:
                raise KeyboardInterrupt
            return layer_rows(*arguments)

        if name == "parts":
            with interrupted_at(stop_after):
                train(CONFIG, data, runs_dir=folder / name, progress=False)
        run = train(CONFIG, data, runs_dir=folder / name, progress=False)
        with pytest.MonkeyPatch.context() as patch:
            if name == "parts":
                patch.setattr(measuring, "layer_rows", stopping_rows)
                with pytest.raises(KeyboardInterrupt):
                    measure_run(run, data, MEASURE, progress=False)
        measure_run(run, data, MEASURE, progress=False)
    if leftovers(folder / "parts"):
        return False
    return contents(folder / "whole") == contents(folder / "parts")


def _resume_from(patch, changed):
    take = training_loop._Training._take
    patch.setattr(training_loop._Training, "_take", lambda self, s: take(self, changed(s)))


def _forget_the_optimiser(patch):
    _resume_from(patch, lambda s: {**s, "optimizer": {**s["optimizer"], "state": {}}})


def _forget_the_history(patch):
    _resume_from(patch, lambda s: {**s, "history": []})


def _repeat_an_epoch(patch):
    _resume_from(patch, lambda s: {**s, "epoch": s["epoch"] - 1})


def _one_stream_for_all_epochs(patch):
    generators = {}

    def stream(seed, epoch):
        return generators.setdefault(seed, torch.Generator().manual_seed(seed))

    def fresh(self, progress, finish=training_loop._Training.finish):
        generators.clear()  # as a new process would
        return finish(self, progress)

    patch.setattr(training_loop, "stream", stream)
    patch.setattr(training_loop._Training, "finish", fresh)


def _measure_an_epoch_twice(patch):
    def without_the_last(table, read=runs.read_table):
        found = read(table)
        return found[found["epoch"] < found["epoch"].max()]

    patch.setattr(runs, "read_table", without_the_last)


def _lose_an_epoch(patch):
    def with_the_next(table, read=runs.read_table):
        found = read(table)
        return pd.concat([found, found.tail(1).assign(epoch=CONFIG.stored_epochs[-1])])

    patch.setattr(runs, "read_table", with_the_next)


def _ranges_of_what_is_left(patch):
    def fewer(epochs, layers, ranges_over=runs.ranges_over):
        fewer.calls += 1
        return ranges_over(epochs[-1:] if fewer.calls == 3 else epochs, layers)

    fewer.calls = 0  # of the whole run, of the one that is stopped, of the one that is resumed
    patch.setattr(runs, "ranges_over", fewer)


def _leave_the_partial(patch):
    unlink = Path.unlink

    def leaving(path, **options):
        if path.suffix != ".partial":
            unlink(path, **options)

    patch.setattr(Path, "unlink", leaving)


def _leave_the_state(patch):
    patch.setattr(training_loop.ResumeState, "clear", lambda self: None)


MUTANTS = [
    _forget_the_optimiser,
    _forget_the_history,
    _repeat_an_epoch,
    _one_stream_for_all_epochs,
    _measure_an_epoch_twice,
    _lose_an_epoch,
    _ranges_of_what_is_left,
    _leave_the_partial,
    _leave_the_state,
]


def test_a_stopped_run_ends_as_a_whole_one(tmp_path, saving_always):
    assert resumes_byte_equal(tmp_path, pattern_data(96))


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__.strip("_"))
def test_the_comparison_catches_a_wrong_resume(tmp_path, saving_always, monkeypatch, mutate):
    mutate(monkeypatch)
    assert not resumes_byte_equal(tmp_path, pattern_data(96))


def test_a_damaged_partial_measurement_starts_anew(tmp_path, saving_always, caplog):
    data = pattern_data(96)
    run = train(CONFIG, data, runs_dir=tmp_path, progress=False)
    expected = measure_run(run, data, MEASURE, progress=False)
    [table] = (run.folder / "planes").glob("*.sealed")
    good = table.read_bytes()
    files.write_sealed(tmp_path / "no table", b'["finished", 6]')
    sealed = (tmp_path / "no table").read_bytes()
    for content in (b"", b"iblib-sha256 0\nnonsense", b"\x80\x04cposix\nsystem\n", sealed):
        table.unlink(missing_ok=True)
        table.with_suffix(".partial").write_bytes(content)
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            found = measure_run(run, data, MEASURE, progress=False)
        assert found.equals(expected)
        assert [record.message for record in caplog.records if "measuring anew" in record.message]
        assert table.read_bytes() == good
        assert not table.with_suffix(".partial").exists()


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    target = tmp_path / "table.csv"
    host = socket.gethostname()
    context = multiprocessing.get_context("spawn")
    gone = context.Process(target=time.sleep, args=(0,))
    gone.start()
    gone.join()
    dead = tmp_path / f".table~{host}~{gone.pid}~0123abcd.csv"
    living = tmp_path / f".table~{host}~{multiprocessing.current_process().pid}~0123abcd.csv"
    elsewhere = tmp_path / f".table~another-{host}~{gone.pid}~0123abcd.csv"
    for path in (dead, living, elsewhere):
        path.write_text("half a tab")
    files.write_atomic(target, "whole")
    assert target.read_text() == "whole"
    assert not dead.exists()
    assert living.exists()
    assert elsewhere.exists()


def test_windows_opens_no_folder_and_asks_for_no_process(tmp_path, monkeypatch):
    open_file = files.os.open

    def open_no_folder(path, *flags):
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "a folder", str(path))
        return open_file(path, *flags)

    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(files.os, "open", open_no_folder)
    monkeypatch.setattr(files.os, "kill", lambda *_: pytest.fail("Ctrl-C to every process"))
    left = tmp_path / f".table~{socket.gethostname()}~99999999~0123abcd.csv"
    left.write_text("half a tab")
    files.write_atomic(tmp_path / "table.csv", "whole")
    assert (tmp_path / "table.csv").read_text() == "whole"
    assert sorted(tmp_path.iterdir()) == [left, tmp_path / "table.csv"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_drives_that_sync_no_folder(tmp_path, monkeypatch, number):
    """Network drives and FUSE say so; a failing disk is another matter."""
    sync = files.os.fsync

    def sync_files_only(descriptor):
        if stat.S_ISDIR(files.os.fstat(descriptor).st_mode):
            raise OSError(number, "no folders")
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", sync_files_only)
    expected = pytest.raises(OSError, match="no folders") if number == errno.EIO else None
    with expected or contextlib.nullcontext():
        files.write_atomic(tmp_path / "table.csv", "whole")
    assert (tmp_path / "table.csv").read_text() == "whole"


def test_every_state_ever_written_can_be_resumed_from(tmp_path, saving_always):
    """A kill between the two renames of a checkpoint leaves the older one alone."""
    data = pattern_data(96)
    config = dataclasses.replace(CONFIG, epochs=6, n_points=3)
    expected = train(config, data, runs_dir=tmp_path / "whole", progress=False)

    def stop(self, value, save=training_loop.ResumeState.save):
        save(self, value)
        if value["epoch"] == 3:
            self.newer.unlink()  # as if killed before it was put in place
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_loop.ResumeState, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            train(config, data, runs_dir=tmp_path / "parts", progress=False)
    folder = tmp_path / "parts" / config.key(data.fingerprint)
    assert sorted(path.name for path in folder.glob("state*")) == ["state-older.pt"]
    train(config, data, runs_dir=tmp_path / "parts", progress=False)
    assert contents(Run.open(folder).folder) == contents(expected.folder)
