"""What a measurement and a plane table print: every number beside its ceiling and its trust."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from iblib import MeasureConfig, measure, measure_model
from iblib.information_plane import COLUMNS

RNG = np.random.default_rng(0)
LABELS = np.arange(200) % 2


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


def test_a_table_without_the_kde_prints_what_there_is():
    data = torch.randn(32, 3), torch.arange(32) % 2
    config = MeasureConfig(estimators=("binning",), views=("layer", "pca"))
    table = measure_model(nn.Sequential(nn.Linear(3, 4)), data, config=config)
    assert set(table.summary()["view"]) == {"layer", "pca"}
