"""A notebook's session: keys, reading and making results, and what it refuses."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from iblib.config import PROFILES, ConfigError
from iblib.files import write_json
from study import StaleResultError, open_session
from study import session as session_module


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A session whose results are made by functions of this test."""
    makers = {
        "table.csv": session_module._Maker(
            lambda s: pd.DataFrame({"bits": [1.5, 2.0]}), ("audio",)
        ),
        "arrays.npz": session_module._Maker(lambda s: {"a": np.arange(3)}, ("saxe runs",)),
        "clip.mp3": session_module._Maker(lambda s: b"sound", ("audio",)),
    }
    monkeypatch.setattr(session_module, "_MAKERS", makers)
    monkeypatch.setattr(
        session_module.Session, "audio", dataclasses.make_dataclass("D", ["source"])("tiny data")
    )
    return lambda **kw: open_session(**{"profile": "smoke", "out_dir": str(tmp_path), **kw})


def test_results_are_made_once_and_read_back(tiny):
    maker = tiny(recompute=True)
    assert maker.table("table")["bits"].tolist() == [1.5, 2.0]
    assert maker.arrays("arrays")["a"].tolist() == [0, 1, 2]
    assert maker.result("clip.mp3").read_bytes() == b"sound"
    reader = tiny()
    assert reader.table("table")["bits"].tolist() == [1.5, 2.0]
    assert reader.arrays("arrays")["a"].tolist() == [0, 1, 2]


def test_equal_results_are_equal_bytes(tiny):
    def made():
        return [tiny(recompute=True).result(n).read_bytes() for n in ("table.csv", "arrays.npz")]

    assert made() == made()


def test_a_missing_result_of_the_checkout_names_the_command_that_makes_it(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    with pytest.raises(StaleResultError, match="python -m iblib report --profile smoke --dataset"):
        tiny().table("table")


def test_a_copy_makes_what_it_lacks_once(tiny, tmp_path):
    path = tiny().result("table.csv")
    written = path.stat().st_mtime_ns
    assert tiny().result("table.csv").stat().st_mtime_ns == written
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == [
        "table.csv",
        "table.csv.json",
    ]


def test_another_first_seed_is_a_copy_of_other_networks():
    home, other = open_session(), open_session(seed=3)
    assert not other.is_home
    assert other.paths.base == home.paths.base / "report" / "report-synthetic-seed3"
    assert "--seed 3" in other.command
    assert open_session(**other.settings) == other
    for name in ("saxe-planes.csv", "cnn-planes.csv", "linear-network.csv"):
        assert home.key(name) != other.key(name)
    assert home.key("knn-bias.csv") == other.key("knn-bias.csv")
    for runs in (other.saxe_runs(), other.audio_runs(), other.linear_runs()):
        assert {spec.run.seed for spec in runs.values()} >= {3}
    audio = {name: spec.run.seed for name, spec in other.audio_runs().items()}
    assert {seed - int(name.rpartition("-")[2]) for name, seed in audio.items()} == {3}
    assert list(audio) == list(home.audio_runs())  # what asks for a run by name finds it


@pytest.mark.parametrize("seed", [-1, 1.0, "1", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ConfigError, match="seed must be a whole number"):
        open_session(seed=seed)


def test_a_result_of_other_settings_is_never_used_silently(tiny, monkeypatch):
    tiny(recompute=True).table("table")
    changed = dataclasses.replace(PROFILES["smoke"], clips_per_genre=21)
    monkeypatch.setitem(
        session_module.PROFILES if hasattr(session_module, "PROFILES") else PROFILES,
        "smoke",
        changed,
    )
    with pytest.raises(StaleResultError, match="was made for other settings"):
        tiny().table("table")


def test_a_result_of_other_audio_is_never_used_silently(tiny, tmp_path):
    """Two folders of one kind have one key: the folder itself is compared."""
    audio = {"dataset": "folder", "data_dir": str(tmp_path / "a")}
    tiny(recompute=True, **audio).table("table")
    tiny(**audio).table("table")
    with pytest.raises(StaleResultError, match="was made for other settings"):
        tiny(dataset="folder", data_dir=str(tmp_path / "b")).table("table")


def test_a_result_records_what_made_it(tiny):
    path = tiny(recompute=True).result("table.csv")
    about = json.loads(path.with_name("table.csv.json").read_text())
    assert about["profile"]["name"] == "smoke"
    assert about["dataset"] == "synthetic"
    assert about["source"] == "tiny data"
    assert "torch" in about["environment"]["packages"]


def test_keys_follow_what_a_result_depends_on():
    report, smoke = open_session(), open_session(profile="smoke")
    assert report.key("saxe-planes.csv") != smoke.key("saxe-planes.csv")
    fma = open_session(dataset="fma_small")
    assert report.key("saxe-planes.csv") == fma.key("saxe-planes.csv")
    assert report.key("cnn-planes.csv") != fma.key("cnn-planes.csv")
    moved = open_session(dataset="fma_small", data_dir="elsewhere")
    assert moved.key("cnn-planes.csv") == fma.key("cnn-planes.csv")


def test_only_the_home_report_writes_into_the_checkout():
    home = open_session()
    assert home.is_home
    for other in (open_session(profile="smoke"), open_session(dataset="fma_small")):
        assert not other.is_home
        assert other.paths.base.parent == home.paths.base / "report"


def test_quoted_numbers_are_guarded_where_they_were_computed(tmp_path, monkeypatch):
    quoted = {"cpu_capability": "A", "threads": 2, "packages": {"torch": "1"}}
    made = {"environment": quoted | {"cpu_capability": "B"}}
    results = tmp_path / "results"
    for folder in (results, tmp_path / "notebooks"):
        folder.mkdir()
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    write_json(tmp_path / "notebooks" / "text-environment.json", {"environment": quoted})
    assert not session_module.is_where_text_was_written(results, recompute=True)
    write_json(results / "class-shares.csv.json", made)
    assert not session_module.is_where_text_was_written(results, recompute=False)
    write_json(results / "class-shares.csv.json", {"environment": quoted | {"python": "3.12"}})
    assert session_module.is_where_text_was_written(results, recompute=False)
    assert open_session().is_home


def test_run_specs_cover_every_network_and_batch_mode():
    specs = open_session().run_specs()
    runs = {(s["run"]["model"], s["run"]["activation"], s["run"]["batch_size"] > 0) for s in specs}
    assert {
        (m, a, True) for m in ("simple_cnn", "mini_resnet", "mlp") for a in ("relu", "tanh")
    } <= runs
    assert {("simple_cnn", a, False) for a in ("relu", "tanh")} <= runs


@pytest.mark.parametrize("settings", [{"profile": "huge"}, {"dataset": "gtzan"}, {"device": "tpu"}])
def test_unknown_settings_are_one_line_errors(settings):
    with pytest.raises(ConfigError, match="must be") as error:
        open_session(**settings)
    assert "\n" not in str(error.value)
