"""The face of the report's results in a notebook: tables read, or made where that is allowed."""

import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iblib import paths
from iblib.config import ConfigError, key_of
from iblib.datasets import AUDIO as AUDIO_SETS
from iblib.datasets.melspectrogram import MelSettings
from iblib.sweep import check_device, one_thread
from study.how import how
from study.inputs import AUDIO, Inputs, Runs
from study.plan import Plan, RunSpec, profile_named
from study.recipes import RECIPES, in_order
from study.results import Results, StaleResultError

if TYPE_CHECKING:
    from IPython.display import Image

# The settings whose notebooks, results and README numbers are committed.
HOME = {"profile": "published", "dataset": "synthetic", "seed": 0}
# A picture of one white pixel, where figures are drawn only to see that they can be.
_BLANK = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f00010101005a4d6ff10000000049454e44ae426082"
)


@dataclass(frozen=True)
class Lab:
    """Settings of a notebook, and the way to its tables, arrays and figures.

    Parameters
    ----------
    plan : Plan
        Profile, audio and first seed.
    folder : Path
        What this report writes: ``results/``, ``figures/``, ``notebooks/``, ``html/``.
    is_committed : bool
        Results are read from the checkout's own ``results/``, and never made.
    device : {"cpu", "cuda"}
    """

    plan: Plan
    folder: Path
    is_committed: bool
    device: str = "cpu"

    @property
    def is_home(self) -> bool:
        """Whether these are the settings of the committed report, whose numbers the text quotes."""
        return HOME.items() <= self.identity.items()

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this report from others: profile, dataset, seed, length of a clip."""
        audio = {"dataset": self.dataset, "clip_seconds": self.plan.clip_seconds}
        return {"profile": self.profile.name, "seed": self.seed, **audio}

    @property
    def profile(self):
        """How much is computed."""
        return self.plan.profile

    @property
    def dataset(self) -> str:
        """Name of the audio set."""
        return self.plan.dataset

    @property
    def seed(self) -> int:
        """Seed of the first network of every setting."""
        return self.plan.seed

    @cached_property
    def results(self) -> Results:
        """Where tables and arrays are."""
        return Results((paths.root() if self.is_committed else self.folder) / "results")

    @cached_property
    def inputs(self) -> Inputs:
        """The audio and the runs."""
        known = self.results.about("class-shares.csv")
        of_these = known.get("clip_seconds") == self.plan.clip_seconds
        return Inputs(self.plan, self.device, known.get("fingerprint", "") if of_these else "")

    def specs(self, group: str) -> dict[str, RunSpec]:
        """Settings of the runs of a group (``saxe``, ``audio``, ``linear``) by name."""
        return self.plan.groups[group]

    def table(self, name: str) -> pd.DataFrame:
        """A table of ``results/<name>.csv``; see ``result``."""
        self.result(f"{name}.csv")
        return self.results.table(f"{name}.csv")

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of ``results/<name>.npz``; see ``result``."""
        self.result(f"{name}.npz")
        return self.results.arrays(f"{name}.npz")

    def result(self, name: str) -> Path:
        """Path of a file of ``results/`` that was made of these settings; made first if need be.

        Raises
        ------
        KeyError
            For a name that no recipe makes.
        StaleResultError
            Where a committed result is missing, damaged, or made of something else.
        """
        for one in in_order([name]):
            if problem := self.results.problem(one, self.key(one)):
                if self.is_committed:
                    raise StaleResultError(f"{problem}; make it with: make publish")
                self.make(one)
        return self.results.path(name)

    def make(self, name: str) -> None:
        """Make one result; the tables that it is made of are there."""
        recipe, key = RECIPES[name], self.key(name)  # of the inputs as they are before it is made
        tables = {table: self.results.table(table) for table in recipe.tables}
        with one_thread():  # small networks: a second thread costs more than it does
            value = recipe.value(self.inputs, tables)
        about: dict[str, Any] = {"profile": asdict(self.profile), "version": recipe.version}
        if recipe.needs_audio:
            about |= {"dataset": self.dataset, "source": self.inputs.audio.source}
            about["fingerprint"] = self.inputs.audio_fingerprint
            about |= {"clip_seconds": seconds} if (seconds := self.plan.clip_seconds) else {}
        self.results.write(name, value, key, **about)

    def key(self, name: str) -> str:
        """Key that a result made of these settings carries: a hash of all that it depends on."""
        if name not in self._keys:
            recipe = RECIPES[name]
            inputs = ""
            if recipe.of == AUDIO:
                inputs = self.inputs.audio_fingerprint
            elif isinstance(recipe.of, Runs):
                inputs = self.inputs.key_of_runs(recipe.of)
            of_tables = [self.key(table) for table in recipe.tables]
            self._keys[name] = key_of(name, recipe.version, inputs, of_tables)
        return self._keys[name]

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {}

    def how(self, name: str) -> str:
        """How a result is made: its runs, what is measured of them, or the tables it is made of."""
        return how(self.plan, name)

    @cached_property
    def source_of_data(self) -> str:
        """One sentence: what audio, real or synthetic, how many clips."""
        self.result("class-shares.csv")
        return self.results.about("class-shares.csv")["source"]

    def save_figure(self, fig, name: str) -> "Image":
        """Write ``figures/<name>.png`` into the report's folder; as a last line it shows it.

        The notebook holds the file's own bytes, in the size of the figure: nothing is drawn again.
        Where ``IBLIB_PICTURES`` is 0, nothing is encoded or written; ``svg`` adds an SVG.
        ``IBLIB_FIGURES`` names another folder.
        """
        from IPython.display import Image

        from iblib.plotting import save_figure

        if os.environ.get("IBLIB_PICTURES") == "0":
            return Image(_BLANK)
        svg = os.environ.get("IBLIB_PICTURES") == "svg"
        folder = os.environ.get("IBLIB_FIGURES") or self.folder / "figures"
        path = save_figure(fig, name, folder, svg=svg)
        return Image(filename=path, width=round(fig.get_figwidth() * fig.dpi))


