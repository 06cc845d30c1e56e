"""Folders by class: what is found at which depth, what is listed, how it is split."""

import os
import re
import shutil

import pytest
import soundfile
from datasets_audio import make_folder, peak_bands, write_tone

from iblib import datasets
from iblib.datasets import audio_folder
from iblib.datasets.base import DataError


@pytest.fixture(autouse=True)
def own_root(tmp_path, monkeypatch):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path.parent / f"{tmp_path.name}-root"))


def test_folder_by_class(tmp_path):
    folder = make_folder(tmp_path / "genres")
    (folder / "Höhe" / "._clip 0.wav").write_bytes(b"litter")
    (folder / "Höhe" / ".DS_Store").write_bytes(b"litter")
    (folder / "Höhe" / "notes.txt").write_text("not audio")
    (folder / "Höhe" / "folder.mp3").mkdir()
    (folder / "Höhe" / "filled.mp3").mkdir()
    shutil.move(folder / "Höhe" / "clip 0.wav", folder / "Höhe" / "filled.mp3" / "clip 0.wav")
    (folder / "low tones" / "link.wav").symlink_to("gone")
    (folder / "low tones" / "again").symlink_to(folder)
    (folder / "README.md").write_text("about")
    data = datasets.load("folder", data_dir=folder, clip_seconds=0.9, progress=False)
    assert data.classes == ("Höhe", "low tones")
    assert len(data) == 10
    assert ((peak_bands(data) > 60) == (data.labels == 0)).all()
    assert all(i.split("/")[0] == data.classes[c] for i, c in zip(data.ids, data.labels))  # noqa: B905
    assert (data.class_shares() > 0).all(axis=None)
    assert "Höhe/filled.mp3/clip 0.wav" in data.ids
    assert dict(data.skipped.itertuples(index=False)) == {
        "Höhe/._clip 0.wav": "hidden, or in a hidden folder",
        "Höhe/.DS_Store": "hidden, or in a hidden folder",
        "Höhe/folder.mp3": "is a folder, not a file",
        "Höhe/notes.txt": "no audio by its ending: .txt",
        "README.md": "in no class folder",
        "low tones/again": "link back to a folder around it",
        "low tones/link.wav": "link to a file that is not there",
    }
    assert "7 skipped: 2 hidden, or in a hidden folder, 1 " in data.summary()


def test_every_ending_of_libsndfile_at_any_depth(tmp_path):
    deep = tmp_path / "b" / "c" / "d e" / "f"
    deep.mkdir(parents=True)
    (tmp_path / "a").mkdir()
    formats = sorted(set(soundfile.available_formats()) - {"RAW"})
    for name in (kind.lower() for kind in formats):
        shutil.copy(write_tone(tmp_path / "clip.wav", 440), deep / f"x.{name}")
    aliases = "MPGA mp2 aif Aiff AIFC snd oga Opus sph wave bwf sf iff"
    for name in aliases.split():
        shutil.copy(tmp_path / "clip.wav", tmp_path / "a" / f"x.{name}")
    clips, refused = audio_folder.find_clips(tmp_path)
    assert (clips["label"] == "b").sum() == len(formats)
    assert (clips["label"] == "a").sum() == len(aliases.split())
    assert "b/c/d e/f/x.w64" in clips.index
    assert refused["file"].tolist() == ["clip.wav"]
    data = datasets.load("folder", data_dir=tmp_path, clip_seconds=0.9, progress=False)
    assert len(data) == len(clips)  # whatever the ending promised, they decode


def test_equal_names_in_different_folders_stay_apart(tmp_path):
    """One genre each, below folders of equal names; and two endings of one stem."""
    for genre, frequency in (("low", 500), ("high", 3000)):
        for i in range(3):
            write_tone(tmp_path / genre / "disc 1" / f"{i}.wav", frequency)
        write_tone(tmp_path / genre / "disc 1" / "0.flac", frequency)
        (tmp_path / genre / "disc 1" / "bad.mp3").write_bytes(b"bad")
    data = datasets.load("folder", data_dir=tmp_path, clip_seconds=0.9, progress=False)
    assert data.ids.tolist() == sorted(data.ids)
    assert len(set(data.ids)) == 8
    assert ((peak_bands(data) > 60) == (data.labels == 0)).all()
    assert set(data.skipped["file"]) == {"high/disc 1/bad.mp3", "low/disc 1/bad.mp3"}
    before = datasets.fingerprint("folder", data_dir=tmp_path)
    for genre in ("low", "high"):
        path = tmp_path / genre / "disc 1" / "1.wav"
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.rename(path.with_name("2nd.wav"))
        assert datasets.fingerprint("folder", data_dir=tmp_path) != before
        path.with_name("2nd.wav").rename(path)
        os.utime(path, ns=times)
    assert datasets.fingerprint("folder", data_dir=tmp_path) == before


