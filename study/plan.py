"""The runs of the report by name, per profile: networks, optimisers, and what is measured.

Nothing here reads or computes anything but ``profiles.toml``.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from iblib.config import Binning, ConfigError, MeasureConfig, RunConfig

_PROFILES = tomllib.loads(Path(__file__).with_name("profiles.toml").read_text(encoding="utf-8"))
PROFILES = tuple(_PROFILES)

# KDE's noise variance in Saxe's code for the 12-bit task.
SAXE_NOISE_VARIANCE = 1e-3
SAXE_ACTIVATIONS = ("tanh", "relu", "softsign", "softplus")
_UPPER = ("hidden3", "hidden4", "hidden5")
_HIDDEN = ("hidden1", "hidden2", *_UPPER)

# Noise of the sweeps: variances around the one in use, and deviations relative to T's own.
NOISE_VARIANCES = (1e-3, 3e-3, 3e-2, 1e-1)
RELATIVE_NOISE = (0.03, 0.1, 0.3)

# Every float32 in [-1, 1] has a bin of its own, but for values closer than this to 0.
MACHINE_PRECISION = Binning("width", 2.0**-30)

# SGD with momentum 0.9 on spectrograms: the best of 0.05, 0.02 and 0.01 for both activations by
# SimpleCNN's validation accuracy, chosen before any information was measured.
AUDIO_LEARNING_RATE = 0.01

# Widths of a block's maps against the order of SimpleCNN: 32, 16, 8, 4 instead of 4, 8, 16, 32.
REVERSED_FILTERS = [32, 16, 8, 4]
REVERSED_SIZES = [12, 3, 4, 5, 7, 10, 2]


@dataclass(frozen=True)
class Profile:
    """How much a report computes; ``profiles.toml`` says what each number is."""

    name: str
    clips_per_genre: int
    batch_size: int
    n_samples: int
    cnn_epochs: int
    cnn_seeds: int
    cnn_points: int
    cnn_full_batch_epochs: int
    cnn_full_batch_seeds: int
    cnn_widths_epochs: int
    resnet_epochs: int
    resnet_seeds: int
    resnet_points: int
    mlp_epochs: int
    mlp_seeds: int
    mlp_other_seeds: int
    mlp_points: int
    mlp_full_batch_epochs: int
    mlp_full_batch_seeds: int
    mlp_few_epochs: int
    linear_epochs: int
    linear_seeds: int


def profile_named(name: str) -> Profile:
    if name not in PROFILES:
        raise ConfigError(f"profile must be one of {', '.join(PROFILES)}; got {name!r}")
    return Profile(name, **_PROFILES[name])


@dataclass(frozen=True)
class RunSpec:
    """One run: its data, its settings, and the measurements taken of it, by name."""

    data: dict[str, Any]
    run: RunConfig
    measures: dict[str, MeasureConfig] = field(default_factory=dict)

    def as_dict(self, measure: MeasureConfig | None) -> dict[str, Any]:
        """Plain settings with one of the measurements, or none, as a sweep takes them."""
        measured = measure.as_dict() if measure else None
        return {"data": dict(self.data), "run": asdict(self.run), "measure": measured}


def sweep_order(runs: Iterable[tuple[RunSpec, Iterable[str]]]) -> list[dict[str, Any]]:
    """Plain settings of every run and wanted measurement, so that no worker waits for another.

    A run is trained by the first that asks for it, so the first measurement of every run comes
    before any second one; the longest runs come first.
    """
    first, further = [], []
    for spec, wanted in runs:
        measured = [spec.as_dict(spec.measures[name]) for name in wanted] or [spec.as_dict(None)]
        first += measured[:1]
        further += measured[1:]
    return first + further


@dataclass(frozen=True)
class Plan:
    """The runs of one report.

    Parameters
    ----------
    dataset : str
        Name of the audio set.
    data_dir : str
        Folder of the audio; empty: made by iblib, or under ``data/``.
    seed : int
        That of each setting's first network; the others follow it.
    clip_seconds : float, optional
        Length measured of each clip [s]; the data set's own by default.
    """

    profile: Profile
    dataset: str = "synthetic"
    data_dir: str = ""
    seed: int = 0
    clip_seconds: float | None = None

    @property
    def audio_settings(self) -> dict[str, Any]:
        """Arguments of ``datasets.load`` for the audio."""
        asked = {"data_dir": self.data_dir or None, "clip_seconds": self.clip_seconds}
        if self.dataset == "synthetic":
            asked["clips_per_genre"] = self.profile.clips_per_genre
        return {"name": self.dataset, **{k: v for k, v in asked.items() if v is not None}}

    @cached_property
    def groups(self) -> dict[str, dict[str, RunSpec]]:
        """Group (``audio``, ``saxe``, ``linear``) -> name -> run, the longest first."""
        return {
            "saxe": saxe_runs(self.profile, self.seed),
            "audio": audio_runs(self.profile, self.audio_settings, self.seed),
            "linear": linear_runs(self.profile, self.seed),
        }


_measure = partial(
    MeasureConfig, estimators=("binning", "kde", "kraskov"), resolution=()
)  # as on the slides


def plane_measure(profile: Profile, *, pooled: bool = False) -> MeasureConfig:
    """Whole layers: joint, spatial means, first principal components (notebooks 08 to 11).

    ``pooled``: also the histogram of single values, to be shown beside the joint one.
    """
    return _measure(
        n_samples=profile.n_samples,
        views=("layer", "spatial_mean", "pca"),
        bins=(Binning("run", 30), Binning("pooled", 0.1)) if pooled else (Binning("run", 30),),
    )


def filter_measure(
    profile: Profile, layers: tuple[str, ...], *, n_points: int = 9
) -> MeasureConfig:
    """Single filters, whole and as means, at some epochs (notebooks 08, 10 and 11)."""
    return _measure(
        n_samples=profile.n_samples,
        views=("filter", "filter_mean"),
        layers=layers,
        bins=(Binning("run", 30),),
        n_points=n_points,
    )


def noise_measure(profile: Profile, layers: tuple[str, ...] = ()) -> MeasureConfig:
    """KDE over noise variances, binning over counts of bins, at a few epochs (notebooks 09, 11)."""
    return _measure(
        n_samples=profile.n_samples,
        views=("layer", "spatial_mean"),
        layers=layers,
        bins=(Binning("run", 30), Binning("run", 10), Binning("run", 4)),
        more_noise=NOISE_VARIANCES,
        relative_noise=RELATIVE_NOISE,
        n_points=5,
        estimators=("binning", "kde"),
    )


_BLOCKS = ("block1", "block2", "block3", "block4")
_RESNET_FILTERS = ("res1_block1", "res2_block1", "after_pool")


def audio_runs(profile: Profile, data: dict[str, Any], seed: int = 0) -> dict[str, RunSpec]:
    """SimpleCNN (mini-batches and full batch, widths reversed too) and MiniResNet, by name.

    The longest come first. ``seed`` is that of the first network of a setting, whose name ends in
    ``-0``; filters and noise are measured of it alone.
    """
    runs: dict[str, RunSpec] = {}
    planes, noise = plane_measure(profile), noise_measure(profile)
    pooled = plane_measure(profile, pooled=True)
    activations = ("tanh", "relu")

    def add(name: str, nth: int, measures: dict[str, MeasureConfig], **settings) -> None:
        config = RunConfig(learning_rate=AUDIO_LEARNING_RATE, seed=seed + nth, **settings)
        runs[f"{name}-{nth}"] = RunSpec(data, config, measures)

    for a in activations:
        for nth in range(profile.cnn_full_batch_seeds):
            settings = {"epochs": profile.cnn_full_batch_epochs, "batch_size": 0}
            settings |= {"n_points": profile.cnn_points, "model": "simple_cnn", "activation": a}
            filters = {"filters": filter_measure(profile, ("block2",))} if nth == 0 else {}
            add(f"simple_cnn-{a}-full-batch", nth, {"planes": planes, **filters}, **settings)
    mini = {"batch_size": profile.batch_size}
    for a in activations:
        for nth in range(profile.resnet_seeds):
            settings = {"model": "mini_resnet", "epochs": profile.resnet_epochs, "activation": a}
            filters = {
                "filters": filter_measure(profile, _RESNET_FILTERS, n_points=3),
                "noise": noise_measure(profile, ("res2_block1", "after_pool")),
            }
            measures = {"planes": planes, **(filters if nth == 0 else {})}
            points = {"n_points": profile.resnet_points}
            add(f"mini_resnet-{a}-mini-batch", nth, measures, **settings, **mini, **points)
    mini["n_points"] = profile.cnn_points
    for a in activations:
        for nth in range(profile.cnn_seeds):
            settings = {"model": "simple_cnn", "epochs": profile.cnn_epochs, "activation": a}
            filters = {
                "filters": filter_measure(profile, (*_BLOCKS, "before_pool", "after_pool")),
                "noise": noise,
            }
            measures = {"planes": pooled, **(filters if nth == 0 else {})}
            add(f"simple_cnn-{a}-mini-batch", nth, measures, **settings, **mini)
        settings |= {"options": {"filters": REVERSED_FILTERS}, "epochs": profile.cnn_widths_epochs}
        few = {"planes": replace(planes, n_points=4)}
        add(f"reversed-{a}-mini-batch", 0, few, **settings, **mini)
    return runs


def saxe_bins(activation: str) -> tuple[Binning, ...]:
    """Saxe's binning for the activation first, then fixed width; where it has no bounds, refitted.

    30 bins on [-1, 1] for tanh and softsign; 100 bins between the extremes of the run for ReLU and
    softplus, and as many refitted at each epoch.
    """
    if activation in ("tanh", "softsign"):
        return (Binning("bounds", 30, -1.0, 1.0), Binning("width", 0.07))
    return (Binning("run", 100), Binning("width", 0.07), Binning("epoch", 100))


_all_patterns = partial(_measure, split="all", n_samples=0)


def saxe_measure(
    activation: str, *, n_points: int = 0, layers: tuple[str, ...] = _HIDDEN
) -> MeasureConfig:
    """Saxe's hidden layers on all 4096 patterns; bins of their range would clip the logits."""
    return _all_patterns(
        n_points=n_points,
        layers=layers,
        bins=saxe_bins(activation),
        noise_variance=SAXE_NOISE_VARIANCE,
    )


