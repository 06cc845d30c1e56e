"""Hand-made notebooks for the tests of the runner and of the notebooks' form."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = """profile: str = "published"  # smoke | report | published | full
dataset: str = "synthetic"
data_dir: str = ""  # folder of the audio
out_dir: str = ""
seed: int = 0  # first seed of the networks
device: str = "cpu"
clip_seconds: float | None = None"""

HEADING = """# A small notebook: $I(X;T)$

**Question**: what is $\\log_2 4$?

**Answer**: 2 bits, `$not math$`.

**Minutes**: 0.1
"""


def write_notebook(path: Path, *sources: str, parameters: str | None = PARAMETERS) -> Path:
    """Write a notebook that was not run: a heading, the parameters cell, then code cells."""
    cells = [new_markdown_cell(HEADING)]
    if parameters is not None:
        cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [new_code_cell(source) for source in sources]
    metadata = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path
