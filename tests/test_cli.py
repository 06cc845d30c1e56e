"""The command line: one line and exit code 2 for what the user can mend, a traceback for ours."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import click
import numpy as np
import pytest
import soundfile
from datasets_audio import write_fma

import iblib
from iblib import __main__ as command_line
from iblib import console, paths, sweep
from iblib.datasets import download

GRID = """
[data]
name = "binary_patterns"
[run]
model = "mlp"
activation = ["tanh", "relu"]
epochs = 1
batch_size = 512
[run.options]
sizes = [[12, 3, 2]]
"""


def call(capsys, *arguments):
    """(exit code, standard output, lines of standard error)."""
    try:
        command_line.main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


def fails(capsys, cure, *arguments):
    code, _, errors = call(capsys, *arguments)
    assert (code, len(errors)) == (2, 1), errors
    assert errors[0].startswith("Error: ")
    assert cure in errors[0]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Runs and data go to a temporary folder."""
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path / "home"))
    monkeypatch.setenv("IBLIB_HOME", "")  # what a command sets goes with the test


@pytest.fixture
def swept(tmp_path):
    """Arguments of a sweep of two small runs."""
    (tmp_path / "grid.toml").write_text(GRID)
    return ["sweep", tmp_path / "grid.toml", "--out", tmp_path / "out"]


def audio_grid(tmp_path, **data):
    told = "\n".join(f"{name} = {value!r}" for name, value in data.items())
    text = f'[data]\n{told}\n[run]\nmodel = "simple_cnn"\nepochs = 0\n'
    (tmp_path / "audio.toml").write_text(text)
    return ["sweep", tmp_path / "audio.toml", "--out", tmp_path / "out"]


# Data


@pytest.mark.parametrize("name", ["fma_small", "folder"])
@pytest.mark.parametrize("there", [False, True])
def test_no_data(capsys, tmp_path, name, there):
    folder = tmp_path / "nowhere"
    if there:
        folder.mkdir()
    fails(capsys, "nowhere", *audio_grid(tmp_path, name=name, data_dir=str(folder)))


def test_data_with_one_class(capsys, tmp_path):
    folder = tmp_path / "genres" / "blues"
    folder.mkdir(parents=True)
    clip = np.random.default_rng(0).normal(0, 0.1, 22050).astype(np.float32)
    for n in range(10):
        soundfile.write(folder / f"{n}.wav", clip, 22050)
    data = {"name": "folder", "data_dir": str(folder.parent), "clip_seconds": 0.9}
    fails(capsys, "class", *audio_grid(tmp_path, **data))


def test_track_ids_that_are_no_whole_numbers(capsys, tmp_path):
    table = write_fma(tmp_path / "fma")
    for index in (table.index + 0.5, [*table.index[:-1].astype(str), "x"]):
        table.set_axis(index).to_csv(
            tmp_path / "fma/fma_metadata/tracks.csv", index_label="track_id"
        )
        arguments = audio_grid(tmp_path, name="fma_small", data_dir=str(tmp_path / "fma"))
        fails(capsys, "track ids", *arguments)


def test_checksums_that_are_no_text(capsys, tmp_path):
    write_fma(tmp_path / "fma")
    (tmp_path / "fma/fma_small/checksums").write_bytes(b"\xff\xfe\x00 000/000002.mp3\n")
    arguments = audio_grid(tmp_path, name="fma_small", data_dir=str(tmp_path / "fma"))
    fails(capsys, "checksums", *arguments)


def test_download_is_called_with_its_options(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "fma_small", lambda folder, *, tracks: f"{folder} {tracks}")
    code, out, _ = call(capsys, "data", "fma-small", "--tracks", 16, "--data-dir", tmp_path)
    assert (code, out) == (0, f"FMA-small: {tmp_path} 16\n")


# Arguments and grids


def test_wrong_arguments(capsys, tmp_path, swept):
    fails(capsys, "--ot", "sweep", "--ot=x")
    fails(capsys, "sweeep", "sweeep")
    fails(capsys, "no grid file", "sweep", tmp_path / "none.toml", "--out", tmp_path / "out")
    fails(capsys, "no grid file", "sweep", tmp_path, "--out", tmp_path / "out")
    (tmp_path / "grid.toml").write_text(GRID.replace('"mlp"', '"lenet"'))
    fails(capsys, "['mini_resnet', 'mlp', 'simple_cnn']", *swept)
    (tmp_path / "grid.toml").write_text(GRID.replace("epochs = 1", "epochs = []"))
    fails(capsys, "no run", *swept)
    (tmp_path / "grid.toml").write_bytes(GRID.encode("utf-16"))
    fails(capsys, "is not TOML", *swept)


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="there is a CUDA device")
def test_cuda_where_there_is_none(capsys, swept):
    fails(capsys, "--device cpu", *swept, "--device", "cuda")


