"""How a result was made, in a few lines that a reader can check."""

import re
from collections import Counter
from collections.abc import Iterable

from iblib.config import Binning, MeasureConfig, RunConfig
from study.inputs import AUDIO, Runs
from study.plan import Plan
from study.recipes import RECIPES

_BINS = {
    "width": "width {value:g}",
    "bounds": "{value:g} bins on [{low:g}, {high:g}]",
    "run": "{value:g} bins over the run's range",
    "epoch": "{value:g} bins over each epoch's range",
    "net_input": "{value:g} bins equal in the net input",
    "pooled": "pooled histogram of width {value:g}",
}


def how(plan: Plan, name: str) -> str:
    """The runs and measurement, or the tables, that a result of a plan is made of.

    Parameters
    ----------
    plan : Plan
    name : str
        ``saxe-planes`` or ``saxe-planes.csv``.
    """
    known = [known for known in RECIPES if name in (known, known.partition(".")[0])]
    if not known:
        raise KeyError(f"no recipe makes {name}; known are {', '.join(RECIPES)}")
    name = known[0]
    recipe = RECIPES[name]
    lines = [f"{name}, version {recipe.version}"]
    if recipe.of == AUDIO:
        lines.append(f"made of the audio: {_settings(plan.audio_settings)}")
    elif isinstance(recipe.of, Runs):
        runs = recipe.of.of(plan)
        lines.append(f"runs: {', '.join(_counted(runs))}")
        lines += _joined("data", [_settings(spec.data) for spec in runs.values()])
        lines += _trained([spec.run for spec in runs.values()])
        if recipe.of.measure:
            measures = [spec.measures[recipe.of.measure] for spec in runs.values()]
            lines += _joined("measured", [_measured(one) for one in measures])
    elif recipe.tables:
        lines.append(f"made of the tables {', '.join(recipe.tables)}")
    return "\n".join(lines)


def _joined(title: str, texts: Iterable[str]) -> list[str]:
    """A line for each text that differs."""
    return [f"{title}: {text}" for text in dict.fromkeys(texts)]


def _counted(runs: Iterable[str]) -> list[str]:
    """Names of runs without the number of their seed, and how many have the name."""
    counts = Counter(re.sub(r"-\d+$", "", name) for name in runs)
    return [f"{name} ({n})" if n > 1 else name for name, n in counts.items()]


def _settings(settings: dict) -> str:
    shown = {k: v for k, v in settings.items() if k != "seed" and v is not None}
    return ", ".join(str(v) if k == "name" else f"{k} {v}" for k, v in shown.items())


def _trained(runs: Iterable[RunConfig]) -> list[str]:
    """A line for all runs that differ in activation and seed only."""
    groups: dict[tuple[str, str], tuple[dict, set[int]]] = {}
    for run in runs:
        how = f"{run.optimizer}, rate {run.learning_rate:g}"
        how += f", momentum {run.momentum:g}" if run.optimizer == "sgd" else ""
        how += f", batches of {run.batch_size}" if run.batch_size else ", full batch"
        found = groups.setdefault((run.name, f"{how}, {run.epochs} epochs"), ({}, set()))
        found[0][run.activation] = None
        found[1].update(range(run.seed, run.seed + run.n_seeds))
    return [
        f"trained: {name} {', '.join(activations)}; {how}; {_seeds(seeds)}"
        for (name, how), (activations, seeds) in groups.items()
    ]


def _seeds(seeds: set[int]) -> str:
    first, last = min(seeds), max(seeds)
    return f"seed {first}" if first == last else f"seeds {first} to {last}"


def _measured(measure: MeasureConfig) -> str:
    number, epochs = measure.n_samples or "all", measure.n_points
    parts = [f"{number} samples of {measure.split}, {', '.join(measure.views)}"]
    parts += [f"layers {', '.join(measure.layers)}"] if measure.layers else []
    if "binning" in measure.estimators:
        parts.append(f"binning ({', '.join(map(_bins, measure.bins))})")
    if "kde" in measure.estimators:
        noises = sorted((measure.noise_variance, *measure.more_noise))
        relative = "".join(f", {v:g} of the deviation" for v in measure.relative_noise)
        parts.append(f"KDE (noise variance {', '.join(f'{v:g}' for v in noises)}{relative})")
    if "kraskov" in measure.estimators:
        parts.append(f"Kraskov (k = {measure.k})")
    return "; ".join([*parts, f"{epochs} epochs" if epochs else "every stored epoch"])


def _bins(bins: Binning) -> str:
    return _BINS[bins.kind].format(value=bins.value, low=bins.low, high=bins.high)
