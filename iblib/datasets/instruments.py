"""A small band that plays synthetic clips: traits in, waveform out."""

from itertools import product

import numpy as np

from iblib.datasets.melspectrogram import SAMPLE_RATE

# Beats per minute; spectral tilt and low-pass; pads to plucked strings; share of odd harmonics;
# levels; notes of the melody; pitch; scale; release of the notes.
TRAITS = (
    "tempo", "bright", "attack", "odd", "bass", "drums", "hat", "noise", "density", "register",
    "minor", "sustain",
)  # fmt: skip
_TABLE = 2048  # samples of a wavetable, a power of two
_MAJOR, _MINOR = np.array([0, 2, 4, 5, 7, 9, 11]), np.array([0, 2, 3, 5, 7, 8, 10])
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (0, 3, 4, 3), (0, 6, 5, 4))


def play(
    traits: np.ndarray, n_samples: int, *, clip: np.random.Generator, artist: np.random.Generator
) -> np.ndarray:
    """One mono clip: chords, bass, melody and drums over a noise floor, through the artist's tone.

    Traits (12,) are in standard deviations, in the order of ``TRAITS``. ``clip`` chooses key, notes
    and start, ``artist`` what all clips of an artist share: wavetable, equaliser, chords, drums.
    Returns (n_samples,) int16 at 22 050 Hz, rounded from float64, so that CPUs whose last bits
    differ write the same clip.
    """
    z = dict(zip(TRAITS, traits, strict=True))
    song = _Song(z, n_samples, clip, artist)
    mix = 0.5 * song.chords() + _level(0.5, z["bass"]) * song.bass() + 0.6 * song.melody()
    mix += _level(0.5, z["drums"]) * song.drums(hat=_level(0.35, z["hat"]))
    mix += _level(0.012, 1.5 * z["noise"]) * clip.normal(size=n_samples)
    mix = _tone(mix, z["bright"], artist)
    mix *= artist.uniform(0.4, 0.95) / np.abs(mix).max()
    return np.round(32767 * mix).astype(np.int16)


def _level(middle: float, z: float) -> float:
    """Amplitude: a factor of 1.8 a standard deviation around ``middle``, within a factor of 8."""
    return middle * 1.8 ** np.clip(z, -3.5, 3.5)


