"""Ctrl-C in the middle of a report; the next one goes on where it stopped."""

import os
import time

import pytest
from clone import Clone


def finished(clone: Clone) -> dict:
    """Runs that are trained, and when."""
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in clone.folder.rglob("status.json")
        if '"finished"' in path.read_text()
    }


def test_interrupt_and_resume(clone):
    command = ("report", "--profile", "smoke", "--only", "06", "--jobs", "2")
    started = clone.start(*command)
    end = time.monotonic() + 90
    while not finished(clone):
        assert started.process.poll() is None, started.wait(10)
        assert time.monotonic() < end
        time.sleep(0.1)
    started.press_ctrl_c()
    started.wait(30).exits(130)
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(started.process.pid, 0)
    before = finished(clone)
    assert before
    clone.run(*command, seconds=180).exits(0)
    after = finished(clone)
    assert {name: after[name] for name in before} == before  # not trained again
    assert len(after) > len(before)
