"""Damaged audio: every input ends in the cache, whole, or in skipped.csv with a reason."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from datasets_audio import RATE, tone, tracks_table, write_fma
from forms import long_form

from iblib import datasets
from iblib.datasets import audio_folder, fma
from iblib.datasets.melspectrogram import MelSettings

SETTINGS = MelSettings(clip_seconds=9.0, n_mels=32)


@pytest.fixture(autouse=True)
def own_root(tmp_path, monkeypatch):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path / "root"))


def encoded(samples, rate: int = RATE, kind: str = "MP3", subtype: str | None = None) -> bytes:
    """Bytes of an audio file."""
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=kind, subtype=subtype)
    return target.getvalue()


def music(seconds: float = 10.0, rate: int = RATE) -> np.ndarray:
    """A tone that swells, so that no two frames are alike."""
    return tone(440, seconds, rate) * np.linspace(0.2, 1.0, round(seconds * rate))


def with_garbage(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + np.random.default_rng(0).bytes(2000) + data[middle + 2000 :]


HTML = b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>" * 40
ID3 = b"ID3\x04\x00\x00\x00\x00\x0f\x76" + bytes(2038)
STEREO = music()[:, None] * [1.0, -1.0]
SIX = np.repeat(music()[:, None], 6, axis=1)

# Content of a file called .mp3, and the reason why it is skipped; None: it is used.
KINDS = {
    "zero bytes": (b"", "does not decode"),
    "truncated": (encoded(music())[:5000], "too short: 3.78 s"),
    "cut in the last frame": (encoded(music(9.0))[:-300], "too short: 8.9"),
    "cut behind what is measured": (encoded(music(20))[: len(encoded(music(10)))], None),
    "random bytes": (np.random.default_rng(1).bytes(40_000), "does not decode|too short"),
    "ID3 only": (ID3, "does not decode"),
    "HTML": (HTML, "does not decode"),
    "garbage in the middle": (with_garbage(encoded(music())), "either"),
    "WAV under .mp3": (encoded(music(), kind="WAV"), None),
    "FLAC under .mp3": (encoded(music(), kind="FLAC"), None),
    "0.05 s": (encoded(music(0.05)), "too short|does not decode"),
    "10 s": (encoded(music(10)), None),
    "45 s": (encoded(music(45)), None),
    "8 kHz": (encoded(music(10, 8000), 8000), None),
    "48 kHz": (encoded(music(10, 48000), 48000), None),
    "96 kHz": (encoded(music(10, 96000), 96000, "WAV"), None),
    "mono": (encoded(music()[:, None]), None),
    "anti-phase stereo": (encoded(STEREO, kind="WAV"), None),  # its mean is silence, and legal
    "silence": (encoded(np.zeros(10 * RATE)), None),
    "clipped": (encoded(np.clip(8 * music(), -1, 1)), None),
    "loud": (encoded(np.sign(music())), None),  # overshoots to 1.8
    "float beyond 1": (encoded(4 * music(), kind="WAV", subtype="FLOAT"), None),
    "float of 1e30": (encoded(1e30 * music(), kind="WAV", subtype="FLOAT"), "too large"),
    "not finite": (encoded(np.full(10 * RATE, np.nan), kind="WAV", subtype="FLOAT"), "not finite"),
    "8 bits, 6 channels": (encoded(SIX, kind="WAV", subtype="PCM_U8"), None),
}
LITTER = ("000/._000004.mp3", "000/.DS_Store", "__MACOSX/000/._000002.mp3", "000/Thumbs.db")


def damaged_fma(folder: Path) -> dict[int, str]:
    """FMA's layout with each kind of file once, and good ones of two genres; track id -> kind."""
    write_fma(folder, 12, seconds=9.5)
    kinds = {100 + i: kind for i, kind in enumerate(KINDS)}
    kinds |= {200: "directory", 201: "dangling link", 202: "no file"}
    table = tracks_table(12)
    more = table.iloc[[0] * len(kinds)].set_axis(list(kinds), axis=0)
    pd.concat([table, more]).rename_axis("track_id").to_csv(folder / "fma_metadata/tracks.csv")
    for track, kind in kinds.items():
        path = fma.clip_path(folder, track)
        if kind in KINDS:
            path.write_bytes(KINDS[kind][0])
    fma.clip_path(folder, 200).mkdir()
    fma.clip_path(folder, 201).symlink_to("nowhere.mp3")
    for name in LITTER:
        path = folder / "fma_small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x00\x05\x16\x07litter")
    return kinds


