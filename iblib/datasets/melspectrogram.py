"""Audio files to log-mel spectrograms."""

import math
from dataclasses import asdict, dataclass
from functools import cache
from numbers import Real
from pathlib import Path

import numpy as np

from iblib.config import key_of
from iblib.datasets.base import DataError

SAMPLE_RATE = 22050  # [Hz]
CACHE_FORMAT = 1  # raised by one whenever the code changes what a cache holds
MAX_PEAK = 1.5  # a decoder's output above this is damage, not music
_MARGIN_SECONDS = 0.1  # read beyond the cut, so that the resampler's end effect is not in it


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
    sample_rate: int = SAMPLE_RATE
    n_fft: int = 1024
    hop_length: int = 512
    n_mels: int = 128
    top_db: float = 80.0
    resampler: str = "soxr_hq"

    def __post_init__(self):
        if self.resampler != "soxr_hq":
            raise DataError(f"resampler must be 'soxr_hq'; got {self.resampler!r}")
        for name in ("clip_seconds", "sample_rate", "n_fft", "hop_length", "n_mels", "top_db"):
            value = getattr(self, name)
            if not (isinstance(value, Real) and math.isfinite(value) and value > 0):
                raise DataError(f"{name} must be a positive number; got {value!r}")

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
        # By a handle: given a name, libsndfile prefers macOS's litter `._name` beside it.
        with open(path, "rb") as handle, soundfile.SoundFile(handle) as f:
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
    if "File does not exist" in str(error):  # what libsndfile says where no format fits
        return "no format that libsndfile knows"
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
