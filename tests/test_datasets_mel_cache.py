"""The cache keeps rows and ids together, and survives kills, damage and full disks."""

import csv
import errno
import multiprocessing
import os
import shutil
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from datasets_audio import write_tone
from forms import long_form

from iblib.datasets import mel_cache
from iblib.datasets.audio import load_clips
from iblib.datasets.base import DataError
from iblib.datasets.mel_cache import build_cache
from iblib.datasets.melspectrogram import MelSettings, load_clip, log_mel

SHORT = MelSettings(clip_seconds=0.5, n_mels=32)
MADE = ["done.jsonl", "inputs.f32", "skipped.csv"]
DAMAGES = ["row", "line", "half a line", "no rows", "another id", "hostile"]


@pytest.fixture
def tones(tmp_path):
    return {i: write_tone(tmp_path / "in" / f"{i}.wav", 300 * (i + 1)) for i in range(6)}


def test_cache_holds_rows_of_usable_clips_in_order_and_names_the_others(tones, tmp_path):
    write_tone(tones[1], 600, seconds=0.2)
    tones[3].write_bytes(b"broken")
    tones[4].unlink()
    made = build_cache(tones, SHORT, tmp_path / "cache", jobs=2, progress=False)
    assert made.ids.tolist() == [0, 2, 5]
    assert made.inputs.shape == (3, 1, 32, SHORT.n_frames)
    assert not made.inputs.flags.writeable
    for row, i in zip(made.inputs, made.ids, strict=True):
        expected = log_mel(load_clip(tones[i], SHORT), SHORT)
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
    monkeypatch.setattr(mel_cache, "load_clip", None)
    again = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert again.sha1.tolist() == first.sha1.tolist()


def test_settings_and_sources_are_in_the_key(tones, tmp_path):
    def key(settings=SHORT):
        return build_cache(tones, settings, tmp_path / "cache", progress=False).path

    first = key()
    assert key(MelSettings(clip_seconds=0.5, n_mels=32, top_db=60)) != first
    write_tone(tones[0], 999)
    assert key() != first


@pytest.mark.parametrize("damage", ["truncate", "flip", "no journal", "half a journal", "no data"])
def test_a_damaged_cache_is_made_again(tones, tmp_path, damage):
    first = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    expected = np.array(first.inputs)
    data, journal = first.path / "inputs.f32", first.path / "done.jsonl"
    if damage == "truncate":
        os.truncate(data, 100)
    elif damage == "flip":
        content = bytearray(data.read_bytes())
        content[1000] ^= 1
        data.write_bytes(content)
    elif damage == "no journal":
        journal.unlink()
    elif damage == "half a journal":
        journal.write_text(journal.read_text()[:50])
    else:
        data.unlink()
    again = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again.inputs, expected)


