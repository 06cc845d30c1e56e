"""Silence, names of other scripts, a cell that warns: the report is made, and says what it saw."""

import re

from clips import write_clip, write_folder


def test_a_silent_clip_and_japanese_classes(clone, tmp_path):
    folder = write_folder(tmp_path / "音楽", 4, ("ジャズ", "ロック"))
    write_clip(folder / "ロック" / "静か.flac", 0, 0)
    clone.add_cell("01", "import warnings\nwarnings.warn('a word of warning')")
    done = clone.report("--dataset", "folder", "--data-dir", folder, "--only", "01")
    shares = done.table("class-shares")
    assert set(shares["class"]) == {"ジャズ", "ロック"}
    assert shares["clips"].sum() + len(done.table("skipped")) == 9
    end = "\n".join(done.out.splitlines()[-12:])
    assert re.search(r"01-data-exploration.*cell \d+", end)
    assert "a word of warning" in end
