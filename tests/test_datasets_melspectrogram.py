"""Spectrograms equal librosa's; what cannot be decoded is refused."""

import io

import numpy as np
import pytest
import soundfile
from datasets_audio import RATE, tone, write_tone

from iblib.datasets.melspectrogram import ClipError, MelSettings, decode, load_clip, log_mel

SHORT = MelSettings(clip_seconds=0.5, n_mels=32)


def test_settings_give_the_frames_of_the_design():
    assert MelSettings().n_frames == 1288
    assert MelSettings(clip_seconds=5.93).n_frames == 256


@pytest.mark.parametrize(
    "wrong", [{"clip_seconds": 0}, {"clip_seconds": float("nan")}, {"n_mels": "128"}]
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
    a, b = (load_clip(tmp_path / n, SHORT) for n in ("m.wav", "n.wav"))
    assert a.shape == b.shape == (SHORT.n_samples,)
    np.testing.assert_allclose(a[200:], b[200:], atol=1e-3)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.array([0.0, np.nan, 0.0]), "not finite"),
        (np.array([0.0, np.inf, 0.0]), "not finite"),
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


def test_a_truncated_mp3_lasts_as_long_as_it_can_be_read(tmp_path):
    path = tmp_path / "x.mp3"
    soundfile.write(path, tone(440, 2), RATE, format="MP3")
    whole, _ = decode(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert soundfile.info(path).duration == 2  # as its header claims
    kept, _ = decode(path)
    assert 0.8 < len(kept) / RATE < 1.1
    np.testing.assert_array_equal(kept[:15000], whole[:15000])
    load_clip(path, SHORT)
    with pytest.raises(ClipError, match=r"too short: 0\.8\d s of the 1\.5 s"):
        load_clip(path, MelSettings(clip_seconds=1.5))


# Lengths that headers guess: a Xing frame says it, and libsndfile reads no further than it thinks.


def mp3_frames(seconds: float, level: float) -> list[bytes]:
    """Frames of an MP3 of constant bitrate, high at level 0; the first holds the length."""
    target = io.BytesIO()
    constant = {"bitrate_mode": "CONSTANT", "compression_level": level}
    soundfile.write(target, tone(440, seconds), RATE, format="MP3", **constant)
    data, rates = target.getvalue(), (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    frames = []
    while len(data) > 4 and data[0] == 0xFF:
        n = 72000 * rates[data[2] >> 4] // RATE + (data[2] >> 1 & 1)  # of MPEG-2, layer III
        frames, data = [*frames, data[:n]], data[n:]
    return frames


HIGH, LOW = mp3_frames(3, 0.0), mp3_frames(3, 0.99)
GUESSED = {
    "bitrate falls": (HIGH[1:] + LOW[1:], 6),
    "bitrate rises": (LOW[1:] + HIGH[1:], 6),
    "constant": (HIGH[1:], 3),
    "two files in one": (HIGH + LOW, 6),
    "says it": (HIGH, 3),
}


@pytest.mark.parametrize("kind", GUESSED)
def test_an_mp3_lasts_as_long_as_it_plays(tmp_path, kind):
    frames, seconds = GUESSED[kind]
    path = tmp_path / "x.mp3"
    for tag in (b"", b"TAG" + bytes(125)):  # ID3v1, at the end
        path.write_bytes(b"".join(frames) + tag)
        mono, rate = decode(path)
        assert len(mono) / rate == pytest.approx(seconds, abs=0.15)
        assert np.abs(mono[-RATE : -RATE // 2]).max() > 0.4  # it is the tone, to its end
        assert len(load_clip(path, MelSettings(clip_seconds=seconds - 0.1)))
        with pytest.raises(ClipError, match="too short"):
            load_clip(path, MelSettings(clip_seconds=seconds + 0.5))


def test_some_of_these_headers_guess_wrong(tmp_path):
    path = tmp_path / "x.mp3"
    lasts = {}
    for kind in ("bitrate falls", "bitrate rises", "two files in one"):
        path.write_bytes(b"".join(GUESSED[kind][0]))
        lasts[kind] = soundfile.info(path).duration
    assert lasts["bitrate falls"] < 4
    assert lasts["bitrate rises"] > 30
    assert lasts["two files in one"] == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("kind", ["MP3", "WAV"])
def test_loud_audio_is_audio(tmp_path, kind):
    """Samples beyond 1: a decoder's overshoot, or floats that somebody left so."""
    wave = np.random.default_rng(0).choice([-1.0, 1.0], RATE) if kind == "MP3" else 8 * tone(440)
    path = tmp_path / "x"
    soundfile.write(path, wave, RATE, format=kind, subtype="FLOAT" if kind == "WAV" else None)
    assert np.abs(decode(path)[0]).max() > 1.5
    assert np.isfinite(log_mel(load_clip(path, SHORT), SHORT)).all()


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8000, 96000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "ULAW"])
def test_rates_channels_and_depths(tmp_path, channels, rate, subtype):
    wave = np.repeat(tone(440, rate=rate)[:, None], channels, axis=1)
    soundfile.write(tmp_path / "x.wav", wave, rate, subtype=subtype)
    found = load_clip(tmp_path / "x.wav", SHORT)
    expected = tone(440)[: SHORT.n_samples]
    np.testing.assert_allclose(found[200:], expected[200:], atol=0.02)


def test_too_short_says_a_length_that_can_be_asked_for(tmp_path):
    path = write_tone(tmp_path / "x.wav", 440, 2.8799, 44100)
    with pytest.raises(ClipError, match=r"too short: 2\.87 s of the 29\.9 s"):
        load_clip(path, MelSettings())
    assert len(load_clip(path, MelSettings(clip_seconds=2.87))) == round(2.87 * RATE)
