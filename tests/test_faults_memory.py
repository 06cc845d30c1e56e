"""Memory: a larger data set does not need more of it, from the first file to the last epoch."""

import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from datasets_audio import write_tone

from iblib.config import RunConfig
from iblib.datasets import audio_folder
from iblib.training import loop as training_loop
from iblib.training import train

MIB = 2**20
SMALL = 2**23
SECONDS = 30.0
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc"
)


def anonymous_bytes() -> int:
    """Memory of this process that no file backs."""
    with open("/proc/self/smaps_rollup") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Anonymous:"))


class Watch(threading.Thread):
    """Largest anonymous memory while it runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.done = 0, threading.Event()

    def run(self):
        while not self.done.wait(0.02):
            self.peak = max(self.peak, anonymous_bytes())


def write_clips(folder: Path, n: int, seconds: float) -> Path:
    """Two classes of ``n`` clips in all: one tone in many files, each of them read and decoded."""
    for c in ("high", "low"):
        tone = write_tone(folder / c / "0000.wav", 440 if c == "high" else 220, seconds)
        for i in range(1, n // 2):
            shutil.copyfile(tone, tone.with_name(f"{i:04d}.wav"))
    return folder


def use_it_all(folder: Path, root: Path, seconds: float, epochs: int, found) -> None:
    """Fill the cache, load it again, train; sends the peak, and what there was before."""
    os.environ["IBLIB_ROOT"] = str(root)
    training_loop.IN_MEMORY = SMALL  # so that no split is held
    before, watch = anonymous_bytes(), Watch()
    watch.start()
    for _ in range(2):
        data = audio_folder.load(folder, clip_seconds=seconds - 0.1, progress=False)
    config = RunConfig(
        "simple_cnn", "relu", options={"filters": [2, 2]}, epochs=epochs, batch_size=32, n_points=2
    )
    train(config, data, runs_dir=root / "runs", progress=False)
    watch.done.set()
    watch.join()
    found.send((watch.peak, before, int(np.prod(data.inputs.shape)) * 4))


def peak_of(tmp_path: Path, n: int, seconds: float, epochs: int) -> tuple[int, int, int]:
    """Peak and start of anonymous memory, and size of the spectrograms, of a process of its own."""
    folder = write_clips(tmp_path / f"clips-{n}", n, seconds)
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(
        target=use_it_all, args=(folder, tmp_path / f"root-{n}", seconds, epochs, theirs)
    )
    start = time.monotonic()
    process.start()
    theirs.close()
    peak, before, size = ours.recv()
    process.join()
    shutil.rmtree(folder)
    print(
        f"{n} clips of {seconds:g} s, {size / MIB:.0f} MiB of spectrograms: peak "
        f"{peak / MIB:.0f} MiB, {(peak - before) / MIB:.0f} more than before, "
        f"{time.monotonic() - start:.0f} s"
    )
    return peak, before, size


@needs_proc
@pytest.mark.faults
def test_memory_is_flat_in_the_number_of_clips(tmp_path):
    """8000 clips of 30 s are ten times 800: 3 GiB are enough if 800 need no more than 400.

    To that come the splits that are held: each of three may be as large as ``IN_MEMORY``.
    """
    few, many = (peak_of(tmp_path, n, SECONDS, 1) for n in (400, 800))
    assert many[2] > 1.9 * few[2] > 20 * SMALL
    assert many[0] + 3 * training_loop.IN_MEMORY < 3 * 2**30
    assert many[0] - few[0] < 16 * MIB
