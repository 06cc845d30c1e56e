"""The cache on disk that holds the spectrograms of a data set."""

import itertools
import json
import math
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from iblib.config import key_of
from iblib.datasets.base import skipped_table
from iblib.datasets.melspectrogram import CACHE_FORMAT, ClipError, MelSettings, load_clip, log_mel
from iblib.datasets.store import DamagedError, file_sha1, make_once, reserve

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

    The key is made of the settings, the versions of the libraries that decode and transform, and
    name, size, modification time and readability of every file. Rows are verified by CRC-32 at
    each call (about 1 GB/s); a truncated or altered cache is made again. A fill that was stopped,
    killed or ran out of disk goes on where it was, when it is asked for with the same key.

    Parameters
    ----------
    files : mapping of id (int or str) to Path
    cache_dir : path
        Holds the cache: ``<key>/inputs.f32``, ``rows.json`` and ``skipped.csv``.
    checksums : mapping of id to str, optional
        SHA-1 that a file must have, where its source publishes one.
    refused : DataFrame, optional
        What the caller found unusable, put before what is skipped here.
    jobs : int, optional
        Threads, all cores by default: decoder, resampler and FFT release the interpreter lock.
    progress : bool
        Show a progress bar, if standard error is a terminal.

    Returns
    -------
    MelCache
        ``inputs`` may have no rows; the caller says what that means.

    Raises
    ------
    OSError
        If the disk has no room.
    """
    refused = skipped_table() if refused is None else refused
    checksums = {i: checksums[i] for i in files if i in checksums} if checksums else {}
    folder = Path(cache_dir) / _cache_key(files, settings, checksums, refused)
    about = {"files": files, "settings": settings, "checksums": checksums, "refused": refused}
    fill = partial(_fill, **about, jobs=jobs, progress=progress)
    return make_once(folder, fill, partial(_load, settings=settings), resume=True)


def _cache_key(files: Mapping, settings: MelSettings, checksums: dict, refused) -> str:
    import soundfile

    versions = {name: version(name) for name in _LIBRARIES}
    versions["libsndfile"] = soundfile.__libsndfile_version__
    about = [[i, *state_of(path)] for i, path in files.items()]
    rows = [refused.values.tolist(), sorted(checksums.items())]
    return key_of(CACHE_FORMAT, asdict(settings), versions, about, rows)


def state_of(path: Path) -> list:
    """Name of a clip, its size and modification time, and whether it can be read."""
    try:
        found = os.stat(path)
    except OSError:
        return [clip_name(path), -1, -1, False]
    return [clip_name(path), found.st_size, found.st_mtime_ns, os.access(path, os.R_OK)]


def clip_name(path: Path) -> str:
    """Name of a clip in tables: its folder and file, as ``000/000002.mp3``."""
    return f"{path.parent.name}/{path.name}"


def _spectrogram(item: tuple, settings: MelSettings, checksums: Mapping):
    """(id, path) to (spectrogram, SHA-1), or to the reason why there is none."""
    i, path = item
    try:
        if not path.is_file():
            raise ClipError(why_no_file(path))
        sha1 = file_sha1(path)
        if checksums.get(i, sha1) != sha1:
            raise ClipError("SHA-1 differs from the published checksum: download it again")
        return log_mel(load_clip(path, settings), settings), sha1
    except ClipError as error:
        return str(error)
    except PermissionError:  # other system errors may pass: they stop the fill, uncached
        return "cannot be read: permission denied"


def why_no_file(path: Path) -> str:
    """Reason why a path cannot be opened as a file."""
    if path.is_symlink():
        return "link to a file that is not there"
    return "is a folder, not a file" if path.is_dir() else "no such file"


def _fill(folder: Path, *, files, settings, checksums, refused, jobs, progress) -> None:
    row_bytes = 4 * settings.n_mels * settings.n_frames
    reserve(folder / "inputs.f32", row_bytes * len(files))
    journal, done = folder / "done.jsonl", _done(folder, list(files), row_bytes)
    left = dict(itertools.islice(files.items(), len(done), None))
    shown = {"desc": "mel-spectrograms", "unit": "clip", "disable": None if progress else True}
    bar = tqdm(total=len(files), initial=len(done), **shown)
    work = partial(_spectrogram, settings=settings, checksums=checksums)
    pool = ThreadPoolExecutor(jobs or os.cpu_count())
    try:
        with bar, (folder / "inputs.f32").open("r+b") as out, journal.open("a") as log:
            out.seek(row_bytes * sum(len(line) == 3 for line in done))
            # Results come in the order of the files, so rows and ids cannot part.
            for (i, path), result in zip(left.items(), _in_order(pool, work, left), strict=True):
                bar.update()
                if isinstance(result, str):
                    done.append([clip_name(path), result])
                else:
                    out.write(result[0].data)
                    out.flush()  # before the line that says so
                    done.append([i, result[1], zlib.crc32(result[0].data)])
                print(json.dumps(done[-1]), file=log, flush=True)
            rows = [line for line in done if len(line) == 3]
            out.truncate(row_bytes * len(rows))
    finally:
        pool.shutdown(cancel_futures=True)
    skipped = refused.values.tolist() + [line for line in done if len(line) == 2]
    # names that are not valid Unicode exist on disks, and are escaped
    text = {"encoding": "utf-8", "errors": "backslashreplace", "lineterminator": "\n"}
    skipped_table(skipped).to_csv(folder / "skipped.csv", index=False, **text)
    content = {"settings": asdict(settings), "rows": rows, "skipped": skipped}
    (folder / "rows.json").write_text(json.dumps(content), encoding="utf-8")
    journal.unlink()


def _done(folder: Path, ids: list, row_bytes: int) -> list[list]:
    """What an earlier fill of this folder finished, in order, as far as it is intact.

    One entry a file: [id, SHA-1, CRC-32] of a row, or [name, reason] of a clip that was skipped.
    The journal is cut off where it is not as written.
    """
    journal, done = folder / "done.jsonl", []
    if not journal.is_file():
        return done
    lines = journal.read_bytes().splitlines(keepends=True)
    with (folder / "inputs.f32").open("rb") as rows:
        for i, line in zip(ids, lines, strict=False):
            entry = _entry(line)
            if entry is None:
                break
            if len(entry) == 3 and (entry[0] != i or zlib.crc32(rows.read(row_bytes)) != entry[2]):
                break
            done.append(entry)
    with journal.open("r+b") as f:
        f.truncate(sum(map(len, lines[: len(done)])))
    return done


def _entry(line: bytes) -> list | None:
    """One line of the journal, or None where a kill, a power cut or somebody else spoilt it."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, list) and len(entry) in (2, 3) else None


