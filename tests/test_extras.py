"""What the wheel promises: the core alone works, and each extra brings what its modules import.

Each test runs a Python that sees the packages of pyproject.toml's own lists, what those require,
and nothing else: a folder of links to them, without site-packages.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import iblib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
CORE = {"torch", "numpy", "scipy", "numba", "pandas", "scikit-learn", "tqdm", "filelock", "click"}
CORE |= {"safetensors"}
DRAWING = {"iblib.plotting"}
FETCHING = {"iblib.datasets.download"}

IMPORT = """
import importlib, json, sys
errors = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ImportError as error:
        errors[name] = str(error)
print(json.dumps(errors))
"""
MEASURE = """
import numpy as np
from torch import nn
from iblib import Checkpoints, measure, measure_model
from iblib.__main__ import main
from iblib.datasets import load

x, y = load("binary_patterns").take(np.arange(64))
assert abs(measure(x, y).binning.xt - 6) < 1e-9
network = nn.Sequential(nn.Linear(12, 3), nn.Tanh(), nn.Linear(3, 2))
checkpoints = Checkpoints(network, folder="kept")
checkpoints(0)
table = measure_model(network, (x, y), epochs=checkpoints)
assert set(table["layer"]) == {"0", "1", "2"}
for arguments in (["--version"], ["info"], ["sweep", "--help"]):
    main(arguments)
"""
DRAW = """
from iblib.plotting import plane_grid, plane_player
plane_grid(table, rows=None)
plane_player(table, estimator="kde", columns=None).widget()
"""
HEAR = """
from iblib.datasets import load
data = load("synthetic", data_dir="data", clip_seconds=1.0, clips_per_genre=3)
assert len(data)
"""
SPREAD = """
import math
from iblib.cluster import run_tasks
if __name__ == "__main__":
    (ended,) = run_tasks(math.sqrt, {"task": (4.0,)}, {}, jobs=1)
    assert ended.status == 2.0, ended.error
"""


def packages(requirements: list[str]) -> set[str]:
    """Distributions that an installation of these requirements brings here."""
    found, waiting = set(), [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        for extra in wanted.extras or {""}:
            if (wanted.name, extra) in found:
                continue
            found.add((wanted.name, extra))
            own = wanted.name == PROJECT["name"]
            needs = OWN[extra] if own else distribution(wanted.name).requires or []
            needs = [Requirement(text) for text in needs]
            waiting += [r for r in needs if not r.marker or r.marker.evaluate({"extra": extra})]
            waiting.append(Requirement(wanted.name))
    return {name for name, _ in found} - {PROJECT["name"]}


def python(folder: Path, *extras: str):
    """Run programs that see the core and these extras alone; what they print."""
    site = folder / "site"
    site.mkdir()
    for name in packages([f"iblib[{','.join(extras)}]"]):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(found.locate_file(top))
    seen = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]), "IBLIB_ROOT": str(folder)}

    def run(program: str, *arguments: str) -> str:
        (folder / "program.py").write_text(program)
        done = subprocess.run(
            [sys.executable, "-S", "program.py", *arguments],
            capture_output=True,
            text=True,
            cwd=folder,
            env=os.environ | seen,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def modules(house: str) -> list[str]:
    """Dotted names of a folder's modules, but for those that run when imported."""
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / house).rglob("*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in files}
    return sorted(name for name in names if not name.endswith("__main__"))


def within(rooms: set[str]) -> set[str]:
    return {name for name in modules("iblib") if any(name.startswith(room) for room in rooms)}


def test_the_core_is_ten_packages():
    assert {Requirement(text).name for text in PROJECT["dependencies"]} == CORE
    assert "<" not in PROJECT["requires-python"]


def test_the_core_alone_measures_and_says_which_extra_is_missing(tmp_path):
    run = python(tmp_path)
    assert f"iblib {iblib.__version__}" in run(MEASURE)
    missing = json.loads(run(IMPORT, json.dumps(modules("iblib"))))
    told = {
        name: re.sub(r"^\w+ is missing: pip install ", "", text) for name, text in missing.items()
    }
    assert told == {
        **dict.fromkeys(within(DRAWING), '"iblib[plot]"'),
        **dict.fromkeys(within(FETCHING), '"iblib[audio]"'),
    }
    for program, extra in ((HEAR, "audio"), (SPREAD, "dask")):
        with pytest.raises(AssertionError, match=rf"Error: .*pip install .iblib\[{extra}\]"):
            run(program)


@pytest.mark.parametrize(
    ("extra", "rooms", "program"),
    [("plot", DRAWING, MEASURE + DRAW), ("audio", FETCHING, HEAR), ("dask", set(), SPREAD)],
)
def test_an_extra_brings_what_its_modules_import(extra, rooms, program, tmp_path):
    run = python(tmp_path, extra)
    assert json.loads(run(IMPORT, json.dumps(sorted(within(rooms))))) == {}
    run(program)


def test_the_reports_extra_brings_what_the_study_imports(tmp_path):
    run = python(tmp_path, "report")
    assert json.loads(run(IMPORT, json.dumps(modules("study")))) == {}


def test_all_is_whatever_the_library_can_use():
    assert packages(["iblib[all]"]) == packages(["iblib[audio,dask,plot]"])


def test_editors_type_checkers_and_programs_see_the_same_names():
    tree = ast.parse(Path(iblib.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.name for node in block.body for alias in node.names}
    assert typed | {"__version__"} == set(iblib.__all__)
    assert set(iblib.__all__) <= set(dir(iblib))
    assert [name for name in iblib.__all__ if getattr(iblib, name, None) is None] == []
