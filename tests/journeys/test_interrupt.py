"""Ctrl-C in the middle of a copy with another seed; the next call goes on where it stopped."""

import os
import time

import nbformat
import psutil
from clone import Clone


def finished(clone: Clone) -> dict:
    """Runs that are trained, and when."""
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in clone.folder.rglob("status.json")
        if '"finished"' in path.read_text()
    }


def alive(group: int) -> list:
    """Processes of a group, but for those that have ended and wait to be asked."""
    found = []
    for process in psutil.process_iter(["status", "cmdline"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                found.append(process.info["cmdline"])
        except ProcessLookupError:
            pass
    return found


def test_interrupt_and_resume_of_a_copy_with_another_seed(clone):
    command = ("report", "--profile", "smoke", "--seed", "3", "--only", "06", "--jobs", "2")
    started = clone.start(*command)
    end = time.monotonic() + 200
    while not finished(clone):
        assert started.process.poll() is None, started.wait(10)
        assert time.monotonic() < end
        time.sleep(0.1)
    started.press_ctrl_c()
    started.wait(60).exits(130)
    end = time.monotonic() + 10
    while alive(started.process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert alive(started.process.pid) == []
    before = finished(clone)
    done = clone.run(*command).exits(0)
    after = finished(clone)
    assert {name: after[name] for name in before} == before  # not trained again
    assert len(after) > len(before) > 0
    assert done.report == clone.folder / "build" / "smoke-synthetic-seed3"
    assert done.table("saxe-planes")["seed"].min() == 3
    [path] = (done.report / "notebooks").glob("06-*.ipynb")
    assert "seed 3" in nbformat.read(path, as_version=4).cells[0].source
