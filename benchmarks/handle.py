"""The parent's end of a worker process."""

import contextlib
import json
import os
import select
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
# one machine's settings of a BLAS, which would favour whoever uses that BLAS
_UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class WorkerError(RuntimeError):
    """A worker failed, died or took too long; the text says which."""


def environment(threads: int) -> dict[str, str]:
    """Environment of every worker: the threads, and idle ones that sleep."""
    count = str(threads)
    settings = {f"{name}_NUM_THREADS": count for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    settings |= {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
    settings |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    return {name: v for name, v in os.environ.items() if name not in _UNSET} | settings


class Handle:
    """One worker process; every wait ends after ``limit`` seconds.

    Parameters
    ----------
    python : str
        Interpreter of the environment it runs in.
    task, row : str
        As in `implementations.implementation`.
    threads : int
    limit : float
        Seconds that one answer may take.
    log : Path
        File that takes what the worker writes to stderr.
    """

    def __init__(self, python: str, task: str, row: str, threads: int, limit: float, log: Path):
        self._limit, self._log = limit, log
        self.version = ""
        command = [python, "-m", "benchmarks.worker", task, row, str(threads)]
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment(threads),
                cwd=ROOT,
            )

    def started(self) -> None:
        """Wait until it has imported what it needs."""
        self.version = self._answer()["version"]

    def ask(self, do: str, **arguments) -> dict:
        """Send a command and wait for the answer.

        Raises
        ------
        WorkerError
            The worker reports an exception, has died, or exceeds its limit (and is ended).
        """
        line = json.dumps({"do": do} | arguments) + "\n"
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._end()) from None
        return self._answer()

    def _answer(self) -> dict:
        if not select.select([self._process.stdout], [], [], self._limit)[0]:
            self._process.kill()
            self.close()
            raise WorkerError(f"no answer within {self._limit:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(self._end())
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _end(self) -> str:
        self.close()
        lines = self._log.read_text(errors="replace").strip().splitlines()
        said = f": {lines[-1].strip()[:160]}" if lines else ""
        return f"worker ended with code {self._process.returncode}{said}"

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
