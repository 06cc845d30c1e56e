"""Any folder with one folder of audio files per class, as GTZAN's."""

from pathlib import Path

import pandas as pd

from iblib.config import key_of
from iblib.datasets import audio
from iblib.datasets.base import DataError, Dataset, skipped_table
from iblib.datasets.mel_cache import shown, state_of
from iblib.datasets.melspectrogram import RULES, MelSettings

_CURE = "give --data-dir DIR with one folder per class and audio files in each"


def find_clips(data_dir: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What lies in ``data_dir``: files that promise audio, and all others with a reason.

    The class is the first folder below ``data_dir``; clips lie in it at any depth, under every
    ending that the installed libsndfile reads, in any case. Each file is in one table or the other;
    of folders only those that cannot be read, that link back, or are empty and named like audio.

    Returns clips (index: relative name ``class/clip.ext``; columns ``path`` and ``label``) and the
    refused (columns ``file`` and ``reason``). DataError if the folder is missing, holds no audio,
    or only one class.
    """
    if not data_dir:
        raise DataError(f"folder needs a data_dir: {_CURE}")
    folder = Path(data_dir).expanduser()
    if not folder.is_dir():
        raise DataError(f"no folder {folder}; {_CURE}")
    clips, refused = [], []
    for path, reason in sorted(audio.walk(folder)):
        parts = [shown(part) for part in path.relative_to(folder).parts]
        name = "/".join(parts) or "."
        if reason := reason or _why_no_clip(path, parts):
            refused.append((name, reason))
        else:
            clips.append({"id": name, "path": path, "label": parts[0]})
    if not clips:
        why = f" ({': '.join(refused[0])})" if refused else ""
        raise DataError(f"no audio in class folders of {folder}{why}; {_CURE}")
    table = pd.DataFrame(clips).set_index("id")
    if table["label"].nunique() < 2:
        raise DataError(f"only one class, {clips[0]['label']!r}, in {folder}; {_CURE}")
    return table, skipped_table(refused)


def _why_no_clip(path: Path, parts: list[str]) -> str:
    if any(part.startswith(".") for part in parts):
        return "hidden, or in a hidden folder"
    if len(parts) < 2:
        return "in no class folder"
    if not audio.is_audio_name(path):
        return f"no audio by its ending: {path.suffix or 'none'}"
    return ""


def load(
    data_dir: str | Path = "",
    *,
    clip_seconds: float = 29.9,
    seed: int = 0,
    jobs: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Data set ``folder`` with a stratified 80/10/10 split of the clips that can be used.

    ``data_dir`` holds one folder per class. Every file found is either used, under its relative
    name as id, or listed in ``skipped``; clips shorter than the ``clip_seconds`` [s] measured of
    each (GTZAN's have 30 s) are skipped. ``seed`` is of the split; others are as in ``fma.load``.
    DataError as ``find_clips``, or if fewer than three clips of a class can be used.
    """
    settings = MelSettings(clip_seconds)
    clips, refused = find_clips(data_dir)
    name = shown(Path(data_dir).expanduser().resolve().name)
    source = f"clips of folder {name!r}, stratified split (seed {seed})"
    about = {"source": source, "seed": seed, "refused": refused}
    return audio.load_clips("folder", clips, settings, **about, jobs=jobs, progress=progress)


def fingerprint(data_dir: str | Path, clip_seconds: float, seed: int, **_) -> str:
    """As ``datasets.fingerprint`` says, by names; what is no audio counts by its name alone."""
    mel = MelSettings(clip_seconds).fingerprint
    clips, refused = find_clips(data_dir)
    files = [[name, *state_of(path)] for name, path in clips["path"].items()]
    return key_of("folder", RULES, mel, seed, files, refused.values.tolist())
