"""FMA's layout and folders by class: rows, labels and splits stay together, faults are named."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets_audio import make_folder, peak_bands, write_fma, write_tone

from iblib import datasets, paths
from iblib.datasets import fma, synthetic
from iblib.datasets.base import SPLITS, DataError
from iblib.datasets.synthetic import SyntheticSettings

FLOAT_IDS = b",set,set,track\n,split,subset,genre_top\ntrack_id,,,\n2.0,training,small,Pop\n"
# Some clips of real music, where they lie in a folder beside the checkout.
SAMPLES = list(Path(__file__).parents[2].glob("*/data/music_sample"))


@pytest.fixture(autouse=True)
def own_root(tmp_path, monkeypatch):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path / "root"))


@pytest.fixture
def layout(tmp_path):
    folder = tmp_path / "my müsic"
    return folder, write_fma(folder)


def load_fma(folder, **options):
    return fma.load(folder, clip_seconds=0.9, progress=False, **options)


def test_tracks_have_the_types_of_fma(layout):
    tracks = fma.load_tracks(layout[0])
    assert tracks["set", "subset"].cat.ordered
    assert list(tracks["set", "subset"].cat.categories) == ["small", "medium", "large"]
    assert isinstance(tracks["track", "genre_top"].dtype, pd.CategoricalDtype)
    assert tracks["artist", "bio"].iloc[0] == "<p>one,\ntwo</p>"


def test_rows_labels_ids_and_split_stay_aligned_when_clips_are_skipped(layout):
    folder, table = layout
    fma.clip_path(folder, 5).write_bytes(b"broken")
    write_tone(fma.clip_path(folder, 8).with_suffix(".wav"), 500, 0.3).replace(
        fma.clip_path(folder, 8)
    )
    fma.clip_path(folder, 11).unlink()
    data = load_fma(folder)
    assert len(data) == 17
    assert data.ids.tolist() == [i for i in table.index if i not in (5, 8, 11)]
    names = np.array(data.classes)[data.labels]
    assert names.tolist() == table.loc[data.ids, ("track", "genre_top")].tolist()
    assert data.split.tolist() == table.loc[data.ids, ("set", "split")].tolist()
    assert ((peak_bands(data) > 60) == (names == "Pop")).all()
    reasons = dict(data.skipped.itertuples(index=False))
    assert sorted(reasons) == ["000/000005.mp3", "000/000008.mp3", "000/000011.mp3"]
    assert reasons["000/000011.mp3"] == "row of tracks.csv: no such file"


def test_order_of_rows_in_the_file_does_not_matter(layout):
    folder, table = layout
    first = load_fma(folder)
    table.sample(frac=1, random_state=0).to_csv(folder / "fma_metadata" / "tracks.csv")
    again = load_fma(folder)
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.labels, first.labels)


def test_what_has_no_row_file_genre_or_split_is_named(layout):
    folder, table = layout
    table.loc[2, ("track", "genre_top")] = None
    table.loc[4, ("set", "split")] = None
    table.loc[6, ("set", "subset")] = "medium"
    table.to_csv(folder / "fma_metadata" / "tracks.csv")
    write_tone(folder / "fma_small" / "000" / "000999.wav", 500).rename(
        folder / "fma_small" / "000" / "000999.MP3"
    )
    (folder / "fma_small" / "000" / "._000003.mp3").write_bytes(b"litter")
    (folder / "fma_small" / "README.txt").write_text("FMA ships one")
    for track, make in ((3, Path.mkdir), (7, lambda p: p.symlink_to("gone"))):
        fma.clip_path(folder, track).unlink()
        make(fma.clip_path(folder, track))
    data = load_fma(folder)
    assert dict(data.skipped.itertuples(index=False)) == {
        "000/000006.mp3": "no row of subset small in tracks.csv",
        "000/000999.MP3": "no row of subset small in tracks.csv",
        "000/000002.mp3": "no genre_top in tracks.csv",
        "000/000003.mp3": "row of tracks.csv: is a folder, not a file",
        "000/000004.mp3": "no official split in tracks.csv",
        "000/000007.mp3": "row of tracks.csv: link to a file that is not there",
    }
    assert len(data) == 15
    assert 4 in load_fma(folder, split="stratified").ids


def test_published_checksums_are_checked(layout):
    folder = layout[0]
    (folder / "fma_small" / "checksums").write_bytes(
        b"0" * 40 + b"  000/000003.mp3\nnoise\n\xff.mp3\n"
    )
    data = load_fma(folder)
    assert 3 not in data.ids
    assert "SHA-1" in data.skipped["reason"].iloc[0]


def test_a_split_of_ones_own(tmp_path):
    write_fma(tmp_path / "f", n=48)
    data = load_fma(tmp_path / "f", split="stratified")
    assert (data.class_shares() > 0).all(axis=None)
    assert "stratified" in data.source
    assert data.fingerprint != load_fma(tmp_path / "f").fingerprint


def test_fingerprint_follows_content_not_place_or_time(layout, tmp_path):
    folder = layout[0]
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    assert load_fma(folder).fingerprint == load_fma(tmp_path / "copy").fingerprint
    write_tone(fma.clip_path(folder, 2).with_suffix(".wav"), 501).replace(fma.clip_path(folder, 2))
    assert load_fma(folder).fingerprint != load_fma(tmp_path / "copy").fingerprint


def test_a_read_only_folder_is_enough(layout):
    folder = layout[0]
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(folder.rglob("*"))
    assert len(load_fma(folder)) == 20
    assert sorted(folder.rglob("*")) == before
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot read"),
        (b"a,b\n1,2\n", "cannot read|lacks the columns"),
        (b",set\n,split\ntrack_id,\n1,training\n", "lacks the columns set.subset"),
        (b"\xff\xfe\x00broken", "cannot read|lacks the columns"),
        (FLOAT_IDS, "holds track ids that are no whole numbers"),
    ],
)
def test_a_tracks_csv_that_is_not_fmas(tmp_path, content, message):
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        datasets.load("fma_small", data_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_fma_names_the_cure_in_one_line(tmp_path, layout):
    with pytest.raises(
        DataError, match=r"^no tracks.csv under .*data; give --data-dir.*fma-small$"
    ):
        datasets.load("fma_small")
    shutil.rmtree(layout[0] / "fma_small")
    with pytest.raises(DataError, match="no fma_small/ under"):
        load_fma(layout[0])
    (layout[0] / "fma_small").mkdir()
    with pytest.raises(DataError, match=r"no clip of tracks.csv"):
        load_fma(layout[0])


def test_unknown_split_and_one_genre(layout):
    folder, table = layout
    with pytest.raises(DataError, match="split must be official or stratified"):
        load_fma(folder, split="random")
    table["track", "genre_top"] = "Folk"
    table.to_csv(folder / "fma_metadata" / "tracks.csv")
    with pytest.raises(DataError, match="all clips are of one class, 'Folk'"):
        load_fma(folder)


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), "5"])
def test_clip_seconds_must_be_positive(layout, wrong):
    for ask in (datasets.load, datasets.fingerprint):
        with pytest.raises(DataError, match="clip_seconds must be a positive number"):
            ask("fma_small", data_dir=layout[0], clip_seconds=wrong)


def test_folders_of_fmas_layout_may_be_links(layout, tmp_path):
    folder, _ = layout
    expected = load_fma(folder).fingerprint
    (folder / "fma_small" / "000").rename(tmp_path / "elsewhere")
    (folder / "fma_small" / "000").symlink_to(tmp_path / "elsewhere")
    assert load_fma(folder).fingerprint == expected
    before = datasets.fingerprint("fma_small", data_dir=folder)
    stranger = write_tone(tmp_path / "elsewhere" / "album" / "song.flac", 500)
    assert datasets.fingerprint("fma_small", data_dir=folder) != before
    assert load_fma(folder).skipped["file"].tolist() == ["album/song.flac"]
    stranger.unlink()
    assert datasets.fingerprint("fma_small", data_dir=folder) == before


@pytest.mark.skipif(not SAMPLES, reason="no real music beside the checkout")
def test_real_music_in_fmas_layout():
    data = datasets.load("fma_small", data_dir=SAMPLES[0], progress=False)
    assert data.inputs.shape == (128, 1, 128, 1288)
    assert [len(data.rows(s)) for s in SPLITS] == [80, 24, 24]
    assert data.classes == fma.GENRES
    assert (data.class_shares().sum(axis=1) == 16).all()
    assert data.skipped.empty
    assert np.isfinite(data.moments).all()


def test_only_what_has_fmas_ids_is_called_fma_small(layout, monkeypatch):
    folder, table = layout
    assert load_fma(folder).source == "20 clips in FMA's layout (official split)"
    sums = "".join(f"{'0' * 40}  001/{i:06d}.mp3\n" for i in range(1000, 9000))
    (folder / "fma_small" / "checksums").write_text(sums)  # as many as FMA has
    assert "in FMA's layout" in load_fma(folder).source
    known = [2, 5, 10, 140, 98565, 98567, 98569, 99134, 108925, 133297]
    ids = sorted({*known, *table.index, *range(10**6, 10**6 + 7974)})[:8000]
    more = table.iloc[np.zeros(len(ids), int)].set_axis(ids).rename_axis("track_id")
    more.loc[table.index] = table
    more.sort_index().to_csv(folder / "fma_metadata" / "tracks.csv")
    clips = fma.small_clips(fma.load_tracks(folder), folder)
    assert len(clips) == 8000
    assert load_fma(folder).source == "20 clips of FMA-small (official split)"
    more.drop(index=98565).to_csv(folder / "fma_metadata" / "tracks.csv")
    assert "in FMA's layout" in load_fma(folder).source


@pytest.mark.parametrize("name", ["fma_small", "synthetic"])
def test_a_stratified_split_of_fmas_layout_counts_what_can_be_used(tmp_path, name):
    if name == "fma_small":
        write_fma(tmp_path, 20)
        options, victims = {"data_dir": tmp_path, "clip_seconds": 0.9}, range(2, 18, 2)
    else:
        options = {"clips_per_genre": 4}
        folder = synthetic.write(SyntheticSettings(4), paths.data_dir(), progress=False)
        tracks = fma.load_tracks(folder)["track", "genre_top"]
        victims = tracks.index[tracks == "Folk"][:2]
        tmp_path = folder
    for track in victims:
        content = fma.clip_path(tmp_path, track).read_bytes()
        fma.clip_path(tmp_path, track).write_bytes(b"-" * len(content))
    official = datasets.load(name, **options, progress=False)
    assert not set(victims) & set(official.ids)
    with pytest.raises(DataError, match=r"needs 3 clips that can be used; 'Folk' has 2 of "):
        datasets.load(name, **options, split="stratified", progress=False)


# Fingerprints of audio: they follow the files, and nothing is decoded for them.


@pytest.fixture(params=["folder", "fma_small"])
def audio(request, tmp_path, layout, monkeypatch):
    """Name and folder of a data set that cannot be decoded."""

    def never(*_):
        pytest.fail("audio was decoded")

    monkeypatch.setattr("iblib.datasets.mel_cache.load_clip", never)
    folder = layout[0] if request.param == "fma_small" else make_folder(tmp_path / "genres")
    return request.param, folder


def first_clip(folder):
    return next(p for p in sorted(folder.rglob("*")) if p.suffix in (".mp3", ".wav"))


def test_a_fingerprint_is_that_of_the_folder_by_any_path(audio, tmp_path, monkeypatch):
    name, folder = audio
    expected = datasets.fingerprint(name, data_dir=folder)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    for path in (tmp_path / "link", "."):
        assert datasets.fingerprint(name, data_dir=path) == expected
    moved = folder.rename(tmp_path / "elsewhere")
    assert datasets.fingerprint(name, data_dir=str(moved), jobs=2, progress=False) == expected


def write_anew(folder):
    path = first_clip(folder)
    path.write_bytes(path.read_bytes()[::-1])  # of the same length


def remove(folder):
    first_clip(folder).unlink()


def add(folder):
    path = first_clip(folder)
    shutil.copy2(path, path.with_name("000900.mp3"))


@pytest.mark.parametrize("change", [write_anew, remove, add])
def test_a_fingerprint_changes_with_the_files(audio, change):
    name, folder = audio
    before = datasets.fingerprint(name, data_dir=folder)
    change(folder)
    assert datasets.fingerprint(name, data_dir=folder) != before


def test_a_fingerprint_changes_with_labels_and_settings(audio, layout):
    name, folder = audio
    settings = [{}, {"seed": 1}, {"clip_seconds": 0.9}]
    settings += [{"split": "stratified"}] if name == "fma_small" else []
    found = {datasets.fingerprint(name, data_dir=folder, **one) for one in settings}
    assert len(found) == len(settings)
    if name == "folder":
        (folder / "Höhe").rename(folder / "Tiefe")
    else:
        table = layout[1]
        table.loc[2, ("track", "genre_top")] = "Pop"
        table.to_csv(folder / "fma_metadata" / "tracks.csv")
    assert datasets.fingerprint(name, data_dir=folder) not in found


def test_litter_is_in_a_fingerprint_as_in_the_table_of_skipped_files(audio):
    """By name in that of a folder, whose table lists it; not at all in that of FMA."""
    name, folder = audio
    before = datasets.fingerprint(name, data_dir=folder)
    clip = first_clip(folder)
    found = []
    for content in (b"litter", b"other litter"):
        for litter in (".DS_Store", f"._{clip.name}", "notes.txt"):
            clip.with_name(litter).write_bytes(content)
        found.append(datasets.fingerprint(name, data_dir=folder))
    assert found[0] == found[1]
    assert (found[0] == before) == (name == "fma_small")


def test_the_fingerprint_of_the_synthetic_set_follows_from_its_settings(tmp_path):
    found = [
        datasets.fingerprint("synthetic", **settings)
        for settings in (
            *({}, {"seed": 1}, {"clips_per_genre": 9}, {"split": "stratified"}),
            *({"clip_seconds": 3.0}, {"data_dir": tmp_path}),
        )
    ]
    assert len(set(found)) == 5
    assert found[0] == found[-1]
    assert not list(tmp_path.glob("**/*.mp3"))


def test_a_fingerprint_of_audio_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no tracks"):
        datasets.fingerprint("fma_small", data_dir=tmp_path)
    with pytest.raises(DataError, match="folder needs a data_dir"):
        datasets.fingerprint("folder")
