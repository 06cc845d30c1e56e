"""README is true: its examples print what they say, its numbers are those that are stored."""

import re

import pandas as pd
from documents import run_blocks

from benchmarks.readme import CSV, DOCUMENT, renewed


def text_of(repository) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def test_the_examples_print_what_they_say(repository):
    assert run_blocks(text_of(repository)) >= 2


def test_numbers_of_the_first_sentence_are_those_of_the_table(repository):
    readme = text_of(repository)
    sentence = re.search(r"^\*\*(.+?)\*\*$", readme, re.M)[1]
    block = readme[readme.index("<!-- results:begin -->") : readme.index("<!-- results:end -->")]
    numbers = re.findall(r"\d+\.\d+", sentence)
    assert len(numbers) >= 2
    assert [number for number in numbers if number not in block] == []


def test_speeds_are_those_of_the_stored_benchmark():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert renewed(text, pd.read_csv(CSV)) == text  # python -m benchmarks.readme
    assert "| KDE |" in text
