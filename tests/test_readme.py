"""README is true: its example prints what it says, its links and commands exist."""

import contextlib
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.readme import CSV, renewed
from iblib.__main__ import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OTHERS_OPTIONS = {"--no-deps", "--nbval", "--help-notebook"}  # of pip, pytest, papermill


def test_the_examples_print_what_they_say():
    blocks = re.findall(r"```python\n(.*?)```\n\nprints `([^`]+)`", README, re.S)
    assert len(blocks) == README.count("```python") == 2
    namespace = {}
    for code, expected in blocks:
        assert len(code.strip().splitlines()) <= 12
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), namespace)
        assert printed.getvalue().strip() == expected


def test_numbers_of_the_first_sentence_are_those_of_the_table():
    sentence = re.search(r"^\*\*(.+?)\*\*$", README, re.M)[1]
    block = README[README.index("<!-- results:begin -->") : README.index("<!-- results:end -->")]
    numbers = re.findall(r"\d+\.\d+", sentence)
    assert len(numbers) >= 2
    assert [number for number in numbers if number not in block] == []
    assert "10 seeds" in sentence
    assert "10 seeds" in block


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_speeds_are_those_of_the_stored_benchmark():
    # python -m benchmarks.readme
    assert renewed(README, pd.read_csv(CSV)) == README
    assert "| KDE |" in README


def test_every_notebook_is_in_the_index():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{path.name})" in README


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)`?", README)):
        if target in ("report", "test", "notebooks", "help"):
            assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("command", [["--help"], ["report", "--help"], ["sweep", "--help"]])
def test_commands_of_the_readme_explain_themselves(command):
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_options_of_the_readme_exist():
    known = "".join(
        CliRunner().invoke(cli, [*command, "--help"]).output
        for command in (["report"], ["data", "fma-small"], ["sweep"])
    )
    for option in set(re.findall(r"(--[a-z][a-z-]+)", README)) - OTHERS_OPTIONS:
        assert option in known, option
