"""Two reports of one clone at once do not disturb each other."""

import nbformat
from clone import LIMIT


def test_two_reports_at_once(clone, eight_clips):
    command = ("report", "--profile", "smoke", "--dataset", "folder", "--data-dir", eight_clips)
    both = [clone.start(*command, "--only", "01") for _ in range(2)]
    first, second = [started.wait(LIMIT).exits(0) for started in both]
    assert first.report == second.report
    assert first.table("class-shares")["clips"].sum() == 8
    for path in (first.report / "notebooks").glob("*.ipynb"):
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
    left = [path for path in first.report.rglob(".*") if path.name != ".lock"]
    assert left == []