def _in_order(pool: ThreadPoolExecutor, work, files: Mapping):
    """Results in order, with at most some dozens of them waiting in memory."""
    waiting = []
    for item in files.items():
        waiting.append(pool.submit(work, item))
        if len(waiting) >= 64:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def _load(folder: Path, *, settings: MelSettings) -> MelCache:
    """The cache in ``folder``; ``DamagedError`` if it is not as it was written."""
    try:
        content = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
        rows, skipped = content["rows"], content["skipped"]
        shape = (len(rows), 1, settings.n_mels, settings.n_frames)
        size = (folder / "inputs.f32").stat().st_size
    except (OSError, ValueError, KeyError) as error:
        raise DamagedError(f"{folder}: {error}") from error
    if size != 4 * math.prod(shape):
        raise DamagedError(f"{folder}: inputs.f32 has {size} bytes")
    inputs = np.zeros(shape, np.float32)
    if rows:  # an empty file cannot be mapped
        inputs = np.memmap(folder / "inputs.f32", np.float32, "r", shape=shape)
    for row, (i, _, crc) in zip(inputs, rows, strict=True):
        if zlib.crc32(row.data) != crc:
            raise DamagedError(f"{folder}: row of {i} is not as written")
    ids, sha1 = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=str)
    return MelCache(inputs, ids, sha1, skipped_table(skipped), folder)
