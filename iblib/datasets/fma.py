"""FMA, the Free Music Archive data set (Defferrard et al. 2017), as it is shipped."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from iblib import files, paths
from iblib.config import key_of
from iblib.datasets import audio
from iblib.datasets.base import SPLITS, DataError, Dataset, skipped_table
from iblib.datasets.mel_cache import clip_name, state_of, why_no_file
from iblib.datasets.melspectrogram import RULES, MelSettings

GENRES = (
    "Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock"
)  # fmt: skip
_COLUMNS = (("set", "split"), ("set", "subset"), ("track", "genre_top"))
_CURE = "give --data-dir DIR with fma_metadata/ and fma_small/, or run iblib data fma-small"
# FMA-small is told by these among its 8000 ids: the first four, and the six damaged clips.
_SIZE = 8000
_KNOWN = {2, 5, 10, 140, 98565, 98567, 98569, 99134, 108925, 133297}


def load_tracks(data_dir: str | Path) -> pd.DataFrame:
    """``fma_metadata/tracks.csv`` with its two header levels; the index is ``track_id``.

    ``set.subset`` is an ordered categorical (small < medium < large), ``set.split`` and
    ``track.genre_top`` are categorical. DataError if the file is missing, unreadable or has not
    FMA's columns.
    """
    file = _tracks_csv(Path(data_dir).expanduser())
    try:
        # low_memory=False reads each column as one type, as the quoted texts need
        tracks = pd.read_csv(file, index_col=0, header=[0, 1], low_memory=False)
    except (ValueError, OSError, IndexError) as error:  # ParserError, UnicodeDecodeError among them
        raise DataError(f"cannot read {file} ({str(error).splitlines()[0]}); {_CURE}") from error
    if missing := [".".join(c) for c in _COLUMNS if c not in tracks.columns]:
        raise DataError(f"{file} lacks the columns {', '.join(missing)} of FMA; {_CURE}")
    if not pd.api.types.is_integer_dtype(tracks.index):
        raise DataError(f"{file} holds track ids that are no whole numbers; {_CURE}")
    subsets = ("small", "medium", "large")  # cumulative: medium holds small
    tracks["set", "subset"] = pd.Categorical(tracks["set", "subset"], subsets, ordered=True)
    for column in (("set", "split"), ("track", "genre_top")):
        tracks[column] = tracks[column].astype("category")
    return tracks


def _tracks_csv(data_dir: Path) -> Path:
    file = data_dir / "fma_metadata" / "tracks.csv"
    if not file.is_file():
        raise DataError(f"no tracks.csv under {data_dir}; {_CURE}")
    return file


def small_clips(tracks: pd.DataFrame, data_dir: str | Path) -> pd.DataFrame:
    """Rows of the subset small with the files they mean; DataError if there is none.

    Index: track id, ascending, each once. Columns ``path``, ``label`` and ``split`` (NaN where
    ``tracks.csv`` gives none) and ``twice`` (whether the id stands in several rows).
    """
    rows = tracks[tracks["set", "subset"] <= "small"].sort_index()
    if rows.empty:
        raise DataError(f"tracks.csv has no track of subset small; {_CURE}")
    twice = rows.index[rows.index.duplicated()]
    rows = rows[~rows.index.duplicated()]
    columns = {
        "path": [clip_path(data_dir, track) for track in rows.index],
        "label": rows["track", "genre_top"].astype(object),
        "split": rows["set", "split"].astype(object),
        "twice": rows.index.isin(twice),
    }
    return pd.DataFrame(columns, index=rows.index)


def credits(data_dir: str | Path, ids: Iterable[int]) -> list[str]:
    """Title, artist and licence of clips, which the licences ask for where they can be heard."""
    columns = [("track", "title"), ("artist", "name"), ("track", "license")]
    about = load_tracks(data_dir).reindex(columns=columns)
    about = about[~about.index.duplicated()].loc[list(ids)].astype(object).fillna("unknown")
    return [f"“{title}” by {artist}, {licence}" for title, artist, licence in about.values]


def clip_path(data_dir: str | Path, track_id: int) -> Path:
    """Path of a clip: ``fma_small/ddd/dddddd.mp3``."""
    name = f"{track_id:06d}"
    return Path(data_dir) / "fma_small" / name[:3] / f"{name}.mp3"


def read_checksums(data_dir: str | Path) -> dict[int, str]:
    """SHA-1 of each clip from ``fma_small/checksums``, by track id; empty without the file."""
    path = Path(data_dir) / "fma_small" / "checksums"
    return parse_checksums(path.read_bytes()) if path.is_file() else {}


def parse_checksums(content: bytes) -> dict[int, str]:
    """SHA-1 by track id from lines ``<sha1>  000/000002.mp3``; other lines are passed over."""
    lines = rb"^([0-9a-fA-F]{40})\s+(?:\S*/)?([0-9]+)\.mp3\s*$"
    found = re.findall(lines, content, re.MULTILINE)
    if content.strip() and not found:
        raise DataError(f"fma_small/checksums holds no checksum of a clip; {_CURE}")
    return {int(track): sha1.decode().lower() for sha1, track in found}


def load(
    data_dir: str | Path = "",
    *,
    clip_seconds: float = 29.9,
    split: str = "official",
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Data set ``fma_small``; ids are track ids.

    ``data_dir``, ``paths.data_dir()`` by default, holds ``fma_metadata/`` and ``fma_small/``. Clips
    shorter than the ``clip_seconds`` [s] measured of each (FMA's have 29.98 s) are skipped.
    ``split`` is ``official``, FMA's own artist-disjoint one, or ``stratified``, 80/10/10 of the
    clips that can be used, by ``seed``. ``jobs`` threads, by default one a core, decode;
    ``progress`` shows a bar in a terminal. DataError if metadata or all audio are missing, or the
    split is unknown; as ``audio.load_clips``.
    """
    work = {"jobs": jobs, "progress": progress}
    return read_layout(data_dir, MelSettings(clip_seconds), split=split, seed=seed, **work)


