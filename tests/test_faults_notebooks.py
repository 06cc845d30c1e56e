"""Notebooks that fail, hang, die or are interrupted: named, and nothing of them stays."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from forms import long_form, only_long
from small_notebooks import write_notebook

from study import ReportError
from study.notebooks import execute
from study.parallel import run_tasks

COUNT = long_form(4, 300)  # of kernels
FAULTS = {
    "error": ("1 / 0", " failed: ZeroDivisionError: division by zero"),
    "kernel killed": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        ": the kernel died (out of memory?)",
    ),
    "time-out": ("import time\ntime.sleep(600)", " took longer than the 4 s that a cell may"),
    "exit": ("import os\nos._exit(0)", ": the kernel died (out of memory?)"),
}


class Report:
    """A report of two small notebooks, in a process of its own, with executed copies from before.

    The second notebook says which process its kernel is, then does what is asked.
    """

    def __init__(self, folder: Path, cells: list[str]):
        self.folder, self.temporary = folder, folder / "temporary"
        self.temporary.mkdir()
        self.pid = folder / "kernel.pid"
        say = f"import os\nwith open({str(self.pid)!r}, 'w') as f:\n    print(os.getpid(), file=f)"
        write_notebook(folder / "notebooks" / "00-good.ipynb", "1 + 1")
        write_notebook(folder / "notebooks" / "01-bad.ipynb", say, *cells)
        for name in ("00-good", "01-bad"):
            (folder / "out" / "notebooks").mkdir(parents=True, exist_ok=True)
            (folder / "out" / "notebooks" / f"{name}.ipynb").write_text("as it was")

    def start(self, *arguments: str) -> subprocess.Popen:
        notebooks = ("--only", "00", "--only", "01", "--out", str(self.folder / "out"))
        return subprocess.Popen(
            [sys.executable, "-m", "study", "report", *notebooks, *arguments],
            env={**os.environ, "TMPDIR": str(self.temporary), "IBLIB_ROOT": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group of its own, as a terminal gives it
            preexec_fn=_listen,
        )

    def kernel(self) -> int:
        wait_until(lambda: self.pid.is_file() and self.pid.read_text().endswith("\n"))
        return int(self.pid.read_text())

    def assert_nothing_stays(self) -> None:
        kernel = self.kernel()
        wait_until(lambda: not is_alive(kernel))
        assert (self.folder / "out" / "notebooks" / "01-bad.ipynb").read_text() == "as it was"
        assert list(self.temporary.iterdir()) == []
        assert not list((self.folder / "out").rglob(".*"))


def _listen() -> None:
    """Ctrl-C reaches the child even where pytest itself runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def cells(source: str, place: str) -> list[str]:
    return [source, "'after'"] if place == "middle" else [source]


@pytest.mark.parametrize("place", ["middle", "last"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_cell(tmp_path, monkeypatch, fault, place):
    source, message = FAULTS[fault]
    report = Report(tmp_path, cells(source, place))
    monkeypatch.setattr(tempfile, "tempdir", str(report.temporary))
    bad = tmp_path / "out" / "notebooks" / "01-bad.ipynb"
    with pytest.raises(ReportError) as raised:
        execute(tmp_path / "notebooks" / "01-bad.ipynb", bad, {}, cell_timeout=4)
    first = source.splitlines()[0]
    assert str(raised.value) == f"01-bad.ipynb: cell 3 (`{first}`){message}"
    report.assert_nothing_stays()


# By the command line, with one job and with two: all with IBLIB_LONG=1, two in every `make test`.
FAULTS_BY_COMMAND = [
    pytest.param(fault, place, jobs, marks=[pytest.mark.campaign, only_long])
    for fault in FAULTS
    for place in ("middle", "last")
    for jobs in (1, 2)
]
INTERRUPTS = [
    pytest.param(to, place, jobs, marks=[pytest.mark.campaign] + [only_long] * (not default))
    for to in ("Ctrl-C", "SIGTERM")
    for place in ("middle", "last")
    for jobs in (1, 2)
    for default in [(to, place, jobs) in (("Ctrl-C", "middle", 2), ("SIGTERM", "last", 1))]
]


@pytest.mark.parametrize(("fault", "place", "jobs"), FAULTS_BY_COMMAND)
def test_a_fault_in_a_cell_of_a_report(tmp_path, fault, place, jobs):
    source, message = FAULTS[fault]
    report = Report(tmp_path, cells(source, place))
    process = report.start("--jobs", str(jobs), "--cell-timeout", "4")
    _, errors = process.communicate(timeout=120)
    first = source.splitlines()[0]
    assert errors.splitlines() == [f"Error: 01-bad.ipynb: cell 3 (`{first}`){message}"]
    assert process.returncode == 1
    report.assert_nothing_stays()
    if jobs == 1:
        good = (tmp_path / "out" / "notebooks" / "00-good.ipynb").read_text()
        assert good != "as it was"  # what went before is kept


@pytest.mark.parametrize(("to", "place", "jobs"), INTERRUPTS)
def test_an_interrupt(tmp_path, to, place, jobs):
    report = Report(tmp_path, cells("import time\ntime.sleep(600)", place))
    process = report.start("--jobs", str(jobs))
    report.kernel()
    time.sleep(0.5)
    if to == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    else:
        process.terminate()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    lines = [line for line in errors.splitlines() if line]  # one goes below the terminal's ^C
    assert lines == ["Error: interrupted; finished runs are kept"]
    report.assert_nothing_stays()


def _burn() -> None:
    while True:
        sum(i * i for i in range(10_000))


def _start(path: str) -> str:
    return execute(Path(path), Path(path), {}).name


@pytest.mark.campaign
def test_kernels_start_two_at_a_time_on_a_busy_machine(tmp_path):
    """Five ports are chosen, closed and bound a second later: sockets in a folder do not race."""
    spawn = multiprocessing.get_context("spawn")
    load = [spawn.Process(target=_burn, daemon=True) for _ in range(os.cpu_count() or 2)]
    paths = [str(write_notebook(tmp_path / f"{i:03d}.ipynb", "1 + 1")) for i in range(COUNT)]
    try:
        for process in load:
            process.start()
        done = list(run_tasks(_start, dict.fromkeys(paths, ()), 2))
    finally:
        for process in load:
            process.kill()
    assert len(done) == COUNT
