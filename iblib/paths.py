"""Where things live: the repository's own folders, and the copy that every other run writes."""

import os
from dataclasses import dataclass
from pathlib import Path

# The profile, data set and first seed whose outputs are committed.
HOME = ("report", "synthetic", 0)


def root() -> Path:
    """Folder that holds notebooks/, results/ and figures/.

    ``IBLIB_ROOT`` if it is set, else the checkout this package is imported from, else (an
    installation outside a checkout) the current folder.
    """
    if home := os.environ.get("IBLIB_ROOT"):
        return Path(home)
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def runs_dir() -> Path:
    """Folder of the trained runs, one folder per key (made, not tracked)."""
    return root() / "runs"


def data_dir() -> Path:
    """Folder of audio and of the mel cache (made, not tracked)."""
    return root() / "data"


@dataclass(frozen=True)
class OutputPaths:
    """The folders one report writes: ``base`` is the checkout or a copy's own folder."""

    base: Path

    @property
    def notebooks(self) -> Path:
        """Executed notebooks."""
        return self.base / "notebooks"

    @property
    def results(self) -> Path:
        """Tables and small arrays, each with the key of what made it."""
        return self.base / "results"

    @property
    def figures(self) -> Path:
        """``NN-slug.png`` and ``.svg``."""
        return self.base / "figures"


def output_paths(
    profile: str, dataset: str, out_dir: str | Path = "", seed: int = 0
) -> OutputPaths:
    """Folders of a report: the checkout's own only for profile ``report``, ``synthetic``, seed 0.

    All others write a whole copy under ``report/<profile>-<dataset>/``, with ``-seed<n>`` behind
    it for another first seed than 0, unless ``out_dir`` names a folder.
    """
    if out_dir:
        return OutputPaths(Path(out_dir).expanduser().resolve())
    if is_home(profile, dataset, seed):
        return OutputPaths(root())
    suffix = f"-seed{seed}" if seed else ""
    return OutputPaths(root() / "report" / f"{profile}-{dataset}{suffix}")


def is_home(profile: str, dataset: str, seed: int = 0) -> bool:
    """Whether these settings are those whose outputs are committed."""
    return (profile, dataset, seed) == HOME