def saxe_sweep(activation: str) -> MeasureConfig:
    """The last hidden layer by many bins and noises."""
    widths = tuple(Binning("width", w) for w in (0.02, 0.07, 0.5))
    if activation == "tanh":
        counts = tuple(Binning("bounds", n, -1.0, 1.0) for n in (30, 10, 100))
        special: tuple[Binning, ...] = (Binning("net_input", 100), MACHINE_PRECISION)
    else:
        counts = tuple(Binning("run", n) for n in (100, 10, 30))
        special = tuple(Binning("epoch", n) for n in (10, 30, 100))
    return _all_patterns(
        layers=("hidden5",),
        bins=(*counts, *widths, *special),
        noise_variance=SAXE_NOISE_VARIANCE,
        more_noise=(1e-4, 1e-2, 1e-1),
        relative_noise=RELATIVE_NOISE[1:],
        n_points=12,
        estimators=("binning", "kde"),
    )


def saxe_edges() -> MeasureConfig:
    """All layers by bins that are fine where tanh is flat."""
    return _all_patterns(
        layers=_HIDDEN,
        bins=(Binning("bounds", 30, -1.0, 1.0), Binning("net_input", 100), MACHINE_PRECISION),
        n_points=10,
        estimators=("binning",),
    )


def saxe_components() -> MeasureConfig:
    """First three principal components of every layer: equal d, for a fair comparison of H(T)."""
    return _all_patterns(views=("pca",), layers=_HIDDEN, n_points=6, estimators=("kraskov",))