def test_a_port_that_no_scheduler_has(capsys, swept, monkeypatch):
    from iblib import cluster

    monkeypatch.setattr(cluster, "SCHEDULER_SECONDS", 0.5)
    fails(capsys, "no Dask scheduler", *swept, "--scheduler", "tcp://127.0.0.1:1")


# A sweep, and what it says


def test_a_sweep_writes_tables_and_says_so(capsys, tmp_path, swept):
    code, out, errors = call(capsys, *swept)
    assert (code, errors) == (0, [])
    lines = out.splitlines()
    assert re.fullmatch(r"\[  1/  2\] finished activation=tanh +\d+\.\d s", lines[0])
    assert re.fullmatch(r"\[  2/  2\] finished activation=relu +\d+\.\d s", lines[1])
    assert re.fullmatch(r"2 run, 0 reused, 0 failed in \d+ s", lines[2])
    assert str(tmp_path / "out" / "history.csv") in lines[3]
    assert (tmp_path / "out" / "history.csv").is_file()
    assert (tmp_path / "home" / "runs").is_dir()
    assert "0 run, 2 reused" in call(capsys, *swept)[1]


def test_a_failed_run_is_exit_code_1(capsys, swept, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("too little")

    monkeypatch.setattr(sweep, "train", fail)
    code, out, errors = call(capsys, *swept)
    assert (code, len(errors)) == (1, 1)
    assert "MemoryError: too little" in out
    assert "failures.jsonl" in errors[0]


def left(echo, capsys, number, total, seconds=1.0):
    echo(number, total, "a run", seconds)
    return "left" in capsys.readouterr().out


def test_the_time_left_is_estimated_once_a_tenth_is_done(capsys, monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr(console, "time", clock)
    echo = console.StepEcho()
    told = {n: left(echo, capsys, n, 60) for n in (1, 5, 6, 59, 60)}
    assert told == {1: False, 5: False, 6: True, 59: True, 60: False}
    echo = console.StepEcho()  # 40 were there already
    clock.monotonic = lambda: 200.0
    assert not left(echo, capsys, 41, 60, 10.0)  # began at 190
    clock.monotonic = lambda: 210.0
    echo(42, 60, "a run", 10.0)
    assert capsys.readouterr().out.endswith(" 10.0 s  3 min 00 s left\n")  # 18 at 10 s each
    assert echo.total == "1 min 50 s"


def test_durations():
    told = {0.4: "0 s", 59: "59 s", 61: "1 min 01 s", 3599.7: "1 h 00 min", 3661: "1 h 01 min"}
    assert {seconds: console.duration(seconds) for seconds in told} == told


# Errors of the operating system


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (lambda tmp: FileNotFoundError(errno.ENOENT, "gone", str(tmp / "elsewhere" / "x")), True),
        (lambda tmp: PermissionError(errno.EACCES, "denied", "/etc/shadow"), True),
        (lambda tmp: FileNotFoundError(errno.ENOENT, "gone"), True),
        (lambda tmp: KeyError("a fault"), True),
        (lambda tmp: PermissionError(errno.EACCES, "denied", str(tmp / "out" / "x.csv")), False),
        (lambda tmp: PermissionError(errno.EACCES, "denied", str(tmp / "home" / "runs")), False),
        (lambda tmp: IsADirectoryError(errno.EISDIR, "folder", str(tmp / "home/data/x")), False),
        (lambda tmp: OSError(errno.ENOSPC, "full"), False),
        (lambda tmp: OSError(errno.EROFS, "read-only", "/anywhere"), False),
    ],
)
def test_whose_fault_an_error_is(capsys, tmp_path, swept, monkeypatch, error, ours):
    def fail(*_, **__):
        raise error(tmp_path)

    monkeypatch.setattr(sweep, "write_tables", fail)
    if ours:
        with pytest.raises(type(error(tmp_path))):
            call(capsys, *swept)
    else:
        fails(capsys, str(error(tmp_path)), *swept)


def test_an_error_without_a_number_is_told_if_it_is_raised_here(capsys, tmp_path):
    """A message of ours is meant for the user; another library's is no message of ours."""
    group = click.Group("group", params=[])
    console.debug_option(group)
    here = {"__name__": "iblib.somewhere"}
    exec("def ours():\n    raise FileNotFoundError('train it again')", here)
    group.add_command(click.Command("ours", callback=here["ours"]))
    there = {"__name__": "other"}
    exec("def theirs():\n    raise OSError('what?')", there)
    group.add_command(click.Command("theirs", callback=there["theirs"]))
    with pytest.raises(SystemExit):
        console.run_cli(group, ["ours"], "test")
    assert capsys.readouterr().err == "Error: train it again\n"
    with pytest.raises(OSError, match="what"):
        console.run_cli(group, ["theirs"], "test")


def test_known_errors_of_another_command_line(capsys):
    def fail():
        raise LookupError("cell 4 failed:\nKeyError")

    group = click.Group("group", commands={"fail": click.Command("fail", callback=fail)})
    with pytest.raises(SystemExit) as stop:
        console.run_cli(group, ["fail"], "test", {LookupError: 1})
    assert (stop.value.code, capsys.readouterr().err) == (1, "Error: cell 4 failed: KeyError\n")


