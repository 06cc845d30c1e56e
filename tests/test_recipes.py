"""docs/recipes.md is true: each recipe runs with the packages that it is for, where they are."""

import re
from pathlib import Path

import pytest
from documents import run_blocks

TEXT = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
LOOP = "A plain loop"  # whose names the others use
PACKAGES = {
    LOOP: (),
    "Lightning": ("lightning",),
    "Hugging Face Trainer": ("transformers", "accelerate"),
    "TensorBoard": ("tensorboard",),
}


@pytest.mark.filterwarnings("default")  # those packages' own
@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_prints_what_it_says(title, tmp_path, monkeypatch):
    for package in PACKAGES[title]:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    before = "" if title == LOOP else RECIPES[LOOP]
    run_blocks(before + RECIPES[title], last_line=True)
    if title == "TensorBoard":
        assert len(written(tmp_path / "build" / "tensorboard")) == 2 * 4


def written(folder: Path) -> set[str]:
    """The curves that TensorBoard reads in a folder; all have the loop's epochs."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    assert events.Tags()["images"] == ["planes"]
    tags = events.Tags()["scalars"]
    assert {tuple(e.step for e in events.Scalars(tag)) for tag in tags} == {(0, 1, 3, 10)}
    return set(tags)
