"""Clips that are added to a folder are in the next report, and the others are not read again."""

from clips import write_folder


def test_a_folder_that_grows(clone, tmp_path):
    folder = write_folder(tmp_path / "music", 4)
    command = ("--dataset", "folder", "--data-dir", folder, "--only", "01")
    assert clone.report(*command).table("class-shares")["clips"].sum() == 8
    write_folder(folder, 6)
    assert clone.report(*command).table("class-shares")["clips"].sum() == 12
