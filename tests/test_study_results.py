"""What the study computes: closed forms, small runs, and the committed results themselves."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_data import pattern_data

from iblib.config import MeasureConfig, RunConfig
from iblib.datasets import load
from iblib.summaries import CURVE, compression, select
from iblib.training import train
from study import linear, saxe, text, trust, verdicts
from study.inputs import Trained
from study.lab import open_lab
from study.plan import LINEAR_CASES, RunSpec, linear_runs, profile_named

RESULTS = Path(__file__).parents[1] / "results"


@pytest.fixture(scope="module")
def committed():
    """A committed table by name; it must carry the key of these settings."""
    lab = open_lab()
    return lambda name: lab.table(name)


def falls(planes: pd.DataFrame, **conditions) -> pd.Series:
    """Fall of the last hidden layer's I(X;T) from its maximum, by seed."""
    rows = select(planes, layer="hidden5", quantity="I_XT", batch_mode="mini-batch", **conditions)
    return compression(rows).set_index("seed")["fall"]


@pytest.mark.parametrize("setting", [{"parameter": "n_bins", "value": 30.0}, {"value": 0.07}])
def test_tanh_compresses_on_the_12_bit_task(committed, setting):
    found = falls(committed("saxe-planes"), activation="tanh", estimator="binning", **setting)
    assert len(found) >= 10
    assert found.mean() > 1


@pytest.mark.parametrize("setting", [{"parameter": "n_bins", "value": 100.0}, {"value": 0.07}])
def test_relu_does_not_with_edges_fixed_over_the_run(committed, setting):
    found = falls(committed("saxe-planes"), activation="relu", estimator="binning", **setting)
    assert len(found) >= 10
    assert found.mean() < 0.5


def test_edges_refitted_at_each_epoch_show_a_fall_in_relu_that_fixed_ones_do_not(committed):
    planes = committed("saxe-planes")
    faked = falls(planes, activation="relu", estimator="binning_refit")
    fixed = falls(planes, activation="relu", estimator="binning", parameter="n_bins")
    assert faked.mean() > fixed.mean() + 0.5


def test_the_task_is_not_trivial(committed):
    """A small CNN lands between 55 % and 85 % on clips it has not seen, with a gap."""
    history = select(committed("training-history"), model="simple_cnn", batch_mode="mini-batch")
    last = history[history["epoch"] == history["epoch"].max()]
    accuracy = last.groupby(["split", "activation"])["accuracy"].mean()
    assert accuracy["test"].between(0.55, 0.85).all()
    assert (accuracy["training"] - accuracy["test"] > 0.05).all()


def test_classes_are_unequally_hard(committed):
    table = select(committed("confusion"), model="simple_cnn", batch_mode="mini-batch")
    right = table[table["true"] == table["predicted"]].groupby("true")["clips"].sum()
    share = (right / table.groupby("true")["clips"].sum()).fillna(0)
    assert len(share) == 8
    assert share.max() - share.min() > 0.2


def test_committed_tables_have_as_many_seeds_and_epochs_as_promised(committed):
    planes = committed("saxe-planes")
    seeds = planes.groupby("activation")["seed"].nunique()
    assert seeds[["tanh", "relu"]].min() >= 10
    assert seeds[["softsign", "softplus"]].min() >= 3
    assert planes["epoch"].max() >= 1500
    assert planes["epoch"].nunique() >= 35


def test_every_committed_table_is_of_these_settings():
    lab = open_lab()
    for about in RESULTS.glob("*.*.json"):
        lab.result(about.name.removesuffix(".json"))


def test_readme_table_is_the_claims_part_of_the_verdicts(committed):
    table, stored = verdicts.headline(committed("verdicts")), committed("README-table")
    assert stored.to_numpy().tolist() == table.to_numpy().tolist()


def test_artefacts_are_their_arithmetic(committed):
    found = committed("artefacts")
    known = found.dropna(subset="arithmetic")
    assert len(known) == len(found) - 1  # the shuffled labels of a telling unit
    assert np.allclose(known["bits"], known["arithmetic"].astype(float), rtol=1e-6)
    assert pytest.approx(found["bits"][1], abs=5e-5) == 8.0775  # of the original project
    assert found["bits"].iloc[-1] < -500_000


def test_neighbours_are_biased_in_many_dimensions():
    bias = trust.knn_bias().groupby("dimension")["bias"].mean()
    assert bias[bias.index <= 5].abs().max() < 0.1 / np.log(2)
    assert 0.5 < bias[20] * np.log(2) < 2
    assert 10 < bias[100] * np.log(2) < 30


