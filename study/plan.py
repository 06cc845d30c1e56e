"""The runs of the report as plain settings: networks, optimisers, and what is measured of each."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from iblib.config import Bins, MeasureConfig, Profile, RunConfig

# KDE's noise variance in Saxe's code for the 12-bit task.
SAXE_NOISE_VARIANCE = 1e-3
SAXE_ACTIVATIONS = ("tanh", "relu", "softsign", "softplus")
_UPPER = ("hidden3", "hidden4", "hidden5")
_HIDDEN = ("hidden1", "hidden2", *_UPPER)

# Noise of the sweeps: variances around the one in use, and deviations relative to T's own.
NOISE_VARIANCES = (1e-3, 3e-3, 3e-2, 1e-1)
RELATIVE_NOISE = (0.03, 0.1, 0.3)

# Every float32 in [-1, 1] has a bin of its own, but for values closer than this to 0.
MACHINE_PRECISION = Bins("width", 2.0**-30)

# SGD with momentum 0.9 on spectrograms. Chosen by SimpleCNN's validation accuracy (mean of the last
# five of 40 epochs, seed 0) before any information was measured; tried: rate 0.05, 0.02, 0.01 with
# momentum 0.9 gave tanh 0.30, 0.48, 0.70 and ReLU 0.69, 0.72, 0.64 (for 0.05 the last epoch only);
# rate 0.05 without momentum 0.51 and 0.61. One rate serves both activations.
AUDIO_LEARNING_RATE = 0.01

# Widths of a block's maps against the order of SimpleCNN: 32, 16, 8, 4 instead of 4, 8, 16, 32.
REVERSED_FILTERS = [32, 16, 8, 4]
REVERSED_SIZES = [12, 3, 4, 5, 7, 10, 2]


@dataclass(frozen=True)
class RunSpec:
    """One run: its data, its settings, and the measurements taken of it, by name."""

    data: dict[str, Any]
    run: RunConfig
    measures: dict[str, MeasureConfig]

    def as_dict(self, measure: MeasureConfig | None) -> dict[str, Any]:
        """Plain settings with one of the measurements, or none."""
        return {
            "data": dict(self.data),
            "run": asdict(self.run),
            "measure": measure.as_dict() if measure else None,
        }

    def settings(self) -> dict[str, Any]:
        """Plain settings with all measurements, for keys."""
        measures = {name: measure.as_dict() for name, measure in self.measures.items()}
        return {"data": self.data, "run": asdict(self.run), "measures": measures}


def sweep_order(runs: Iterable[RunSpec]) -> list[dict[str, Any]]:
    """Plain settings of every run and measurement, so that no worker waits for another.

    The first measurement of every run comes before any second one: a run is trained by the first
    that asks for it, and whoever asks meanwhile would only wait. The runs themselves come with the
    longest first, and so do their further measurements.
    """
    first, further = [], []
    for spec in runs:
        measured = [spec.as_dict(measure) for measure in spec.measures.values()]
        first += measured[:1]
        further += measured[1:]
    return first + further


def plane_measure(profile: Profile, *, pooled: bool = False) -> MeasureConfig:
    """Whole layers: joint, spatial means, first principal components (notebooks 08 to 11).

    ``pooled``: also the histogram of single values, to be shown beside the joint one.
    """
    return MeasureConfig(
        n_samples=profile.n_samples,
        views=("layer", "spatial_mean", "pca"),
        bins=(Bins("run", 30), Bins("pooled", 0.1)) if pooled else (Bins("run", 30),),
    )


def filter_measure(
    profile: Profile, layers: tuple[str, ...], *, n_points: int = 9
) -> MeasureConfig:
    """Single filters, whole and as means, at some epochs (notebooks 08, 10 and 11)."""
    return MeasureConfig(
        n_samples=profile.n_samples,
        views=("filter", "filter_mean"),
        layers=layers,
        bins=(Bins("run", 30),),
        n_points=n_points,
    )


def noise_measure(profile: Profile, layers: tuple[str, ...] = ()) -> MeasureConfig:
    """KDE over noise variances, binning over counts of bins, at a few epochs (notebooks 09, 11)."""
    return MeasureConfig(
        n_samples=profile.n_samples,
        views=("layer", "spatial_mean"),
        layers=layers,
        bins=(Bins("run", 30), Bins("run", 10), Bins("run", 4)),
        more_noise=NOISE_VARIANCES,
        relative_noise=RELATIVE_NOISE,
        n_points=5,
        estimators=("binning", "kde"),
    )


_BLOCKS = ("block1", "block2", "block3", "block4")
_RESNET_FILTERS = ("res1_block1", "res2_block1", "after_pool")


def audio_runs(profile: Profile, data: dict[str, Any], seed: int = 0) -> dict[str, RunSpec]:
    """SimpleCNN (SGD and full batch, widths reversed too) and MiniResNet, ReLU and tanh, by name.

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
        for nth in range(profile.cnn_bgd_seeds):
            settings = {"epochs": profile.cnn_bgd_epochs, "batch_size": 0}
            settings |= {"n_points": profile.cnn_points, "model": "simple_cnn", "activation": a}
            filters = {"filters": filter_measure(profile, ("block2",))} if nth == 0 else {}
            add(f"simple_cnn-{a}-BGD", nth, {"planes": planes, **filters}, **settings)
    sgd = {"batch_size": profile.batch_size}
    for a in activations:
        for nth in range(profile.resnet_seeds):
            settings = {"model": "mini_resnet", "epochs": profile.resnet_epochs, "activation": a}
            filters = {
                "filters": filter_measure(profile, _RESNET_FILTERS, n_points=3),
                "noise": noise_measure(profile, ("res2_block1", "after_pool")),
            }
            measures = {"planes": planes, **(filters if nth == 0 else {})}
            points = {"n_points": profile.resnet_points}
            add(f"mini_resnet-{a}-SGD", nth, measures, **settings, **sgd, **points)
    sgd["n_points"] = profile.cnn_points
    for a in activations:
        for nth in range(profile.cnn_seeds):
            settings = {"model": "simple_cnn", "epochs": profile.cnn_epochs, "activation": a}
            filters = {
                "filters": filter_measure(profile, (*_BLOCKS, "before_pool", "after_pool")),
                "noise": noise,
            }
            measures = {"planes": pooled, **(filters if nth == 0 else {})}
            add(f"simple_cnn-{a}-SGD", nth, measures, **settings, **sgd)
        settings |= {"options": {"filters": REVERSED_FILTERS}, "epochs": profile.cnn_widths_epochs}
        few = {"planes": replace(planes, n_points=4)}
        add(f"reversed-{a}-SGD", 0, few, **settings, **sgd)
    return runs