def test_every_kind_of_damage_is_accounted_for(tmp_path):
    kinds = damaged_fma(tmp_path / "fma")
    data = fma.read_layout(tmp_path / "fma", SETTINGS, progress=False)
    reasons = dict(data.skipped.itertuples(index=False))
    used = set(data.ids.tolist())
    assert {2, 3, 4, 13} <= used
    for track, kind in kinds.items():
        name = f"000/{track:06d}.mp3"
        assert (track in used) != (name in reasons), kind
        _, expected = KINDS.get(kind, (None, "is a folder|link to a file|no such file"))
        if expected is None:
            assert track in used, (kind, reasons[name])
        elif expected != "either":
            assert re.search(expected, reasons[name]), (kind, reasons[name])
    assert data.inputs.shape[1:] == (1, 32, SETTINGS.n_frames)
    assert np.isfinite(data.inputs).all()
    assert not any("._" in name or "DS_Store" in name for name in reasons)
    on_disk = pd.read_csv(next((tmp_path / "root").rglob("skipped.csv")))
    assert dict(on_disk.itertuples(index=False)) == reasons
    assert len(used) + len(reasons) == 12 + len(kinds)


def test_what_is_used_is_what_was_played(tmp_path):
    """The same music in other clothes gives the same spectrogram, to a few dB."""
    kinds = damaged_fma(tmp_path / "fma")
    data = fma.read_layout(tmp_path / "fma", SETTINGS, progress=False)
    rows = dict(zip(data.ids.tolist(), np.asarray(data.inputs)[:, 0], strict=True))
    of = {kind: rows[track] for track, kind in kinds.items() if track in rows}
    loud = of["10 s"] > of["10 s"].max() - 30
    assert np.abs(of["cut behind what is measured"] - of["10 s"])[loud].max() < 9  # swells slower
    for kind in ("WAV under .mp3", "FLAC under .mp3", "mono", "96 kHz", "8 bits, 6 channels"):
        assert np.abs(of[kind] - of["10 s"])[loud].max() < 3, kind
    for kind in ("silence", "anti-phase stereo"):
        assert of[kind].max() < -60, kind


def test_the_same_damage_in_a_folder_by_class(tmp_path):
    for name in ("jazz", "rock"):
        (tmp_path / "music" / name).mkdir(parents=True)
        for i in range(4):
            (tmp_path / "music" / name / f"good{i}.mp3").write_bytes(KINDS["10 s"][0])
    for i, (content, _) in enumerate(KINDS.values()):
        (tmp_path / "music" / "rock" / f"{i:02d}.mp3").write_bytes(content)
    (tmp_path / "music" / "rock" / "folder.mp3").mkdir()
    (tmp_path / "music" / "rock" / "link.mp3").symlink_to("nowhere")
    (tmp_path / "music" / "rock" / "._00.mp3").write_bytes(b"litter")
    data = audio_folder.load(tmp_path / "music", clip_seconds=9.0, progress=False)
    found = {*data.ids.tolist(), *data.skipped["file"]}
    assert len(data) + len(data.skipped) == len(found) == 8 + len(KINDS) + 3
    assert np.isfinite(data.inputs).all()