class _Song:
    """Beat, key and sounds of a clip; each method is one voice, shape (n_samples,)."""

    def __init__(self, z: dict, n_samples: int, clip, artist):
        self.n, self.random = n_samples, clip
        bpm = np.clip(105 * 2 ** (0.3 * z["tempo"]), 50, 220)
        self.beat = int(SAMPLE_RATE * 60 / bpm)  # samples
        self.start = int(clip.integers(self.beat))
        self.scale = _MINOR if z["minor"] + artist.normal(scale=0.5) > 0 else _MAJOR
        self.key = 48 + int(clip.integers(-5, 7)) + round(5 * np.clip(z["register"], -2.5, 2.5))
        self.degrees = _PROGRESSIONS[artist.integers(len(_PROGRESSIONS))]
        self.kick = artist.integers(3)
        self.table = _wavetable(z, artist)
        attack = 0.005 * 2 ** (2 * np.clip(-z["attack"], -1.5, 2.5))  # seconds
        decay = 0.25 * 2 ** (np.clip(z["sustain"] - z["attack"], -2, 3))  # seconds
        self.release = int(2 * decay * SAMPLE_RATE)
        time = np.arange(self.release + 2 * self.beat) / SAMPLE_RATE
        self.envelope = np.exp(-time / decay) * np.minimum(time / attack, 1)
        self.density = 1 / (1 + np.exp(-z["density"]))

    def note(self, out: np.ndarray, start: int, pitch: float, amplitude: float, beats: float):
        """Add one note of the song's sound to ``out``."""
        stop = min(start + int(beats * self.beat) + self.release, self.n)
        if stop <= start:
            return
        step = 440 * 2 ** ((pitch - 69) / 12) / SAMPLE_RATE * _TABLE
        place = (np.arange(stop - start) * step).astype(np.int64) & (_TABLE - 1)
        out[start:stop] += amplitude * self.table[place] * self.envelope[: stop - start]

    def pitch(self, degree: int, octave: int = 0) -> float:
        """MIDI pitch of a degree of the scale."""
        return self.key + 12 * (octave + degree // 7) + self.scale[degree % 7]

    def bars(self):
        """Start of each bar [samples] and the degree of its chord."""
        starts = range(self.start - 4 * self.beat, self.n, 4 * self.beat)
        return [(max(s, 0), self.degrees[i % 4]) for i, s in enumerate(starts)]

    def chords(self) -> np.ndarray:
        """A triad, struck twice a bar."""
        out = np.zeros(self.n)
        for (start, root), half, third in product(self.bars(), range(2), (0, 2, 4)):
            self.note(out, start + 2 * half * self.beat, self.pitch(root + third), 0.4, 2)
        return out

    def bass(self) -> np.ndarray:
        """The chord's root, an octave or two below, on each beat."""
        out = np.zeros(self.n)
        for (start, root), beat in product(self.bars(), range(4)):
            self.note(out, start + beat * self.beat, self.pitch(root, -2), 0.9, 0.8)
        return out

    def melody(self) -> np.ndarray:
        """A random walk on the scale, in eighth notes of which ``density`` sound."""
        out = np.zeros(self.n)
        step, degree = self.beat // 2, 7
        for start in range(self.start % step, self.n, step):
            degree = int(np.clip(degree + self.random.integers(-2, 3), 3, 14))
            if self.random.random() < self.density:
                self.note(out, start, self.pitch(degree), self.random.uniform(0.4, 0.8), 0.4)
        return out

    def drums(self, hat: float) -> np.ndarray:
        """Kick and snare in the artist's pattern, hi-hat in eighths."""
        kick, snare, closed = _drum_kit(self.random)
        out = np.zeros(self.n + len(snare))
        kicks = ((0, 4), (0, 3, 5), (0, 2, 4, 6))[self.kick]  # in eighths of a bar
        eighth = self.beat // 2
        for i, start in enumerate(range(self.start % eighth, self.n, eighth)):
            out[start : start + len(closed)] += hat * self.random.uniform(0.6, 1) * closed
            if i % 8 in kicks:
                out[start : start + len(kick)] += kick
            if i % 4 == 2:
                out[start : start + len(snare)] += snare
        return out[: self.n]


def _wavetable(z: dict, artist: np.random.Generator) -> np.ndarray:
    """One period with 24 harmonics: tilt by brightness, even ones by ``odd``, the artist's own."""
    k = np.arange(1, 25)
    amplitude = k ** -(1.6 - 0.4 * np.clip(z["bright"], -2, 2))
    amplitude[1::2] *= np.exp(-np.clip(z["odd"], -1, 3))
    amplitude = amplitude * np.exp(0.5 * artist.normal(size=24))
    phase = np.exp(2j * np.pi * artist.random(24))
    table = np.fft.irfft(np.concatenate([[0], amplitude * phase]), _TABLE)
    return table / np.sqrt(np.mean(table**2)) * 0.3


def _drum_kit(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t = np.arange(SAMPLE_RATE // 5) / SAMPLE_RATE
    kick = np.sin(2 * np.pi * (55 * t - 6 * np.exp(-t / 0.03))) * np.exp(-t / 0.07)
    snare = random.normal(size=len(t)) * np.exp(-t / 0.05) * 0.4
    closed = np.diff(random.normal(size=1201)) * np.exp(-t[:1200] / 0.015) * 0.3
    return kick, snare, closed


def _tone(mix: np.ndarray, bright: float, artist: np.random.Generator) -> np.ndarray:
    """Low-pass by brightness and a smooth equaliser of the artist's own, about 4 dB deep."""
    frequency = np.maximum(np.fft.rfftfreq(len(mix), 1 / SAMPLE_RATE), 20)
    octave = np.log2(frequency / 20) / np.log2(11025 / 20)  # 0 to 1
    decibels = sum(
        artist.normal(scale=3) * np.cos(np.pi * k * octave + artist.uniform(0, 2 * np.pi))
        for k in range(1, 5)
    )
    corner = np.clip(4000 * 2 ** (0.7 * bright), 800, 10000)
    gain = 10 ** (decibels / 20) / np.sqrt(1 + (frequency / corner) ** 4)
    return np.fft.irfft(np.fft.rfft(mix) * gain, len(mix))
