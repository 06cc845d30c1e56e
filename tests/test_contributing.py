"""CONTRIBUTING is true: its recipes run and print what it says; their checks refuse mistakes."""

import re
from pathlib import Path

import pytest
from documents import run_blocks

from iblib import datasets, models
from study import recipes

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## (Add an? [a-z ]+)\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S))
REGISTRIES = (models.MODELS, datasets.DATASETS, recipes.RECIPES)
MISTAKES = ["/ 2\n", "/ np.log(2)"]  # the half of a Gaussian's entropy forgotten; nats for bits


@pytest.fixture(autouse=True)
def _a_process_of_its_own(tmp_path, monkeypatch):
    """What a reader's Python would be: nothing registered, files written to a scratch folder."""
    monkeypatch.setenv("IBLIB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    known = [(registry, dict(registry)) for registry in REGISTRIES]
    yield
    for registry, before in known:
        registry.clear()
        registry.update(before)


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_prints_what_it_says(title):
    assert run_blocks(RECIPES[title]) >= 1


def test_every_block_belongs_to_a_recipe():
    assert sum(text.count("```python") for text in RECIPES.values()) == GUIDE.count("```python")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_closed_form_of_the_recipe_refuses_a_wrong_estimator(mistake):
    text = RECIPES["Add an estimator"]
    assert mistake in text
    with pytest.raises(AssertionError):
        run_blocks(text.replace(mistake, "\n" if mistake.endswith("\n") else "", 1))