def test_debug_keeps_the_traceback(capsys, tmp_path):
    arguments = ["sweep", tmp_path / "none.toml", "--out", tmp_path]
    code, _, errors = call(capsys, "--debug", *arguments)
    assert code == 2
    assert errors[0].startswith("Traceback")
    assert errors[-1].startswith("Error: no grid file")


def test_an_out_that_is_a_file(capsys, tmp_path, swept):
    (tmp_path / "out").write_text("not a folder")
    fails(capsys, "out", *swept)


# What is said about itself


def test_version_info_and_report(capsys, tmp_path, monkeypatch):
    assert call(capsys, "--version") == (0, f"iblib {iblib.__version__}\n", [])
    code, out, _ = call(capsys, "info")
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0
    assert {"iblib", "python", "torch", "numpy", "scipy", "numba", "pandas"} <= facts.keys()
    assert facts["runs"] == str(tmp_path / "home" / "runs")
    assert {"cpu", "threads", "cuda"} <= facts.keys()
    fails(capsys, "python -m study report", "report", "--profile", "smoke")
    monkeypatch.setattr(paths, "has_home", lambda: False)
    fails(capsys, "clone", "report")


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ([], ["info", "sweep", "data", "--debug", "--version"]),
        (["sweep"], ["[data]", "[run]", "planes.csv", "failures.jsonl", "--scheduler"]),
        (["data", "fma-small"], ["--tracks", "7.2 GiB", "Examples"]),
    ],
)
def test_help_teaches(capsys, monkeypatch, arguments, texts):
    for program, name in (("/bin/iblib", "iblib"), ("/x/__main__.py", "python -m iblib")):
        monkeypatch.setattr(sys, "argv", [program])
        code, out, _ = call(capsys, *arguments, "--help")
        assert code == 0
        assert out.startswith(f"Usage: {name} ")
        assert all(text in out for text in texts)


def python(*arguments, folder, check=True, **variables):
    """A Python process in a folder, with this environment but for what is given."""
    variables = {**os.environ, **{k: str(v) for k, v in variables.items()}}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, check=check, cwd=folder,
        env={name: value for name, value in variables.items() if value},
    )  # fmt: skip


def test_help_is_instant(tmp_path):
    """It imports neither torch nor pandas."""
    program = (
        "import sys\nfrom iblib.__main__ import main\n"
        "try:\n    main(['sweep', '--help'])\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'pandas', 'papermill', 'matplotlib'} & set(sys.modules))"
    )
    assert python("-c", program, folder=tmp_path).stdout.splitlines()[-1] == "set()"


# Other machines


def test_outside_a_clone_all_goes_under_out(tmp_path, repository, swept):
    """As a wheel installs it: the package alone. A cache that numba cannot read is no matter."""
    shutil.copytree(repository / "iblib", tmp_path / "site" / "iblib")
    here, cache = tmp_path / "here", tmp_path / "numba"
    here.mkdir()
    measured = GRID + '[measure]\nn_samples = 60\nestimators = ["binning"]\n'
    (tmp_path / "grid.toml").write_text(measured)
    around = {"folder": here, "PYTHONPATH": tmp_path / "site", "IBLIB_ROOT": ""}
    around["NUMBA_CACHE_DIR"] = cache
    first = python("-m", "iblib", *swept, **around)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("history.csv", "planes.csv", "runs"),
    ]
    assert list(here.iterdir()) == []
    spoilt = [path for path in cache.rglob("*.nb?") if path.write_bytes(b"\x80spoilt")]
    assert spoilt
    planes = (tmp_path / "out" / "planes.csv").read_bytes()
    shutil.rmtree(tmp_path / "out")
    again = python("-m", "iblib", *swept, **around)
    assert (first.stderr, again.stderr) == ("", "")
    assert (tmp_path / "out" / "planes.csv").read_bytes() == planes
    told = python("-m", "iblib", "report", check=False, **around)
    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1)


def test_a_checkout_that_cannot_be_written(capsys, tmp_path, swept, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(paths.os, "access", lambda path, mode: path != paths.root())
    assert call(capsys, *swept)[0] == 0
    assert (tmp_path / "out" / "runs").is_dir()
    assert paths.data_dir() == tmp_path / "out" / "data"
    assert list((tmp_path / "home").iterdir()) == []


def test_ctrl_c_is_one_line_and_exit_code_130(tmp_path, swept):
    (tmp_path / "grid.toml").write_text(GRID.replace("epochs = 1", "epochs = 100000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "iblib", *map(str, swept)],
        stderr=subprocess.PIPE, text=True,
        # a shell's background jobs ignore it, and so would their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        until = time.monotonic() + 120
        while not list((tmp_path / "home").rglob("epoch_*.pt")) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert [line for line in errors.splitlines() if line.startswith("Error: interrupted")]
    assert "Traceback" not in errors
