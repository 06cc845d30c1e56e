"""A learning rate far too large: the run is in the tables as diverged, with its finite epochs."""

import re

import pandas as pd

GRID = """
[data]
name = "binary_patterns"
[run]
model = "mlp"
activation = "relu"
learning_rate = [0.01, 1e6]
epochs = 8
n_points = 6
batch_size = 1024
[measure]
split = "all"
n_samples = 500
"""


def test_a_diverged_run_in_a_sweep(clone, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    command = ("sweep", tmp_path / "grid.toml", "--out", tmp_path / "out")
    clone.start(*command, module="iblib").wait(120).exits(0)
    history = pd.read_csv(tmp_path / "out" / "history.csv")
    planes = pd.read_csv(tmp_path / "out" / "planes.csv")
    assert set(history["status"]) == {"finished", "diverged"}
    diverged = set(history[history["status"] == "diverged"]["run"])
    first = planes[planes["run"].isin(diverged) & (planes["epoch"] == 0)]
    whole = planes[~planes["run"].isin(diverged) & (planes["epoch"] == 0)]
    assert len(first) == len(whole) > 0
    bits = ["layer", "estimator", "quantity", "bits"]
    assert first[bits].reset_index(drop=True).equals(whole[bits].reset_index(drop=True))


def test_diverged_runs_in_a_report(clone):
    plan = clone.folder / "study" / "plan.py"
    text, told = re.subn(r"(AUDIO_LEARNING_RATE =) .*", r"\1 1e25", plan.read_text("utf-8"))
    plan.write_text(text, "utf-8")
    clone.commit()
    done = clone.report("--only", "09", "--jobs", "2")
    assert told == 1
    assert "diverged" in done.out
    planes = done.table("cnn-planes")
    lost = planes["status"] == "diverged"
    assert planes.loc[lost, "bits"].isna().all()
    assert planes.loc[~lost & (planes["epoch"] == 0), "bits"].notna().any()
    assert clone.changes() == ""
