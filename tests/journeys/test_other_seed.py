"""The same report with other networks: a copy of its own, which says so."""

import nbformat


def test_a_copy_with_another_seed(clone):
    done = clone.report("--only", "06", "--seed", "3", "--jobs", "2", seconds=180)
    assert done.report == clone.folder / "build" / "smoke-synthetic-seed3"
    assert done.table("saxe-planes")["seed"].min() == 3
    [path] = (done.report / "notebooks").glob("06-*.ipynb")
    assert "seed 3" in nbformat.read(path, as_version=4).cells[0].source
