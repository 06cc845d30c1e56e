"""Audio files to log-mel spectrograms, and the cache on disk that holds them."""

import csv
import json
import math
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from iblib.config import key_of
from iblib.datasets.base import DataError, skipped_table
from iblib.datasets.store import DamagedError, file_sha1, make_once, require_space

CACHE_FORMAT = 1  # raised by one whenever the code changes what a cache holds
MAX_PEAK = 1.5  # a decoder's output above this is damage, not music
_MARGIN_SECONDS = 0.1  # read beyond the cut, so that the resampler's end effect is not in it
_LIBRARIES = ("numpy", "soundfile", "soxr", "torch", "torchaudio")


class ClipError(Exception):
    """A clip that cannot be used; the message is the reason that ``skipped.csv`` gives."""


@dataclass(frozen=True)
class MelSettings:
    """Everything that turns a file into a spectrogram.

    Parameters
    ----------
    clip_seconds : float
        Length measured of each clip [s], from its start; shorter clips are skipped.
    sample_rate : int
        Rate after resampling [Hz].
    n_fft, hop_length : int
        Length of the Hann window and step between frames [samples].
    n_mels : int
        Mel bands (Slaney scale and norm) from 0 Hz to half the rate.
    top_db : float
        Values more than this below a clip's own maximum are raised to it [dB].
    resampler : str
        The one resampler used throughout; two of them differ by dB in the top bands.
    """

    clip_seconds: float = 29.9
    sample_rate: int = 22050
    n_fft: int = 1024
    hop_length: int = 512
    n_mels: int = 128
    top_db: float = 80.0
    resampler: str = "soxr_hq"

    def __post_init__(self):
        if self.resampler != "soxr_hq":
            raise ValueError(f"resampler must be 'soxr_hq'; got {self.resampler!r}")
        for name in ("clip_seconds", "sample_rate", "n_fft", "hop_length", "n_mels", "top_db"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive; got {value}")

    @property
    def n_samples(self) -> int:
        """Samples of a clip at ``sample_rate``."""
        return round(self.clip_seconds * self.sample_rate)

    @property
    def n_frames(self) -> int:
        """Centred frames of a clip: 29.9 s give 1288."""
        return 1 + self.n_samples // self.hop_length

    @property
    def fingerprint(self) -> str:
        """Key of the settings, without the versions of libraries."""
        return key_of(CACHE_FORMAT, asdict(self))


@dataclass(frozen=True)
class MelCache:
    """Spectrograms of the clips that could be used, in the order they were given.

    Parameters
    ----------
    inputs : memmap, shape (n, 1, n_mels, n_frames), float32, read-only
        In dB.
    ids : ndarray, shape (n,)
        Key of row i in the files given.
    sha1 : ndarray, shape (n,), str
        SHA-1 of the bytes that row i came from.
    skipped : DataFrame
        Columns ``file`` and ``reason``; also in ``skipped.csv``.
    key : str
    path : Path
        Folder of the cache.
    """

    inputs: np.ndarray
    ids: np.ndarray
    sha1: np.ndarray
    skipped: pd.DataFrame
    key: str
    path: Path


def log_mel(waveform: np.ndarray, settings: MelSettings) -> np.ndarray:
    """Log-mel power spectrogram [dB re 1], clipped at ``top_db`` below the clip's maximum.

    Equal to librosa's ``melspectrogram`` and ``power_to_db(ref=1.0)`` with centred,
    zero-padded frames; ``ref=1.0`` keeps how loud a clip is.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32
        Mono, at ``settings.sample_rate``.

    Returns
    -------
    ndarray, shape (n_mels, 1 + n_samples // hop_length), float32

    Notes
    -----
    About 9 ms for 30 s on one core. Notebook: 01.
    """
    import torch

    mel, to_db = _transforms(settings)
    with torch.inference_mode():
        decibels = to_db(mel(torch.from_numpy(np.ascontiguousarray(waveform))))
    return decibels.contiguous().numpy()


@cache
def _transforms(settings: MelSettings):
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    mel = MelSpectrogram(
        settings.sample_rate,
        settings.n_fft,
        hop_length=settings.hop_length,
        n_mels=settings.n_mels,
        norm="slaney",
        mel_scale="slaney",
        center=True,
        pad_mode="constant",
    )
    return mel, AmplitudeToDB("power", top_db=settings.top_db)


def decode(path: str | Path, seconds: float | None = None) -> tuple[np.ndarray, int]:
    """Waveform of a file, mixed to mono, and its rate [Hz].

    Parameters
    ----------
    path : path
        MP3, WAV, FLAC or Ogg.
    seconds : float, optional
        Read only this much from the start (or all, if the file is shorter) [s].

    Returns
    -------
    ndarray, shape (n,), float32
    int

    Raises
    ------
    ClipError
        If the file does not decode, holds fewer frames than it claims, or a sample that is not
        finite or beyond ``MAX_PEAK``.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as f:
            rate, claimed = f.samplerate, f.frames
            wanted = claimed if seconds is None else min(claimed, math.ceil(seconds * rate))
            samples = f.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, ValueError) as error:
        raise ClipError(f"does not decode: {_one_line(error)}") from error
    if len(samples) < wanted:
        raise ClipError(f"holds {len(samples)} frames where its header claims {claimed}")
    mono = sum(samples.T) / np.float32(samples.shape[1]) if len(samples) else samples[:, 0]
    if not np.isfinite(mono).all():
        raise ClipError("holds samples that are not finite")
    if len(samples) and np.abs(samples).max() > MAX_PEAK:
        raise ClipError(f"peak {np.abs(samples).max():.3g} is above {MAX_PEAK}")
    return mono, rate


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rsplit(": ", 1)[-1]  # the path is in the column beside it


def load_clip(path: str | Path, settings: MelSettings) -> np.ndarray:
    """First ``clip_seconds`` of a file, mono, at ``sample_rate``: shape (n_samples,) float32.

    Raises
    ------
    ClipError
        As ``decode``, or if the clip is too short.
    """
    import soxr

    mono, rate = decode(path, settings.clip_seconds + _MARGIN_SECONDS)
    if rate != settings.sample_rate:
        mono = soxr.resample(mono, rate, settings.sample_rate, quality="HQ")
    if len(mono) < settings.n_samples:
        seconds = len(mono) / settings.sample_rate
        raise ClipError(f"too short: {seconds:.2f} s of the {settings.clip_seconds:g} s asked for")
    return mono[: settings.n_samples]


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
    each call (about 1 GB/s); a truncated or altered cache is made again.

    Parameters
    ----------
    files : mapping of id to Path
        Ids are integers or strings.
    cache_dir : path
        The cache is the folder ``cache_dir/<key>/``: ``inputs.f32``, ``rows.json``,
        ``skipped.csv``.
    checksums : mapping of id to str, optional
        SHA-1 that a file must have, where its source publishes one.
    refused : DataFrame, optional
        Columns ``file`` and ``reason``: what the caller found unusable, put before what is
        skipped here.
    jobs : int, optional
        Threads, all cores by default. Decoder, resampler and FFT release the interpreter lock:
        two threads were 2.0 times as fast as one, without the seconds that processes take to
        start.
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
    key = _cache_key(files, settings, checksums, refused)
    work = partial(_spectrogram, settings=settings, checksums=checksums)
    return make_once(
        Path(cache_dir) / key,
        partial(
            _fill, files=files, settings=settings, work=work,
            refused=refused, jobs=jobs, progress=progress,
        ),
        partial(_load, settings=settings),
    )  # fmt: skip


def _cache_key(files: Mapping, settings: MelSettings, checksums: dict, refused) -> str:
    import soundfile

    versions = {name: version(name) for name in _LIBRARIES}
    versions["libsndfile"] = soundfile.__libsndfile_version__
    sources = [[i, clip_name(path), *_stat(path)] for i, path in files.items()]
    rows = [refused.values.tolist(), sorted(checksums.items())]
    return key_of(CACHE_FORMAT, asdict(settings), versions, sources, rows)


def _stat(path: Path) -> tuple[int, int, bool]:
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1, False
    return found.st_size, found.st_mtime_ns, os.access(path, os.R_OK)


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


def _fill(folder: Path, *, files, settings, work, refused, jobs, progress) -> None:
    from tqdm import tqdm

    row_bytes = 4 * settings.n_mels * settings.n_frames
    require_space(folder, row_bytes * len(files))
    rows, skipped = [], refused.values.tolist()
    bar = tqdm(
        total=len(files), desc="mel-spectrograms", unit="clip", disable=None if progress else True
    )
    pool = ThreadPoolExecutor(jobs or os.cpu_count())
    try:
        with bar, (folder / "inputs.f32").open("wb") as out:
            # Results come in the order of the files, so rows and ids cannot part.
            for (i, path), result in zip(files.items(), _in_order(pool, work, files), strict=True):
                bar.update()
                if isinstance(result, str):
                    skipped.append([clip_name(path), result])
                    continue
                out.write(result[0].data)
                rows.append([i, result[1], zlib.crc32(result[0].data)])
    finally:
        pool.shutdown(cancel_futures=True)
    _write_tables(folder, settings, rows, skipped)


def _in_order(pool: ThreadPoolExecutor, work, files: Mapping):
    """Results in order, with at most some dozens of them waiting in memory."""
    waiting = []
    for item in files.items():
        waiting.append(pool.submit(work, item))
        if len(waiting) >= 64:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def _write_tables(folder: Path, settings: MelSettings, rows: list, skipped: list) -> None:
    # names that are not valid Unicode exist on disks, and are escaped
    csv_file = (folder / "skipped.csv").open(
        "w", newline="", encoding="utf-8", errors="backslashreplace"
    )
    with csv_file as f:
        csv.writer(f, lineterminator="\n").writerows([["file", "reason"], *skipped])
    content = {"settings": asdict(settings), "rows": rows, "skipped": skipped}
    (folder / "rows.json").write_text(json.dumps(content), encoding="utf-8")


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
    return MelCache(inputs, ids, sha1, skipped_table(skipped), folder.name, folder)


def require_clips(found: MelCache) -> None:
    """Raise ``DataError`` with the first reason if no clip at all could be used."""
    if len(found.ids):
        return
    example = "no file" if found.skipped.empty else ": ".join(found.skipped.iloc[-1])
    raise DataError(
        f"none of {len(found.skipped)} clips can be used ({example}); "
        f"give other data or a smaller clip_seconds"
    )