def test_the_split_is_made_of_clips_that_can_be_used(tmp_path):
    folder = make_folder(tmp_path / "x", 10)
    for i in range(6):
        (folder / "Höhe" / f"bad {i}.mp3").write_bytes(b"bad")
    data = datasets.load("folder", data_dir=folder, clip_seconds=0.9, progress=False)
    shares = data.class_shares()
    assert (shares.loc["Höhe"] == shares.loc["low tones"]).all()
    assert (shares > 0).all(axis=None)
    for i in range(8):
        next(folder.glob(f"Höhe/clip {i}.*")).write_bytes(b"bad")
    (folder / "covers").mkdir()
    (folder / "covers" / "front.jpg").write_bytes(b"bad")
    with pytest.raises(DataError, match=r"needs 3 clips .*; 'Höhe' has 2 of 16; give other data$"):
        datasets.load("folder", data_dir=folder, clip_seconds=0.9, progress=False)


def test_advice_for_short_clips_names_a_length_that_works(tmp_path):
    folder = make_folder(tmp_path / "x", 10)
    lengths = [0.4, *[0.8] * 9]
    for i, seconds in enumerate(lengths):
        for genre in ("Höhe", "low tones"):
            path = next(folder.glob(f"{genre}/clip {i}.*"))
            write_tone(path.with_suffix(".wav"), 500, seconds).rename(path)
    write_tone(folder / "Höhe" / "long.wav", 3000, 2)
    with pytest.raises(DataError, match=r"none of|needs 3 clips") as caught:
        datasets.load("folder", data_dir=folder, clip_seconds=1.5, progress=False)
    [seconds] = re.findall(r"--clip-seconds ([\d.]+)", str(caught.value))
    assert float(seconds) == 0.8
    data = datasets.load("folder", data_dir=folder, clip_seconds=float(seconds), progress=False)
    assert len(data) == 19
    assert "--clip-seconds 0.4 (clip_seconds=0.4)" in data.summary()
    data = datasets.load("folder", data_dir=folder, clip_seconds=0.4, progress=False)
    assert "--clip-seconds" not in data.summary()


def test_folder_faults_name_the_cure(tmp_path):
    with pytest.raises(DataError, match="folder needs a data_dir: give --data-dir"):
        datasets.load("folder")
    with pytest.raises(DataError, match=r"no folder .*nowhere; give --data-dir"):
        datasets.load("folder", data_dir=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no audio in class folders of"):
        datasets.load("folder", data_dir=tmp_path)
    write_tone(tmp_path / "only" / "a.wav", 500)
    with pytest.raises(DataError, match="only one class, 'only'"):
        datasets.load("folder", data_dir=tmp_path)
    write_tone(tmp_path / "other" / "a.wav", 500)
    with pytest.raises(DataError, match=r"needs 3 clips .* 'only' has 1 of 1, 'other' has 1 of 1"):
        datasets.load("folder", data_dir=tmp_path, clip_seconds=0.9)


def test_folder_of_clips_that_are_all_too_short(tmp_path):
    folder = make_folder(tmp_path / "x")
    too_short = r"none of 10 clips.*too short: 1.00 s of the 29.9 s.*--clip-seconds 1 "
    with pytest.raises(DataError, match=too_short):
        datasets.load("folder", data_dir=folder, progress=False)


def test_hidden_class_folders_are_passed_over(tmp_path):
    folder = make_folder(tmp_path / "x")
    write_tone(folder / ".git" / "a.wav", 500)
    clips, refused = audio_folder.find_clips(folder)
    assert clips["label"].nunique() == 2
    assert refused.values.tolist() == [[".git/a.wav", "hidden, or in a hidden folder"]]
