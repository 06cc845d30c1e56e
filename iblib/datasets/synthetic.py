"""The embedded data: short real MP3s of invented music, with a tracks.csv in FMA's own layout.

Before any information was measured, its difficulty was set by the validation accuracy of one plain
network: near 70 %, with a gap to training (notebook 02); chance is 12.5 %.
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from iblib import paths
from iblib.config import key_of
from iblib.datasets import fma, instruments
from iblib.datasets.base import SPLITS, DataError, Dataset
from iblib.datasets.instruments import TRAITS
from iblib.datasets.melspectrogram import SAMPLE_RATE, MelSettings
from iblib.datasets.store import in_order, make_once
from iblib.files import DamagedFileError

GENERATOR_FORMAT = 1  # raised by one whenever the code changes what is written

# Mean of each trait, by genre, in standard deviations; the order is that of TRAITS.
_PROFILES = {
    #                tempo bright attack odd bass drums hat noise density register minor sustain
    "Electronic":    (+0.8, +0.7, +0.2, +0.9, +0.7, +0.9, +0.9, -0.6, +0.8, -0.1, +0.5, -0.3),
    "Experimental":  (-0.5, +0.4, -0.8, +0.4, -0.3, -0.9, -0.2, +1.1, -0.7, +0.6, +0.7, +0.6),
    "Folk":          (-0.1, -0.4, +0.9, -0.8, -0.7, -0.9, -0.9, -0.1, +0.4, +0.2, -0.2, -0.4),
    "Hip-Hop":       (-0.6, -0.7, +0.1, -0.2, +1.0, +0.8, +0.3, +0.4, -0.3, -0.7, +0.8, -0.5),
    "Instrumental":  (-0.7, -0.2, -0.6, -0.4, -0.2, -0.6, -0.6, -0.8, -0.2, +0.3, +0.1, +1.0),
    "International": (+0.3, +0.2, +0.8, +0.6, -0.1, +0.1, +0.4, +0.1, +0.6, +0.8, +0.6, -0.2),
    "Pop":           (+0.4, +0.3, +0.0, -0.5, +0.4, +0.5, +0.5, -0.9, +0.1, +0.4, -0.8, +0.1),
    "Rock":          (+0.5, +0.6, +0.4, +0.3, +0.2, +0.7, +0.1, +0.5, +0.3, -0.6, -0.3, +0.3),
}  # fmt: skip


@dataclass(frozen=True)
class SyntheticSettings:
    """Everything that determines the files written."""

    clips_per_genre: int = 80  # at least 3, so that each split holds each genre
    seed: int = 0
    seconds: float = 6.0  # length of a clip [s]
    clips_per_artist: int = 2  # at most; artists never stand in two splits
    contrast: float = 2.0  # distance between genres, in units of the profiles
    artist_spread: float = 0.8  # deviation around the genre; makes the gap of training and test
    clip_spread: float = 0.3  # deviation around the artist

    def __post_init__(self):
        if self.clips_per_genre < 3:
            raise DataError(f"clips_per_genre must be at least 3; got {self.clips_per_genre}")

    @property
    def key(self) -> str:
        """Key of the folder."""
        return key_of(GENERATOR_FORMAT, asdict(self))


def plan(settings: SyntheticSettings) -> pd.DataFrame:
    """The clips to write: index track id, columns ``genre``, ``artist``, ``split``.

    Every genre has 80/10/10 clips in the three splits, and no artist in two of them.
    """
    n, held_out = settings.clips_per_genre, max(1, round(settings.clips_per_genre / 10))
    rows, artist = [], 0
    for genre in fma.GENRES:
        for split, size in zip(SPLITS, (n - 2 * held_out, held_out, held_out), strict=True):
            for clip in range(size):
                artist += clip % settings.clips_per_artist == 0
                rows.append((genre, artist, split))
    table = pd.DataFrame(rows, columns=["genre", "artist", "split"])
    order = np.random.default_rng([settings.seed, 1]).permutation(len(table))
    ids = pd.RangeIndex(2, 2 + 5 * len(table), 5, name="track_id")
    return table.iloc[order].set_index(ids)


def traits(track_id: int, genre: str, artist: int, settings: SyntheticSettings) -> np.ndarray:
    """Traits of one clip in standard deviations: genre's mean + artist's + clip's own share."""
    own = np.random.default_rng([settings.seed, 2, artist]).normal(size=len(TRAITS))
    here = np.random.default_rng([settings.seed, 3, track_id]).normal(size=len(TRAITS))
    mean = settings.contrast * np.array(_PROFILES[genre])
    return mean + settings.artist_spread * own + settings.clip_spread * here


