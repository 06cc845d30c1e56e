"""Which result is made by what: the only file that knows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from typing import Any

from study import audio, linear, saxe, trust, verdicts
from study.inputs import AUDIO, Inputs, Runs, measured
from study.results import Value

MAIN = ("tanh-mini-batch", "relu-mini-batch")
_PLANES, _VARIANTS = "saxe-planes.csv", "saxe-variants.csv"
_HISTORY, _GAP = "saxe-history.csv", "compression-and-gap.csv"


@dataclass(frozen=True)
class Recipe:
    """How one file of results/ is made.

    Parameters
    ----------
    make : callable
        Of the data set or the list of trained runs that ``of`` names; of the ``tables``, by name
        (``saxe-planes.csv`` as ``saxe_planes``); or of nothing.
    version : int
        Raised by one when the maker computes something else (tests/test_study.py holds it).
    of : str or Runs, optional
        ``audio``: the audio data set; or runs.
    tables : tuple of str
        Other results.
    long : bool
        Begun before the others, so that nobody waits for it at the end.
    """

    make: Callable[..., Value]
    version: int = 1
    of: str | Runs | None = None
    tables: tuple[str, ...] = ()
    long: bool = False

    def __post_init__(self):
        if self.of is not None and self.tables:
            raise ValueError("a recipe is made of inputs or of tables; got both")

    @property
    def needs_audio(self) -> bool:
        """Whether the audio, or what was trained on it, is an input."""
        return self.of == AUDIO or (isinstance(self.of, Runs) and self.of.group == AUDIO)

    def value(self, inputs: Inputs, tables: Mapping[str, Any]) -> Value:
        """What the maker makes of its inputs; ``tables`` by the names of their files."""
        if self.of == AUDIO:
            return self.make(inputs.audio)
        if self.of is not None:
            return self.make(inputs.runs(self.of))
        return self.make(**{argument(name): tables[name] for name in self.tables})


def argument(name: str) -> str:
    """``saxe-planes.csv`` as the name of an argument."""
    return name.partition(".")[0].replace("-", "_")


def _saxe(make: Callable, measure: str = "", names: tuple[str, ...] = ("*",), **options) -> Recipe:
    return Recipe(make, of=Runs("saxe", names, measure), **options)


def _cnn(make: Callable, measure: str = "", names: tuple[str, ...] = ("*",), **options) -> Recipe:
    return Recipe(make, of=Runs(AUDIO, names, measure), **options)


RECIPES = {
    "class-shares.csv": Recipe(audio.class_shares, of=AUDIO),
    "skipped.csv": Recipe(audio.skipped, of=AUDIO),
    "examples.npz": Recipe(audio.examples, of=AUDIO, long=True),
    "clip.mp3": Recipe(audio.one_clip, of=AUDIO),
    "clips.npz": Recipe(audio.clips, of=AUDIO),
    "training-history.csv": _cnn(audio.histories),
    "confusion.csv": _cnn(audio.confusion, long=True),
    "cnn-planes.csv": _cnn(measured, "planes"),
    "cnn-filters.csv": _cnn(measured, "filters"),
    "cnn-noise.csv": _cnn(measured, "noise"),
    "cnn-geometry.csv": _cnn(
        partial(trust.geometry, view="spatial_mean"),
        "planes",
        ("simple_cnn-*-mini-batch-*",),
        long=True,
    ),
    "feature-maps.npz": _cnn(
        audio.feature_maps,
        names=("simple_cnn-relu-mini-batch-0", "simple_cnn-tanh-mini-batch-0"),
    ),
    "saxe-history.csv": _saxe(audio.histories),
    "saxe-planes.csv": _saxe(measured, "planes", ("*-mini-batch",)),
    "saxe-variants.csv": _saxe(measured, "planes", ("*-full-batch", "*-few", "*-reversed")),
    "saxe-components.csv": _saxe(measured, "components"),
    "saxe-edges.csv": _saxe(measured, "edges"),
    "saxe-sweeps.csv": _saxe(saxe.sweeps, "sweep", MAIN),
    "saxe-activity.csv": _saxe(saxe.activity, names=("*-mini-batch",), long=True),
    "saxe-histograms.npz": _saxe(saxe.histograms, names=("*-mini-batch",), long=True),
    "saxe-gradients.csv": _saxe(saxe.gradients, names=MAIN, long=True),
    "saxe-geometry.csv": _saxe(partial(trust.geometry, view="layer"), "planes", MAIN, long=True),
    "linear-network.csv": Recipe(linear.linear_network, of=Runs("linear"), long=True),
    "knn-bias.csv": Recipe(trust.knn_bias),
    "artefacts.csv": Recipe(trust.artefacts),
    "saturated-shares.csv": Recipe(trust.saturated_shares, tables=(_PLANES, "cnn-planes.csv")),
    "violations.csv": Recipe(trust.violations, tables=(_PLANES, "cnn-planes.csv")),
    "compression-and-gap.csv": Recipe(
        trust.compression_and_gap,
        tables=(_PLANES, _VARIANTS, "cnn-planes.csv", _HISTORY, "training-history.csv"),
    ),
    "verdicts.csv": Recipe(
        verdicts.verdicts,
        tables=(_GAP, _HISTORY, _PLANES, _VARIANTS, "cnn-planes.csv", "cnn-noise.csv"),
    ),
    "README-table.csv": Recipe(verdicts.headline, tables=("verdicts.csv",)),
}


def in_order(names: Iterable[str]) -> list[str]:
    """These results and all they are made of, each after what it is made of."""
    found: dict[str, tuple[str, ...]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in RECIPES:
            raise KeyError(f"no recipe makes {name}; known are {', '.join(RECIPES)}")
        if name not in found:
            found[name] = RECIPES[name].tables
            waiting += found[name]
    return list(TopologicalSorter(found).static_order())