def fingerprint(data_dir: str | Path, clip_seconds: float, split: str, seed: int, **_) -> str:
    """As ``datasets.fingerprint`` says; the labels are in tracks.csv."""
    folder = Path(data_dir or paths.data_dir()).expanduser()
    about = [files.digest(_tracks_csv(folder)), sorted(read_checksums(folder).items())]
    settings = [RULES, MelSettings(clip_seconds).fingerprint, split, seed]
    return key_of("fma_small", settings, about, [state_of(path) for path in _audio_files(folder)])


def read_layout(
    data_dir: str | Path,
    settings: MelSettings,
    *,
    split: str = "official",
    seed: int = 0,
    name: str = "fma_small",
    source: str = "",
    **options,
) -> Dataset:
    """The subset small of what lies in ``data_dir`` as FMA is shipped.

    ``name`` and ``source`` are for data that only borrow FMA's layout; ``options`` are of
    ``audio.load_clips``. ``skipped`` lists rows without a usable file, label or split, and audio
    files without a row.
    """
    if split not in ("official", "stratified"):
        raise DataError(f"split must be official or stratified; got {split!r}")
    data_dir = Path(data_dir or paths.data_dir()).expanduser()
    clips = small_clips(load_tracks(data_dir), data_dir)
    if not (data_dir / "fma_small").is_dir():
        raise DataError(f"no fma_small/ under {data_dir}; {_CURE}")
    is_fma = len(clips) == _SIZE and set(clips.index) >= _KNOWN
    whose = "of FMA-small" if is_fma else "in FMA's layout"
    strangers = sorted(set(_audio_files(data_dir)) - set(clips["path"]))
    refused = [(clip_name(path), "no row of subset small in tracks.csv") for path in strangers]
    reasons = [_why_unusable(clip, official=split == "official") for clip in clips.itertuples()]
    named = zip(clips["path"], reasons, strict=True)
    refused += [(clip_name(path), reason) for path, reason in named if reason]
    clips = clips[[not reason for reason in reasons]]
    if clips.empty:
        raise DataError(f"no clip of tracks.csv under {data_dir / 'fma_small'}; {_CURE}")
    own = split == "stratified"
    return audio.load_clips(
        name,
        clips.drop(columns="split") if own else clips,
        settings,
        source=source or f"clips {whose} ({split} split{f', seed {seed}' if own else ''})",
        seed=seed if own else None,
        refused=skipped_table(refused),
        checksums=read_checksums(data_dir),
        **options,
    )


def _audio_files(data_dir: Path) -> list[Path]:
    found = audio.walk(data_dir / "fma_small")
    return sorted(path for path, _ in found if audio.is_audio_name(path))


def _why_unusable(clip, *, official: bool) -> str:
    """Why a row has no genre, no file or (where it counts) no official split; empty if it has."""
    if clip.twice:
        return "its id stands twice in tracks.csv"
    if pd.isna(clip.label):
        return "no genre_top in tracks.csv"
    if clip.label not in GENRES:
        return f"genre_top {clip.label!r} is none of the eight of FMA-small"
    if official and clip.split not in SPLITS:
        return "no official split in tracks.csv"
    return "" if clip.path.is_file() else f"row of tracks.csv: {why_no_file(clip.path)}"
