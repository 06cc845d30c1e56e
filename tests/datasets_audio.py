"""Small audio files and FMA-like folders for the tests of the data sets."""

import numpy as np
import pandas as pd
import soundfile

from iblib.datasets import fma

RATE = 22050


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """A sine at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def write_tone(path, frequency: float, seconds: float = 1.0, rate: int = RATE):
    """A file whose content says which frequency it was given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(frequency, seconds, rate), rate)
    return path


def tracks_table(n: int, genres=("Folk", "Pop")) -> pd.DataFrame:
    """Rows like FMA's: genres in turn, two clips per artist, eight of ten for training."""
    ids = np.arange(2, 2 + n)
    return pd.DataFrame(
        {
            ("artist", "id"): np.arange(n) // (2 * len(genres)) * len(genres)
            + np.arange(n) % len(genres),
            ("artist", "bio"): "<p>one,\ntwo</p>",
            ("set", "split"): np.array(
                ["training"] * 8 + ["validation"] + ["test"]
            )[np.arange(n) // len(genres) % 10],
            ("set", "subset"): "small",
            ("track", "genre_top"): np.array(genres)[np.arange(n) % len(genres)],
        },
        index=pd.Index(ids, name="track_id"),
    )  # fmt: skip


def write_fma(folder, n: int = 20, seconds: float = 1.0):
    """A folder in FMA's layout: Folk is a tone of 500 Hz, Pop one of 3000 Hz."""
    table = tracks_table(n)
    (folder / "fma_metadata").mkdir(parents=True)
    table.to_csv(folder / "fma_metadata" / "tracks.csv")
    for track, genre in table["track", "genre_top"].items():
        write_tone(fma.clip_path(folder, track), {"Folk": 500, "Pop": 3000}[genre], seconds)
    return table


def make_folder(folder, n: int = 5):
    """A folder of two classes, in five formats: tones of 500 Hz and of 3000 Hz."""
    for name, frequency in (("low tones", 500), ("Höhe", 3000)):
        for i in range(n):
            ending = (".wav", ".FLAC", ".ogg", ".mp3", ".WAV")[i % 5]
            write_tone(folder / name / f"clip {i}{ending}", frequency)
    return folder


def peak_bands(data):
    """Loudest mel band of each row: low for a tone of 500 Hz, high for one of 3000 Hz."""
    return np.asarray(data.inputs).mean(axis=(1, 3)).argmax(axis=1)
