"""Numbers behind the verdicts, on tables small enough to check by hand."""

import numpy as np
import pandas as pd
import pytest

from iblib import summaries
from iblib.information_plane import COLUMNS
from study.summaries import (
    accuracy_by_seed,
    final_accuracy,
    rank_correlation,
    saturation,
    with_updates,
)
from study.trust import processing_violations


def plane_rows(curves: dict, *, layer="hidden1", seed=0, **about) -> pd.DataFrame:
    """One row per epoch; ``curves`` maps epoch -> bits."""
    common = {
        "run": "r",
        "model": "mlp",
        "activation": "tanh",
        "batch_mode": "mini-batch",
        "view": "layer",
    }
    common |= {"channel": -1, "estimator": "binning", "parameter": "width", "value": 0.07}
    common |= {"quantity": "I_XT", "saturated": False, "layer": layer, "seed": seed, **about}
    return pd.DataFrame(
        [{**common, "epoch": e, "bits": b} for e, b in curves.items()], columns=COLUMNS
    )


def test_compression_is_the_fall_from_the_maximum():
    table = pd.concat(
        [
            plane_rows({0: 5.0, 1: 7.0, 10: 8.0, 100: 6.5}),
            plane_rows({0: 1.0, 1: 2.0, 10: 3.0, 100: 4.0}, layer="hidden2"),
        ]
    )
    found = summaries.compression(table.sample(frac=1, random_state=0)).set_index("layer")
    assert found.loc["hidden1", ["first", "maximum", "last", "rise", "fall"]].tolist() == [
        5,
        8,
        6.5,
        3,
        1.5,
    ]
    assert found.loc["hidden1", "epoch_of_maximum"] == 10
    assert found.loc["hidden2", "fall"] == 0
    assert found.loc["hidden2", "rise"] == 3


def test_compression_keeps_curves_apart_and_skips_missing_values():
    table = pd.concat([plane_rows({0: 1.0, 1: 0.0}, seed=s) for s in range(3)])
    table = pd.concat([table, plane_rows({0: np.nan, 1: np.nan}, seed=9)])
    found = summaries.compression(table)
    assert found["seed"].tolist() == [0, 1, 2]


def test_processing_violations_count_consecutive_layers_of_one_epoch():
    table = pd.concat(
        [
            plane_rows({0: 5.0, 1: 5.0}, layer="hidden1"),
            plane_rows({0: 4.0, 1: 5.5}, layer="hidden2"),
            plane_rows({0: 4.005, 1: 2.0}, layer="output"),
        ]
    )
    found = processing_violations(table).iloc[0]
    assert (found["pairs"], found["violations"]) == (4, 1)
    assert found["share"] == 0.25
    assert found["largest"] == pytest.approx(0.5)
    assert processing_violations(table, tolerance=0.001)["violations"].item() == 2


def test_processing_violations_take_each_models_own_order_of_layers():
    """Two networks that share layer names in another order, as SimpleCNN and MiniResNet do."""
    falling = {"before_pool": 5.0, "after_pool": 4.0, "output": 3.0}
    tables = [plane_rows({0: bits}, layer=layer) for layer, bits in falling.items()]
    other = {"conv": 6.0, "after_pool": 4.0, "output": 3.0}
    tables += [plane_rows({0: b}, layer=layer, model="x", run="x") for layer, b in other.items()]
    found = processing_violations(pd.concat(tables))
    assert found["pairs"].tolist() == [2, 2]
    assert found["violations"].tolist() == [0, 0]


def test_saturation_is_a_share_of_information_rows():
    labels = plane_rows({0: 9.0}, quantity="I_TY")
    table = pd.concat([plane_rows({0: 1.0}, saturated=True), plane_rows({1: 1.0}), labels])
    assert saturation(table)["share"].tolist() == [0.5]


def history(accuracies: dict, *, run="a", seed=0, epochs=(0, 3)) -> pd.DataFrame:
    rows = [
        {"run": run, "model": "cnn", "activation": "relu", "batch_mode": "mini-batch", "seed": seed}
        | {"epoch": e, "updates": 10 * e, "split": split, "loss": 1.0, "accuracy": a * (e > 0)}
        for e in epochs
        for split, a in accuracies.items()
    ]
    return pd.DataFrame(rows)


