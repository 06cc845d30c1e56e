"""A task without errors: the notebook about training says so, where others name the errors."""

import re

from clips import write_folder


def test_everything_is_learned_perfectly(clone, tmp_path):
    profiles = clone.folder / "study" / "profiles.toml"
    text, n = re.subn(
        r"(?s)(\[smoke\].*?\nbatch_size = )\d+", r"\g<1>2", profiles.read_text(), count=1
    )
    assert n == 1
    profiles.write_text(text)
    clone.commit()
    folder = write_folder(tmp_path / "music", 8)
    done = clone.report("--dataset", "folder", "--data-dir", folder, "--only", "02", "--jobs", "2")
    confusion = done.table("confusion").query("model == 'simple_cnn'")
    confusion = confusion[confusion["batch_mode"] == "mini-batch"]
    assert len(confusion) > 0
    assert (confusion["true"] == confusion["predicted"]).all()  # what this story is about
