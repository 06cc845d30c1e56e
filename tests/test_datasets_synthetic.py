"""The embedded data: real MP3s in FMA's layout, the same for a seed, made once and whole."""

import multiprocessing

import numpy as np
import pandas as pd
import pytest
import soundfile

from iblib import datasets
from iblib.datasets import fma, instruments, synthetic
from iblib.datasets.base import SPLITS, DataError
from iblib.datasets.melspectrogram import SAMPLE_RATE
from iblib.datasets.synthetic import SyntheticSettings

FEW = SyntheticSettings(clips_per_genre=3, seed=7, seconds=1.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return synthetic.write(FEW, tmp_path_factory.mktemp("syn thetic"), progress=False)


@pytest.mark.parametrize("n", [3, 10, 80])
def test_plan_is_balanced_and_artists_are_in_one_split_only(n):
    table = synthetic.plan(SyntheticSettings(clips_per_genre=n))
    held_out = max(1, n // 10)
    counts = pd.crosstab(table["genre"], table["split"])[list(SPLITS)]
    assert counts.index.tolist() == list(fma.GENRES)
    assert (counts == [n - 2 * held_out, held_out, held_out]).all(axis=None)
    assert table[["artist", "split", "genre"]].drop_duplicates()["artist"].is_unique
    assert table.groupby("artist").size().max() <= SyntheticSettings().clips_per_artist


def test_plan_refuses_fewer_clips_than_splits():
    with pytest.raises(DataError, match="clips_per_genre must be at least 3; got 2"):
        datasets.load("synthetic", clips_per_genre=2)


def test_every_file_is_a_real_mp3_of_the_stated_length(made):
    table = synthetic.plan(FEW)
    files = sorted((made / "fma_small").rglob("*.mp3"))
    assert files == sorted(fma.clip_path(made, track) for track in table.index)
    for path in files:
        info = soundfile.info(path)
        assert (info.format, info.channels, info.samplerate) == ("MP3", 1, SAMPLE_RATE)
        assert info.duration == pytest.approx(1.0)


def test_tracks_csv_has_fmas_three_header_lines(made):
    lines = (made / "fma_metadata" / "tracks.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[:3]] == ["", "", "track_id"]
    assert set(lines[2]) == set("track_id,")
    tracks = fma.load_tracks(made)
    assert tracks["track", "genre_top"].value_counts().tolist() == [3] * 8
    assert (tracks["set", "subset"] == "small").all()


def test_seed_determines_every_byte(made, tmp_path):
    again = synthetic.write(FEW, tmp_path, jobs=1, progress=False)
    for path in made.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(made)).read_bytes()
    assert SyntheticSettings(seed=8).key != SyntheticSettings(seed=7).key


def test_other_seed_other_music():
    traits = np.zeros(len(instruments.TRAITS))
    a, b = (
        instruments.play(
            traits, 4410, clip=np.random.default_rng(s), artist=np.random.default_rng(0)
        )
        for s in (0, 1)
    )
    assert a.dtype == np.int16
    assert (a != b).any()


def test_extreme_traits_still_play():
    for value in (-9.0, 9.0):
        random = np.random.default_rng(0)
        traits = np.full(len(instruments.TRAITS), value)
        wave = instruments.play(traits, 44100, clip=random, artist=random)
        assert 0.3 * 32767 < np.abs(wave.astype(int)).max() < 32767


def test_clips_of_an_artist_are_alike_but_not_equal():
    def distance(a, b):
        return np.linalg.norm(
            synthetic.traits(*a, SyntheticSettings()) - synthetic.traits(*b, SyntheticSettings())
        )

    same = [distance((i, "Pop", i), (1000 + i, "Pop", i)) for i in range(50)]
    other = [distance((i, "Pop", i), (1000 + i, "Pop", 99 + i)) for i in range(50)]
    assert 0 < np.mean(same) < 0.8 * np.mean(other)


def test_loads_through_fma(made, monkeypatch, tmp_path):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    data = datasets.load("synthetic", clips_per_genre=3, seed=1, progress=False)
    assert data.inputs.shape == (24, 1, 128, 256)
    assert data.classes == fma.GENRES
    assert [len(data.rows(s)) for s in SPLITS] == [8, 8, 8]
    assert data.skipped.empty
    assert data.standardise
    assert "synthetic" in data.source
    assert "24 " in data.source
    written = [p.name for p in (tmp_path / "data").iterdir() if not p.name.startswith(".")]
    assert sorted(written) == ["cache", f"synthetic-{SyntheticSettings(3, 1).key}"]
    with pytest.raises(DataError, match=r"too short: 6.00 s of the 10 s"):
        datasets.load("synthetic", clips_per_genre=3, seed=1, clip_seconds=10, progress=False)


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_finished_files_are_reused_and_damaged_ones_made_again(tmp_path, monkeypatch, damage):
    folder = synthetic.write(FEW, tmp_path, progress=False)
    victim = next((folder / "fma_small").rglob("*.mp3"))
    before, stamp = victim.read_bytes(), victim.stat().st_mtime_ns
    synthetic.write(FEW, tmp_path, progress=False)
    assert victim.stat().st_mtime_ns == stamp
    if damage == "truncated":
        victim.write_bytes(before[:100])
    else:
        victim.unlink()
    synthetic.write(FEW, tmp_path, progress=False)
    assert victim.read_bytes() == before


def test_an_interrupted_writer_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "_write_tracks", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        synthetic.write(FEW, tmp_path, progress=False)
    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []


def _write(base, started):
    started.wait()
    synthetic.write(FEW, base, jobs=1, progress=False)


def test_two_processes_write_one_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(2)
    both = [context.Process(target=_write, args=(tmp_path, started)) for _ in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [f"synthetic-{FEW.key}"]
