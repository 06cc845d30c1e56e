"""The journeys' own tools: a clone is whole, and commands in it are those of a terminal."""

import os
import signal
import time

import pytest
from clone import Started


def test_a_clone_is_the_checkout_as_git_has_it(clone):
    assert (clone.folder / "iblib" / "__init__.py").is_file()
    assert len(list((clone.folder / "notebooks").glob("*.ipynb"))) > 10
    (clone.folder / "README.md").write_text("changed")
    assert clone.changes() == " M README.md\n"
    clone.commit()


def test_a_command_runs_the_clone_and_nothing_of_the_tests(clone):
    program = "import iblib, os; print(iblib.__file__, 'IBLIB_ROOT' in os.environ)"
    done = Started(["python", "-c", program], clone.folder, clone.environment()).wait(60).exits(0)
    assert done.out.split() == [str(clone.folder / "iblib" / "__init__.py"), "False"]


def test_what_takes_too_long_is_a_failure_that_shows_what_was_said(tmp_path):
    with pytest.raises(AssertionError, match="so far"):
        Started(["sh", "-c", "echo so far; sleep 60"], tmp_path, dict(os.environ)).wait(0.5)


def test_ctrl_c_arrives_where_the_tests_run_in_the_background(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = Started(["sleep", "60"], tmp_path, dict(os.environ))
    finally:
        signal.signal(signal.SIGINT, before)
    time.sleep(0.2)
    child.press_ctrl_c()
    assert child.wait(10).code == -signal.SIGINT


def test_nobody_writes_where_permission_is_missing(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    done = Started(["touch", locked / "file"], tmp_path, dict(os.environ)).wait(10)
    locked.chmod(0o755)
    assert done.code == 1