def test_final_accuracy_is_of_the_last_epoch_and_averages_seeds():
    table = pd.concat(
        [
            history({"training": 1.0, "validation": 0.7, "test": 0.6}),
            history({"training": 0.8, "validation": 0.5, "test": 0.5}, run="b", seed=1),
        ]
    )
    found = final_accuracy(table).iloc[0]
    assert (found["epochs"], found["updates"], found["n_seeds"]) == (3, 30, 2)
    assert found["training"] == pytest.approx(0.9)
    assert found["test"] == pytest.approx(0.55)
    assert found["gap"] == pytest.approx(0.35)
    assert found["test_spread"] == pytest.approx(0.1)


def test_updates_are_joined_by_run_and_epoch():
    joined = with_updates(plane_rows({0: 1.0, 3: 2.0}, run="a"), history({"test": 1.0}))
    assert joined["updates"].tolist() == [0, 30]


def test_select_names_what_is_missing():
    table = plane_rows({0: 1.0, 1: 2.0})
    assert summaries.select(table, epoch=[1, 5], layer="hidden1")["bits"].tolist() == [2.0]
    with pytest.raises(ValueError, match="column must be one of"):
        summaries.select(table, epcoh=1)
    with pytest.raises(ValueError, match=r"epoch must be one of the table's \(0, 1\); got 7"):
        summaries.select(table, layer="hidden1", epoch=7)


def history_rows(accuracy: dict, *, run="a", seed=0, **about) -> pd.DataFrame:
    """One row per split and epoch; ``accuracy`` maps split -> values at epochs 0, 1, ..."""
    common = {"run": run, "seed": seed, "dataset": "d", "model": "mlp", "activation": "tanh"}
    common |= {"batch_mode": "mini-batch", **about}
    return pd.DataFrame(
        [
            {**common, "split": split, "epoch": epoch, "accuracy": value}
            for split, values in accuracy.items()
            for epoch, value in enumerate(values)
        ]
    )


def test_accuracy_by_seed_is_that_of_the_last_epoch():
    table = pd.concat(
        [
            history_rows({"training": [0.5, 0.9], "validation": [0.5, 0.7], "test": [0.5, 0.8]}),
            history_rows({"training": [0.6], "validation": [0.6], "test": [0.4]}, run="b", seed=3),
        ]
    )
    found = accuracy_by_seed(table).set_index(["run", "seed"])
    assert found["gap"].to_dict() == pytest.approx({("a", 0): 0.1, ("b", 3): 0.2})
    assert found.loc[("a", 0), "test"] == 0.8


def test_rank_correlation_of_nothing_and_of_a_constant_is_none():
    constant = pd.DataFrame({"group": [0, 0, 1], "x": [1.0, 2.0, 3.0], "y": 0.0})
    for table in (constant, constant[:0]):
        found = rank_correlation(table, "x", "y", groups=["group"])
        assert np.isnan([found["correlation"], found["low"], found["high"]]).all()
        assert found["n"] == len(table)


def test_rank_correlation_of_a_rule_and_of_chance():
    random = np.random.default_rng(0)
    x = random.normal(size=60)
    table = pd.DataFrame({"x": x, "y": np.exp(x), "other": random.normal(size=60)})
    table["group"] = np.arange(60) // 3
    rule = rank_correlation(table, "x", "y", groups=["group"])
    assert (rule["correlation"], rule["low"], rule["high"]) == pytest.approx((1, 1, 1))
    assert (rule["n"], rule["n_groups"]) == (60, 20)
    chance = rank_correlation(table, "x", "other", groups=["group"])
    assert chance["low"] < 0 < chance["high"]
    assert chance["low"] < chance["correlation"] < chance["high"]


def test_alike_rows_make_the_interval_wide():
    """Copies of a row are no further evidence: whole groups are drawn."""
    random = np.random.default_rng(1)
    few = pd.DataFrame({"x": random.normal(size=8), "y": random.normal(size=8), "g": range(8)})
    many = pd.concat([few] * 10, ignore_index=True)
    width = {
        name: found["high"] - found["low"]
        for name, found in (
            ("few", rank_correlation(few, "x", "y", groups=["g"])),
            ("many", rank_correlation(many, "x", "y", groups=["g"])),
        )
    }
    assert width["many"] == pytest.approx(width["few"], rel=0.25)
