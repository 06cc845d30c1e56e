"""The house's order: what may import what, sizes, pins, and nothing of one machine in the files."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]

# Room -> rooms it may import directly; what those may import, it may too. `estimators` stays
# without the others, `plotting` sees tables only.
FLOORS = {
    "files": set(),
    "paths": set(),
    "config": set(),
    "estimators": set(),
    "models": set(),
    "datasets": {"paths", "files", "config"},
    "training": {"datasets", "models", "config", "paths", "files"},
    "activations": {"models", "config"},
    "views": {"models", "config"},
    "information_plane": {"estimators", "activations", "views", "training"},
    "cluster": {"config"},
    "sweep": {"training", "information_plane", "cluster"},
    "plotting": {"paths", "files"},
    "summaries": set(),
    "geometry": set(),
    "experiments": {"sweep", "summaries", "geometry", "plotting"},
    "report": {"experiments", "estimators"},
    "__main__": {"report"},
    "__init__": {"estimators", "information_plane"},
}

ARRAYS = {"numpy", "scipy", "torch", "numba"}
TABLES = ARRAYS | {"pandas", "tqdm", "filelock"}
THIRD_PARTY = {
    "files": set(),
    "paths": set(),
    "config": set(),
    "estimators": ARRAYS,
    "models": {"torch", "pandas"},
    "datasets": (TABLES - {"torch"})
    | {"librosa", "soundfile", "torch", "torchaudio", "sklearn", "pooch", "remotezip", "soxr"}
    | {"requests", "urllib3"},  # pooch's and remotezip's own
    "training": TABLES,
    "activations": ARRAYS,
    "views": ARRAYS,
    "information_plane": TABLES,
    "cluster": {"dask", "distributed"},
    "sweep": TABLES,
    "plotting": {"numpy", "pandas", "matplotlib", "ipywidgets", "IPython", "PIL", "traitlets"},
    "summaries": {"numpy", "pandas", "scipy"},
    "geometry": {"numpy"},
    "experiments": TABLES | {"soundfile", "IPython"},
    "report": {"papermill", "nbconvert", "nbformat", "nbclient", "nbstripout", "jinja2"}
    | {"math_core", "pandas", "numpy", "matplotlib", "PIL"},
    "__main__": {"click"},
    "__init__": set(),
}

SOURCES = sorted((ROOT / "iblib").rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "iblib").parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def allowed(room: str) -> set[str]:
    """The rooms at or below a room's floor."""
    below = FLOORS[room]
    return below.union({room}, *(allowed(other) for other in below))


def test_every_room_has_a_floor():
    assert {room_of(path) for path in SOURCES} <= set(FLOORS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_only_from_the_floors_below(path):
    room, names = room_of(path), imported(path)
    rooms = {n.split(".")[1] for n in names if n.startswith("iblib.")} - {"__version__"}
    assert rooms & set(FLOORS) <= allowed(room)
    packages = {name.split(".")[0] for name in names} - {"iblib"} - sys.stdlib_module_names
    assert packages <= THIRD_PARTY[room]


def test_import_is_light():
    program = (
        "import sys, iblib\n"
        "print({'torch', 'numpy', 'pandas', 'matplotlib', 'librosa'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"


def test_no_file_is_long():
    long = {}
    for folder in ("iblib", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            n_lines = len(path.read_text(encoding="utf-8").splitlines())
            if n_lines > 400:
                long[str(path.relative_to(ROOT))] = n_lines
    assert long == {}


def lines_of_code(path: Path) -> int:
    """Without docstrings, comments and blank lines."""
    text = path.read_text(encoding="utf-8")
    prose = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            prose |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(x.strip()) and x.strip()[0] != "#" and n not in prose for n, x in lines)


def test_core_stays_small():
    core = [p for p in SOURCES if room_of(p) in ("estimators", "models", "views", "training")]
    assert sum(map(lines_of_code, core)) < 3000


def pins() -> dict[str, str]:
    """Package -> version of requirements.txt, which holds nothing but exact pins."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    entries = [line for line in lines if line.strip() and not line.startswith("#")]
    found = [re.fullmatch(r"([\w.-]+)==([\w.+]+)", entry) for entry in entries]
    assert all(found), entries
    return {match[1].lower(): match[2] for match in found}


def test_environment_yml_and_requirements_agree():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    entries = [line.strip().removeprefix("- ") for line in lines if line.lstrip().startswith("- ")]
    python = entries[1].removeprefix("python=")
    assert entries == ["conda-forge", f"python={python}", "pip", "pip:", "-r requirements.txt"]
    assert Requirement(f"python{project()['requires-python']}").specifier.contains(python)


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_pins_satisfy_the_package():
    extras = project()["optional-dependencies"].values()
    pinned = pins()
    for text in [*project()["dependencies"], *(entry for extra in extras for entry in extra)]:
        requirement = Requirement(text)
        assert requirement.name in pinned
        assert requirement.specifier.contains(pinned[requirement.name]), text


def tracked() -> list[Path]:
    """Files that git tracks, or would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_one_machine():
    folders = ["home", "root", "Users", "work", "tmp", "mnt"]
    pattern = re.compile(r"(?<![\w.~\]\)>*/-])/(" + "|".join(folders) + r")/[\w.-]+/")
    suffixes = {
        "",
        ".py",
        ".md",
        ".ipynb",
        ".toml",
        ".txt",
        ".yml",
        ".cfg",
        ".csv",
        ".json",
        ".svg",
    }
    found = {}
    for path in tracked():
        text = path.read_text(encoding="utf-8") if path.suffix in suffixes else ""
        if match := pattern.search(text):
            found[str(path.relative_to(ROOT))] = match[0]
    assert found == {}


def test_readme_is_there_and_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert 20 < len(lines) < 200


def test_citation_and_license():
    citation = (ROOT / "CITATION.cff").read_text()
    for entry in ("cff-version: 1.2.0", "message:", "title:", "authors:"):
        assert entry in citation
    assert f"version: {project()['version']}\n" in citation
    assert (ROOT / "LICENSE").read_text().startswith(f"{project()['license']} License")
