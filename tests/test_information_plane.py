"""The tidy table: its columns, its agreement with the estimators, its diagnostics, its reuse."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from small_data import pattern_data, picture_data
from torch import nn

import iblib
from iblib.activations import measurement_rows, record
from iblib.config import Binning, ConfigError, MeasureConfig, RunConfig
from iblib.estimators import binning, exact_information, kde, kraskov, label_entropy
from iblib.information_plane import COLUMNS, measure_run
from iblib.summaries import select
from iblib.training import train
from iblib.views import views_of

CONFIG = RunConfig("mlp", "tanh", learning_rate=0.1, batch_size=16, epochs=4, n_points=3)
MEASURE = MeasureConfig(
    n_samples=50,
    views=("layer", "pca"),
    bins=(Binning("bounds", 30), Binning("width", 0.07), Binning("run", 20), Binning("epoch", 20)),
    noise_variance=0.02,
    resolution=(),
    k=3,
    estimators=("binning", "kde", "kraskov"),
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    data = pattern_data()
    run = train(CONFIG, data, runs_dir=tmp_path_factory.mktemp("runs"))
    return run, data, measure_run(run, data, MEASURE, profile="test")


def only(table: pd.DataFrame, **conditions) -> float:
    for column, value in conditions.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table["bits"].item()


def test_columns_and_one_row_one_number(measured):
    run, _, table = measured
    assert tuple(table.columns) == COLUMNS
    identity = list(COLUMNS[: COLUMNS.index("bits")])
    assert not table.duplicated(identity).any()
    assert table["bits"].notna().all()
    assert set(table["run"]) == {run.key}
    assert set(table["profile"]) == {"test"}
    assert set(table["n_samples"]) == {50}
    assert set(table["epoch"]) == set(run.epochs)
    assert list(table["layer"].unique()) == [f"hidden{i}" for i in range(1, 6)] + ["output"]
    assert set(table["quantity"]) == {
        *("I_XT", "I_TY", "I_XT_upper", "I_XT_lower", "I_TY_upper", "I_TY_lower", "H_T")
    }


def test_rows_equal_the_estimators_on_the_replayed_activations(measured):
    run, data, table = measured
    rows = measurement_rows(data.rows("training"), 50)
    x, y = data.take(rows)
    network = run.network(4)
    t = dict(record(network, x, network.measured_layers()))["hidden3"]
    here = table.query("epoch == 4 and layer == 'hidden3' and view == 'layer'")
    found = kde.information(t, y, noise_variance=0.02)
    assert only(here, quantity="I_XT_upper") == pytest.approx(found.xt_upper, rel=1e-5)
    assert only(here, quantity="I_TY_lower") == pytest.approx(found.ty_lower, rel=1e-5, abs=1e-6)
    neighbours = kraskov.information(t, y, k=3)
    kraskov_rows = here.query("estimator == 'kraskov'")
    assert only(kraskov_rows, quantity="H_T") == pytest.approx(neighbours.h_t, rel=1e-4)
    bounds = binning.information(t, y, edges=np.linspace(-1, 1, 31))
    assert only(here, quantity="I_XT", parameter="n_bins", value=30.0) == pytest.approx(bounds.xt)
    width = binning.information(t, y, width=0.07)
    assert only(here, quantity="I_TY", parameter="width") == pytest.approx(width.ty, abs=1e-6)
    assert here["label_entropy"].unique() == pytest.approx([label_entropy(y)], rel=1e-6)


def test_pca_rows_equal_the_estimators_on_the_view(measured):
    run, data, table = measured
    x, y = data.take(measurement_rows(data.rows("training"), 50))
    network = run.network(0)
    t = dict(record(network, x, network.measured_layers()))["hidden1"]
    view = next(views_of(t, ("pca",), n_components=3))
    here = table.query("epoch == 0 and layer == 'hidden1' and view == 'pca'")
    assert set(here["dimension"]) == {3}
    found = kde.information(view.values, y, noise_variance=0.02)
    assert only(here, quantity="I_XT_upper") == pytest.approx(found.xt_upper, rel=1e-5)


def test_edges_of_a_run_are_fixed_and_refitted_ones_are_named(measured):
    """Edges from all epochs give each epoch its share; refitted edges use every epoch's own."""
    run, data, table = measured
    x, y = data.take(measurement_rows(data.rows("training"), 50))
    outputs = {}
    for epoch in run.epochs:
        network = run.network(epoch)
        outputs[epoch] = dict(record(network, x, {"output": "linear.5"}))["output"]
    everything = np.concatenate(list(outputs.values()))
    here = table.query(
        "layer == 'output' and view == 'layer' and value == 20 and quantity == 'I_XT'"
    )
    for epoch, t in outputs.items():
        for name, limits in (("binning", everything), ("binning_refit", t)):
            edges = binning.uniform_edges(float(limits.min()), float(limits.max()), 20)
            expected = binning.information(t, y, edges=edges).xt
            assert only(here, epoch=epoch, estimator=name) == pytest.approx(expected, abs=1e-6)


