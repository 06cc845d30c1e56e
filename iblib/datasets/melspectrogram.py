"""Audio files to log-mel spectrograms."""

import io
import math
import os
from dataclasses import asdict, dataclass
from functools import cache
from numbers import Real
from pathlib import Path

import numpy as np

from iblib.config import key_of
from iblib.datasets.base import DataError

SAMPLE_RATE = 22050  # [Hz]
CACHE_FORMAT = 1  # raised by one whenever the spectrogram of a clip changes
RULES = 2  # raised by one whenever other files are used, or other reasons given
_MARGIN_SECONDS = 0.1  # read beyond the cut, so that the resampler's end effect is not in it
_GUESSED_SECONDS = 0.5  # an MP3 that lasts so much longer than it says only guessed
_BLOCK = 2**23  # frames read at once


class ClipError(Exception):
    """A clip that cannot be used; the message is the reason that ``skipped.csv`` gives."""


@dataclass(frozen=True)
class MelSettings:
    """Everything that turns a file into a spectrogram; DataError for a number that is not > 0."""

    clip_seconds: float = 29.9  # length measured of each clip, from its start; shorter are skipped
    sample_rate: int = SAMPLE_RATE  # after resampling [Hz]
    n_fft: int = 1024  # length of the Hann window [samples]
    hop_length: int = 512  # step between frames [samples]
    n_mels: int = 128  # bands (Slaney scale and norm) from 0 Hz to half the rate
    top_db: float = 80.0  # values more than this below a clip's maximum are raised to it [dB]

    def __post_init__(self):
        for name, value in asdict(self).items():
            if not (isinstance(value, Real) and math.isfinite(value) and value > 0):
                raise DataError(f"{name} must be a positive number; got {value!r}")
        if not self.n_samples:
            raise DataError(f"clip_seconds must be at least one sample; got {self.clip_seconds}")

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
        # named, since another resampler differs by dB in the top bands
        return key_of(CACHE_FORMAT, asdict(self) | {"resampler": "soxr_hq"})


def log_mel(waveform: np.ndarray, settings: MelSettings) -> np.ndarray:
    """Log-mel power spectrogram [dB re 1], clipped at ``top_db`` below the clip's maximum.

    Of a mono waveform (n_samples,) float32 at ``settings.sample_rate``: (n_mels, 1 + n_samples //
    hop_length) float32. Equal to librosa's ``melspectrogram`` and ``power_to_db(ref=1.0)``, which
    keeps how loud a clip is, with centred, zero-padded frames. About 9 ms for 30 s on one core.
    """
    import torch

    mel, to_db = _transforms(settings)
    with torch.inference_mode():
        decibels = to_db(mel(torch.from_numpy(np.ascontiguousarray(waveform))))
    return decibels.contiguous().numpy()


@cache
def _transforms(settings: MelSettings):
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    sizes = {"hop_length": settings.hop_length, "n_mels": settings.n_mels}
    slaney = {"norm": "slaney", "mel_scale": "slaney", "center": True, "pad_mode": "constant"}
    mel = MelSpectrogram(settings.sample_rate, settings.n_fft, **sizes, **slaney)
    return mel, AmplitudeToDB("power", top_db=settings.top_db)


class _Endless(io.BytesIO):
    """An MP3 that claims a thousand times its length, and has no other header that says one."""

    def __init__(self, content: bytes):
        super().__init__(content.replace(b"Xing", bytes(4), 1).replace(b"Info", bytes(4), 1))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if (offset, whence) == (0, os.SEEK_END):
            return super().seek(1000 * len(self.getbuffer()))
        return super().seek(offset, whence)


def decode(path: str | Path, seconds: float | None = None) -> tuple[np.ndarray, int]:
    """Waveform of a file, mixed to mono, and its rate [Hz].

    Of the first ``seconds`` only, if given; (n,) float32, as much as there is: what a header claims
    may be a guess. Any format that libsndfile reads will do, whatever the name says. ClipError if
    the file does not decode or holds a sample that is not finite.
    """
    import soundfile

    try:
        # By a handle: given a name, libsndfile prefers macOS's litter `._name` beside it.
        with open(path, "rb") as handle, soundfile.SoundFile(handle) as f:
            samples, rate, claimed = _read(f, seconds), f.samplerate, f.frames
            wanted = claimed + 1 if seconds is None else seconds * rate
            if f.format == "MP3" and len(samples) == claimed < wanted:
                # libsndfile reads no further than a length that it may have guessed
                with soundfile.SoundFile(_Endless(Path(path).read_bytes())) as whole:
                    more = _read(whole, seconds)
                if len(more) > len(samples) + _GUESSED_SECONDS * rate:
                    samples = more
    except (soundfile.SoundFileError, ValueError, TypeError) as error:  # TypeError: no header
        raise ClipError(f"does not decode: {_one_line(error)}") from error
    mono = sum(samples.T) / np.float32(samples.shape[1])
    if not np.isfinite(mono).all():
        raise ClipError("holds samples that are not finite")
    return mono, rate


def _read(f, seconds: float | None) -> np.ndarray:
    """(frames, channels) of an open file, float32, until it ends."""
    wanted = f.frames if seconds is None else min(f.frames, math.ceil(seconds * f.samplerate))
    parts = [np.empty((0, f.channels), np.float32)]
    for start in range(0, wanted, _BLOCK):
        parts.append(f.read(min(_BLOCK, wanted - start), dtype="float32", always_2d=True))
        if len(parts[-1]) < _BLOCK:
            break
    return np.concatenate(parts) if len(parts) > 2 else parts[-1]


def _one_line(error: Exception) -> str:
    if "File does not exist" in str(error):  # what libsndfile says where no format fits
        return "no format that libsndfile knows"
    return " ".join(str(error).split()).rsplit(": ", 1)[-1]  # the path is in the column beside it


def load_clip(path: str | Path, settings: MelSettings) -> np.ndarray:
    """First ``clip_seconds`` of a file, mono, at ``sample_rate``: shape (n_samples,) float32.

    ClipError as of ``decode``, or if the clip is too short.
    """
    import soxr

    mono, rate = decode(path, settings.clip_seconds + _MARGIN_SECONDS)
    if rate != settings.sample_rate:
        try:
            mono = soxr.resample(mono, rate, settings.sample_rate, quality="HQ")
        except (ValueError, RuntimeError) as error:
            raise ClipError(f"its rate of {rate} Hz cannot be resampled") from error
    if len(mono) < settings.n_samples:
        seconds = 100 * len(mono) // settings.sample_rate / 100  # rounded down: it can be asked for
        raise ClipError(f"too short: {seconds:.2f} s of the {settings.clip_seconds:g} s asked for")
    return mono[: settings.n_samples]