def saxe_bins(activation: str) -> tuple[Bins, ...]:
    """Saxe's binning for the activation first, then fixed width; where it has no bounds, refitted.

    30 bins on [-1, 1] for tanh and softsign; 100 bins between the extremes of the run for ReLU and
    softplus, and as many refitted at each epoch.
    """
    if activation in ("tanh", "softsign"):
        return (Bins("bounds", 30, -1.0, 1.0), Bins("width", 0.07))
    return (Bins("run", 100), Bins("width", 0.07), Bins("epoch", 100))


def saxe_measure(
    activation: str, *, n_points: int = 0, layers: tuple[str, ...] = _HIDDEN
) -> MeasureConfig:
    """Hidden layers of Saxe's network on all 4096 patterns.

    Not the logits: bins of the hidden layers' range would clip them.
    """
    return MeasureConfig(
        split="all",
        n_samples=0,
        n_points=n_points,
        layers=layers,
        bins=saxe_bins(activation),
        noise_variance=SAXE_NOISE_VARIANCE,
    )


def saxe_sweep(activation: str) -> MeasureConfig:
    """The last hidden layer by many bins and noises."""
    widths = tuple(Bins("width", w) for w in (0.02, 0.07, 0.5))
    if activation == "tanh":
        counts = tuple(Bins("bounds", n, -1.0, 1.0) for n in (30, 10, 100))
        special: tuple[Bins, ...] = (Bins("net_input", 100), MACHINE_PRECISION)
    else:
        counts = tuple(Bins("run", n) for n in (100, 10, 30))
        special = tuple(Bins("epoch", n) for n in (10, 30, 100))
    return MeasureConfig(
        split="all",
        n_samples=0,
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
    return MeasureConfig(
        split="all",
        n_samples=0,
        layers=_HIDDEN,
        bins=(Bins("bounds", 30, -1.0, 1.0), Bins("net_input", 100), MACHINE_PRECISION),
        n_points=10,
        estimators=("binning",),
    )


def saxe_components() -> MeasureConfig:
    """First three principal components of every layer: equal d, for a fair comparison of H(T)."""
    return MeasureConfig(
        split="all",
        n_samples=0,
        views=("pca",),
        layers=_HIDDEN,
        n_points=6,
        estimators=("kraskov",),
    )


def saxe_runs(profile: Profile, seed: int = 0) -> dict[str, RunSpec]:
    """Saxe's 12-10-7-5-4-3-2 network on the 12-bit task, seeds as one ensemble, by name.

    ``seed`` is that of the first network of an ensemble; the others follow it.

    ``<activation>-SGD``: mini-batches of 256; ``-BGD``: the full batch; ``-few``: on 30 % of the
    patterns, for half as many updates; ``-reversed``: widths 3-4-5-7-10. The longest come first.
    """
    main, points = ("tanh", "relu"), profile.mlp_points
    few_points = max(points // 2, 4)
    runs: dict[str, RunSpec] = {}
    for a in main:
        measures = {"planes": saxe_measure(a), "components": saxe_components()}
        measures |= {"sweep": saxe_sweep(a)}
        measures |= {"edges": saxe_edges()} if a == "tanh" else {}
        seeds = {"epochs": profile.mlp_epochs, "n_seeds": profile.mlp_seeds}
        runs[f"{a}-SGD"] = _saxe_run(a, measures, seed=seed, n_points=points, **seeds)
    for a in main:
        measures = {"planes": saxe_measure(a, n_points=few_points)}
        settings = {"epochs": profile.mlp_bgd_epochs, "n_seeds": profile.mlp_bgd_seeds}
        settings |= {"n_points": points, "batch_size": 0}
        runs[f"{a}-BGD"] = _saxe_run(a, measures, seed=seed, **settings)
    for a in main:
        measures = {"planes": saxe_measure(a, n_points=few_points, layers=_UPPER)}
        settings = {"epochs": profile.mlp_few_epochs, "n_seeds": profile.mlp_other_seeds}
        settings |= {"n_points": points, "data": {"training_share": 0.3}}
        runs[f"{a}-few"] = _saxe_run(a, measures, seed=seed, **settings)
    others = {"epochs": profile.mlp_epochs, "n_seeds": profile.mlp_other_seeds, "n_points": points}
    for a in SAXE_ACTIVATIONS:
        if a not in main:
            measures = {"planes": saxe_measure(a, n_points=few_points)}
            runs[f"{a}-SGD"] = _saxe_run(a, measures, seed=seed, **others)
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
    """One setting of the linear teacher and student (Saxe et al., section 3).

    Parameters
    ----------
    n_training : int
        Samples, of 100 inputs.
    batch_size : int
        0 is full batch.
    n_relevant : int or None
        The teacher looks at the first so many inputs only.
    snr : float
        Variance of the teacher's signal over that of its noise.
    gain : float
        Size of the student's first weights; 1 is a deviation of 1/sqrt(inputs).
    learning_rate : float
        Of gradient descent; stable while the curvature stays below 2 / rate.
    epoch_share : float
        Epochs, as a multiple of the profile's.
    """

    n_training: int
    batch_size: int = 0
    n_relevant: int | None = None
    snr: float = 1.0
    gain: float = 1.0
    learning_rate: float = 0.05
    epoch_share: float = 1.0


LINEAR_CASES = {
    "few samples": LinearCase(100),
    "few samples, batches of 5": LinearCase(100, batch_size=5, epoch_share=0.1),
    "many samples": LinearCase(1000),
    "30 of 100 relevant": LinearCase(
        500, n_relevant=30, snr=10.0, gain=0.3, learning_rate=0.02, epoch_share=2.5
    ),
}


def linear_run(profile: Profile, seed: int, case: LinearCase) -> RunSpec:
    """Deep linear student of one hidden layer."""
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
    return RunSpec({"name": "linear_teacher", "seed": seed, **asdict(case)}, config, {})
