"""Writes go on where a drive or a system refuses what is only a wish."""

import errno
import os
from pathlib import Path

import pytest

from iblib import files


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EINVAL, errno.EISDIR])
def test_a_folder_that_may_not_be_opened_is_not_synced(tmp_path, monkeypatch, number, windows):
    opened = os.open

    def refuse_folders(path, *flags, **mode):
        if Path(path).is_dir():
            raise OSError(number, "a folder", str(path))
        return opened(path, *flags, **mode)

    monkeypatch.setattr(files, "_WINDOWS", windows)
    monkeypatch.setattr(os, "open", refuse_folders)
    files.write_json(tmp_path / "a" / "b.json", {"bits": 1.5})
    files.write_sealed(tmp_path / "a" / "c", b"bits")
    assert files.read_json(tmp_path / "a" / "b.json") == {"bits": 1.5}
    assert files.read_sealed(tmp_path / "a" / "c") == b"bits"
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["b.json", "c"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOSPC])
def test_a_file_that_cannot_be_synced_is_an_error_and_leaves_the_old_one(
    tmp_path, monkeypatch, number
):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def fail(_):
        raise OSError(number, "cannot")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="cannot"):
        files.write_atomic(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_no_process_is_asked_for_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a Ctrl-C to every process"))
    left = tmp_path / f".table~{files.socket.gethostname()}~99999999~0123abcd.csv"
    left.write_text("half")
    files.write_atomic(tmp_path / "table.csv", "whole")
    assert left.exists()


@pytest.mark.parametrize("name", ["²", "1" * 40, "x"])
def test_what_is_no_number_of_a_process_is_left_alone(tmp_path, name):
    left = tmp_path / f".table~{files.socket.gethostname()}~{name}~0123abcd.csv"
    left.write_text("half")
    files.write_atomic(tmp_path / "table.csv", "whole")
    assert left.exists()