def open_lab(
    *,
    profile: str = HOME["profile"],
    dataset: str = HOME["dataset"],
    data_dir: str = "",
    out_dir: str = "",
    seed: int = HOME["seed"],
    device: str = "cpu",
    clip_seconds: float | None = None,
) -> Lab:
    """The lab of a notebook's parameters.

    The committed report (profile ``published``, ``synthetic``, seed 0, no ``out_dir``) reads the
    checkout's ``results/``; any other makes what it lacks in a folder of its own.

    Raises
    ------
    ConfigError, DataError
        For an unknown profile, data set or device, a seed that is no whole number from 0 on, or a
        length of clips that is not positive, or is that of the synthetic ones.
    """
    if dataset not in AUDIO_SETS:
        raise ConfigError(f"dataset must be one of {', '.join(AUDIO_SETS)}; got {dataset!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"seed must be a whole number from 0 on; got {seed!r}")
    check_device(device)
    if clip_seconds is not None:
        MelSettings(clip_seconds)  # which refuses what is no length
        if dataset == "synthetic":
            raise ConfigError("clip_seconds must be left out: synthetic clips have their own")
    plan = Plan(profile_named(profile), dataset, _absolute(data_dir), seed, clip_seconds)
    folder = Path(_absolute(out_dir) or folder_of(profile, dataset, seed))
    identity = {"profile": profile, "dataset": dataset, "seed": seed}
    return Lab(plan, folder, identity == HOME and not out_dir, device)


def folder_of(profile: str, dataset: str, seed: int = 0) -> Path:
    """Where a report goes by default: under ``build/``, never into what is tracked."""
    if (profile, dataset, seed) == ("report", "synthetic", 0):
        return paths.root() / "build" / "report"
    return paths.root() / "build" / (f"{profile}-{dataset}" + (f"-seed{seed}" if seed else ""))


def make_result(settings: dict[str, Any], name: str) -> None:
    """Make one result in a lab of its own; for processes."""
    open_lab(**settings).make(name)


def _absolute(folder: str | Path) -> str:
    """Absolute, because notebooks run in a folder of their own; empty stays empty."""
    return str(Path(folder).expanduser().resolve()) if str(folder) else ""
