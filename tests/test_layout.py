"""The house's order: what may import what, no circle, sizes, pins, nothing of one machine."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from scipy.sparse.csgraph import connected_components

import iblib

ROOT = Path(__file__).parents[1]
# of whole folders, docstrings and blank lines included
LINES = {"iblib": 9_200, "iblib/estimators": 2_500, "study": 7_000}
LINES_OF_A_FILE = 400

# Room of the library -> rooms it may import directly; what those may import, it may too.
FLOORS = {
    "files": set(),
    "paths": set(),
    "names": set(),
    "extras": set(),
    "config": {"names"},
    "tidy": {"names"},
    "estimators": {"tidy"},
    "probing": set(),
    "progress": set(),
    "models": {"probing"},
    "datasets": {"paths", "files", "config", "extras", "progress"},
    "training": {"datasets", "models", "progress"},
    "activations": {"models", "config"},
    "views": {"models", "config"},
    "information_plane": {"estimators", "activations", "views", "training"},
    "cluster": {"config", "extras"},
    "grid": {"datasets", "models"},
    "sweep": {"information_plane", "cluster", "grid"},
    "console": {"datasets"},
    "summaries": {"names"},
    "plotting": {"summaries", "paths", "files", "extras"},
    "__main__": {"sweep", "console"},
    "__init__": {"information_plane", "plotting"},
}
# The study, from the ground up: a room imports from its own floor and those below, and the library.
STUDY_FLOORS = (
    ("__init__", "text", "geometry", "summaries", "parallel", "plan"),
    ("results", "inputs"),
    ("closed_forms",),
    ("audio", "saxe", "linear", "trust", "verdicts"),  # inputs or tables in, a table out
    ("recipes",),
    ("how",),
    ("lab",),
    ("plots", "parameters", "notebooks", "pages"),
    ("run",),
    ("__main__",),
)

ARRAYS = {"numpy", "scipy", "torch", "numba"}
TABLES = ARRAYS | {"pandas", "tqdm", "filelock"}
DRAWING = {"numpy", "pandas", "matplotlib", "ipywidgets", "IPython", "PIL", "traitlets"}
WRITING = {
    "papermill",
    "nbconvert",
    "nbformat",
    "nbclient",
    "nbstripout",
    "jinja2",
    "math_core",
    "zmq",
}
THIRD_PARTY = {
    "iblib": {
        "tidy": {"numpy", "pandas"},
        "estimators": ARRAYS | {"pandas"},
        "models": {"torch", "pandas"},
        "probing": {"numpy", "torch"},
        "progress": {"tqdm"},
        "datasets": TABLES
        | {"soundfile", "torchaudio", "sklearn", "pooch", "remotezip", "soxr"}
        | {"requests", "urllib3"},  # pooch's and remotezip's own
        "training": TABLES | {"safetensors"},
        "activations": ARRAYS,
        "views": ARRAYS,
        "information_plane": TABLES,
        "cluster": {"dask", "distributed"},
        "sweep": TABLES,
        "plotting": DRAWING,
        "summaries": {"pandas"},
        "console": {"click"},
        "__main__": {"click", "torch"},
    },
    "study": {
        "results": TABLES,
        "inputs": TABLES,
        "geometry": {"numpy"},
        "summaries": {"numpy", "pandas"},
        "text": TABLES | {"IPython"},
        "audio": TABLES | {"soundfile"},
        **dict.fromkeys(("closed_forms", "saxe", "linear", "trust", "verdicts", "recipes"), TABLES),
        "lab": TABLES | {"IPython"},
        "plots": DRAWING | {"scipy", "librosa"},
        **dict.fromkeys(("parameters", "notebooks", "pages"), WRITING | DRAWING),
        "run": WRITING,
        "__main__": {"click"},
    },
}
SOURCES = sorted(path for house in THIRD_PARTY for path in (ROOT / house).rglob("*.py"))


def house_and_room(path: Path) -> tuple[str, str]:
    house, room = path.relative_to(ROOT).parts[:2]
    return house, room.removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names a file imports: at its top, in a function, for type checkers only."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def file_of(name: str) -> Path | None:
    """The file of the house that a dotted name leads to: the module itself, or the one it is in."""
    for dotted in (name, name.rpartition(".")[0]):
        path = ROOT.joinpath(*dotted.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if dotted and file in SOURCES:
                return file
    return None


def files_imported(path: Path) -> set[Path]:
    return {file for name in imported(path) if (file := file_of(name))}


def allowed(room: str) -> set[str]:
    """Rooms of the library at or below a room's floor."""
    below = FLOORS[room]
    return below.union({room}, *(allowed(other) for other in below))