def test_the_table_is_made_once_and_reused(measured, monkeypatch):
    run, data, table = measured
    monkeypatch.setattr(
        "iblib.information_plane.runs.record", lambda *a, **k: pytest.fail("replayed")
    )
    again = measure_run(run, data, MEASURE, profile="test")
    pd.testing.assert_frame_equal(again, table)
    assert measure_run(run, data, MEASURE, profile="other")["profile"].unique().tolist() == [
        "other"
    ]


@pytest.mark.parametrize(("epochs_held", "passes"), [(0, 8), (1, 7), (4, 4)])
def test_epochs_that_fit_into_memory_are_replayed_once(
    measured, monkeypatch, tmp_path, epochs_held, passes
):
    """Binning over a run look at every epoch twice; what is held meanwhile changes no number."""
    run, data, table = measured
    network, replayed = run.network(0), []
    layers = network.measured_layers()
    a_epoch = sum(t.nbytes for _, t in record(network, data.inputs[:50], layers))

    def recorded(*arguments):
        replayed.append(arguments)
        return record(*arguments)

    monkeypatch.setattr("iblib.information_plane.runs.record", recorded)
    monkeypatch.setattr("iblib.information_plane.replay.HELD_BYTES", epochs_held * a_epoch)
    shutil.copytree(run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("planes"))
    copy = dataclasses.replace(run, folder=tmp_path / "run")
    again = measure_run(copy, data, MEASURE, profile="test")
    pd.testing.assert_frame_equal(again, table)
    assert len(replayed) == passes


def test_other_data_are_refused(measured):
    run, data, _ = measured
    with pytest.raises(ValueError, match="was trained on other data"):
        measure_run(run, dataclasses.replace(data, fingerprint="other"), MEASURE)


def test_members_of_an_ensemble_are_measured_one_by_one(tmp_path):
    data = pattern_data()
    run = train(dataclasses.replace(CONFIG, n_seeds=2, seed=5), data, runs_dir=tmp_path)
    table = measure_run(run, data, MeasureConfig(n_points=2))
    assert set(table["seed"]) == {5, 6}
    assert set(table["epoch"]) == {0, 4}
    values = select(table, quantity="I_XT_upper", estimator="kde", layer="hidden2", epoch=4)["bits"]
    assert values.nunique() == 2


def test_convolutional_views_and_saturation(tmp_path):
    """The joint layer of a conv net is saturated at log2 P, its means need not be."""
    data = picture_data(n=60)
    config = RunConfig("simple_cnn", "tanh", options={"filters": [2, 3]}, epochs=1, n_points=1)
    run = train(config, data, runs_dir=tmp_path)
    measure = MeasureConfig(
        views=("layer", "filter", "spatial_mean"), bins=(Binning("width", 0.5),)
    )
    table = measure_run(run, data, measure)
    layer = table.query("view == 'layer' and layer == 'block1' and estimator == 'kde'")
    assert layer["saturated"].all()
    assert (table["bits"] <= np.log2(36) + 1e-6)[table["quantity"].str.startswith("I_XT")].all()
    assert sorted(table.query("view == 'filter' and layer == 'block2'")["channel"].unique()) == [
        0,
        1,
        2,
    ]
    assert not table.query("layer == 'output'")["view"].isin(["filter", "spatial_mean"]).any()


def test_diagnostics_of_degenerate_layers():
    """A constant layer: zero bits, every neighbour at radius 0, and the row says so."""

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)
            nn.init.zeros_(self.layer.weight)

        def forward(self, x):
            return self.layer(x)

    x, y = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2
    config = MeasureConfig(bins=(Binning("run", 10), Binning("epoch", 4), Binning("pooled", 0.1)))
    table = iblib.measure_model(Constant(), (x, y), config=config, name="constant", epochs=7)
    assert tuple(table.columns) == COLUMNS
    assert set(table["model"]) == {"constant"}
    assert set(table["epoch"]) == {7}
    information = table[table["quantity"].str.startswith("I_") & (table["estimator"] != "kraskov")]
    assert (information["bits"] == 0).all()
    neighbours = table.query("estimator == 'kraskov'")
    assert (neighbours["zero_radius"] > 0).all()
    assert set(neighbours["status"]) == {"degenerate"}
    pooled = table.query("estimator == 'pooled'")
    assert set(pooled["quantity"]) == {"H_T", "I_TY"}  # never I(X;T)


