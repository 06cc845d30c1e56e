"""Recipes and their order, keys, results wide on disk, and the lab that notebooks open."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_notebooks import write_notebook

from iblib import files
from iblib.config import ConfigError
from iblib.datasets import DataError
from study import recipes, run
from study.__main__ import main
from study.inputs import Runs
from study.lab import HOME, open_lab
from study.plan import PROFILES, Plan, profile_named, sweep_order
from study.recipes import RECIPES, Recipe, in_order
from study.results import Results, StaleResultError
from tests import recipe_sources

ROOT = Path(__file__).parents[1]


def test_a_maker_that_changes_raises_its_version():
    """After a change: raise the recipe's version where values change, and say

    ``python -m tests.recipe_sources``.
    """
    stored = json.loads(recipe_sources.STORED.read_text(encoding="utf-8"))
    assert stored == recipe_sources.current()


def test_the_test_above_sees_a_change_in_what_a_maker_uses(monkeypatch, tmp_path):
    before = recipe_sources.fingerprint(RECIPES["compression-and-gap.csv"].make)
    other = recipe_sources.fingerprint(RECIPES["knn-bias.csv"].make)
    for path in recipe_sources.STUDY.glob("*.py"):
        text = path.read_text(encoding="utf-8").replace('["view"] == "spatial_mean"', '["x"] == 1')
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(recipe_sources, "STUDY", tmp_path)
    recipe_sources._module.cache_clear()
    try:
        assert recipe_sources.fingerprint(RECIPES["compression-and-gap.csv"].make) != before
        assert recipe_sources.fingerprint(RECIPES["knn-bias.csv"].make) == other
    finally:
        recipe_sources._module.cache_clear()


def test_every_result_comes_after_what_it_is_made_of():
    order = in_order(RECIPES)
    assert sorted(order) == sorted(RECIPES)
    for place, name in enumerate(order):
        assert set(RECIPES[name].tables) <= set(order[:place])
    assert in_order(["knn-bias.csv"]) == ["knn-bias.csv"]
    with pytest.raises(KeyError, match="no recipe makes nothing"):
        in_order(["nothing.csv"])


def plane_table() -> pd.DataFrame:
    """Rows as ``measure_run`` gives them, with a missing value and two runs."""
    rows = []
    for key, activation in (("0012", "tanh"), ("00ab", "relu")):
        for epoch in (0, 1, 2):
            about = {"run": key, "dataset": "d", "activation": activation, "seed": 0}
            about |= {"epoch": epoch, "status": "ok"}
            bits = {"binning": ("I_XT", "I_TY"), "kraskov": ("H_T", "I_TY")}
            for estimator, quantities in bits.items():
                for quantity in quantities:
                    value = np.nan if (epoch, quantity) == (1, "H_T") else epoch + 1 / 3
                    one = {"estimator": estimator, "quantity": quantity, "bits": value}
                    rows.append(about | one)
    return pd.DataFrame(rows)


def test_a_table_is_wide_on_disk_and_long_in_memory(tmp_path):
    results, table = Results(tmp_path), plane_table()
    results.write("t.csv", table, "key")
    pd.testing.assert_frame_equal(results.table("t.csv"), table, rtol=1e-5)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == "activation,epoch,estimator,I_XT,I_TY,H_T"
    assert lines[1] == "tanh,0,binning,0.333333,0.333333,"
    assert len(lines) == 1 + len(table) / 2
    assert results.about("t.csv")["constant"] == {"dataset": "d", "seed": 0, "status": "ok"}


def test_learning_curves_have_a_row_an_epoch(tmp_path):
    table = pd.DataFrame({"dataset": "d", "epoch": [0, 0, 1, 1]})
    table["split"] = ["training", "test"] * 2
    table["loss"], table["accuracy"] = [0.5, 0.25, 0.125, np.nan], [0.0, 0.5, 1.0, 0.75]
    results = Results(tmp_path)
    results.write("h.csv", table, "key")
    pd.testing.assert_frame_equal(results.table("h.csv"), table)
    assert len((tmp_path / "h.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["NA", "001", "a,b", "日本"])
def test_names_of_classes_stay_as_they_are(tmp_path, name):
    table = pd.DataFrame({"class": [name, "other", ""], "clips": [1, 2, 3]})
    Results(tmp_path).write("t.csv", table, "key")
    pd.testing.assert_frame_equal(Results(tmp_path).table("t.csv"), table)


def test_an_empty_table_keeps_its_columns(tmp_path):
    Results(tmp_path).write("t.csv", pd.DataFrame(columns=["file", "reason"], dtype=str), "key")
    found = Results(tmp_path).table("t.csv")
    assert (list(found), len(found)) == (["file", "reason"], 0)


def _sum(say):
    return lambda table: say("sum", table.sum().to_frame("s"))


@pytest.fixture
def small(monkeypatch):
    """Recipes of this test: a table of nothing, arrays, bytes, and a table made of the table."""
    made = []

    def say(name, value):
        made.append(name)
        return value

    table = pd.DataFrame({"bits": [1.5, 2.0]})
    known = {
        "sum.csv": Recipe(
            lambda table: say("sum", table.sum().to_frame("s")), tables=("table.csv",)
        ),
        "table.csv": Recipe(lambda: say("table", table)),
        "arrays.npz": Recipe(lambda: say("arrays", {"a": np.arange(3)})),
        "clip.mp3": Recipe(lambda: say("clip", b"sound")),
    }
    monkeypatch.setattr(recipes, "RECIPES", known)
    monkeypatch.setattr("study.lab.RECIPES", known)
    return known, made


def test_results_are_made_once_and_read_back(small, tmp_path):
    for _ in range(2):
        lab = open_lab(profile="smoke", out_dir=tmp_path)
        assert lab.table("sum")["s"].tolist() == [3.5]
        assert lab.arrays("arrays")["a"].tolist() == [0, 1, 2]
        assert lab.result("clip.mp3").read_bytes() == b"sound"
    assert small[1] == ["table", "sum", "arrays", "clip"]
    about = lab.results.about("table.csv")
    assert about["profile"]["name"] == "smoke"
    assert "torch" in about["environment"]["packages"]


def test_equal_results_are_equal_bytes(small, tmp_path):
    def made(folder):
        lab = open_lab(profile="smoke", out_dir=tmp_path / folder)
        return [lab.result(name).read_bytes() for name in small[0]]

    assert made("a") == made("b")


def test_what_a_table_is_made_of_is_in_its_key(small, tmp_path):
    known, made = small
    open_lab(profile="smoke", out_dir=tmp_path).table("sum")
    known["table.csv"] = replace(known["table.csv"], version=2)
    open_lab(profile="smoke", out_dir=tmp_path).table("sum")
    assert made == ["table", "sum"] * 2


@pytest.mark.parametrize("damage", ["edited", "cut", "missing", "no json", "another key"])
def test_a_damaged_result_is_made_anew_or_refused(small, tmp_path, monkeypatch, damage):
    lab = open_lab(profile="smoke", out_dir=tmp_path)
    path, about = lab.result("table.csv"), tmp_path / "results" / "table.csv.json"
    whole = path.read_bytes()
    if damage == "edited":
        path.write_bytes(whole.replace(b"1.5", b"9.5"))
    elif damage == "cut":
        path.write_bytes(whole[:3])
    elif damage == "missing":
        path.unlink()
    elif damage == "no json":
        about.write_text("{")
    else:
        about.write_text(about.read_text().replace(lab.key("table.csv"), "0" * 16))
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    with pytest.raises(StaleResultError, match="make it with: make publish"):
        open_lab().table("table")
    assert open_lab(profile="smoke", out_dir=tmp_path).table("table")["bits"].tolist() == [1.5, 2]
    assert path.read_bytes() == whole


def test_a_result_that_hears_no_audio_loads_none(tmp_path, monkeypatch):
    def refuse(**_):
        raise AssertionError("audio was asked for")

    monkeypatch.setattr("iblib.datasets.load", refuse)
    monkeypatch.setattr("iblib.datasets.fingerprint", refuse)
    settings = {"profile": "smoke", "dataset": "folder", "data_dir": tmp_path / "nothing"}
    lab = open_lab(**settings, out_dir=tmp_path / "out")
    assert len(lab.table("knn-bias")) == 35
    assert lab.key("saxe-planes.csv")


def test_keys_follow_what_a_result_depends_on(tmp_path):
    published, smoke = open_lab(), open_lab(profile="smoke")
    assert published.key("saxe-planes.csv") != smoke.key("saxe-planes.csv")
    assert published.key("knn-bias.csv") == smoke.key("knn-bias.csv")
    other = open_lab(seed=3)
    for name in ("saxe-planes.csv", "cnn-planes.csv", "linear-network.csv", "verdicts.csv"):
        assert published.key(name) != other.key(name)
    assert list(other.specs("audio")) == list(published.specs("audio"))  # asked for by name


def test_the_audio_is_in_the_key_and_its_path_is_not(tmp_path):
    import shutil

    from datasets_audio import write_tone

    for genre in ("a", "b"):
        for i in range(4):
            write_tone(tmp_path / "one" / genre / f"{i}.wav", 200 + 50 * i)
    shutil.copytree(tmp_path / "one", tmp_path / "two")  # with its times

    def key(folder, name="class-shares.csv"):
        return open_lab(profile="smoke", dataset="folder", data_dir=tmp_path / folder).key(name)

    before = key("one")
    assert key("two") == before
    planes = key("one", "saxe-planes.csv")
    write_tone(tmp_path / "one" / "a" / "9.wav", 900)
    assert key("one") != before
    assert key("one", "saxe-planes.csv") == planes  # the 12-bit task does not hear it


def test_the_length_of_clips_is_in_the_keys_of_what_hears_them(tmp_path):
    from datasets_audio import write_tone

    for genre in ("a", "b"):
        for i in range(4):
            write_tone(tmp_path / "music" / genre / f"{i}.wav", 200 + 50 * i)
    audio = {"dataset": "folder", "data_dir": tmp_path / "music", "out_dir": tmp_path / "out"}
    labs = [open_lab(profile="smoke", **audio, clip_seconds=s) for s in (None, 0.9, 0.5)]
    for name, n in {"skipped.csv": 3, "cnn-planes.csv": 3, "saxe-planes.csv": 1}.items():
        assert len({lab.key(name) for lab in labs}) == n
    shares = labs[1].table("class-shares")
    assert shares["clips"].sum() == 8
    assert labs[1].results.about("class-shares.csv")["clip_seconds"] == 0.9
    (tmp_path / "music").rename(tmp_path / "gone")
    again = [open_lab(profile="smoke", **audio, clip_seconds=s) for s in (0.9, 0.5)]
    assert again[0].table("class-shares").equals(shares)  # of the stored fingerprint
    with pytest.raises(DataError, match="no folder"):
        again[1].table("class-shares")
    assert run.lab_settings(again[0])["clip_seconds"] == 0.9
    assert open_lab(**run.lab_settings(again[0])).plan == again[0].plan


@pytest.mark.parametrize("length", ["0", "-1", "nan", "x", "3"])  # the last: of synthetic clips
def test_the_report_refuses_impossible_lengths_of_clips(tmp_path, capsys, length):
    asked = ["report", "--clip-seconds", length, "--only", "01", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main(asked + (["--dataset", "folder"] if length != "3" else []))
    assert ended.value.code == 2
    assert re.search(r"clip.seconds", capsys.readouterr().err)


def test_without_the_audio_its_stored_fingerprint_counts(tmp_path):
    settings = {"profile": "smoke", "dataset": "folder", "data_dir": tmp_path / "gone"}
    lab = open_lab(**settings, out_dir=tmp_path)
    table = pd.DataFrame({"class": ["a", "b"], "split": "test", "clips": [1, 2]})
    known = replace(lab, device="cpu")
    known.inputs.__dict__["audio_fingerprint"] = "stored"
    key = known.key("class-shares.csv")
    lab.results.write("class-shares.csv", table, key, fingerprint="stored", source="two clips")
    again = open_lab(**settings, out_dir=tmp_path)
    assert again.table("class-shares")["clips"].tolist() == [1, 2]
    assert again.source_of_data == "two clips"


def test_only_the_committed_report_reads_the_checkout_and_nothing_writes_there():
    home = open_lab()
    assert home.is_home
    assert home.is_committed
    others = [open_lab(profile="report"), open_lab(dataset="fma_small"), open_lab(seed=1)]
    for lab in (home, *others):
        assert lab.folder.parent.name == "build"
    assert not any(lab.is_home or lab.is_committed for lab in others)
    assert len({lab.folder for lab in (home, *others)}) == 4


@pytest.mark.parametrize(
    "settings",
    [{"profile": "huge"}, {"dataset": "gtzan"}, {"device": "tpu"}]
    + [{"seed": seed} for seed in (-1, 1.0, "1", True)]
    + [{"dataset": "folder", "clip_seconds": s} for s in (0, -1.0, float("nan"), "5")]
    + [{"clip_seconds": 3.0}],
)
def test_unknown_settings_are_one_line_errors(settings):
    with pytest.raises((ConfigError, DataError), match="must be") as error:
        open_lab(**settings)
    assert "\n" not in str(error.value)


def test_a_lab_tells_how_a_table_is_made():
    lab = open_lab()
    told = lab.how("saxe-planes")
    assert told == lab.how("saxe-planes.csv")
    for part in ("tanh-mini-batch", "adam, rate 0.0004", "seeds 0 to 9", "30 bins on [-1, 1]"):
        assert part in told
    assert "saxe-planes.csv" in lab.how("verdicts")
    for name in RECIPES:
        assert len(lab.how(name).splitlines()) <= 14


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_cover_every_network_and_batch_mode(profile):
    plan = Plan(profile_named(profile))
    runs = [spec.run for group in plan.groups.values() for spec in group.values()]
    found = {(run.model, run.activation, run.batch_mode) for run in runs}
    for activation in ("relu", "tanh"):
        for model in ("simple_cnn", "mini_resnet", "mlp"):
            assert (model, activation, "mini-batch") in found
        assert ("simple_cnn", activation, "full batch") in found


def test_no_worker_waits_for_a_run_that_another_trains():
    specs = Plan(profile_named("published")).groups
    ordered = sweep_order((s, s.measures) for group in specs.values() for s in group.values())
    first = {}
    for position, spec in enumerate(ordered):
        first.setdefault(str(spec["run"]) + str(spec["data"]), position)
    assert sorted(first.values()) == list(range(len(first)))  # every run once, before any again


def test_runs_are_chosen_by_name_and_measurement():
    plan = Plan(profile_named("smoke"))
    edges = Runs("saxe", measure="edges").of(plan)
    assert list(edges) == ["tanh-mini-batch"]
    kinds = Runs("saxe", ("*-few", "*-reversed")).of(plan)
    assert set(kinds) == {"tanh-few", "relu-few", "tanh-reversed", "relu-reversed"}


def test_the_study_is_importable_in_a_notebook_opened_by_hand():
    """A bare kernel in notebooks/ has no PYTHONPATH: the environment finds the checkout."""
    from jupyter_client.manager import start_new_kernel

    environment = {"PATH": str(Path(sys.executable).parent), "HOME": str(Path.home())}
    manager, client = start_new_kernel(cwd=str(ROOT / "notebooks"), env=environment)
    try:
        reply = client.execute_interactive(
            "from study.lab import open_lab; import iblib", timeout=60, output_hook=lambda _: None
        )
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_the_library_does_not_know_the_study():
    program = (
        "import sys, iblib.__main__, iblib.sweep, iblib.plotting; print('study' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_home_is_what_notebooks_open_by_default():
    assert {name: getattr(open_lab(), name) for name in ("dataset", "seed")} == {
        "dataset": HOME["dataset"],
        "seed": HOME["seed"],
    }
    assert open_lab().profile.name == HOME["profile"]


def test_a_table_whose_rows_do_not_stand_together_stays_long(tmp_path):
    table = plane_table()
    table = pd.concat([table[table["quantity"] == q] for q in ("I_XT", "H_T", "I_TY")])
    Results(tmp_path).write("t.csv", table, "key")
    found = Results(tmp_path).table("t.csv")
    pd.testing.assert_frame_equal(found, table.reset_index(drop=True), rtol=1e-5)


def test_a_report_of_other_settings_leaves_nothing_in_a_folder(tmp_path, monkeypatch):
    lab = open_lab(profile="smoke", out_dir=tmp_path)
    files.write_json(tmp_path / "report.json", lab.identity | {"seed": 5})
    old = write_notebook(tmp_path / "notebooks" / "00-old.ipynb")
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path / "root"))
    write_notebook(tmp_path / "root" / "notebooks" / "00-new.ipynb", "1 + 1")
    for _ in range(2):
        report = run.run_report(lab, only=("00",))
        assert {page.stem for page in report.index.parent.iterdir()} == {
            "index",
            "gallery",
            "00-new",
        }
    assert not old.exists()


def test_a_report_says_that_results_of_two_machines_are_mixed(small, tmp_path, monkeypatch):
    """Bits depend on the kind of processor: what was taken over may come from another."""
    lab, lines = open_lab(profile="smoke", out_dir=tmp_path / "out"), []
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path / "root"))
    cell = 'lab.table("table"); lab.arrays("arrays")'
    write_notebook(tmp_path / "root" / "notebooks" / "00-new.ipynb", f"if False: {cell}")
    monkeypatch.setattr(run, "RECIPES", small[0])

    def report():
        lines.clear()
        run.run_report(lab, only=("00",), on_data=lines.append)
        return files.read_json(tmp_path / "out" / "report.json")["environments"]

    [one] = report().values()
    assert (sorted(one), lines) == (["arrays.npz", "table.csv"], [])
    path = tmp_path / "out" / "results" / "table.csv.json"
    about = files.read_json(path)
    about["environment"]["cpu_capability"] = "ABACUS"
    files.write_json(path, about)
    assert sorted(report().values()) == [["arrays.npz"], ["table.csv"]]
    assert len(lines) == 1
    assert "mixed" in lines[0]
    assert "1 with ABACUS, torch" in lines[0]
