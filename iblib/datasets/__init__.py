"""Data to arrays, labels, splits and provenance: five data sets, and yours, behind one call."""

from collections.abc import Callable
from pathlib import Path

from iblib import paths
from iblib.datasets.base import SPLITS, DataError, Dataset

__all__ = ["CLIP_SECONDS", "LOADERS", "NAMES", "SPLITS", "DataError", "Dataset", "load"]

NAMES = ("synthetic", "fma_small", "folder", "binary_patterns", "linear_teacher")

# Your own data sets, by name: functions of (data_dir, seed) (CONTRIBUTING.md, "Add a data set").
LOADERS: dict[str, Callable[[str | Path, int], Dataset]] = {}

# Default length measured of each clip [s]. FMA's clips are 29.98 s and give 128 x 1288; synthetic
# ones are 6 s and give 128 x 256; GTZAN-like folders have clips of 30 s.
CLIP_SECONDS = {"synthetic": 5.93, "fma_small": 29.9, "folder": 29.9}


def load(
    name: str,
    *,
    data_dir: str | Path = "",
    clip_seconds: float | None = None,
    clips_per_genre: int = 80,
    training_share: float = 0.8,
    split: str = "official",
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Data set by name.

    Parameters
    ----------
    name : {"synthetic", "fma_small", "folder", "binary_patterns", "linear_teacher"}
        Or a name in ``LOADERS``.
    data_dir : path
        ``fma_small``: holds ``fma_metadata/`` and ``fma_small/``, by default
        ``paths.data_dir()``. ``folder``: holds one folder per class. ``synthetic``: where its
        files are written, by default ``paths.data_dir()``.
    clip_seconds : float, optional
        Length measured of each clip [s], ``CLIP_SECONDS`` by default; shorter clips are skipped.
    clips_per_genre : int
        ``synthetic`` only.
    training_share : float
        ``binary_patterns`` only: the share of the 4096 patterns trained on, at most 0.8.
    split : {"official", "stratified", "artist"}
        ``fma_small`` and ``synthetic``; the others always have a stratified one.
    seed : int
        Of the generated data, or of the split of one's own.
    jobs : int, optional
        Threads, all cores by default.
    progress : bool
        Show progress bars, if standard error is a terminal.

    Raises
    ------
    DataError
        If the name is unknown or the data cannot be used; one line that names the cure.
    """
    if name not in (*NAMES, *LOADERS):
        raise DataError(f"unknown data set {name!r}; choose one of {', '.join([*NAMES, *LOADERS])}")
    if name in CLIP_SECONDS:
        common = {"split": split, "seed": seed, "jobs": jobs, "progress": progress}
        return _load_audio(name, data_dir, clip_seconds, clips_per_genre, **common)
    if name not in NAMES:
        return LOADERS[name](data_dir, seed)
    from iblib.datasets import binary_patterns, linear_teacher

    if name == "binary_patterns":
        return binary_patterns.load(seed, training_share=training_share)
    return linear_teacher.load(seed)


def _load_audio(name, data_dir, clip_seconds, clips_per_genre, *, split, seed, **common):
    from iblib.datasets import audio_folder, fma, synthetic
    from iblib.datasets.melspectrogram import MelSettings

    try:
        mel = MelSettings(CLIP_SECONDS[name] if clip_seconds is None else clip_seconds)
    except ValueError as error:
        raise DataError(str(error)) from error
    if name == "synthetic":
        made = synthetic.SyntheticSettings(clips_per_genre=clips_per_genre, seed=seed)
        return synthetic.load(mel, settings=made, data_dir=data_dir, split=split, **common)
    if name == "fma_small":
        return fma.load(data_dir or paths.data_dir(), mel, split=split, seed=seed, **common)
    if not data_dir:
        raise DataError("folder needs --data-dir DIR with one folder per class")
    if split not in ("official", "stratified"):
        raise DataError(f"folder has no artists: split must be stratified; got {split!r}")
    return audio_folder.load(data_dir, mel, seed=seed, **common)
