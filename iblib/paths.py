"""Where things live: the checkout's own folders, or those of whoever works without one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_rooted: ContextVar[Path | None] = ContextVar("root", default=None)
_CHECKOUT = Path(__file__).resolve().parents[1]


def root() -> Path:
    """Folder that holds runs/ and data/; in a checkout also notebooks/ and results/.

    ``IBLIB_ROOT`` if it is set, else the checkout this package is imported from, else (an
    installation outside a checkout) the current folder.
    """
    if chosen := _rooted.get() or os.environ.get("IBLIB_ROOT"):
        return Path(chosen)
    return _CHECKOUT if has_home() else Path.cwd()


def has_home() -> bool:
    """Whether ``root`` is a checkout, or was chosen, and not just the current folder."""
    return "IBLIB_ROOT" in os.environ or (_CHECKOUT / "pyproject.toml").is_file()


def home(out: str | Path) -> Path:
    """Folder that holds a sweep's runs/ and data/: ``root``, or ``out`` without one to write to."""
    can_write = has_home() and (os.access(root(), os.W_OK) or not root().exists())
    return (root() if can_write else Path(out).expanduser()).resolve()


@contextmanager
def rooted(folder: Path) -> Iterator[None]:
    """Within the block (in this thread) ``folder`` is the root."""
    token = _rooted.set(folder)
    try:
        yield
    finally:
        _rooted.reset(token)


def runs_dir() -> Path:
    """Folder of the trained runs, one folder per key (made, not tracked)."""
    return root() / "runs"


def data_dir() -> Path:
    """Folder of audio and of the mel cache (made, not tracked)."""
    return root() / "data"
