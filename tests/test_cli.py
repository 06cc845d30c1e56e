"""The command line: what the user can cure is one line and exit code 2, never a traceback."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from iblib import __main__ as command_line


def call(capsys, *arguments):
    """(exit code, standard output, lines of standard error)."""
    try:
        command_line.main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch, repository):
    """Runs and data go to a temporary folder; the notebooks are the repository's."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "notebooks").symlink_to(repository / "notebooks")
    monkeypatch.setenv("IBLIB_ROOT", str(home))


@pytest.fixture
def one_class(tmp_path):
    folder = tmp_path / "genres" / "blues"
    folder.mkdir(parents=True)
    clip = np.random.default_rng(0).normal(0, 0.1, 22050 * 30).astype(np.float32)
    for n in range(4):
        soundfile.write(folder / f"{n}.wav", clip, 22050)
    return folder.parent


GRID = """
[data]
name = "binary_patterns"
[run]
model = "{model}"
activation = "tanh"
epochs = 1
[run.options]
sizes = [[12, 3, 2]]
"""


def fails(capsys, cure, *arguments):
    code, _, errors = call(capsys, *arguments)
    assert (code, len(errors)) == (2, 1), errors
    assert errors[0].startswith("Error: ")
    assert cure in errors[0]


@pytest.mark.parametrize("dataset", ["fma_small", "folder"])
def test_missing_data_folder(capsys, tmp_path, dataset):
    missing = tmp_path / "nowhere"
    fails(capsys, "nowhere", "report", "--dataset", dataset, "--data-dir", missing)


@pytest.mark.parametrize("dataset", ["fma_small", "folder"])
def test_empty_data_folder(capsys, tmp_path, dataset):
    empty = tmp_path / "empty"
    empty.mkdir()
    fails(capsys, "empty", "report", "--dataset", dataset, "--data-dir", empty)


def test_data_with_one_class(capsys, one_class):
    arguments = ["report", "--profile", "smoke", "--dataset", "folder", "--data-dir", one_class]
    fails(capsys, "class", *arguments)


def test_bad_profile(capsys):
    fails(capsys, "'smoke', 'report', 'full'", "report", "--profile", "fast")


def test_unknown_notebook(capsys):
    fails(capsys, "there", "report", "--only", "77")


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="there is a CUDA device")
def test_cuda_where_there_is_none(capsys):
    fails(capsys, "--device cpu", "report", "--device", "cuda")


def test_unknown_model_in_a_grid(capsys, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID.format(model="lenet"))
    cure = "model must be one of ['mini_resnet', 'mlp', 'simple_cnn']"
    fails(capsys, cure, "sweep", tmp_path / "grid.toml", "--out", tmp_path / "out")


def test_missing_grid(capsys, tmp_path):
    fails(capsys, "no grid file", "sweep", tmp_path / "none.toml", "--out", tmp_path / "out")


def test_unknown_option_and_command(capsys):
    fails(capsys, "--profil", "report", "--profil=smoke")
    fails(capsys, "reprot", "reprot")


def test_sweep_writes_tables_and_says_so(capsys, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID.format(model="mlp"))
    arguments = ["sweep", tmp_path / "grid.toml", "--out", tmp_path / "out"]
    code, out, errors = call(capsys, *arguments)
    assert (code, errors) == (0, [])
    assert "1 run, 0 reused, 0 failed" in out
    assert (tmp_path / "out" / "history.csv").is_file()
    assert "0 run, 1 reused" in call(capsys, *arguments)[1]


def test_failed_run_is_exit_code_1(capsys, tmp_path, monkeypatch):
    from iblib import sweep

    (tmp_path / "grid.toml").write_text(GRID.format(model="mlp"))

    def fail(*_, **__):
        raise MemoryError("too little")

    monkeypatch.setattr(sweep, "train", fail)
    code, out, errors = call(capsys, "sweep", tmp_path / "grid.toml", "--out", tmp_path / "out")
    assert code == 1
    assert "failed: MemoryError: too little" in out
    assert "failures.jsonl" in errors[0]


def test_failing_notebook_is_exit_code_1(capsys, monkeypatch):
    from study import ReportError, runner

    def fail(*_, **__):
        raise ReportError("03-binning.ipynb: cell 4 (`x = 1`) failed: KeyError: 'bits'")

    monkeypatch.setattr(runner, "run_report", fail)
    code, _, errors = call(capsys, "report")
    assert (code, len(errors)) == (1, 1)
    assert "03-binning.ipynb: cell 4" in errors[0]


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    from study.pages import runner

    def fail(*_, **__):
        raise KeyError("a fault")

    monkeypatch.setattr(runner, "run_report", fail)
    with pytest.raises(KeyError):
        command_line.main(["report"])


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ([], ["report", "sweep", "data", "minutes"]),
        (["report"], ["--profile [smoke|report|full]", "minutes", "--only", "Examples", "runs/"]),
        (["sweep"], ["[data]", "[run]", "planes.csv", "failures.jsonl", "--scheduler"]),
        (["data", "fma-small"], ["--tracks", "7.2 GiB", "Examples"]),
    ],
)
def test_help_teaches(capsys, arguments, texts):
    code, out, _ = call(capsys, *arguments, "--help")
    assert code == 0
    for text in texts:
        assert text in out


def test_help_is_instant():
    """It imports neither torch nor pandas nor papermill."""
    program = (
        "import sys\nfrom iblib.__main__ import main\n"
        "try:\n    main(['report', '--help'])\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'pandas', 'papermill', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_download_is_called_with_its_options(capsys, tmp_path, monkeypatch):
    from iblib.datasets import download

    monkeypatch.setattr(download, "fma_small", lambda folder, *, tracks: f"{folder} {tracks}")
    code, out, _ = call(capsys, "data", "fma-small", "--tracks", 16, "--data-dir", tmp_path)
    assert (code, out) == (0, f"FMA-small: {tmp_path} 16\n")
