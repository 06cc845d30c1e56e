"""One record for each estimator: whoever writes rows and whoever draws them read the same."""

import subprocess
import sys

import numpy as np
import pytest

import iblib
from iblib.config import MeasureConfig
from iblib.information_plane.rows import epoch_rows
from iblib.names import ESTIMATORS, MEASURABLE, PARAMETERS, estimator_named
from iblib.views import View


def test_names_import_nothing_heavy():
    program = "import sys, iblib.names; print({'numpy', 'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_public_names_are_listed_and_load_when_they_are_used():
    assert set(iblib.__all__) <= set(dir(iblib))
    assert {"measure", "measure_model", "Checkpoints", "select", "plane_grid"} <= set(iblib.__all__)
    for name in iblib.__all__:
        assert getattr(iblib, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'measures'"):
        _ = iblib.measures


def test_a_measurement_writes_what_the_records_say():
    kinds = {"width": 0.5, "run": 4, "epoch": 4, "net_input": 4, "pooled": 0.5}
    bins = [{"kind": kind, "value": value} for kind, value in kinds.items()]
    config = MeasureConfig.from_dict({"bins": bins, "relative_noise": [0.1]})
    rng = np.random.default_rng(0)
    t, y = rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2
    layer = (0, "hidden1", [View("layer", -1, t)])
    rows = epoch_rows([layer], y, config, {(0, "hidden1", "layer"): (-4.0, 4.0)}, {"seed": 0})
    found = {}
    for row in rows:
        found.setdefault(row["estimator"], {}).setdefault(row["parameter"], []).append(row)
    assert set(found) == set(ESTIMATORS)
    for name, parameters in found.items():
        assert set(parameters) <= {*ESTIMATORS[name].parameters} | (
            {""} if name == "exact" else set()
        )
        assert set(ESTIMATORS[name].parameters) <= set(PARAMETERS)
        for some in parameters.values():
            assert tuple(row["quantity"] for row in some) == ESTIMATORS[name].quantities
    assert MEASURABLE == ("exact", "binning", "kde", "kraskov")


@pytest.mark.parametrize(
    ("name", "x", "y", "line"),
    [
        ("binning", "I_XT", "I_TY", "-"),
        ("kde", "I_XT_lower", "I_TY_lower", "--"),
        ("kraskov", "H_T", "I_TY", "-."),
        ("pooled", "H_T", "I_TY", "-"),
        ("one_of_your_own", "I_XT", "I_TY", "-"),
    ],
)
def test_what_stands_for_each_axis_of_the_plane(name, x, y, line):
    known = estimator_named(name)
    assert (known.quantity("I_XT", "lower"), known.quantity("I_TY", "lower")) == (x, y)
    assert known.line == line
    assert known.has_ceiling == (x != "H_T")


def test_unknown_quantities_and_bounds_are_named():
    with pytest.raises(ValueError, match='quantity must be "I_XT" or "I_TY"; got \'H_T\''):
        estimator_named("kde").quantity("H_T")
    with pytest.raises(ValueError, match='bound must be "upper" or "lower"; got \'middle\''):
        estimator_named("kde").quantity("I_XT", "middle")
