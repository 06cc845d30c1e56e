"""The library without the clone: a wheel, unpacked where nothing else is."""

import sys
import zipfile

from clone import Started

OWN_NETWORK = """
import numpy as np
from torch import nn
import iblib

x = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
table = iblib.measure_model(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), (x, x[:, 0] > 0))
print(iblib.__file__)
print(sorted(set(table["layer"])), bool((table["bits"].dropna() < 8).any()))
"""
GRID = """
[data]
name = "binary_patterns"
[run]
model = "mlp"
epochs = 2
n_points = 2
batch_size = 1024
[run.options]
sizes = [[12, 3, 2]]
"""


def test_a_wheel_without_the_clone(clone, tmp_path):
    wheel = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "."]
    command = [*wheel, "--no-index", "-q", "-w", tmp_path]
    Started(command, clone.folder, clone.environment()).wait(120).exits(0)
    [archive] = tmp_path.glob("iblib-*.whl")
    zipfile.ZipFile(archive).extractall(tmp_path / "installed")
    names = {path.name for path in (tmp_path / "installed").iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"iblib"}

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = clone.environment(PYTHONPATH=str(tmp_path / "installed"))

    def python(*words) -> str:
        return Started([sys.executable, *words], elsewhere, environment).wait(120).exits(0).out

    place, found = python("-c", OWN_NETWORK).splitlines()
    assert place == str(tmp_path / "installed" / "iblib" / "__init__.py")
    assert found.endswith("True")
    assert python("-m", "iblib", "--version").strip()
    (elsewhere / "grid.toml").write_text(GRID)
    python("-m", "iblib", "sweep", "grid.toml", "--out", "out")
    assert (elsewhere / "out" / "planes.csv").is_file()
    assert {path.name for path in elsewhere.iterdir()} == {"grid.toml", "out"}
