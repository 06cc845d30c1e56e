"""Any folder of ``class/clip.(mp3|wav|flac|ogg)``, as GTZAN's."""

from pathlib import Path

import pandas as pd

from iblib.config import key_of
from iblib.datasets import audio, splits
from iblib.datasets.base import DataError, Dataset
from iblib.datasets.mel_cache import state_of
from iblib.datasets.melspectrogram import MelSettings

_CURE = "give --data-dir DIR with one folder per class and audio files in each"


def find_clips(data_dir: str | Path) -> pd.DataFrame:
    """Files that promise audio, in the class folders of ``data_dir``.

    Endings in any case; hidden files (``.DS_Store``, ``._song.mp3``) and files of other kinds
    are passed over. Folders named like audio and dangling links stay in the table: the cache
    skips them with a reason.

    Returns
    -------
    DataFrame
        Index: relative name ``class/clip.ext``; columns ``path`` and ``label``.

    Raises
    ------
    DataError
        If the folder is missing, holds no audio, or only one class.
    """
    if not data_dir:
        raise DataError(f"folder needs a data_dir: {_CURE}")
    folder = Path(data_dir).expanduser()
    if not folder.is_dir():
        raise DataError(f"no folder {folder}; {_CURE}")
    by_class = [d for d in sorted(folder.iterdir()) if d.is_dir() and not d.name.startswith(".")]
    found = [
        {"id": f"{d.name}/{path.name}", "path": path, "label": d.name}
        for d in by_class
        for path in sorted(d.iterdir())
        if audio.is_audio_name(path)
    ]
    if not found:
        raise DataError(f"no {', '.join(audio.SUFFIXES)} in class folders of {folder}; {_CURE}")
    clips = pd.DataFrame(found).set_index("id")
    if clips["label"].nunique() < 2:
        raise DataError(f"only one class, {clips['label'].iloc[0]!r}, in {folder}; {_CURE}")
    return clips


def load(
    data_dir: str | Path = "",
    *,
    clip_seconds: float = 29.9,
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Data set ``folder`` with a stratified 80/10/10 split; ids are relative file names.

    Parameters
    ----------
    data_dir : path
        Holds one folder per class.
    clip_seconds : float
        Length measured of each clip [s] (GTZAN's have 30 s); shorter clips are skipped.
    seed : int
        Of the split.
    jobs, progress
        As in ``mel_cache.build_cache``.

    Raises
    ------
    DataError
        As ``find_clips``, or if a class has fewer than three clips.
    """
    settings = MelSettings(clip_seconds)
    clips = find_clips(data_dir)
    clips["split"] = splits.stratified(clips["label"].to_numpy(), seed=seed)
    name = Path(data_dir).expanduser().resolve().name.replace("{", "{{").replace("}", "}}")
    source = f"{{n}} clips of folder {name!r}, stratified split (seed {seed})"
    return audio.load_clips("folder", clips, settings, source=source, jobs=jobs, progress=progress)


def fingerprint(data_dir: str | Path, clip_seconds: float, seed: int, **_) -> str:
    """As ``datasets.fingerprint`` says; the labels are in the names."""
    files = [state_of(path) for path in find_clips(data_dir)["path"]]
    return key_of("folder", MelSettings(clip_seconds).fingerprint, seed, files)