def stop_after(monkeypatch, n: int, error: BaseException):
    """The n-th clip raises; the calls are counted."""
    calls = []

    def load(path, settings):
        calls.append(path)
        if len(calls) == n:
            raise error
        return load_clip(path, settings)

    monkeypatch.setattr(mel_cache, "load_clip", load)
    return calls


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_stopped_fill_goes_on_where_it_was(tones, tmp_path, monkeypatch, error):
    whole = build_cache(tones, SHORT, tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        stop_after(patch, 4, error)
        with pytest.raises(type(error)):
            build_cache(tones, SHORT, tmp_path / "cache", jobs=1, progress=False)
    assert [p.name for p in (tmp_path / "cache").iterdir() if not p.name.startswith(".")] == []
    calls = stop_after(monkeypatch, 0, error)
    found = build_cache(tones, SHORT, tmp_path / "cache", jobs=1, progress=False)
    assert calls == [tones[i] for i in (3, 4, 5)]
    for name in MADE:
        assert (found.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert sorted(p.name for p in found.path.iterdir()) == MADE
    assert not list((tmp_path / "cache").glob("*.unfinished"))


def test_skipped_clips_are_remembered_by_a_stopped_fill(tones, tmp_path, monkeypatch):
    tones[1].write_bytes(b"no audio")
    with monkeypatch.context() as patch:
        stop_after(patch, 5, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            build_cache(tones, SHORT, tmp_path / "cache", jobs=1, progress=False)
    found = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    assert found.ids.tolist() == [0, 2, 3, 4, 5]
    assert found.skipped["reason"].str.contains("does not decode").tolist() == [True]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_unfinished_cache_is_used_as_far_as_it_is_intact(
    tones, tmp_path, monkeypatch, damage
):
    expected = np.array(build_cache(tones, SHORT, tmp_path / "whole", progress=False).inputs)
    with monkeypatch.context() as patch:
        stop_after(patch, 5, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            build_cache(tones, SHORT, tmp_path / "cache", jobs=1, progress=False)
    [folder] = (tmp_path / "cache").glob(".*.unfinished")
    rows, journal = folder / "inputs.f32", folder / "done.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    if damage == "row":
        content = bytearray(rows.read_bytes())
        content[len(content) // 6 + 8] ^= 1  # of the second of six
        rows.write_bytes(content)
    elif damage == "no rows":
        rows.unlink()
    else:
        lines[1] = {
            "line": b"nonsense\n",
            "half a line": lines[1][:7],
            "another id": lines[2],
            "hostile": b'{"__reduce__": ["os.system", "false"]}\n',
        }[damage]
        journal.write_bytes(b"".join(lines))
    calls = stop_after(monkeypatch, 0, KeyboardInterrupt())
    found = build_cache(tones, SHORT, tmp_path / "cache", jobs=1, progress=False)
    np.testing.assert_array_equal(found.inputs, expected)
    assert len(calls) == (6 if damage == "no rows" else 5)


def test_a_full_disk_is_said_before_anything_is_decoded(tones, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.raises(OSError, match=r"no space for .*inputs\.f32: \d+ bytes needed, 10 free"):
            build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    assert len(build_cache(tones, SHORT, tmp_path / "cache", progress=False).ids) == 6


def test_a_disk_that_fills_up_meanwhile_is_said_the_same_way(tones, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    old = build_cache(dict(list(tones.items())[:2]), SHORT, tmp_path / "cache", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="bytes needed"):
            build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    again = build_cache(dict(list(tones.items())[:2]), SHORT, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again.inputs, old.inputs)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_drive_that_cannot_reserve_space_is_filled_all_the_same(
    tones, tmp_path, monkeypatch, number
):
    whole = build_cache(tones, SHORT, tmp_path / "whole", progress=False)

    def refuse(*_):
        raise OSError(number, "not here")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    found = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(found.inputs, whole.inputs)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="needs root to mount")
def test_a_disk_that_is_really_full(tones, tmp_path):
    """A file system of 64 KiB: an error with numbers, no SIGBUS, and room made lets it go on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)])
    if mounted.returncode:
        pytest.skip("may not mount here")
    try:
        with pytest.raises(OSError, match="bytes needed"):
            build_cache(tones, MelSettings(clip_seconds=0.5), disk / "cache", progress=False)
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        found = build_cache(tones, MelSettings(clip_seconds=0.5), disk / "cache", progress=False)
        assert len(found.ids) == 6
        del found
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_cache_in_a_read_only_folder_is_read(tones, tmp_path):
    made = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    expected = np.array(made.inputs)
    for path in (*made.path.iterdir(), made.path, tmp_path / "cache"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        found = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
        np.testing.assert_array_equal(found.inputs, expected)
    finally:
        for path in (tmp_path / "cache", made.path):
            path.chmod(0o755)


def test_a_wrong_checksum_is_a_reason(tones, tmp_path):
    made = build_cache(tones, SHORT, tmp_path / "c", checksums={2: "0" * 40}, progress=False)
    assert made.ids.tolist() == [0, 1, 3, 4, 5]
    assert "SHA-1" in made.skipped["reason"][0]


def test_no_usable_clip_is_an_error_that_gives_a_reason(tones, tmp_path):
    clips = pd.DataFrame({"path": pd.Series(tones), "label": list("ababab"), "split": "training"})
    options = {"source": "", "cache_dir": tmp_path / "cache", "progress": False}
    with pytest.raises(DataError, match=r"none of 6 clips .*too short.*--clip-seconds 1 "):
        load_clips("x", clips, MelSettings(clip_seconds=9), **options)


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
    [(name, _)] = made.skipped.itertuples(index=False)
    assert name.endswith("/bad \\udcff.wav")
    assert name in (made.path / "skipped.csv").read_text(encoding="utf-8")


def test_a_file_without_permission_is_a_reason(tones, tmp_path, monkeypatch):
    def refuse(path, algorithm):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(mel_cache, "digest", refuse)
    made = build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    assert set(made.skipped["reason"]) == {"cannot be read: permission denied"}


def test_a_failing_disk_is_not_remembered_as_skipped_clips(tones, tmp_path, monkeypatch):
    def fail(path, algorithm):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(mel_cache, "digest", fail)
    with pytest.raises(OSError, match="Input/output error"):
        build_cache(tones, SHORT, tmp_path / "cache", progress=False)
    monkeypatch.undo()
    assert len(build_cache(tones, SHORT, tmp_path / "cache", progress=False).ids) == 6


def _build(files, cache_dir, log, pause=0.0):
    def load(path, settings):
        with log.open("a") as f:
            f.write(f"{path.name}\n")
        time.sleep(pause)
        return load_clip(path, settings)

    mel_cache.load_clip = load
    build_cache(files, SHORT, cache_dir, jobs=1, progress=False)


def _start(n, *arguments):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["iblib.datasets.mel_cache", "torchaudio", "soundfile"])
    processes = [context.Process(target=_build, args=arguments) for _ in range(n)]
    for process in processes:
        process.start()
    return processes


@pytest.mark.parametrize("n", [2, 4])
def test_processes_that_ask_at_once_make_every_row_once(tones, tmp_path, n):
    log = tmp_path / "log"
    processes = _start(n, tones, tmp_path / "c", log)
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * n
    assert sorted(log.read_text().split()) == sorted(path.name for path in tones.values())
    assert len([p for p in (tmp_path / "c").iterdir() if p.is_dir()]) == 1


def check_killed_fillers(tmp_path, n_clips: int, n_kills: int, seed: int) -> None:
    """Fillers killed at random moments; the last ends with the cache of an undisturbed one."""
    files = {i: write_tone(tmp_path / "in" / f"{i}.wav", 200 + 20 * i) for i in range(n_clips)}
    files[3].write_bytes(b"no audio")
    whole = build_cache(files, SHORT, tmp_path / "whole", progress=False)
    log, rng, kills = tmp_path / "log", np.random.default_rng(seed), 0
    while True:
        [process] = _start(1, files, tmp_path / "c", log, 0.01)
        size = log.stat().st_size if log.exists() else 0
        while process.is_alive() and (log.stat().st_size if log.exists() else 0) == size:
            time.sleep(0.005)  # imports are not what is to be killed
        process.join(rng.uniform(0, 0.08) if kills < n_kills else 120)
        if not process.is_alive():
            break
        process.kill()
        process.join()
        kills += 1
    assert process.exitcode == 0
    assert kills >= min(n_kills, 3)
    found = build_cache(files, SHORT, tmp_path / "c", progress=False)
    for name in MADE:
        assert (found.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert len(log.read_text().split()) <= n_clips + 3 * kills  # a kill loses what was in flight
    assert [p.name for p in (tmp_path / "c").iterdir() if p.is_dir()] == [found.path.name]


@pytest.mark.campaign
def test_killed_fillers_lose_only_what_was_in_flight(tmp_path):
    check_killed_fillers(tmp_path, long_form(40, 200), long_form(4, 20), seed=0)
