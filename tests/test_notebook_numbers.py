"""Equal quantities are equal numbers wherever the committed notebooks print them.

All of them print how far I(X;T) of ``hidden5`` falls on the 12-bit task (each network's maximum
over training minus its last value, mean over the seeds), in places of their own and from tables of
their own. A notebook that reads another layer, other seeds or another ruler prints another number.
"""

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
RANGE = r" \([\d.]+ to [\d.]+\)"

# Where the fall by Saxe's bins stands; ROW is tanh or relu, NAME is tanh or ReLU.
BY_BINS = {
    "06, section 4, column fall": r"^ROW +binning +\S+ +\S+ +\S+ +(\S+)",
    "06, section 6, column hidden5": rf"^ROW +Saxe's bins .*?([\d.]+){RANGE}$",
    "07, section 3, Reading": rf"NAME falls by ([\d.]+)(?:{RANGE} bits)? with a gap",
    "12, section 4, column mean": r"^activation +\n(?:.*\n)??ROW +\d+ +(\d+\.\d+) +\d+\.\d+ +\d+",
    "13, section 1, Reading": rf"On the 12-bit task.*?\bNAME(?: falls)? by ([\d.]+){RANGE}",
    "14, section 6, column binning": r"^fall of hidden5(?s:.*?)^ROW +(\S+)",
    "15, section 1, Reading": rf"\bof NAME\b.*? ends ([\d.]+){RANGE}",
}
# The same by KDE.
BY_KDE = {
    "06, section 4, column fall": r"^ROW +binning.*\n +kde +\S+ +\S+ +\S+ +(\S+)",
    "06, section 6, column hidden5": rf"^ROW +Saxe's bins.*\n.*\n +KDE .*?([\d.]+){RANGE}$",
    "14, section 6, column KDE": r"^fall of hidden5(?s:.*?)^ROW +\S+ +(\S+)",
}


@cache
def printed(number: str) -> str:
    """Everything a notebook prints or shows as text, as it is stored."""
    (path,) = NOTEBOOKS.glob(f"{number}-*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = [output.get("data", {}).get("text/markdown") for output in outputs]
    return "\n".join(filter(None, [*(output.get("text") for output in outputs), *shown]))


@pytest.mark.parametrize(("row", "name"), [("tanh", "tanh"), ("relu", "ReLU")])
@pytest.mark.parametrize("places", [BY_BINS, BY_KDE], ids=["bins", "KDE"])
def test_the_fall_of_hidden5_is_one_number(places, row, name):
    found = {}
    for place, pattern in places.items():
        pattern = pattern.replace("ROW", row).replace("NAME", name)
        match = re.search(pattern, printed(place[:2]), re.M)
        assert match, f"{place}: nothing is printed as {pattern}"
        found[place] = float(match[1])
    assert len(set(found.values())) == 1, found