def odd_folder(folder: Path) -> tuple[set[str], int]:
    """Three classes of files that people really have; names of all files, and how many are fit."""
    good = {kind: KINDS[kind][0] for kind in ("10 s", "45 s", "48 kHz", "mono", "loud")}
    flac, wav = KINDS["FLAC under .mp3"][0], KINDS["WAV under .mp3"][0]
    used = {f"{genre}/{i}.mp3": good["10 s"] for genre in ("a", "b", "ジャズ") for i in range(4)}
    for genre, kind in zip(("a", "b", "ジャズ"), ("45 s", "mono", "loud"), strict=True):
        used |= {f"{genre}/album/disc {i}/same name.MP3": good[kind] for i in range(3)}
    used |= {
        "a/deep/er/and/deeper/x.Flac": flac,
        "a/0.flac": flac,
        "b/0.ogg": flac,
        "b/x.AIFF": wav,
    }
    used |= {"ジャズ/x.w64": wav, "ジャズ/x.opus": wav, "b/live.mp3/x.mp3": good["48 kHz"]}
    not_used = {
        **{f"a/album/{name}": b"\xff\xd8\xff\xe0 picture" for name in ("cover.jpg", "back.PNG")},
        **{f"{genre}/.DS_Store": b"\0\0\0\1Bud1" for genre in ("a", "b")},
        **{f"b/._{i}.mp3": b"\0\x05\x16\x07" for i in range(3)},
        "b/Thumbs.db": b"\xd0\xcf", "a/desktop.ini": b"[x]", "__MACOSX/b/._0.mp3": b"\0\x05",
        "covers/front.jpg": b"\xff\xd8", "lonely.mp3": good["10 s"], "list.m3u": b"a/0.mp3",
        "a/song.m4a": b"\0\0\0 ftypM4A " + bytes(5000), "a/song.wma": b"0&\xb2u" + bytes(5000),
        "b/clip.mp4": b"\0\0\0 ftypmp42" + bytes(5000), "b/text.mp3": b"a song, not sung " * 900,
        "b/empty.wav": b"", "b/page.mp3": HTML, "b/tag.mp3": ID3, "a/empty": b"", "a/e.mp3": b"",
        "a/noise.mp3": KINDS["random bytes"][0], "b/notes.txt": b"", "b/old.doc": b"\xd0\xcf",
        "a/half.mp3": KINDS["truncated"][0], "a/short.mp3": encoded(music(2)), "a/no ending": flac,
        "b/raw.raw": bytes(9000), "b/half.mp3.part": good["10 s"], "a/midi.mid": b"MThd" + bytes(9),
        ".git/objects/ab/cd.mp3": good["10 s"], "b/nan.wav": KINDS["not finite"][0],
        "b/song.mp3.zip": b"PK\x03\x04", "a/cut.flac": flac[: len(flac) // 4],
    }  # fmt: skip
    for name, content in (used | not_used).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return set(used), {*used, *not_used}


def test_used_and_skipped_are_what_was_found(tmp_path):
    expected, found = odd_folder(tmp_path / "music")
    files = [path for path in (tmp_path / "music").rglob("*") if path.is_file()]
    assert len(found) == len(files) >= 60
    assert len({Path(name).suffix for name in found}) >= 20
    data = datasets.load("folder", data_dir=tmp_path / "music", clip_seconds=9.0, progress=False)
    used, skipped = data.ids.tolist(), data.skipped["file"].tolist()
    assert set(used) == expected
    assert len(used) + len(skipped) == len(found)
    assert {*used, *skipped} == found
    assert (data.skipped["reason"].str.len() > 10).all()
    assert data.classes == ("a", "b", "ジャズ")
    assert (data.class_shares() > 0).all(axis=None)
    line = data.summary()
    assert "\n" not in line
    counts = re.findall(r"(\d+) ", re.search("skipped: ([^;]*)", line)[1])
    assert sum(map(int, counts)) == len(skipped)
    assert len(counts) < 12  # by kind, not by file


def test_links_devices_names_and_permissions(tmp_path, monkeypatch):
    """What is no plain file, or cannot be read, is one line each; and no name ends the program."""
    folder = tmp_path / "music"
    for genre in ("a", "b"):
        for i in range(4):
            (folder / genre).mkdir(parents=True, exist_ok=True)
            (folder / genre / f"{i}.mp3").write_bytes(KINDS["10 s"][0])
    os.mkfifo(folder / "a" / "pipe.mp3")
    (folder / "a" / "self.mp3").symlink_to("self.mp3")
    (folder / "a" / "up").symlink_to("..")
    (folder / "a" / "linked.mp3").symlink_to(folder / "b" / "0.mp3")
    (folder / "a" / "disc").symlink_to(folder / "b")
    (folder / "a" / "locked").mkdir()
    strange = [
        os.fsencode(folder / "a") + b"/\xff\xfe.mp3",
        os.fsencode(folder / "a") + b"/x\xe9.txt",
    ]
    for name in (*strange, folder / "a" / 'two\nlines, "quoted".mp3'):
        with open(name, "wb") as handle:
            handle.write(KINDS["10 s"][0])
    listed = Path.iterdir

    def iterdir(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    data = datasets.load("folder", data_dir=folder, clip_seconds=9.0, progress=False)
    assert dict(data.skipped.itertuples(index=False)) == {
        "a/locked": "cannot be read: Permission denied",
        "a/pipe.mp3": "is a device, not a file",
        "a/self.mp3": "link to a file that is not there",
        "a/up": "link back to a folder around it",
        "a/x\\udce9.txt": "no audio by its ending: .txt",
    }
    more = {"a/linked.mp3", "a/\\udcff\\udcfe.mp3", 'a/two\nlines, "quoted".mp3'}
    assert more < set(data.ids)
    assert {f"a/disc/{i}.mp3" for i in range(4)} < set(data.ids)
    assert len(data) == 8 + 3 + 4
    assert datasets.fingerprint("folder", data_dir=folder)
    data.skipped.to_csv(tmp_path / "skipped.csv", encoding="utf-8")


METADATA_FAULTS = {
    "genre": (("track", "genre_top"), None, "no genre_top"),
    "unknown genre": (("track", "genre_top"), "Polka", "'Polka' is none of the eight"),
    "split": (("set", "split"), None, "no official split"),
    "other subset": (("set", "subset"), "medium", "no row of subset small"),
}


@pytest.mark.parametrize("fault", [*METADATA_FAULTS, "file", "twice"])
def test_faults_of_the_metadata_cost_one_clip_each(tmp_path, fault):
    table = write_fma(tmp_path, 12, seconds=0.6)
    settings = MelSettings(clip_seconds=0.5, n_mels=32)
    if fault == "file":
        fma.clip_path(tmp_path, 5).unlink()
        reason = "no such file"
    elif fault == "twice":
        table = pd.concat([table, table.loc[[5]].replace({"Pop": "Folk"})])
        reason = "its id stands twice"
    else:
        column, value, reason = METADATA_FAULTS[fault]
        table.loc[5, column] = value
    table.to_csv(tmp_path / "fma_metadata" / "tracks.csv")
    data = fma.read_layout(tmp_path, settings, progress=False)
    assert data.ids.tolist() == [i for i in range(2, 14) if i != 5]
    [(name, why)] = data.skipped.itertuples(index=False)
    assert name == "000/000005.mp3"
    assert reason in why
    assert "11 used" in data.summary()
    assert "1 skipped: 1 " in data.summary()


def test_the_summary_counts_by_reason(tmp_path):
    damaged_fma(tmp_path / "fma")
    data = fma.read_layout(tmp_path / "fma", SETTINGS, progress=False)
    line = data.summary()
    assert "\n" not in line
    counts = [int(n) for n in re.findall(r"(\d+) ", re.search("skipped: ([^;]*)", line)[1])]
    assert sum(counts) == len(data.skipped)
    assert f"{len(data)} used" in line


# Fuzzing: what no rule foresees must still end, in a row or a reason, and never end the program.

DECODER = """
import sys
from iblib.datasets.melspectrogram import ClipError, MelSettings, load_clip
settings = MelSettings(clip_seconds=float(sys.argv[1]))
for name in sys.stdin:
    try:
        wave = load_clip(name.strip(), settings)
        good = wave.shape == (settings.n_samples,) and abs(wave).max() < float("inf")
        print("used" if good else "WRONG", flush=True)
    except ClipError as error:
        print("refused", error, flush=True)
"""


def mutants(n: int, seed: int):
    """``n`` damaged copies of MP3s: flips, cuts, insertions, repeats, swaps, broken headers."""
    rng = np.random.default_rng(seed)
    stereo = music(3)[:, None] * [1, 0.5]
    sources = [encoded(music(3)), encoded(stereo), encoded(music(3, 48000), 48000)]
    for i in range(n):
        data = bytearray(sources[i % len(sources)])
        a, b = sorted(rng.integers(0, len(data), 2))
        kind = i // len(sources) % 8
        if kind == 0:
            for place in rng.integers(0, len(data), rng.integers(1, 200)):
                data[place] ^= 1 << rng.integers(8)
        elif kind == 1:
            del data[a:]
        elif kind == 2:
            del data[a:b]
        elif kind == 3:
            data[a:a] = rng.bytes(int(rng.integers(1, 5000)))
        elif kind == 4:
            data[a:a] = data[a:b]
        elif kind == 5:
            data[a:b] = bytes(b - a)
        elif kind == 6:  # headers of frames begin with eleven set bits
            heads = [m.start() for m in re.finditer(b"\xff[\xe0-\xff]", bytes(data))]
            for place in rng.choice(heads, min(len(heads), 20)):
                data[place + int(rng.integers(1, 4))] = rng.integers(256)
        else:
            data[:200] = rng.bytes(200)
        yield bytes(data)


def fuzz(folder: Path, n: int, seed: int, seconds: float = 20.0) -> dict[str, int]:
    """How often a mutant was used, refused, wrong, or ended or stopped the decoder."""
    paths = []
    for i, data in enumerate(mutants(n, seed)):
        paths.append(folder / f"{i:04d}.mp3")
        paths[-1].write_bytes(data)
    counts = {"used": 0, "refused": 0, "wrong": 0, "crashed": 0, "hung": 0}
    done = 0
    while done < n:
        left = "\n".join(map(str, paths[done:]))
        command = [sys.executable, "-c", DECODER, "2.5"]
        try:
            budget = seconds + 0.2 * n
            ended = subprocess.run(
                command, input=left, capture_output=True, text=True, timeout=budget
            )
            lines, end = ended.stdout.splitlines(), "crashed"
        except subprocess.TimeoutExpired as error:
            lines, end = (error.stdout or b"").decode().splitlines(), "hung"
        for line in lines:
            counts[line.split()[0].lower()] += 1
        done += len(lines)
        if done < n:
            counts[end] += 1
            done += 1
    return counts


def check_fuzz(tmp_path, n: int, seed: int) -> None:
    counts = fuzz(tmp_path, n, seed)
    print(counts)
    assert sum(counts.values()) == n
    assert counts["wrong"] == counts["crashed"] == counts["hung"] == 0
    assert min(counts["used"], counts["refused"]) > n // 20  # the mutants are neither tame nor dead


@pytest.mark.campaign
def test_fuzzed_mp3s_are_used_or_refused(tmp_path):
    check_fuzz(tmp_path, long_form(96, 1200), seed=long_form(0, 1))