def saxe_runs(profile: Profile, seed: int = 0) -> dict[str, RunSpec]:
    """Saxe's 12-10-7-5-4-3-2 network on the 12-bit task, seeds as one ensemble, by name.

    ``seed`` is that of the first network of an ensemble; the others follow it.

    ``<activation>-mini-batch``: batches of 256; ``-full-batch``; ``-few``: on 30 % of the patterns,
    for half as many updates; ``-reversed``: widths 3-4-5-7-10. The longest come first.
    """
    main, points = ("tanh", "relu"), profile.mlp_points
    few_points = max(points // 2, 4)
    runs: dict[str, RunSpec] = {}
    for a in main:
        measures = {"planes": saxe_measure(a), "components": saxe_components()}
        measures |= {"sweep": saxe_sweep(a)}
        measures |= {"edges": saxe_edges()} if a == "tanh" else {}
        seeds = {"epochs": profile.mlp_epochs, "n_seeds": profile.mlp_seeds}
        runs[f"{a}-mini-batch"] = _saxe_run(a, measures, seed=seed, n_points=points, **seeds)
    for a in main:
        measures = {"planes": saxe_measure(a, n_points=few_points)}
        settings = {"epochs": profile.mlp_full_batch_epochs, "n_points": points, "batch_size": 0}
        settings |= {"n_seeds": profile.mlp_full_batch_seeds}
        runs[f"{a}-full-batch"] = _saxe_run(a, measures, seed=seed, **settings)
    for a in main:
        measures = {"planes": saxe_measure(a, n_points=few_points, layers=_UPPER)}
        settings = {"epochs": profile.mlp_few_epochs, "n_seeds": profile.mlp_other_seeds}
        settings |= {"n_points": points, "data": {"training_share": 0.3}}
        runs[f"{a}-few"] = _saxe_run(a, measures, seed=seed, **settings)
    others = {"epochs": profile.mlp_epochs, "n_seeds": profile.mlp_other_seeds, "n_points": points}
    for a in SAXE_ACTIVATIONS:
        if a not in main:
            measures = {"planes": saxe_measure(a, n_points=few_points)}
            runs[f"{a}-mini-batch"] = _saxe_run(a, measures, seed=seed, **others)
    for a in main:
        measures = {"planes": saxe_measure(a, n_points=6)}
        measures |= {"components": saxe_components()}
        options = {"sizes": REVERSED_SIZES}
        runs[f"{a}-reversed"] = _saxe_run(a, measures, seed=seed, options=options, **others)
    return runs


def _saxe_run(
    activation: str,
    measures: dict[str, MeasureConfig],
    data: dict[str, Any] | None = None,
    batch_size: int = 256,
    **settings,
) -> RunSpec:
    settings |= {"optimizer": "adam", "learning_rate": 4e-4, "batch_size": batch_size}
    return RunSpec(
        {"name": "binary_patterns", **(data or {})},
        RunConfig("mlp", activation, **settings),
        measures,
    )


@dataclass(frozen=True)
class LinearCase:
    """One setting of the linear teacher and student (Saxe et al., section 3)."""

    n_training: int  # samples, of 100 inputs
    batch_size: int = 0  # 0 is full batch
    n_relevant: int | None = None  # the teacher looks at the first so many inputs only
    snr: float = 1.0  # variance of the teacher's signal over that of its noise
    gain: float = 1.0  # size of the student's first weights; 1 is a deviation of 1/sqrt(inputs)
    learning_rate: float = 0.05  # stable while the curvature stays below 2 / rate
    epoch_share: float = 1.0  # epochs, as a multiple of the profile's


LINEAR_CASES = {
    "few samples": LinearCase(100),
    "few samples, batches of 5": LinearCase(100, batch_size=5, epoch_share=0.1),
    "many samples": LinearCase(1000),
    "30 of 100 relevant": LinearCase(
        500, n_relevant=30, snr=10.0, gain=0.3, learning_rate=0.02, epoch_share=2.5
    ),
}


def linear_runs(profile: Profile, seed: int = 0) -> dict[str, RunSpec]:
    """Deep linear students of one hidden layer, by case and seed: ``few samples-0`` ..."""
    return {
        f"{name}-{one}": _linear_run(profile, one, case)
        for name, case in LINEAR_CASES.items()
        for one in range(seed, seed + profile.linear_seeds)
    }


def _linear_run(profile: Profile, seed: int, case: LinearCase) -> RunSpec:
    config = RunConfig(
        "mlp",
        "linear",
        options={"sizes": [100, 100, 1], "fan": "in", "gain": case.gain},
        learning_rate=case.learning_rate,
        momentum=0.0,
        batch_size=case.batch_size,
        epochs=max(round(case.epoch_share * profile.linear_epochs), 1),
        n_points=40,
        seed=seed,
    )
    teacher = {n: getattr(case, n) for n in ("n_training", "n_relevant", "snr")}
    return RunSpec({"name": "linear_teacher", "seed": seed, **teacher}, config)
