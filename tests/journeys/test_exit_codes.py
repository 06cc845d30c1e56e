"""What the user can mend is one line and code 2; a cell that fails is named, with code 1."""


def test_a_folder_that_is_not_there(clone, tmp_path):
    missing = tmp_path / "nowhere"
    done = clone.run("report", "--dataset", "folder", "--data-dir", missing).exits(2)
    [line] = done.err.splitlines()
    assert str(missing) in line


def test_a_cell_that_fails(clone):
    clone.add_cell("00", "1 / 0")
    done = clone.run("report", "--profile", "smoke", "--only", "00").exits(1)
    [line] = done.err.splitlines()
    for word in ("00-introduction", "cell", "1 / 0", "ZeroDivisionError"):
        assert word in line
