"""Spectrograms equal librosa's; what cannot be decoded is refused."""

import numpy as np
import pytest
import soundfile
from datasets_audio import RATE, tone, write_tone

from iblib.datasets import melspectrogram
from iblib.datasets.melspectrogram import ClipError, MelSettings, decode, log_mel

SHORT = MelSettings(clip_seconds=0.5, n_mels=32)


def test_settings_give_the_frames_of_the_design():
    assert MelSettings().n_frames == 1288
    assert MelSettings(clip_seconds=5.93).n_frames == 256


@pytest.mark.parametrize(
    "wrong", [{"clip_seconds": 0}, {"clip_seconds": float("nan")}, {"resampler": "sinc"}]
)
def test_settings_refuse_what_has_no_meaning(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MelSettings(**wrong)


def test_log_mel_equals_librosa():
    import librosa

    noise = np.random.default_rng(0).normal(scale=0.1, size=RATE).astype(np.float32)
    wave = noise * np.linspace(0, 1, RATE, dtype=np.float32) + tone(440).astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=wave, sr=RATE, n_fft=1024, hop_length=512, n_mels=128, pad_mode="constant"
    )
    expected = librosa.power_to_db(power, ref=1.0, top_db=80.0)
    ours = log_mel(wave, MelSettings(clip_seconds=1.0))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, atol=2e-3)
    assert ours.max() - ours.min() <= 80 + 1e-4


def test_silence_is_finite():
    assert np.isfinite(log_mel(np.zeros(RATE, np.float32), SHORT)).all()


def test_decode_mixes_channels_and_resamples_to_the_same_spectrum(tmp_path):
    stereo = np.stack([tone(440, rate=44100), np.zeros(44100)], axis=1)
    soundfile.write(tmp_path / "s.flac", stereo, 44100)
    mono, rate = decode(tmp_path / "s.flac")
    assert rate == 44100
    np.testing.assert_allclose(mono, stereo.mean(axis=1), atol=1e-4)
    write_tone(tmp_path / "m.wav", 440, rate=44100)
    write_tone(tmp_path / "n.wav", 440)
    a, b = (melspectrogram.load_clip(tmp_path / n, SHORT) for n in ("m.wav", "n.wav"))
    assert a.shape == b.shape == (SHORT.n_samples,)
    np.testing.assert_allclose(a[200:], b[200:], atol=1e-3)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.array([0.0, np.nan, 0.0]), "not finite"),
        (np.array([0.0, 2.0, 0.0]), "peak"),
    ],
)
def test_decode_refuses_impossible_samples(tmp_path, samples, reason):
    soundfile.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(ClipError, match=reason):
        decode(tmp_path / "x.wav")


@pytest.mark.parametrize("content", [b"", b"not audio at all" * 100])
def test_decode_refuses_what_is_not_audio(tmp_path, content):
    (tmp_path / "x.mp3").write_bytes(content)
    with pytest.raises(ClipError, match="does not decode"):
        decode(tmp_path / "x.mp3")


def test_a_truncated_mp3_is_refused(tmp_path):
    path = tmp_path / "x.mp3"
    soundfile.write(path, tone(440, 2), RATE, format="MP3")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ClipError, match="header claims"):
        decode(path)
