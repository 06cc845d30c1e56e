"""What results are made of: the audio, and trained runs with what is measured of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import pandas as pd

from iblib import datasets, paths
from iblib.config import RUN_FORMAT, TABLE_FORMAT, MeasureConfig, key_of
from iblib.datasets import DataError, Dataset
from iblib.information_plane import measure_run
from iblib.sweep import load_once
from iblib.training import Run, train
from study.plan import Plan, RunSpec

AUDIO = "audio"


@dataclass(frozen=True)
class Runs:
    """Runs that a result is made of.

    Parameters
    ----------
    group : {"saxe", "audio", "linear"}
        Of ``Plan.groups``.
    names : tuple of str
        Patterns of the runs' names; all of the group by default.
    measure : str
        A measurement of ``RunSpec.measures``: only the runs that have it.
    """

    group: str
    names: tuple[str, ...] = ("*",)
    measure: str = ""

    def of(self, plan: Plan) -> dict[str, RunSpec]:
        """Name -> run of a plan."""
        found = {
            name: spec
            for name, spec in plan.groups[self.group].items()
            if any(fnmatchcase(name, pattern) for pattern in self.names)
            and (not self.measure or self.measure in spec.measures)
        }
        if not found:
            raise KeyError(f"no run of {list(plan.groups[self.group])} is meant by {self}")
        return found


@dataclass(frozen=True)
class Trained:
    """One run, trained now or reused, its data, and the measurement that was asked for."""

    name: str
    spec: RunSpec
    run: Run
    data: Dataset
    measure: MeasureConfig | None
    profile: str
    device: str

    def planes(self) -> pd.DataFrame:
        """The table of the measurement."""
        about = {"profile": self.profile, "device": self.device, "progress": False}
        return measure_run(self.run, self.data, self.measure, **about)


def measured(runs: Iterable[Trained]) -> pd.DataFrame:
    """The tables of all runs as one."""
    return pd.concat([one.planes() for one in runs], ignore_index=True)


@dataclass(frozen=True)
class Inputs:
    """The audio and the runs of a plan, on demand.

    Parameters
    ----------
    plan : Plan
    device : {"cpu", "cuda"}
    stored_fingerprint : str
        That of the audio, where the audio itself is not on this machine.
    """

    plan: Plan
    device: str = "cpu"
    stored_fingerprint: str = ""

    @property
    def audio(self) -> Dataset:
        """The audio data set (made or cached first where that is needed)."""
        return load_once(self.plan.audio_settings)

    @cached_property
    def audio_fingerprint(self) -> str:
        """What the audio is: no path is part of it, and no clip is decoded for it."""
        try:
            return datasets.fingerprint(**self.plan.audio_settings)
        except DataError:
            folder = Path(self.plan.data_dir or paths.data_dir())
            is_here = (folder if self.plan.dataset == "folder" else folder / "fma_small").exists()
            if is_here or not self.stored_fingerprint:
                raise
            return self.stored_fingerprint

    def runs(self, of: Runs) -> list[Trained]:
        """Trained runs, in the plan's order."""
        found = []
        for name, spec in of.of(self.plan).items():
            data = load_once(spec.data)
            run = train(spec.run, data, device=self.device, progress=False)
            measure = spec.measures.get(of.measure)
            about = (self.plan.profile.name, self.device)
            found.append(Trained(name, spec, run, data, measure, *about))
        return found

    def key_of_runs(self, of: Runs) -> str:
        """Key of everything that determines these runs and their measurement."""
        specs = []
        for name, spec in of.of(self.plan).items():
            data = {k: v for k, v in spec.data.items() if k != "data_dir"}
            measure = spec.measures[of.measure].as_dict() if of.measure else None
            specs.append([name, data, spec.run.key(""), measure])
        audio = self.audio_fingerprint if of.group == AUDIO else ""
        return key_of(RUN_FORMAT, TABLE_FORMAT, specs, audio)