def write(settings: SyntheticSettings, base: Path, *, jobs=None, progress: bool = True) -> Path:
    """Write the data set below ``base``, unless it is there; the folder, in FMA's layout."""

    def build(folder: Path) -> None:
        table = plan(settings)
        for track in table.index:
            fma.clip_path(folder, track).parent.mkdir(parents=True, exist_ok=True)
        work, clips = partial(_write_clip, folder, settings), list(table.itertuples())
        with closing(in_order(work, clips, "synthetic clips", jobs, progress)) as written:
            list(written)
        _write_tracks(folder, table, settings)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        made = {"settings": asdict(settings), "sizes": sizes}
        (folder / "made.json").write_text(json.dumps(made))

    return make_once(base / f"synthetic-{settings.key}", build, _check)


def _check(folder: Path) -> Path:
    """``folder`` if every file has the size it was written with."""
    try:
        sizes = json.loads((folder / "made.json").read_text())["sizes"]
        if all((folder / name).stat().st_size == size for name, size in sizes.items()):
            return folder
    except (OSError, ValueError, KeyError) as error:
        raise DamagedFileError(str(error)) from error
    raise DamagedFileError(f"{folder} is not as it was written")


def _write_clip(folder: Path, settings: SyntheticSettings, clip) -> None:
    import soundfile

    waveform = instruments.play(
        traits(clip.Index, clip.genre, clip.artist, settings),
        round(settings.seconds * SAMPLE_RATE),
        clip=np.random.default_rng([settings.seed, 4, clip.Index]),
        artist=np.random.default_rng([settings.seed, 5, clip.artist]),
    )
    path = fma.clip_path(folder, clip.Index)
    soundfile.write(path, waveform, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")


def _write_tracks(folder: Path, table: pd.DataFrame, settings: SyntheticSettings) -> None:
    artist, genre = table["artist"], table["genre"]
    about = "<p>Made by iblib.datasets.synthetic,\nnot by people</p>"  # quoted newline, as in FMA
    columns = {
        ("album", "id"): artist,
        ("album", "information"): about,
        ("album", "title"): [f"Synthetic {g}" for g in genre],
        ("artist", "id"): artist,
        ("artist", "name"): [f"Synthetic artist {a}" for a in artist],
        ("set", "split"): table["split"],
        ("set", "subset"): "small",
        ("track", "duration"): round(settings.seconds),
        ("track", "genre_top"): genre,
        ("track", "license"): "CC0",
        ("track", "title"): [f"Clip {i}, synthetic" for i in table.index],
    }
    (folder / "fma_metadata").mkdir()
    pd.DataFrame(columns, index=table.index).to_csv(folder / "fma_metadata" / "tracks.csv")


def load(
    data_dir: str | Path = "",
    *,
    clip_seconds: float = 5.93,
    clips_per_genre: int = 80,
    split: str = "official",
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Data set ``synthetic``, written first if need be, then read as FMA is.

    It stands in ``data_dir``, ``paths.data_dir()`` by default, as ``synthetic-<key>/``. Clips have
    6 s; the ``clip_seconds`` [s] measured of each give 128 bands x 256 frames by default.
    ``clips_per_genre`` is at least 3; ``seed`` is of the data, and of a stratified split. The
    others are as in ``fma.load``.
    """
    mel, settings = MelSettings(clip_seconds), SyntheticSettings(clips_per_genre, seed)
    work = {"jobs": jobs, "progress": progress}
    folder = write(settings, Path(data_dir or paths.data_dir()).expanduser(), **work)
    source = f"synthetic clips in FMA's layout, not music of FMA (seed {seed})"
    whose = {"name": "synthetic", "source": source, "origin": f"synthetic-{settings.key}"}
    return fma.read_layout(folder, mel, split=split, seed=seed, **whose, **work)


def fingerprint(clip_seconds: float, clips_per_genre: int, split: str, seed: int, **_) -> str:
    """As ``datasets.fingerprint`` says: settings alone."""
    made = SyntheticSettings(clips_per_genre, seed).key
    return key_of("synthetic", MelSettings(clip_seconds).fingerprint, made, split)
