"""Spectrograms equal librosa's; the cache keeps rows and ids together and survives damage."""

import csv
import multiprocessing
import os
import shutil

import numpy as np
import pytest
import soundfile
from datasets_audio import RATE, tone, write_tone

from iblib.datasets import melspectrogram
from iblib.datasets.base import DataError
from iblib.datasets.melspectrogram import ClipError, MelSettings, build_cache, decode, log_mel

SHORT = MelSettings(clip_seconds=0.5, n_mels=32)


@pytest.fixture
def tones(tmp_path):
    return {i: write_tone(tmp_path / "in" / f"{i}.wav", 300 * (i + 1)) for i in range(6)}


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


def test_cache_holds_rows_of_usable_clips_in_order_and_names_the_others(tones, tmp_path):
    write_tone(tones[1], 600, seconds=0.2)
    tones[3].write_bytes(b"broken")
    tones[4].unlink()
    made = build_cache(tones, SHORT, tmp_path / "cache", jobs=2, progress=False)
    assert made.ids.tolist() == [0, 2, 5]
    assert made.inputs.shape == (3, 1, 32, SHORT.n_frames)
    assert not made.inputs.flags.writeable
    for row, i in zip(made.inputs, made.ids, strict=True):
        expected = log_mel(melspectrogram.load_clip(tones[i], SHORT), SHORT)
        np.testing.assert_array_equal(row[0], expected)
    reasons = dict(made.skipped.itertuples(index=False))
    assert list(reasons) == ["in/1.wav", "in/3.wav", "in/4.wav"]
    assert "too short: 0.20 s" in reasons["in/1.wav"]
    assert reasons["in/4.wav"] == "no such file"
    with (made.path / "skipped.csv").open() as f:
        assert [tuple(row) for row in csv.reader(f)] == [("file", "reason"), *reasons.items()]


def test_skipped_csv_is_written_when_nothing_was_skipped(tones, tmp_path):
    made = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    assert (made.path / "skipped.csv").read_text() == "file,reason\n"
    assert made.skipped.empty


def test_cache_is_reused_without_decoding(tones, tmp_path, monkeypatch):
    first = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    monkeypatch.setattr(melspectrogram, "decode", None)
    again = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert again.sha1.tolist() == first.sha1.tolist()


def test_settings_and_sources_are_in_the_key(tones, tmp_path):
    def key(settings=SHORT):
        return build_cache(tones, settings, tmp_path / "cache", progress=False).key

    first = key()
    assert key(MelSettings(clip_seconds=0.5, n_mels=32, top_db=60)) != first
    write_tone(tones[0], 999)
    assert key() != first


@pytest.mark.parametrize("damage", ["truncate", "flip", "no rows", "half rows"])
def test_a_damaged_cache_is_made_again(tones, tmp_path, damage):
    first = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    expected = np.array(first.inputs)
    data, rows = first.path / "inputs.f32", first.path / "rows.json"
    if damage == "truncate":
        os.truncate(data, 100)
    elif damage == "flip":
        content = bytearray(data.read_bytes())
        content[1000] ^= 1
        data.write_bytes(content)
    elif damage == "no rows":
        rows.unlink()
    else:
        rows.write_text(rows.read_text()[:50])
    again = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again.inputs, expected)


def test_an_interrupted_fill_leaves_nothing_behind(tones, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(melspectrogram, "_write_tables", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    assert [p.name for p in (tmp_path / "cache").iterdir() if p.is_dir()] == []


def test_a_full_disk_is_said_before_anything_is_decoded(tones, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(OSError, match=r"bytes needed, 10 free"):
        build_cache(tones, SHORT, tmp_path / "cache", progress=False)


def test_a_wrong_checksum_is_a_reason(tones, tmp_path):
    made = build_cache(tones, SHORT, tmp_path / "c", checksums={2: "0" * 40}, progress=False)
    assert made.ids.tolist() == [0, 1, 3, 4, 5]
    assert "SHA-1" in made.skipped["reason"][0]


def test_no_usable_clip_is_an_error_that_gives_a_reason(tones, tmp_path):
    made = build_cache(tones, MelSettings(clip_seconds=9), tmp_path / "cache", progress=False)
    with pytest.raises(DataError, match=r"none of 6 clips .*too short.*clip_seconds"):
        melspectrogram.require_clips(made)


def test_names_with_spaces_and_other_alphabets(tmp_path):
    files = {"é": write_tone(tmp_path / "a b" / "漢 é.wav", 440)}
    made = build_cache(files, SHORT, tmp_path / "cäche dir", progress=False)
    assert made.ids.tolist() == ["é"]


def test_a_name_that_is_not_unicode(tmp_path):
    path = tmp_path / os.fsdecode(b"bad \xff.wav")
    try:
        path.write_bytes(b"broken")
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    made = build_cache({1: path}, SHORT, tmp_path / "cache", progress=False)
    assert len(made.skipped) == 1


def test_a_file_without_permission_is_a_reason(tones, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(melspectrogram, "file_sha1", refuse)
    made = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    assert set(made.skipped["reason"]) == {"cannot be read: permission denied"}


def test_a_failing_disk_is_not_remembered_as_skipped_clips(tones, tmp_path, monkeypatch):
    def fail(path):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(melspectrogram, "file_sha1", fail)
    with pytest.raises(OSError, match="Input/output error"):
        build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    monkeypatch.undo()
    assert len(build_cache(tones, SHORT, tmp_path / "cache", progress=False).ids) == 6


def _build(files, cache_dir, started):
    started.wait()
    build_cache(files, SHORT, cache_dir, jobs=1, progress=False)


def test_two_processes_make_one_cache(tones, tmp_path):
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(2)
    both = [context.Process(target=_build, args=(tones, tmp_path / "c", started)) for _ in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    assert len([p for p in (tmp_path / "c").iterdir() if p.is_dir()]) == 1
