"""From a table of clips to a data set: what FMA and a folder by class have in common."""

from pathlib import Path

import numpy as np
import pandas as pd

from iblib import paths
from iblib.config import key_of
from iblib.datasets import mel_cache
from iblib.datasets.base import SPLITS, DataError, Dataset
from iblib.datasets.melspectrogram import MelSettings

SUFFIXES = (".mp3", ".wav", ".flac", ".ogg")


def is_audio_name(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> bool:
    """Whether a name promises audio: known ending in any case, not macOS's hidden ``._`` copy."""
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def load_clips(
    name: str,
    clips: pd.DataFrame,
    settings: MelSettings,
    *,
    source: str,
    refused: pd.DataFrame | None = None,
    checksums: dict | None = None,
    origin: str = "",
    cache_dir: str | Path = "",
    jobs: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Spectrograms of ``clips`` with the labels and splits of the clips that could be used.

    Parameters
    ----------
    clips : DataFrame
        Index: id; columns ``path``, ``label`` (class name) and ``split``.
    source : str
        Caption; ``{n}`` in it becomes the number of clips used.
    refused, checksums, jobs, progress
        As in ``mel_cache.build_cache``.
    origin : str
        What determines the audio, where that is known better than by its bytes (a generator's
        settings); the fingerprint then is the same on machines whose encoders differ.
    cache_dir : path
        ``cache/`` of ``paths.data_dir()`` by default, never the user's own folder.

    Raises
    ------
    DataError
        If no clip can be used, fewer than two classes are left, or none is for training.
    """
    clips = clips.sort_index()
    found = mel_cache.build_cache(
        clips["path"].to_dict(),
        settings,
        cache_dir or paths.data_dir() / "cache",
        checksums=checksums,
        refused=refused,
        jobs=jobs,
        progress=progress,
    )
    if not len(found.ids):
        example = "no file" if found.skipped.empty else ": ".join(found.skipped.iloc[-1])
        raise DataError(
            f"none of {len(found.skipped)} clips can be used ({example}); "
            f"give other data or a smaller clip_seconds"
        )
    used = clips.loc[found.ids]  # the one place where rows meet labels: by id
    classes = _classes(used)
    labels = pd.Categorical(used["label"], categories=classes).codes.astype(np.int64)
    split = used["split"].to_numpy(dtype="<U10")
    if not (split == SPLITS[0]).any():
        raise DataError(f"{name} has no clip for training; give data that have, or another split")
    rows = [found.ids.tolist(), used["label"].tolist(), split.tolist()]
    return Dataset(
        name=name,
        inputs=found.inputs,
        labels=labels,
        classes=classes,
        split=split,
        ids=found.ids,
        fingerprint=key_of(origin or found.sha1.tolist(), settings.fingerprint, rows),
        source=source.format(n=len(used)),
        standardise=True,
        files=tuple(str(path) for path in used["path"]),
        skipped=found.skipped,
    )


def _classes(used: pd.DataFrame) -> tuple[str, ...]:
    classes = tuple(sorted(str(name) for name in used["label"].unique()))
    if len(classes) < 2:
        raise DataError(f"all clips are of one class, {classes[0]!r}; give at least two classes")
    return classes