def test_small_classes_leave_kraskov_empty_and_say_so():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    y = np.array(["rare"] + ["common"] * 19)
    table = iblib.measure_model(nn.Sequential(nn.Linear(3, 2)), (torch.from_numpy(x), y))
    row = table.query("estimator == 'kraskov' and quantity == 'I_TY'")
    assert row["bits"].isna().all()
    assert row["status"].tolist() == ["too_few_samples"]
    assert table.query("estimator == 'kraskov' and quantity == 'H_T'")["bits"].notna().all()


def test_regression_targets_are_refused(tmp_path):
    data = pattern_data()
    data = dataclasses.replace(data, labels=data.inputs[:, :1], classes=(), fingerprint="r")
    config = RunConfig("mlp", "linear", options={"sizes": [12, 4, 1]}, epochs=1)
    run = train(config, data, runs_dir=tmp_path)
    with pytest.raises(ValueError, match="has no classes"):
        measure_run(run, data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Binning("octave", 3),
        lambda: Binning("run", 2.5),
        lambda: Binning("width", 0.0),
        lambda: Binning("run", float("inf")),
        lambda: Binning("bounds", 30, low=1.0),
        lambda: MeasureConfig(more_noise=(float("inf"),)),
        lambda: MeasureConfig(bins=()),
        lambda: MeasureConfig(n_samples=-1),
    ],
)
def test_illegal_measurements_are_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_noise_sweeps_are_the_estimator_at_those_variances(measured):
    run, data, _ = measured
    sweep = dataclasses.replace(
        MEASURE,
        more_noise=(0.1, 1.0),
        relative_noise=(0.5,),
        resolution=(0.1, 0.4),
        estimators=("exact", "kde"),
    )
    table = measure_run(run, data, sweep)
    x, y = data.take(measurement_rows(data.rows("training"), 50))
    network = run.network(run.epochs[-1])
    t = dict(record(network, x, {"hidden3": "activation.2"}))["hidden3"]
    where = {"epoch": run.epochs[-1], "layer": "hidden3", "view": "layer"}
    for value in (0.02, 0.1, 1.0):
        about = {"estimator": "kde", "value": value, "quantity": "I_XT_lower"}
        found = kde.information(t, y, noise_variance=value).xt_lower
        assert only(table, **where, **about) == pytest.approx(found, rel=1e-6)
    about = {"estimator": "kde_relative", "parameter": "relative_noise", "quantity": "I_TY_upper"}
    spread = t.var(axis=0, dtype=float).mean()
    found = kde.information(t, y, noise_variance=0.25 * spread).ty_upper
    assert only(table, **where, **about) == pytest.approx(found, rel=1e-6)
    for value, found in zip((0.1, 0.4), kde.information(t, y, resolution=(0.1, 0.4)), strict=True):
        about = {"estimator": "kde_resolution", "value": value, "quantity": "I_XT_upper"}
        assert only(table, **where, **about) == pytest.approx(found.xt_upper, rel=1e-6)
    exact = exact_information(t, y)
    assert only(table, **where, estimator="exact", quantity="I_TY") == pytest.approx(exact.ty)
    rulers = table.groupby("ruler")["estimator"].agg(lambda names: sorted(set(names)))
    assert rulers.to_dict() == {
        **{"exact": ["exact"], "fixed": ["kde"]},
        "scale": ["kde_relative", "kde_resolution"],
    }


def test_relative_noise_does_not_see_the_scale():
    """cT has the I(X;T) of T when the noise grows with it; with fixed noise it has not."""

    class Scaled(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.layer = nn.Identity()
            self.factor = factor

        def forward(self, x):
            return self.layer(self.factor * x)

    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    config = MeasureConfig(relative_noise=(0.3,))
    tables = [iblib.measure_model(Scaled(c), (x, x[:, 0] > 0), config=config) for c in (1.0, 8.0)]
    for estimator, same in (("kde_relative", True), ("kde", False)):
        bits = [only(t, estimator=estimator, quantity="I_XT_upper") for t in tables]
        assert (bits[0] == pytest.approx(bits[1], rel=1e-5)) == same


def test_constant_activations_have_no_relative_noise():
    x = np.zeros((6, 2), np.float32)
    config = MeasureConfig(relative_noise=(0.3,))
    table = iblib.measure_model(nn.Sequential(nn.Identity()), (x, [0, 1] * 3), config=config)
    assert "kde_relative" not in set(table["estimator"])


def test_bins_of_the_net_input_undo_the_saturation():
    """Equal bins of tanh(x) put large x together; bins that are equal in x keep them apart."""
    x = np.linspace(3, 8, 40, dtype=np.float32)[:, None]
    config = MeasureConfig(bins=(Binning("bounds", 30), Binning("net_input", 1000)))
    table = iblib.measure_model(nn.Sequential(nn.Tanh()), (x, [0, 1] * 20), config=config)
    assert only(table, estimator="binning", quantity="I_XT") == 0
    assert only(table, estimator="binning_net_input", quantity="I_XT") > 5


@pytest.mark.parametrize(
    "asked", [("exact",), ("binning",), ("kde",), ("kde", "binning"), ("kraskov",)]
)
def test_some_estimators_give_the_rows_that_all_would(asked):
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    bins = (Binning("width", 0.5), Binning("epoch", 10), Binning("pooled", 0.1))
    whole = MeasureConfig(bins=bins, more_noise=(0.1,))
    table = iblib.measure_model(model, (x, x[:, 0] > 0), config=whole)
    some = dataclasses.replace(whole, estimators=asked)
    found = iblib.measure_model(model, (x, x[:, 0] > 0), config=some)
    families = {"binning": ("binning", "binning_refit", "pooled"), "kde": ("kde", "kde_resolution")}
    names = [name for one in asked for name in families.get(one, (one,))]
    expected = table[table["estimator"].isin(names)].reset_index(drop=True)
    assert len(found) > 0
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, check_dtype=False)


