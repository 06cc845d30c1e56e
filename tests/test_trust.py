"""What a measurement and a plane table print: every number beside its ceiling and its trust."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from iblib import MeasureConfig, measure, measure_model
from iblib.information_plane import COLUMNS

RNG = np.random.default_rng(0)
LABELS = np.arange(200) % 2
BIASED = "estimator not in ('exact', 'kraskov') and quantity.str.startswith('I_TY')"


def trust(t, y=LABELS, **settings) -> pd.Series:
    table = measure(t, y, **settings).to_frame()
    return table.set_index(["estimator", "quantity"])["trust"]


def test_each_quantity_has_a_row_with_its_number_and_ceiling():
    t = np.tanh(RNG.standard_normal((200, 3)))
    found = measure(t, LABELS, n_bins=8, range=(-1, 1), noise_variance=(0.1, 1.0), resolution=0.5)
    table = found.to_frame()
    assert set(table.columns) - set(COLUMNS) == {"ceiling", "trust"}
    by = table.set_index(["estimator", "value", "quantity"])
    assert by["bits"]["kde", 0.1, "I_XT_upper"] == found.kde.xt_upper
    assert by["bits"]["kde", 1.0, "I_TY_lower"] == found.noises[1].ty_lower
    assert by["bits"]["kde_resolution", 0.5, "I_XT_lower"] == found.noises[2].xt_lower
    assert by["bits"]["binning", 8, "I_TY"] == found.binning.ty
    assert by["bits"]["kraskov", 2, "H_T"] == found.kraskov.h_t
    assert by["bits"]["exact", 0, "I_XT"] == found.exact.xt == np.log2(200)
    ceilings = table.set_index("quantity")["ceiling"].groupby("quantity").first()
    assert ceilings["I_XT"] == ceilings["I_XT_upper"] == np.log2(200)
    assert ceilings["I_TY"] == 1.0
    assert np.isnan(ceilings["H_T"])
    assert dict(zip(table["estimator"], table["ruler"], strict=True)) == {
        **{"exact": "exact", "binning": "fixed", "kde": "fixed"},
        **{"kde_resolution": "scale", "kraskov": "fixed"},
    }


def test_trust_says_what_a_number_is_worth():
    far = trust(1e3 * RNG.standard_normal((200, 30)))
    assert far["kde", "I_XT_upper"] == far["exact", "I_TY"] == "saturated"
    assert far["kraskov", "H_T"] == "high dimension"
    repeated = np.repeat(RNG.standard_normal((20, 2)), 10, axis=0)
    assert trust(repeated)["kraskov", "H_T"] == "duplicates"
    assert trust(repeated)["exact", "I_XT"] == "ok"
    dead = trust(np.zeros((200, 4)), resolution=0.2)
    assert dead["kde_resolution", "I_XT_upper"] == "constant"
    beyond = trust(np.linspace(0, 2, 200)[:, None], n_bins=10, range=(0, 1))
    assert beyond["binning", "I_XT"].endswith("clipped")
    few = trust(RNG.standard_normal((200, 2)), [0, *[1] * 199])
    assert few["kraskov", "I_TY"] == "too few samples"


@pytest.mark.parametrize("n_classes", [2, 8, "one in 20"])
@pytest.mark.parametrize("n", [200, 500])
def test_small_sample_bias_is_said_where_shuffled_labels_have_information(n, n_classes):
    rng, shares, words = np.random.default_rng(0), [], []
    y = rng.random(n) < 0.05 if n_classes == "one in 20" else np.arange(n) % n_classes
    for d in (2, 10, 100):
        normal = rng.standard_normal((n, d))
        groups = 3 * rng.standard_normal((16, d))[np.arange(n) % 16] + 0.02 * normal
        for t in (normal, np.maximum(normal, 0), groups):
            for width in (0.07, 1.0, 4.0):
                noises = {"noise_variance": 2 * width**2, "resolution": (0.05, 0.2, 0.8)}
                found = [measure(t, rng.permutation(y), width=width, **noises) for _ in range(4)]
                tables = [one.to_frame().query(BIASED) for one in found]
                shares += list(np.mean([one["bits"] / one["label_entropy"] for one in tables], 0))
                words += list(tables[0]["trust"])
    share, said = np.array(shares), np.array(["small-sample bias" in word for word in words])
    assert said[share > 0.13].all()
    assert said[share > 0.1].mean() > 0.94
    assert said[share < 0.03].mean() < 0.02
    assert min((share > 0.1).sum(), (share < 0.03).sum()) > 60


def test_exact_values_of_a_sample_and_of_all_inputs():
    y, codes = np.arange(400) % 8, RNG.integers(0, 128, (400, 1))
    assert trust(codes, y)["exact", "I_TY"] == "small-sample bias if a sample"
    assert trust(codes // 64, y)["exact", "I_TY"] == "ok"
    assert trust(np.arange(400)[:, None], y)["exact", "I_TY"] == "saturated"


@pytest.mark.parametrize("form", [str, lambda found: found._repr_html_()])
def test_a_measurement_prints_numbers_units_and_trust(form):
    text = form(measure(RNG.standard_normal((200, 30)), LABELS, resolution=0.3))
    for part in ("200 samples", "30 dimensions", "bits", "7.644", "1.000", "saturated", "I(T;Y)"):
        assert part in text


def test_a_models_table_prints_its_last_epoch():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    data = torch.randn(64, 3), torch.arange(64) % 2
    table = measure_model(model, data, epochs={0: model.state_dict(), 5: model.state_dict()})
    summary = table.summary()
    assert set(summary["layer"]) == {"0", "1", "2"}
    last = pd.DataFrame(table).query("epoch == 5 and layer == '1'")
    shown = summary[(summary["layer"] == "1") & summary["estimator"].str.startswith("exact")]
    assert shown["I(X;T)"].item() == last.query("estimator == 'exact'")["bits"].iloc[0]
    assert "saturated" in shown["trust"].item()
    for text in (str(table), table._repr_html_()):
        assert "Sequential, epoch 5" in text
        assert "I(T;Y)" in text
    some = table[table["layer"] == "1"]
    assert type(some) is pd.DataFrame  # what is made of it is an ordinary table
    assert type(pd.DataFrame(table)) is pd.DataFrame


def test_a_plane_table_is_a_data_frame_like_any():
    table = measure_model(
        nn.Sequential(nn.Linear(3, 4)), (torch.randn(32, 3), torch.arange(32) % 2)
    )
    plain = pd.DataFrame(table)
    stored = pickle.loads(pickle.dumps(table))  # noqa: S301 - made here
    for same in (stored, table.copy(), copy.deepcopy(table)):
        pd.testing.assert_frame_equal(same, plain)
    assert str(stored) == str(table)
    assert table.to_csv() == plain.to_csv()
    assert len(pd.concat([table, table])) == 2 * len(plain)
    assert table.groupby("quantity")["bits"].mean().equals(plain.groupby("quantity")["bits"].mean())
    summary = table.summary().set_index("estimator")
    table.iloc[:] = table.iloc[::-1]
    table.index = table.index[::-1]  # the same rows in another order, in place
    pd.testing.assert_frame_equal(table.summary().set_index("estimator"), summary)


@pytest.mark.parametrize("change", ["column", "rows"])
def test_a_table_changed_in_place_still_prints(change):
    table = measure_model(
        nn.Sequential(nn.Linear(3, 4)), (torch.randn(32, 3), torch.arange(32) % 2)
    )
    if change == "column":
        del table["epoch"]
    else:
        table.__init__(pd.DataFrame(table).iloc[:0])
    assert str(table).splitlines()[1:] == str(pd.DataFrame(table)).splitlines()[1:]
    assert table._repr_html_() == pd.DataFrame(table)._repr_html_()


def test_a_table_without_the_kde_prints_what_there_is():
    data = torch.randn(32, 3), torch.arange(32) % 2
    config = MeasureConfig(estimators=("binning",), views=("layer", "pca"))
    table = measure_model(nn.Sequential(nn.Linear(3, 4)), data, config=config)
    assert set(table.summary()["view"]) == {"layer", "pca"}
