"""Small folders of audio: tones that tell their class, half a minute each, as the report asks."""

from pathlib import Path

import numpy as np
import soundfile
from datasets_audio import tracks_table

from iblib.datasets import fma

RATE, SECONDS = 22050, 30.0


def write_clip(path: Path, frequency: float, number: int) -> None:
    """A tone under its own noise; the same number is the same clip. Frequency 0: silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(RATE * SECONDS)) / RATE
    wave = 0.4 * np.sin(2 * np.pi * frequency * time)
    if frequency:
        wave += np.random.default_rng(number).normal(0, 0.02, len(time))
    soundfile.write(path, wave.astype(np.float32), RATE)


def write_folder(folder: Path, n: int, classes: tuple[str, ...] = ("deep", "high")) -> Path:
    """``n`` clips of each class; those that are there already stay as they are."""
    for place, name in enumerate(classes):
        for number in range(n):
            path = folder / name / f"{number:02d}.flac"
            if not path.exists():
                write_clip(path, 300 * 10**place, number)
    return folder


def write_fma(folder: Path) -> int:
    """Twelve clips in FMA's layout: two genres, each with training, validation and test."""
    table = tracks_table(20).iloc[8:]
    (folder / "fma_metadata").mkdir(parents=True)
    table.to_csv(folder / "fma_metadata" / "tracks.csv")
    for track, genre in table["track", "genre_top"].items():
        write_clip(fma.clip_path(folder, track), {"Folk": 300, "Pop": 3000}[genre], int(track))
    return len(table)
