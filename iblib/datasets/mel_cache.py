"""The cache on disk that holds the spectrograms of a data set."""

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from iblib.config import key_of
from iblib.datasets.base import skipped_table
from iblib.datasets.melspectrogram import RULES, ClipError, MelSettings, load_clip, log_mel
from iblib.datasets.store import in_order, make_once, reserve
from iblib.files import DamagedFileError, digest

_LIBRARIES = ("numpy", "soundfile", "soxr", "torch", "torchaudio")


@dataclass(frozen=True)
class MelCache:
    """Spectrograms of the clips that could be used, in the order they were given."""

    inputs: np.ndarray  # (n, 1, n_mels, n_frames) float32, a read-only memmap, in dB
    ids: np.ndarray  # (n,), key of row i in the files given
    sha1: np.ndarray  # (n,), of the bytes that row i came from
    skipped: pd.DataFrame  # columns file and reason; also in skipped.csv
    path: Path  # folder of the cache


def build_cache(
    files: Mapping,
    settings: MelSettings,
    cache_dir: str | Path,
    *,
    checksums: Mapping | None = None,
    refused: pd.DataFrame | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> MelCache:
    """Spectrograms of ``files``, from the cache if it holds them, else computed with all cores.

    ``files`` and the published SHA-1 ``checksums`` that they must have are by id, a relative file
    name or a number. What the caller ``refused`` is put before what is skipped here.

    ``cache_dir`` holds ``<key>/inputs.f32``, ``done.jsonl`` and ``skipped.csv``. The key is made of
    the settings, the versions of the libraries that decode and transform, and name, size,
    modification time and readability of every file. Rows are verified by CRC-32 at each call (about
    1 GB/s); a truncated or altered cache is made again. A fill that was stopped, killed or ran out
    of disk (``OSError``) goes on where it was.
    """
    import soundfile

    refused = skipped_table() if refused is None else refused
    checksums = {i: checksums[i] for i in files if i in checksums} if checksums else {}
    versions = {name: version(name) for name in _LIBRARIES}
    versions["libsndfile"] = soundfile.__libsndfile_version__
    states = [[i, *state_of(path)] for i, path in files.items()]
    found = [states, refused.values.tolist(), sorted(checksums.items())]
    folder = Path(cache_dir) / key_of(RULES, settings.fingerprint, versions, found)
    work = partial(_spectrogram, settings=settings, checksums=checksums)
    about = {"files": files, "settings": settings, "refused": refused}
    fill = partial(_fill, **about, work=work, jobs=jobs, progress=progress)
    return make_once(folder, fill, partial(_load, **about), resume=True)


def state_of(path: Path) -> list:
    """Name of a clip, its size and modification time, and whether it can be read."""
    try:
        found = os.stat(path)
    except OSError:
        return [clip_name(path), -1, -1, False]
    return [clip_name(path), found.st_size, found.st_mtime_ns, os.access(path, os.R_OK)]


def clip_name(path: Path) -> str:
    """Name of a clip in tables: its folder and file, as ``000/000002.mp3``."""
    return shown(f"{path.parent.name}/{path.name}")


def shown(name: str) -> str:
    """A name; what is no Unicode in it, as disks may hold, is escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def _spectrogram(item: tuple, settings: MelSettings, checksums: Mapping):
    """(id, path) to (spectrogram, SHA-1), or to the reason why there is none."""
    i, path = item
    try:
        if not path.is_file():
            raise ClipError(why_no_file(path))
        sha1 = digest(path, "sha1")  # the hash that FMA publishes
        if checksums.get(i, sha1) != sha1:
            raise ClipError("SHA-1 differs from the published checksum: download it again")
        mel = log_mel(load_clip(path, settings), settings)
        if not np.isfinite(mel).all():
            raise ClipError("holds samples too large for a spectrogram")
        return mel, sha1
    except ClipError as error:
        return str(error)
    except PermissionError:  # other system errors may pass: they stop the fill, uncached
        return "cannot be read: permission denied"


def why_no_file(path: Path) -> str:
    """Reason why a path cannot be opened as a file."""
    if path.exists():
        return f"is a {'folder' if path.is_dir() else 'device'}, not a file"
    return "link to a file that is not there" if path.is_symlink() else "no such file"


def _fill(folder: Path, *, files, settings, refused, work, jobs, progress) -> None:
    """Put rows into inputs.f32 and say of each file in done.jsonl what became of it."""
    rows, journal = folder / "inputs.f32", folder / "done.jsonl"
    row_bytes = 4 * settings.n_mels * settings.n_frames
    reserve(rows, row_bytes * len(files))
    done = _done(folder, files, row_bytes)
    left = list(files.items())[len(done) :]
    results = in_order(work, left, "mel-spectrograms", jobs, progress, len(done))
    with closing(results), rows.open("r+b") as out, journal.open("a", encoding="ascii") as log:
        log.truncate(sum(len(json.dumps(entry)) + 1 for entry in done))
        out.seek(row_bytes * sum(len(entry) == 3 for entry in done))
        # Results come in the order of the files, so rows and ids cannot part.
        for (i, path), result in zip(left, results, strict=True):
            if isinstance(result, str):
                done.append([i if isinstance(i, str) else clip_name(path), result])
            else:
                out.write(result[0].data)
                out.flush()  # before the line that says so
                done.append([i, result[1], zlib.crc32(result[0].data)])
            log.write(json.dumps(done[-1]) + "\n")
            log.flush()
        out.truncate(out.tell())
    text = {"index": False, "encoding": "utf-8", "lineterminator": "\n"}
    _skipped(refused, done).to_csv(folder / "skipped.csv", **text)


def _skipped(refused: pd.DataFrame, done: list[list]) -> pd.DataFrame:
    """What the caller refused, then what a fill skipped."""
    return skipped_table([*refused.values.tolist(), *(entry for entry in done if len(entry) == 2)])


def _done(folder: Path, files: Mapping, row_bytes: int) -> list[list]:
    """What a fill of this folder finished, in order, as far as it is intact.

    One entry a file: [id, SHA-1, CRC-32] of a row, or [name, reason] of a clip that was skipped;
    none from where a kill, a power cut or somebody else spoilt it.
    """
    done = []
    if (folder / "done.jsonl").is_file():
        lines = (folder / "done.jsonl").read_bytes().splitlines()
        with (folder / "inputs.f32").open("rb") as rows:
            for i, line in zip(files, lines, strict=False):
                try:
                    entry = json.loads(line)
                except ValueError:
                    break
                if not isinstance(entry, list) or len(entry) not in (2, 3):
                    break
                if len(entry) == 3 and [i, zlib.crc32(rows.read(row_bytes))] != entry[::2]:
                    break
                done.append(entry)
    return done


def _load(folder: Path, *, files: Mapping, settings: MelSettings, refused) -> MelCache:
    """The cache in ``folder``; ``DamagedFileError`` if it is not as it was written."""
    row_bytes = 4 * settings.n_mels * settings.n_frames
    try:
        done = _done(folder, files, row_bytes)
        size = (folder / "inputs.f32").stat().st_size
    except OSError as error:
        raise DamagedFileError(f"{folder}: {error}") from error
    rows = [entry for entry in done if len(entry) == 3]
    if len(done) < len(files) or size != row_bytes * len(rows):
        raise DamagedFileError(f"{folder} is not as it was written")
    shape = (len(rows), 1, settings.n_mels, settings.n_frames)
    inputs = np.zeros(shape, np.float32)
    if rows:  # an empty file cannot be mapped
        inputs = np.memmap(folder / "inputs.f32", np.float32, "r", shape=shape)
    ids, sha1 = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=str)
    return MelCache(inputs, ids, sha1, _skipped(refused, done), folder)
