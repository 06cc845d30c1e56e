"""CONTRIBUTING is true: its recipes run and print what it says, what it names exists."""

import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import papermill.cli
import pytest
from click.testing import CliRunner

from iblib import datasets, models
from iblib.__main__ import cli

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## (Add an? [a-z ]+)\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

BLOCK = re.compile(r"```python\n(.*?)```\n(?:\nprints `([^`]+)`)?", re.S)
PROSE = re.sub(r"```.*?```", "", GUIDE, flags=re.S)
COMMANDS = re.findall(
    r"^(?:python -m |make |papermill ).*$", re.sub(r"`(?=python|make)", "\n", GUIDE), re.M
)
MADE = ("runs/", "report/", "build/", "path/to/")  # not in a fresh clone


def test_it_is_short():
    assert len(GUIDE.splitlines()) < 250


@pytest.fixture
def a_process_of_its_own(tmp_path, monkeypatch):
    """What a reader's Python would be: nothing registered, files written to a scratch folder."""
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    known, loaders = dict(models.MODELS), dict(datasets.DATASETS)
    yield
    for registry, before in ((models.MODELS, known), (datasets.DATASETS, loaders)):
        registry.clear()
        registry.update(before)


def run_recipe(text: str) -> dict:
    """Execute the blocks of a recipe in one namespace; each prints what the text says of it."""
    namespace = {"__name__": "recipe"}
    for code, expected in BLOCK.findall(text):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "CONTRIBUTING.md", "exec"), namespace)
        assert printed.getvalue().strip() == expected
    return namespace


def test_there_are_three_recipes():
    assert list(RECIPES) == ["Add an estimator", "Add a model", "Add a data set"]
    assert sum(len(BLOCK.findall(text)) for text in RECIPES.values()) == GUIDE.count("```python")


@pytest.mark.usefixtures("a_process_of_its_own")
@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_prints_what_it_says(title):
    run_recipe(RECIPES[title])


@pytest.mark.usefixtures("a_process_of_its_own")
def test_a_recipe_that_says_something_else_fails():
    text = RECIPES["Add an estimator"].replace("of 11.92 bits`", "of 11.93 bits`")
    assert text != RECIPES["Add an estimator"]
    with pytest.raises(AssertionError):
        run_recipe(text)


@pytest.mark.usefixtures("a_process_of_its_own")
@pytest.mark.parametrize("mistake", ["/ 2\n", "/ np.log(2)"])
def test_the_closed_form_of_the_recipe_refuses_a_wrong_estimator(mistake):
    text = RECIPES["Add an estimator"]
    assert mistake in text
    with pytest.raises(AssertionError):
        run_recipe(text.replace(mistake, "\n" if mistake.endswith("\n") else "", 1))


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`|; |, )make ([a-z]+)(?=[`: ,]| +#)", GUIDE, re.M))
    assert {"report", "test", "smoke", "unit", "lint", "nbval", "format"} == named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_files_and_folders_exist():
    names = set(re.findall(r"`([\w.-]+/[\w./<>-]*)`", PROSE))
    names |= set(re.findall(r"(?<![\w/])((?:tests|notebooks|iblib)/[\w./-]+\.\w+)", GUIDE))
    names = {n for n in names if not n.startswith(MADE) and "<" not in n}
    assert len(names) > 20
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_links_lead_to_headings():
    headings = {h.lower().replace(" ", "-") for h in re.findall(r"^## (.+)$", GUIDE, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        importlib.import_module(name)
    except ImportError:
        module, _, attribute = name.rpartition(".")
        return bool(module) and hasattr(importlib.import_module(module), attribute)
    return True


def test_modules_and_their_names_exist():
    names = set(re.findall(r"`(iblib(?:\.\w+)+)", PROSE))
    assert len(names) > 5
    assert [name for name in names if not resolves(name)] == []
    assert not resolves("iblib.models.LENET")


def options_of(command: str) -> str:
    """What the help of a command says."""
    words = command.split()
    if words[0] == "papermill":
        return CliRunner().invoke(papermill.cli.papermill, ["--help"]).output
    if words[2] == "pytest":
        return pytest_help()
    return CliRunner().invoke(cli, [words[3], "--help"]).output


def pytest_help() -> str:
    """Options that pytest's plugin nbval and pytest itself know."""
    import nbval.plugin

    source = Path(nbval.plugin.__file__).read_text(encoding="utf-8")
    return source + " -W "


def test_options_of_commands_exist():
    commands = [c for c in COMMANDS if " -" in c.removeprefix("python -m")]
    assert len(commands) >= 6
    for command in commands:
        known = options_of(command)
        line = command.split("`")[0].removeprefix("python -m")
        for option in re.findall(r"(?<= )(--?[A-Za-z][a-z-]*)", line):
            assert option in known, (option, command)


def parameters_of(path: Path) -> dict:
    """What papermill reads from a notebook's parameters cell."""
    return papermill.inspect_notebook(str(path))


def test_parameters_of_commands_exist():
    found = re.findall(r"^papermill (\S+\.ipynb) \S+ (-p .+)$", GUIDE, re.M)
    assert found
    for notebook, arguments in found:
        names = set(re.findall(r"-p (\w+) ", arguments))
        assert names <= set(parameters_of(ROOT / notebook)), arguments


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_papermill_explains_every_parameter(path):
    """``papermill --help-notebook`` says name, type, default and meaning."""
    found = parameters_of(path)
    sentence = re.search(r"lists the parameters: (.+?), the same", GUIDE)[1]
    assert list(found) == re.findall(r"`(\w+)`", sentence)
    for name, parameter in found.items():
        assert parameter["inferred_type_name"] in ("str", "bool", "int"), name
        assert parameter["default"], name
        assert len(parameter["help"]) > 5, name


def test_papermill_by_hand_draws_a_notebook_again(tmp_path):
    source = ROOT / "notebooks" / "00-introduction.ipynb"
    target = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(source), str(target)]
    environment = os.environ | {"IBLIB_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "-p", "device", "cpu"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(target, as_version=4)
    injected = [c for c in executed.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert 'device = "cpu"' in injected[0].source
    assert list((tmp_path / "figures").glob("00-*.png"))
