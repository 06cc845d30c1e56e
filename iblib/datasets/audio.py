"""From a table of clips to a data set: what FMA and a folder by class have in common."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from iblib import paths
from iblib.config import key_of
from iblib.datasets import mel_cache, splits
from iblib.datasets.base import DataError, Dataset, advice
from iblib.datasets.melspectrogram import MelSettings

# Endings of formats that libsndfile calls otherwise.
_ALIASES = {
    "AIFF": "aif aifc", "AU": "snd", "IRCAM": "sf", "MAT5": "mat", "MP3": "mp1 mp2 mpga",
    "NIST": "sph", "OGG": "oga opus", "PAF": "fap", "SVX": "iff 8svx 16sv", "WAV": "wave bwf",
}  # fmt: skip


@cache
def suffixes() -> frozenset[str]:
    """Endings, in small letters, of all formats that the installed libsndfile reads."""
    import soundfile

    formats = set(soundfile.available_formats()) - {"RAW"}  # which has no header
    endings = [f"{kind.lower()} {_ALIASES.get(kind, '')}" for kind in formats]
    return frozenset(f".{ending}" for ending in " ".join(endings).split())


def is_audio_name(path: Path) -> bool:
    """Whether a name promises audio: known ending in any case, not macOS's hidden ``._`` copy."""
    return path.suffix.lower() in suffixes() and not path.name.startswith(".")


def walk(folder: Path, above: tuple = ()) -> Iterator[tuple[Path, str]]:
    """What is in and below a folder, but for folders to go into; each with a reason, or none.

    Links are followed, but not around in circles.
    """
    try:
        entries, found = sorted(folder.iterdir()), os.stat(folder)
    except OSError as error:
        yield folder, f"cannot be read: {error.strerror}"
        return
    if (here := (found.st_dev, found.st_ino)) in above:
        yield folder, "link back to a folder around it"
    elif not entries and is_audio_name(folder):
        yield folder, mel_cache.why_no_file(folder)
    else:
        for path in entries:
            if os.path.isdir(path):  # which takes what may not be asked for no folder
                yield from walk(path, (*above, here))
            else:
                yield path, ""


def load_clips(
    name: str,
    clips: pd.DataFrame,
    settings: MelSettings,
    *,
    source: str,
    seed: int | None = None,
    origin: str = "",
    cache_dir: str | Path = "",
    **options,
) -> Dataset:
    """Spectrograms of ``clips`` with the labels and splits of the clips that could be used.

    ``clips`` is indexed by id, with the columns ``path``, ``label`` (class name) and, unless a
    ``seed`` asks for a stratified split, ``split``. ``source`` says what they are, behind the
    number of clips used. ``origin`` determines the audio where that is known better than by its
    bytes (a generator's settings): the fingerprint then is the same whatever encoder wrote it.
    ``options`` are of ``mel_cache.build_cache``, whose ``cache_dir`` by default is ``cache/`` of
    ``paths.data_dir()``, never the user's own folder.

    DataError if no clip can be used or is for training, fewer than two classes are left, or a class
    has too few clips for a split.
    """
    clips = clips.sort_index()
    cache_dir = cache_dir or paths.data_dir() / "cache"
    found = mel_cache.build_cache(clips["path"].to_dict(), settings, cache_dir, **options)
    cure = advice(found.skipped, len(found.ids)) or "give other data"
    if not len(found.ids):
        example = "no file" if found.skipped.empty else ": ".join(found.skipped.iloc[-1])
        raise DataError(f"none of {len(clips)} clips can be used ({example}); {cure}")
    used = clips.loc[found.ids]  # the one place where rows meet labels: by id
    if seed is not None:
        counts = used["label"].value_counts()
        found_of = clips["label"].value_counts().sort_index().items()
        of_each = [(label, counts.get(label, 0), n) for label, n in found_of]
        if few := [f"{label!r} has {k} of {n}" for label, k, n in of_each if k < splits.FEWEST]:
            rule = f"each class needs {splits.FEWEST} clips that can be used"
            raise DataError(f"{rule}; {', '.join(few)}; {cure}")
        used = used.assign(split=splits.stratified(used["label"].to_numpy(), seed=seed))
    classes = tuple(sorted(str(label) for label in used["label"].unique()))
    if len(classes) < 2:
        raise DataError(f"all clips are of one class, {classes[0]!r}; give at least two classes")
    labels = pd.Categorical(used["label"], categories=classes).codes.astype(np.int64)
    split = used["split"].to_numpy(dtype="<U10")
    if not (split == "training").any():
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
        source=f"{len(used)} {source}",
        standardise=True,
        files=tuple(str(path) for path in used["path"]),
        skipped=found.skipped,
    )
