"""Where things live: the checkout's own folders, or those of whoever works without one."""

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]


def root() -> Path:
    """The checkout: ``IBLIB_ROOT``, or the one this code is from; else the current folder."""
    return Path(os.environ.get("IBLIB_ROOT") or (_CHECKOUT if has_home() else Path.cwd()))


def has_home() -> bool:
    """Whether ``root`` is a checkout, or was chosen, and not just the current folder."""
    return "IBLIB_ROOT" in os.environ or (_CHECKOUT / "pyproject.toml").is_file()


def settle(out: str | Path) -> None:
    """Put runs/ and data/ into a command's ``--out``, if ``root`` is no checkout to write to.

    ``IBLIB_HOME`` says so to this process and to those it starts.
    """
    if not has_home() or (root().exists() and not os.access(root(), os.W_OK)):
        os.environ["IBLIB_HOME"] = str(Path(out).expanduser().resolve())


def home() -> Path:
    """Folder that holds runs/ and data/: where a command settled, else ``root``."""
    return Path(os.environ.get("IBLIB_HOME") or root())


def runs_dir() -> Path:
    """Folder of the trained runs, one folder per key (made, not tracked)."""
    return home() / "runs"


def data_dir() -> Path:
    """Folder of audio and of the mel cache (made, not tracked)."""
    return home() / "data"
