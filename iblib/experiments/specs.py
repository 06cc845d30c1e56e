"""The runs of the report as plain settings: networks, optimisers, and what is measured of each."""

from dataclasses import asdict, dataclass
from typing import Any

from iblib.config import Bins, MeasureConfig, Profile, RunConfig

# KDE's noise variance in Saxe's code for the 12-bit task.
SAXE_NOISE_VARIANCE = 1e-3


# SGD with momentum 0.9 on spectrograms. Chosen by SimpleCNN's validation accuracy (mean of the last
# five of 40 epochs, seed 0) before any information was measured; tried: rate 0.05, 0.02, 0.01 with
# momentum 0.9 gave tanh 0.30, 0.48, 0.70 and ReLU 0.69, 0.72, 0.64 (for 0.05 the last epoch only);
# rate 0.05 without momentum 0.51 and 0.61. One rate serves both activations.
AUDIO_LEARNING_RATE = 0.01


@dataclass(frozen=True)
class RunSpec:
    """One run: its data, its settings, and the measurements taken of it."""

    data: dict[str, Any]
    run: RunConfig
    measures: tuple[MeasureConfig, ...] = ()

    def as_dict(self, measure: MeasureConfig | None) -> dict[str, Any]:
        """Plain settings with one of the measurements, or none."""
        return {
            "data": dict(self.data),
            "run": asdict(self.run),
            "measure": measure.as_dict() if measure else None,
        }


def plane_measure(profile: Profile, *, n_points: int = 0) -> MeasureConfig:
    """Whole layers: joint, spatial means, first principal components (notebook 07)."""
    return MeasureConfig(
        n_samples=profile.n_samples,
        views=("layer", "spatial_mean", "pca"),
        bins=(Bins("run", 30),),
        n_points=n_points,
    )


def filter_measure(profile: Profile) -> MeasureConfig:
    """Single filters, whole and as means (notebook 08), at few epochs."""
    return MeasureConfig(
        n_samples=profile.n_samples,
        views=("filter", "filter_mean"),
        layers=("block1", "block2", "block3", "block4"),
        bins=(Bins("run", 30),),
        n_points=4,
    )


def audio_runs(profile: Profile, data: dict[str, Any]) -> dict[str, RunSpec]:
    """SimpleCNN (ReLU, tanh; SGD over seeds, full batch) and MiniResNet (ReLU, tanh)."""
    planes, filters = plane_measure(profile), filter_measure(profile)
    runs = {}
    for activation in ("relu", "tanh"):
        common = {"activation": activation, "learning_rate": AUDIO_LEARNING_RATE}
        sgd = {**common, "batch_size": profile.batch_size}
        points = {"n_points": profile.cnn_points}
        for seed in range(profile.cnn_seeds):
            config = RunConfig("simple_cnn", epochs=profile.cnn_epochs, seed=seed, **sgd, **points)
            measures = (planes, filters) if seed == 0 else (planes,)
            runs[f"simple_cnn-{activation}-SGD-{seed}"] = RunSpec(data, config, measures)
        config = RunConfig(
            "simple_cnn", epochs=profile.bgd_epochs, batch_size=0, **common, **points
        )
        runs[f"simple_cnn-{activation}-BGD-0"] = RunSpec(data, config, (planes,))
        points = {"n_points": profile.resnet_points}
        config = RunConfig("mini_resnet", epochs=profile.resnet_epochs, **sgd, **points)
        runs[f"mini_resnet-{activation}-SGD-0"] = RunSpec(data, config, (planes,))
    return runs


def saxe_bins(activation: str) -> tuple[Bins, ...]:
    """Saxe's binning for the activation first, then fixed width; refitted edges for ReLU."""
    if activation == "tanh":
        return (Bins("bounds", 30, -1.0, 1.0), Bins("width", 0.07))
    return (Bins("run", 100), Bins("width", 0.07), Bins("epoch", 100))


def saxe_runs(profile: Profile) -> dict[str, RunSpec]:
    """Saxe's 12-10-7-5-4-3-2 network on the 12-bit task, seeds as one ensemble.

    tanh and ReLU with mini-batches of 256, and tanh with the full batch at as many updates.
    """
    sgd = {"batch_size": 256, "epochs": profile.mlp_epochs, "n_points": profile.mlp_points}
    sgd["n_seeds"] = profile.mlp_seeds
    bgd = {"batch_size": 0, "epochs": profile.mlp_bgd_epochs}
    bgd |= {"n_points": profile.mlp_points // 2, "n_seeds": profile.mlp_bgd_seeds}
    return {
        "tanh-BGD": _saxe_run("tanh", **bgd),
        "tanh-SGD": _saxe_run("tanh", **sgd),
        "relu-SGD": _saxe_run("relu", **sgd),
    }


def _saxe_run(activation: str, **settings) -> RunSpec:
    config = RunConfig("mlp", activation, optimizer="adam", learning_rate=4e-4, **settings)
    measure = MeasureConfig(
        split="all",
        n_samples=0,
        bins=saxe_bins(activation),
        noise_variance=SAXE_NOISE_VARIANCE,
    )
    return RunSpec({"name": "binary_patterns"}, config, (measure,))


def linear_run(profile: Profile, seed: int) -> RunSpec:
    """Deep linear student of one hidden layer, full batch (Saxe et al., section 3)."""
    config = RunConfig(
        "mlp",
        "linear",
        options={"sizes": [100, 100, 1], "fan": "in"},
        learning_rate=0.05,
        momentum=0.0,
        batch_size=0,
        epochs=profile.linear_epochs,
        n_points=40,
        seed=seed,
    )
    return RunSpec({"name": "linear_teacher", "seed": seed}, config)
