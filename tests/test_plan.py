"""The plan of a report: profiles, runs by name, their order."""

import pytest

from iblib.config import ConfigError
from iblib.datasets import DataError
from study.inputs import Runs
from study.lab import open_lab
from study.plan import PROFILES, Plan, profile_named, sweep_order
from study.recipes import RECIPES


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
