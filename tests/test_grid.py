"""Grids: what they expand to, and all that is refused before anything is trained."""

import json

import pytest
from small_data import picture_data
from small_grid import GRID, write_grid

from iblib import sweep
from iblib.config import ConfigError
from iblib.datasets.base import DataError
from iblib.grid import labels, normalised, read_grid
from iblib.sweep import run_all


def test_lists_expand_to_their_product(tmp_path):
    specs = read_grid(write_grid(tmp_path))
    assert len(specs) == 2 * 3 * 2
    assert len({json.dumps(spec) for spec in specs}) == 12
    assert specs[0]["run"]["options"] == {"sizes": [12, 4, 2]}
    assert specs[1]["run"]["options"] == {"sizes": [12, 3, 2]}
    assert specs[0]["measure"]["views"] == ["layer"]
    assert [bins["kind"] for bins in specs[0]["measure"]["bins"]] == ["width", "bounds"]


def test_labels_are_the_settings_that_differ(specs):
    pairs = [(name, seed) for name in ("tanh", "relu") for seed in (0, 1)]
    assert labels(specs) == [f"activation={name} seed={seed}" for name, seed in pairs]
    assert labels(specs[:1]) == ["model=mlp activation=tanh"]
    measures = [{}, {"k": 3}, {"k": 3, "noise_variance": 0.1}]
    told = labels([normalised({**specs[0], "measure": measure}) for measure in measures])
    assert told == [f"k={k} noise_variance={v}" for k, v in ((2, 0.01), (3, 0.01), (3, 0.1))]
    assert len(set(labels([*specs, {**specs[0], "measure": None}]))) == 5
    assert labels([specs[0], {**specs[0], "measure": None}])[1] == "not measured"


def test_labels_are_short_and_begin_with_what_the_run_is(specs):
    measures = [
        {"bins": [{"kind": "run", "value": n}, {"kind": "width", "value": 0.1}]} for n in (4, 9)
    ]
    shares = ({}, {"training_share": 0.5})
    told = labels(
        normalised({"data": {**specs[0]["data"], **share}, "run": run, "measure": measure})
        for run in ({**specs[0]["run"], "epochs": epochs} for epochs in (2, 3))
        for share in shares
        for measure in measures
    )
    bins = [f"bins=1.0:run:-1.0:{n},1.0:width:-1.0:0.1" for n in (4, 9)]
    assert told[:2] == [f"epochs=2 {one}" for one in bins]
    assert told[2].startswith("epochs=2 training_share=0.5 bins=")
    assert len(set(told)) == 8
    every = {"epochs": 1000000, "batch_size": 1000000, "learning_rate": 0.123456789, "n_points": 99}
    many = [
        specs[0],
        *({**specs[0], "run": {**specs[0]["run"], name: n}} for name, n in every.items()),
    ]
    many += [{**specs[0], "run": {**specs[0]["run"], **every, "momentum": m}} for m in (0.1, 0.2)]
    told = labels(many)
    assert len(set(told)) == len(many) == 7
    assert max(map(len, told)) <= 60


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[data]", "[dataset]", "unknown table \\[dataset\\]"),
        ('name = "binary_patterns"', "", "missing"),
        ("epochs = 2", "epoks = 2", "unknown setting 'epoks'"),
        ("epochs = 2", 'epochs = "two"', r"\[run\] epochs must be of type int; got 'two'"),
        ("epochs = 2", "epochs = 2.5", "must be of type int"),
        ("epochs = 2", "epochs = true", "must be of type int"),
        ("epochs = 2", "epochs = 1979-05-27", "must be of type int"),
        ("epochs = 2", "learning_rate = inf", "finite"),
        ("epochs = 2", "learning_rate = nan", "must be positive"),
        ('name = "binary_patterns"', 'name = "binary_patterns"\ntraining_share = nan', "finite"),
        ('name = "binary_patterns"', 'name = "synthetic"\nclip_seconds = "5"', "clip_seconds"),
        ("seed = [0, 1, 2]", "seed = []", r"seed = \[\] leaves no run"),
        ("seed = [0, 1, 2]", "seed = -1", "seed must not be negative"),
        ("n_samples = 60", "k = 0", "k must be at least 1"),
        ("[measure]\nn_samples = 60", "[measures]", "unknown table"),
        ("n_samples = 60", 'n_samples = "all"', "must be of type int"),
        ("epochs = 2", "epochs = -1", "epochs must not be negative"),
        ("n_samples = 60", "samples = 60", "unknown setting 'samples'"),
        ('kind = "width"', 'kind = "fair"', "kind must be one of"),
        ('model = "mlp"', "model =", "is not TOML"),
    ],
)
def test_grid_errors_name_the_setting(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message) as raised:
        read_grid(write_grid(tmp_path, GRID.replace(old, new)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('model = "mlp"', 'model = "lenet"', "model must be one of"),
        ('"tanh", "relu"', '"swish"', "activation of mlp must be one of"),
        ("[12, 4, 2]", "[12, 4, 3]", "do not fit"),
        ("[[12, 4, 2], [12, 3, 2]]", "[12, 4, 2]", r"write sizes = \[\[12, 4, 2\]\]"),
        ("[run.options]", '[run.options]\nfan = "sideways"', "fan must be"),
        ("[run.options]", "[run.options]\nwidth = 3", "unexpected keyword"),
        ('views = ["layer"]', 'views = ["layers"]', "views must be among"),
        ('views = ["layer"]', 'layers = ["hidden9"]', "layers must be among"),
        ('views = ["layer"]', 'split = "train"', "split must be one of"),
        ('name = "binary_patterns"', 'name = "mnist"', "unknown data set 'mnist'"),
    ],
)
def test_everything_is_checked_before_anything_is_trained(tmp_path, folders, old, new, message):
    specs = read_grid(write_grid(tmp_path, GRID.replace(old, new)))
    with pytest.raises((ConfigError, DataError), match=message) as raised:
        run_all(specs, **folders)
    assert "\n" not in str(raised.value)
    assert not folders["runs_dir"].exists()


def test_networks_of_pictures_are_tried_before_anything_is_trained(tmp_path, monkeypatch, folders):
    monkeypatch.setitem(sweep.datasets.DATASETS, "pictures", lambda *_: picture_data())
    run = {"model": "simple_cnn", "epochs": 1}
    for wrong in ({"options": {"filters": [0]}}, {"n_seeds": 2}):
        spec = {"data": {"name": "pictures"}, "run": {**run, **wrong}}
        with pytest.raises(ConfigError, match="simple_cnn"):
            run_all([spec], **folders)
    assert not folders["runs_dir"].exists()


def test_what_has_no_classes_is_not_measured(folders):
    run = {"model": "mlp", "activation": "linear", "epochs": 1, "options": {"sizes": [10, 3, 1]}}
    data = {"name": "linear_teacher"}
    teacher = sweep.datasets.load(**data)
    run["options"]["sizes"] = [teacher.inputs.shape[1], 3, teacher.labels.shape[1]]
    with pytest.raises(ConfigError, match="no classes"):
        run_all([{"data": data, "run": run, "measure": {}}], **folders)
    assert not folders["runs_dir"].exists()
    assert run_all([{"data": data, "run": run}], **folders).failed == []


def test_a_grid_may_begin_with_a_byte_order_mark(tmp_path):
    path = write_grid(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_grid(path)) == 12