@pytest.mark.parametrize("name", LINEAR_CASES)
def test_linear_parts_never_exceed_the_whole(name):
    spec = linear_runs(profile_named("smoke"))[f"{name}-0"]
    data = load(**spec.data)
    run = train(spec.run, data, progress=False)
    one = Trained(f"{name}-0", spec, run, data, None, "smoke", "cpu")
    rows = linear.linear_network([one])
    assert (rows["I_relevant"] + rows["I_irrelevant"] <= rows["I_XT"] + 1e-9).all()
    assert (rows[["I_XT", "I_TY", "I_relevant", "I_irrelevant"]] > -1e-9).all().all()
    assert rows["I_TY"].iloc[-1] > rows["I_TY"].iloc[0]
    assert set(rows["case"]) == {name}


@pytest.fixture
def tiny(tmp_path):
    """One small tanh run on the patterns of these tests."""
    data = pattern_data()
    config = RunConfig(
        "mlp", "tanh", optimizer="adam", learning_rate=0.01, batch_size=16, epochs=3, n_seeds=2
    )
    spec = RunSpec({"name": "patterns"}, config)
    run = train(config, data, runs_dir=tmp_path)
    return Trained("tanh-mini-batch", spec, run, data, MeasureConfig(), "smoke", "cpu")


def test_gradients_without_noise_have_no_deviation(tiny):
    found = saxe.gradients([tiny])
    assert len(found) == len(tiny.run.epochs) * 2 * 6
    assert (found["deviation"] > 0).all()
    assert np.allclose(found["snr"], found["mean"] / found["deviation"])
    # one batch of everything: its gradient is the mean, and nothing deviates from it
    whole = RunSpec({}, dataclasses.replace(tiny.run.config, batch_size=10**6))
    assert (saxe.gradients([dataclasses.replace(tiny, spec=whole)])["deviation"] < 1e-12).all()


def test_activity_and_histograms_agree(tiny):
    shares = saxe.activity([tiny])
    assert set(shares["layer"]) == {f"hidden{i}" for i in range(1, 6)}
    assert shares["at_bounds"].between(0, 1).all()
    arrays = saxe.histograms([tiny])
    assert np.allclose(arrays["tanh-hidden5"].sum(axis=1), 1)
    edges = arrays["tanh-hidden5-edges"]
    assert (edges[0], edges[-1], len(edges)) == (-1, 1, 31)
    outer = arrays["tanh-hidden5"][:, [0, -1]].sum(axis=1)  # |t| > 0.933 holds |t| > 0.95
    mean = shares[shares["layer"] == "hidden5"].groupby("epoch")["at_bounds"].mean()
    assert (outer >= mean.to_numpy() - 1e-6).all()


def test_numbers_in_sentences():
    assert text.spread([1.0, 2.0, 3.0]) == "2.00 (1.00 to 3.00)"
    assert text.spread([-0.0001]) == "0.00"
    assert text.listed([]) == "none"
    assert text.listed(["a", "b", "c"]) == "a, b and c"
    assert text.reading("It\n   falls.").data == "**Reading.** It falls."


def claim(tanh: float, relu: float, full_batch: float) -> dict[str, str]:
    """Verdicts of tables whose last hidden layer falls by so many bits."""
    rows = pd.DataFrame(
        [
            {"dataset": "binary_patterns", "activation": a, "batch_mode": m, "fall": f}
            for a, m, f in (
                ("tanh", "mini-batch", tanh),
                ("relu", "mini-batch", relu),
                ("softsign", "mini-batch", 0.1),
                ("softplus", "mini-batch", 0.0),
            )
        ]
    )
    cnn = pd.DataFrame({"activation": ["tanh"], "layer": ["block1"], "fall": [0.1]})
    curves = pd.concat(
        [
            pd.DataFrame(
                {
                    **dict.fromkeys(CURVE, "x"),
                    "dataset": "binary_patterns",
                    "activation": "tanh",
                    "batch_mode": mode,
                    "epoch": [0, 1, 2],
                    "updates": [0, 1, 2],
                    "bits": [5.0, 8.0, 8.0 - fall],
                }
            )
            for mode, fall in (("mini-batch", tanh), ("full batch", full_batch))
        ]
    )
    return {
        "phases": verdicts._two_phases(rows, cnn).verdict,
        "noise": verdicts._noise(curves).verdict,
        "saxe": verdicts._like_saxe(rows).verdict,
    }


def test_verdicts_follow_the_numbers():
    usual = claim(tanh=2.0, relu=0.0, full_batch=3.0)
    assert usual["phases"] == "only with a saturating activation"
    assert usual["noise"].startswith("not the cause: it happens")
    assert usual["saxe"].startswith("holds for")
    other = claim(tanh=0.1, relu=1.0, full_batch=0.0)
    assert other["phases"] == "seen with ReLU only"
    assert other["noise"].startswith("nothing to explain")
    assert other["saxe"].startswith("not shown")
    assert claim(2.0, 2.0, 0.0)["noise"].startswith("not contradicted")
