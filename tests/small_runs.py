"""Runs that stop on the way, and what they leave, for the tests of resuming."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iblib.training import loop


def contents(folder: Path) -> dict[str, bytes]:
    """What is in a folder: names and bytes, but for locks."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@contextmanager
def interrupted_at(epoch: int) -> Iterator[None]:
    """Ctrl-C at the start of an epoch of training, which the block has to run into."""
    train_epoch = loop._Training._train_epoch

    def interrupted(self, now):
        if now == epoch:
            raise KeyboardInterrupt
        return train_epoch(self, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Training, "_train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            yield