def test_every_room_has_a_floor():
    rooms = {"iblib": set(FLOORS), "study": set().union(*STUDY_FLOORS)}
    for path in SOURCES:
        house, room = house_and_room(path)
        assert room in rooms[house], path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_from_the_floors_below(path):
    house, room = house_and_room(path)
    level = {name: n for n, floor in enumerate(STUDY_FLOORS) for name in floor}
    for of, other in {house_and_room(file) for file in files_imported(path)}:
        if house == "iblib":
            assert of == "iblib", f"the library imports study.{other}"
            assert other in allowed(room) | {"__init__"}
        elif of == "study":
            assert level[other] <= level[room], other
    packages = {name.split(".")[0] for name in imported(path)}
    foreign = packages - {"iblib", "study"} - sys.stdlib_module_names
    assert foreign <= THIRD_PARTY[house].get(room, set())


def test_files_import_in_no_circle():
    """Strongly connected components of more than one file."""
    place = {path: n for n, path in enumerate(SOURCES)}
    graph = np.zeros((len(SOURCES), len(SOURCES)), bool)
    for path in SOURCES:
        for file in files_imported(path) - {path}:
            graph[place[path], place[file]] = True
    n, labels = connected_components(graph, connection="strong")
    circles = [[p for p in SOURCES if labels[place[p]] == label] for label in range(n)]
    assert [
        [str(path.relative_to(ROOT)) for path in circle] for circle in circles if len(circle) > 1
    ] == []


def test_import_is_light():
    program = (
        "import sys, iblib\n"
        "print({'torch', 'numpy', 'pandas', 'matplotlib', 'librosa'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("house", LINES)
def test_the_house_stays_small(house):
    assert sum(lines(path) for path in (ROOT / house).rglob("*.py")) <= LINES[house]


def test_no_file_is_long():
    files = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert {path.name: n for path in files if (n := lines(path)) > LINES_OF_A_FILE} == {}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins() -> dict[str, str]:
    """Package -> version of requirements.txt, which holds nothing but exact pins."""
    entries = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    found = [re.fullmatch(r"([\w.-]+)==([\w.+]+)", entry) for entry in entries]
    assert all(found), entries
    return {match[1].lower(): match[2] for match in found}


def test_pins_satisfy_the_package():
    extras = project()["optional-dependencies"].values()
    pinned = pins()
    for text in [*project()["dependencies"], *(entry for extra in extras for entry in extra)]:
        requirement = Requirement(text)
        if requirement.name != project()["name"]:  # an extra that is made of others
            assert requirement.specifier.contains(pinned[requirement.name]), text


def test_conda_users_get_the_pins_and_a_python_that_fits():
    text = (ROOT / "environment.yml").read_text()
    assert re.findall(r"^ +- -r (.+)$", text, re.M) == ["requirements.txt"]
    python = re.search(r"^ +- python=([\d.]+)$", text, re.M)[1]
    assert Requirement(f"python{project()['requires-python']}").specifier.contains(python)


def test_the_citation_and_the_changes_are_of_this_version():
    about = (ROOT / "CITATION.cff").read_text()
    assert f"version: {iblib.__version__}\n" in about
    assert f'url: "{project()["urls"]["Homepage"]}"' in about
    released = re.search(r"^date-released: (\S+)$", about, re.M)[1]
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (.+)$", changes, re.M)[0] == f"{iblib.__version__} ({released})"


def test_no_file_names_one_machine():
    folders = ["home", "root", "Users", "work", "tmp", "mnt"]
    pattern = re.compile(r"(?<![\w.~\]\)>*/-])/(" + "|".join(folders) + r")/[\w.-]+/")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    found = {}
    for name in filter(None, listed.stdout.split("\0")):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):  # removed, or a picture or an archive
            continue
        if match := pattern.search(text):
            found[name] = match[0]
    assert found == {}
