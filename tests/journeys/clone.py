"""A copy of the checkout as a user's clone, and the real command line in it."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd

LIMIT = 400  # seconds, ten times what a report of one notebook takes where nothing else runs
CHECKOUT = Path(__file__).resolve().parents[2]
_GIT = ("git", "-c", "user.name=reader", "-c", "user.email=reader@example.org")
_DROP_FROM_BOUNDING_SET, _OVERRIDE_PERMISSIONS, _READ_ANYTHING = 24, 1, 2  # prctl(2), capability.h


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run([*_GIT, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def copy_checkout(target: Path) -> Path:
    """What git tracks of the checkout, or would, as a repository of one commit.

    Compiled code comes along, which is as good there, because sources keep their times.
    """
    listed = git(CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = {Path(name) for name in listed.split("\0") if name}
    names |= {path.relative_to(CHECKOUT) for path in CHECKOUT.glob("iblib/**/__pycache__/*.nb[ic]")}
    for name in names:
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name)
    git(target, "init", "-q")
    git(target, "add", "-A")
    git(target, "commit", "-q", "-m", "as it is")
    return target


def _as_a_terminal_gives_it() -> None:
    """In a child: Ctrl-C is not ignored, whatever started the tests, and root obeys permissions."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.geteuid() == 0:
        for capability in (_OVERRIDE_PERMISSIONS, _READ_ANYTHING):
            ctypes.CDLL(None).prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, both streams, seconds."""

    command: str
    folder: Path
    code: int
    out: str
    err: str
    seconds: float

    def exits(self, code: int) -> "Done":
        """Itself, where the exit code is this one; else what was said is shown."""
        said = f"{self.command}\n{self.out[-4000:]}\n{self.err[-4000:]}"
        assert self.code == code, f"exit code {self.code} instead of {code}: {said}"
        return self

    @property
    def report(self) -> Path:
        """Folder of the report, of which the last lines name the index page and the total time."""
        last = "\n".join(self.out.splitlines()[-4:])
        assert re.search(r"\d+ (s|min|h)\b", last), last
        page = self.folder / re.search(r"(\S+index\.html)", last)[1]
        assert page.is_file()
        assert page.parent.name == "html"
        made = {path.name for path in page.parents[1].iterdir()}
        assert {"notebooks", "results", "figures", "html"} <= made
        return page.parents[1].resolve()

    def table(self, name: str) -> pd.DataFrame:
        """A table of the report."""
        from study.results import Results

        return Results(self.report / "results").table(f"{name}.csv")


class Started:
    """A command under way, in a process group of its own."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]):
        self.command, self.folder = " ".join(map(str, command)), folder
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_as_a_terminal_gives_it,
        )

    def press_ctrl_c(self) -> None:
        """To the whole group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, seconds: float) -> Done:
        """Until it ends; what takes longer is killed, and is a failure."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            out, err = self.process.communicate()
            said = f"{out[-2000:]}\n{err[-2000:]}"
            raise AssertionError(f"{self.command} took longer than {seconds} s:\n{said}") from None
        took, code = time.monotonic() - self.start, self.process.returncode
        return Done(self.command, self.folder, code, out, err, took)


class Clone:
    """A user's clone of the repository."""

    def __init__(self, folder: Path):
        self.folder = folder

    def environment(self, **more: str) -> dict[str, str]:
        """A shell's: nothing of the tests' own but the Python that runs them."""
        ours = ("IBLIB_", "PYTEST_", "MAKE", "MFLAGS", "VENV")  # of the tests, and of make
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return kept | {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"} | more

    def start(self, *arguments: str, module: str = "study", **more: str) -> Started:
        command = [sys.executable, "-m", module, *arguments]
        return Started(command, self.folder, self.environment(**more))

    def run(self, *arguments: str, **more: str) -> Done:
        """``python -m study ...`` in the clone."""
        return self.start(*arguments, **more).wait(LIMIT)

    def report(self, *arguments: str) -> Done:
        """``python -m study report --profile smoke ...``, which has to succeed."""
        return self.run("report", "--profile", "smoke", *arguments).exits(0)

    def add_cell(self, name: str, source: str) -> None:
        """One more cell at the end of the notebook whose number this is."""
        [path] = (self.folder / "notebooks").glob(f"{name}-*.ipynb")
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(source))
        nbformat.write(notebook, path)
        self.commit()

    def commit(self) -> None:
        """What the user changed in the clone is no change from here on."""
        git(self.folder, "commit", "-q", "-a", "-m", "changed")

    def changes(self) -> str:
        """What git says has changed."""
        return git(self.folder, "status", "--porcelain")
