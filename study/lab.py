"""A notebook's session: its settings, and its tables read from results/ or made anew."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iblib import files
from iblib.cluster import run_tasks
from iblib.config import (
    AUDIO_SETS,
    RUN_FORMAT,
    TABLE_FORMAT,
    ConfigError,
    Profile,
    key_of,
    profile_named,
)
from iblib.datasets import CLIP_SECONDS, load
from iblib.datasets.base import Dataset
from iblib.datasets.melspectrogram import CACHE_FORMAT
from iblib.datasets.synthetic import GENERATOR_FORMAT
from iblib.information_plane import read_table
from iblib.paths import OutputPaths, is_home, output_paths, root
from iblib.sweep import check_device, one_thread
from iblib.training import environment
from study import audio, linear, saxe, trust, verdicts
from study.plan import (
    LINEAR_CASES,
    RunSpec,
    audio_runs,
    linear_run,
    saxe_runs,
    sweep_order,
)
from study.results import write_result

if TYPE_CHECKING:
    from IPython.display import Image

# Raised by one whenever the code changes what equal runs are summarised to.
RESULT_FORMAT = 2


@dataclass(frozen=True)
class _Maker:
    """What makes a file of results/, and what of the session it depends on."""

    make: Callable[["Session"], pd.DataFrame | dict | bytes]
    depends_on: tuple[str, ...] = ()
    of_tables: bool = False  # made of other files of results/
    long: bool = False  # begun before the others, so that no worker waits for it at the end


_NETWORKS = ("audio runs", "saxe runs")
_MAKERS = {
    "class-shares.csv": _Maker(audio.class_shares, ("audio",)),
    "skipped.csv": _Maker(audio.skipped, ("audio",)),
    "examples.npz": _Maker(audio.examples, ("audio",), long=True),
    "clip.mp3": _Maker(audio.one_clip, ("audio",)),
    "clips.npz": _Maker(audio.clips, ("audio",)),
    "training-history.csv": _Maker(audio.training_history, ("audio runs",)),
    "confusion.csv": _Maker(audio.confusion, ("audio runs",), long=True),
    "cnn-planes.csv": _Maker(audio.planes, ("audio runs",)),
    "cnn-filters.csv": _Maker(audio.filters, ("audio runs",)),
    "cnn-noise.csv": _Maker(audio.noise, ("audio runs",)),
    "cnn-geometry.csv": _Maker(trust.cnn_geometry, ("audio runs",), long=True),
    "feature-maps.npz": _Maker(audio.feature_maps, ("audio runs",)),
    "saxe-history.csv": _Maker(saxe.history, ("saxe runs",)),
    "saxe-planes.csv": _Maker(saxe.planes, ("saxe runs",)),
    "saxe-variants.csv": _Maker(saxe.variants, ("saxe runs",)),
    "saxe-components.csv": _Maker(saxe.components, ("saxe runs",)),
    "saxe-edges.csv": _Maker(saxe.edges, ("saxe runs",)),
    "saxe-sweeps.csv": _Maker(saxe.sweeps, ("saxe runs",)),
    "saxe-saturation.csv": _Maker(saxe.saturated_units, ("saxe runs",), long=True),
    "saxe-histograms.npz": _Maker(saxe.histograms, ("saxe runs",), long=True),
    "saxe-gradients.csv": _Maker(saxe.gradients, ("saxe runs",), long=True),
    "saxe-geometry.csv": _Maker(trust.saxe_geometry, ("saxe runs",), long=True),
    "linear-network.csv": _Maker(linear.linear_network, ("linear runs",), long=True),
    "knn-bias.csv": _Maker(trust.knn_bias),
    "artefacts.csv": _Maker(trust.artefacts),
    "saturated-shares.csv": _Maker(trust.saturated_shares, _NETWORKS, of_tables=True),
    "violations.csv": _Maker(trust.violations, _NETWORKS, of_tables=True),
    "compression-and-gap.csv": _Maker(trust.compression_and_gap, _NETWORKS, of_tables=True),
    "verdicts.csv": _Maker(verdicts.verdicts, _NETWORKS, of_tables=True),
    "README-table.csv": _Maker(verdicts.headline, _NETWORKS, of_tables=True),
}


class StaleResultError(FileNotFoundError):
    """A result is missing or was made for other settings; the message holds the command."""


class ResultError(RuntimeError):
    """A file of ``results/`` could not be made by a process; the message says which, and why."""


def is_where_text_was_written(results: Path, recompute: bool) -> bool:
    """Whether results come from the kind of CPU, torch and threads that the notebooks' text quotes.

    Elsewhere sums round differently, and training ends at other, equally good, weights.

    Parameters
    ----------
    results : Path
        Folder of the stored results.
    recompute : bool
        Results are made here and now.
    """
    text, made = root() / "notebooks" / "text-environment.json", results / "class-shares.csv.json"
    if not text.is_file():
        return True
    stored = None if recompute or not made.is_file() else files.read_json(made)
    here = stored["environment"] if stored else environment()
    return _what_decides(here) == _what_decides(files.read_json(text)["environment"])


def _what_decides(environment: dict) -> tuple:
    packages = environment["packages"]
    return environment["cpu_capability"], environment["threads"], packages["torch"]


@dataclass(frozen=True)
class Session:
    """Settings of one notebook run and the way to its data, tables and figures.

    Parameters
    ----------
    profile : Profile
    dataset : {"synthetic", "fma_small", "folder"}
    data_dir : str
        Folder of the audio; empty: made by iblib (synthetic) or under ``data/``.
    paths : OutputPaths
    recompute : bool
        True: train and measure, and write results/; False: read results/. A copy makes what it
        has not yet; the committed results are never made unasked.
    device : {"cpu", "cuda"}
    seed : int
        That of the first network of every setting; the others follow it.
    """

    profile: Profile
    dataset: str
    data_dir: str
    paths: OutputPaths
    recompute: bool
    device: str
    seed: int = 0

    @property
    def is_home(self) -> bool:
        """Whether the numbers quoted in the text are this session's: the asserts that guard them.

        So it is in the committed report (profile ``report``, data ``synthetic``, seed 0), unless it
        was recomputed where training takes another path.
        """
        at_home = is_home(self.profile.name, self.dataset, self.seed)
        return at_home and is_where_text_was_written(self.paths.results, self.recompute)

    @property
    def data_settings(self) -> dict:
        """Arguments of ``datasets.load`` for this session's audio."""
        settings = {"name": self.dataset, "data_dir": self.data_dir}
        if self.dataset == "synthetic":
            settings["clips_per_genre"] = self.profile.clips_per_genre
        return settings

    @cached_property
    def audio(self) -> Dataset:
        """The audio data set (made or cached first where that is needed)."""
        return load(**self.data_settings)

    def check_data(self) -> None:
        """Load the data set, so that what is wrong with it is said before anything is computed."""
        if len(self.audio.rows("training")) == 0:
            raise ConfigError(f"{self.dataset} has no training clips: check tracks.csv's set.split")

    def audio_runs(self) -> dict[str, RunSpec]:
        """The runs on audio that the notebooks need."""
        return audio_runs(self.profile, self.data_settings, self.seed)

    def saxe_runs(self) -> dict[str, RunSpec]:
        """The runs on the 12-bit task that the notebooks need."""
        return saxe_runs(self.profile, self.seed)

    def linear_runs(self) -> dict[tuple[str, int], RunSpec]:
        """The runs of the linear teacher and student, by case and seed."""
        seeds = range(self.seed, self.seed + self.profile.linear_seeds)
        return {
            (name, seed): linear_run(self.profile, seed, case)
            for name, case in LINEAR_CASES.items()
            for seed in seeds
        }

    def run_specs(self) -> list[dict]:
        """Every run that is measured, with each measurement, as plain settings for ``sweep``."""
        return sweep_order([*self.saxe_runs().values(), *self.audio_runs().values()])

    def key(self, name: str) -> str:
        """Key that a result made for these settings carries: a hash of all that it depends on."""
        data = {k: v for k, v in self.data_settings.items() if k != "data_dir"}
        specs: list[RunSpec] = []
        settings: list = [RUN_FORMAT, TABLE_FORMAT, RESULT_FORMAT, name]
        for need in _MAKERS[name].depends_on:
            if need.startswith("audio"):
                settings += [data, CLIP_SECONDS[self.dataset], CACHE_FORMAT, GENERATOR_FORMAT]
            runs = {
                "audio": dict,
                "audio runs": lambda: audio_runs(self.profile, data, self.seed),
                "saxe runs": self.saxe_runs,
                "linear runs": self.linear_runs,
            }
            specs += runs[need]().values()
        return key_of(settings, [spec.settings() for spec in specs])

    def table(self, name: str) -> pd.DataFrame:
        """A table of ``results/<name>.csv``; see ``result``."""
        return read_table(self.result(f"{name}.csv"))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of ``results/<name>.npz``; see ``result``."""
        with np.load(self.result(f"{name}.npz"), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def result(self, name: str) -> Path:
        """Path of a file of ``results/`` whose key matches these settings, made where it has to be.

        Raises
        ------
        KeyError
            For a name that no experiment makes.
        StaleResultError
            Where it was made for other settings, or is missing in the checkout itself.
        """
        if name not in _MAKERS:
            raise KeyError(f"no experiment makes {name}; known are {sorted(_MAKERS)}")
        path = self.paths.results / name
        wanted = self.recompute or (not path.is_file() and self.paths.base != root())
        if wanted and name not in self._made:
            with one_thread():  # small networks: a second thread costs more than it does
                self._write(path, _MAKERS[name].make(self))
            self._made.add(name)
        self._check(path)
        return path

    def make_results(
        self, *, jobs: int = 1, on_made: Callable[[int, int, str, float], None] | None = None
    ) -> None:
        """Make every file of ``results/``, each once.

        Parameters
        ----------
        jobs : int
            Files at once, by processes of their own; those made of other files come last.
        on_made : callable, optional
            Called as ``on_made(number, total, name, seconds)``.
        """
        start = time.monotonic()
        for number, name in enumerate(self._made_one_by_one(jobs), start=1):
            if on_made:
                on_made(number, len(_MAKERS), name, time.monotonic() - start)

    def _made_one_by_one(self, jobs: int) -> Iterator[str]:
        first = [name for name, maker in _MAKERS.items() if not maker.of_tables]
        first.sort(key=lambda name: not _MAKERS[name].long)
        if jobs > 1:
            tasks = {name: (self.settings, name) for name in first}
            for name, status, error, _ in run_tasks(make_result, tasks, {}, jobs=jobs):
                if status == "failed":
                    raise ResultError(f"{name} could not be made: {error}")
                self._made.add(name)
                yield name
        for name in _MAKERS:
            if name not in self._made:
                self.result(name)
                yield name

    @property
    def settings(self) -> dict:
        """Arguments of ``open_session`` that open this session again."""
        return {
            "profile": self.profile.name,
            "dataset": self.dataset,
            "data_dir": self.data_dir,
            "out_dir": str(self.paths.base),
            "recompute": self.recompute,
            "seed": self.seed,
            "device": self.device,
        }

    def _write(self, path: Path, value: pd.DataFrame | dict | bytes) -> None:
        write_result(path, value)
        about = {"key": self.key(path.name), "profile": asdict(self.profile)}
        about |= {"dataset": self.dataset, "source": self.audio.source, **self._origin}
        about |= {"sha256": files.digest(path), "environment": environment()}
        files.write_json(path.with_name(path.name + ".json"), about)

    def _check(self, path: Path) -> None:
        about = path.with_name(path.name + ".json")
        if not path.is_file() or not about.is_file():
            raise StaleResultError(f"{path} is missing; make it with: {self.command}")
        stored = files.read_json(about)
        stored = stored if isinstance(stored, dict) else {}
        wanted = {"key": self.key(path.name), **self._origin}
        if any(stored.get(name) != value for name, value in wanted.items()):
            raise StaleResultError(
                f"{path} was made for other settings than these; make it with: {self.command}"
            )
        if files.digest(path) != stored.get("sha256"):
            raise StaleResultError(
                f"{path} is not as it was made (damaged, or edited); make it with: {self.command}"
            )

    @cached_property
    def _made(self) -> set[str]:
        """Files that this session has made; asked for again, they are read."""
        return set()

    @property
    def _origin(self) -> dict[str, str]:
        """Where the user's own audio lies; synthetic audio is the same wherever it is written."""
        if self.dataset == "synthetic":
            return {}
        return {"data_dir": str(Path(self.data_dir).expanduser().resolve())}

    @property
    def command(self) -> str:
        """The command that makes this session's results."""
        parts = ["python -m iblib report", f"--profile {self.profile.name}"]
        parts.append(f"--dataset {self.dataset}")
        if self.data_dir:
            parts.append(f"--data-dir '{self.data_dir}'")
        if self.seed:
            parts.append(f"--seed {self.seed}")
        return " ".join(parts)

    @cached_property
    def source_of_data(self) -> str:
        """One sentence: what data, real or synthetic, how many clips."""
        if self.recompute:
            return self.audio.source
        shares = self.result("class-shares.csv")
        return files.read_json(shares.with_name(shares.name + ".json"))["source"]

    def save_figure(self, fig, name: str) -> "Image":
        """Write ``figures/<name>.png`` and ``.svg``; as a cell's last line, it shows the picture.

        The notebook holds the file's own bytes, in the size of the figure: nothing is drawn again.
        """
        from IPython.display import Image

        from iblib.plotting import save_figure

        path = save_figure(fig, name, self.paths.figures)
        return Image(filename=path, width=round(fig.get_figwidth() * fig.dpi))


def open_session(
    *,
    profile: str = "report",
    dataset: str = "synthetic",
    data_dir: str = "",
    out_dir: str = "",
    recompute: bool = False,
    seed: int = 0,
    device: str = "cpu",
) -> Session:
    """The session of a notebook's parameters.

    Raises
    ------
    ConfigError
        For an unknown profile, data set or device, or a seed that is no whole number from 0 on.
    """
    if dataset not in AUDIO_SETS:
        raise ConfigError(f"dataset must be one of {AUDIO_SETS}; got {dataset!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"seed must be a whole number from 0 on; got {seed!r}")
    check_device(device)
    where = output_paths(profile, dataset, out_dir, seed)
    return Session(profile_named(profile), dataset, data_dir, where, recompute, device, seed)


def make_result(settings: dict, name: str) -> str:
    """Make one file of ``results/`` in a session of its own; for processes."""
    open_session(**settings).result(name)
    return "finished"