def test_estimators_are_chosen_by_name():
    assert MeasureConfig.from_dict({"estimators": ["kde"]}).estimators == ("kde",)
    with pytest.raises(ConfigError, match="estimators must be some of"):
        MeasureConfig(estimators=("knn",))


def test_a_diverged_run_is_measured_up_to_there(tmp_path):
    """Its last stored weights are finite, and what they make of the data is not."""
    data = pattern_data(n=256)
    wild = {"learning_rate": 1e25, "momentum": 0.0, "batch_size": 0}
    config = RunConfig("mlp", "relu", optimizer="sgd", epochs=6, n_points=8, **wild)
    run = train(config, data, runs_dir=tmp_path)
    assert (run.status["status"], run.status["epoch"]) == ("diverged", 2)
    measure = MeasureConfig(split="all", n_samples=128, bins=(Binning("run", 30),))
    table = measure_run(run, data, dataclasses.replace(measure, views=("layer", "pca")))
    assert sorted(table["epoch"].unique()) == [0, 1]
    before = dataclasses.replace(config, epochs=0)
    expected = measure_run(train(before, data, runs_dir=tmp_path), data, measure)
    untrained = table.query("epoch == 0 and view == 'layer' and estimator != 'binning'")
    assert untrained["bits"].tolist() == expected.query("estimator != 'binning'")["bits"].tolist()
    lost = table.query("status == 'diverged'")
    assert set(lost["epoch"]) == {1}
    assert "output" in set(lost["layer"])
    assert lost["bits"].isna().all()
    assert table.drop(lost.index)["bits"].notna().all()
    rows = [len(table[table["epoch"] == epoch]) for epoch in (0, 1)]
    assert rows[0] == rows[1]


def spoilt(value: float) -> dict[int, dict]:
    """Weights of three epochs, of which the second has one that is no number."""
    torch.manual_seed(0)
    weights = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).state_dict()] * 3
    return {e: {k: v.clone() for k, v in one.items()} for e, one in enumerate(weights)} | {
        1: weights[1] | {"2.bias": torch.tensor([0.0, value])}
    }


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("estimators", [("binning", "kde", "kraskov"), ("kde",)])
def test_one_epoch_that_is_not_finite_spoils_no_other(value, estimators):
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    config = MeasureConfig(
        views=("layer", "pca"),
        bins=(Binning("run", 20), Binning("epoch", 9), Binning("pooled", 0.1)),
        relative_noise=(0.5,),
        estimators=estimators,
    )
    about = {"data": (x, x[:, 0] > 0), "config": config}
    with pytest.warns(RuntimeWarning, match=r"layer '2' at epoch 1 is not finite") as caught:
        table = iblib.measure_model(model, epochs=spoilt(value), **about)
    assert len(caught) == 1
    expected = iblib.measure_model(model, epochs=spoilt(0.5), **about)
    gone = (table["epoch"] == 1) & (table["layer"] == "2")
    assert (table["status"] == "diverged").equals(gone)
    assert table.loc[gone, "bits"].isna().all()
    assert not table.loc[gone, "saturated"].any()
    same = ["epoch", "layer", "view", "estimator", "parameter", "value", "quantity", "dimension"]
    pd.testing.assert_frame_equal(table[same], expected[same])
    whole = iblib.measure_model(model, epochs={e: spoilt(0.0)[e] for e in (0, 2)}, **about)
    kept = table[table["epoch"] != 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, kept)
