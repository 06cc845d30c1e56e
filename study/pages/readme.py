"""The block of README.md that a run generates: a table of results between two markers."""

import re
from pathlib import Path

from iblib import files
from study.results import Results

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
_BLOCK = re.compile(f"({re.escape(BEGIN)}).*?({re.escape(END)})", re.S)


def headline_table(results_dir: Path) -> list[list[str]]:
    """``README-table.csv``, its columns' names first; empty where there is none."""
    if not (results_dir / "README-table.csv").is_file():
        return []
    table = Results(results_dir).table("README-table.csv").astype(str)
    return [list(table.columns), *table.to_numpy().tolist()]


def readme_table(results_dir: Path) -> str:
    """``README-table.csv`` as a Markdown table, whatever its columns; empty where there is none."""
    table = headline_table(results_dir)
    if not table:
        return ""
    columns, *values = table
    rows = [columns, ["---"] * len(columns), *values]
    return "\n".join(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows)


def update_readme(readme: Path, results_dir: Path) -> bool:
    """Write the table between README's markers; False where table, file or markers are missing."""
    table = readme_table(results_dir)
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if not table or not _BLOCK.search(text):
        return False
    updated = _BLOCK.sub(lambda block: f"{block[1]}\n{table}\n{block[2]}", text, count=1)
    if updated != text:
        files.write_atomic(readme, updated)
    return updated != text


def _cell(value: str) -> str:
    return value.replace("|", r"\|").replace("\n", " ")
