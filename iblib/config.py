"""Frozen settings that travel or are stored, the profiles, and the keys made from them."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from iblib.names import MEASURABLE

# Raised by one whenever the code changes what equal settings compute.
RUN_FORMAT = 4
TABLE_FORMAT = 3

OPTIMIZERS = ("sgd", "adam")

# Data sets a report can be made of.
AUDIO_SETS = ("synthetic", "fma_small", "folder")


class ConfigError(ValueError):
    """A setting the user gave is not legal; the message names the cure in one line."""


def canonical_json(settings: Any) -> str:
    """Settings as one line of JSON, the same text for equal settings (no NaN, sorted keys)."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)


def key_of(*settings: Any, length: int = 16) -> str:
    """Hexadecimal key of settings: equal key, equal result."""
    return hashlib.sha256(canonical_json(settings).encode()).hexdigest()[:length]


def log_epochs(n_epochs: int, n_points: int) -> list[int]:
    """Epochs to store: 0 (untrained), then about ``n_points`` on a log grid up to ``n_epochs``."""
    if n_epochs < 1:
        return [0]
    step = math.log(n_epochs) / max(n_points - 1, 1)
    return sorted({0, n_epochs, *(round(math.exp(i * step)) for i in range(n_points))})


def _check_names(cls: type, settings: Mapping[str, Any]) -> None:
    known = set(cls.__dataclass_fields__)
    if unknown := sorted(set(settings) - known):
        raise ConfigError(f"unknown setting {unknown[0]!r}; known are {sorted(known)}")


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines one training run, besides the data's own fingerprint.

    Parameters
    ----------
    model, activation : str
        Names known to ``iblib.models.build``.
    options : dict
        Further arguments of the model (``filters``, ``blocks``, ``sizes`` ...).
    optimizer : {"sgd", "adam"}
    learning_rate, momentum, weight_decay : float
        ``momentum`` is for SGD only.
    batch_size : int
        Samples per update; 0 is full batch (gradient descent).
    epochs : int
        Passes over the training split; 0 stores the untrained network only.
    n_points : int
        Stored epochs: 0, then about this many on a log grid up to ``epochs``.
    seed : int
        Seed of the first member; member s of an ensemble has seed ``seed + s``.
    n_seeds : int
        Members trained together as one batched ensemble (networks without batch norm only).
    """

    model: str
    activation: str = "relu"
    options: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 32
    epochs: int = 30
    n_points: int = 16
    seed: int = 0
    n_seeds: int = 1

    def __post_init__(self):
        checks = {
            f"optimizer must be one of {OPTIMIZERS}": self.optimizer in OPTIMIZERS,
            "learning_rate must be positive": self.learning_rate > 0,
            "momentum must be in [0, 1)": 0 <= self.momentum < 1,
            "weight_decay must not be negative": self.weight_decay >= 0,
            "batch_size must not be negative (0 is full batch)": self.batch_size >= 0,
            "epochs must not be negative": self.epochs >= 0,
            "n_points must be at least 1": self.n_points >= 1,
            "n_seeds must be at least 1": self.n_seeds >= 1,
        }
        for rule, holds in checks.items():
            if not holds:
                raise ConfigError(f"{rule}; got {getattr(self, rule.split()[0])!r}")

    @property
    def batch_mode(self) -> str:
        """``SGD`` for mini-batches, ``BGD`` for the full batch."""
        return "SGD" if self.batch_size else "BGD"

    @property
    def name(self) -> str:
        """The model, with its widths where they are not its own defaults; a table's ``model``."""
        widths = self.options.get("sizes") or self.options.get("filters") or ()
        return " ".join([self.model, *filter(None, ["-".join(map(str, widths))])])

    @property
    def stored_epochs(self) -> list[int]:
        """Epochs whose weights are stored, 0 included."""
        return log_epochs(self.epochs, self.n_points)

    def key(self, fingerprint: str) -> str:
        """Key of the run on data of this fingerprint; names its folder under ``runs/``."""
        return key_of(RUN_FORMAT, asdict(self), fingerprint)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "RunConfig":
        """Config from plain settings; an unknown name is a ``ConfigError``."""
        _check_names(cls, settings)
        return cls(**settings)


@dataclass(frozen=True)
class Bins:
    """One binning convention, by name (fixed width, fixed bounds, fitted bounds; notebook 03).

    ``kind`` is one of

    - ``width``: bins of width ``value`` anchored at 0;
    - ``bounds``: ``value`` equal bins between ``low`` and ``high``;
    - ``run``: ``value`` equal bins between the extremes over all units and all epochs of a run
      (of each member of an ensemble);
    - ``epoch``: the same, refitted at every epoch (an artefact, kept to be shown);
    - ``net_input``: ``value`` bins that are equal in a tanh unit's net input, from -50 to 50 (edges
      ``tanh(linspace(-50, 50, value + 1))``, those that float64 can tell apart);
    - ``equal_mass``: ``value`` bins of equal mass over the layer's values of each epoch;
    - ``pooled``: all values of the view in one histogram of width ``value``; not I(X;T).
    """

    kind: str
    value: float
    low: float = -1.0
    high: float = 1.0

    KINDS = ("width", "bounds", "run", "epoch", "net_input", "equal_mass", "pooled")

    def __post_init__(self):
        if self.kind not in self.KINDS:
            raise ConfigError(f"kind must be one of {self.KINDS}; got {self.kind!r}")
        if not self.value > 0 or (self.parameter == "n_bins" and self.value != int(self.value)):
            raise ConfigError(f"value must be positive (and whole for n_bins); got {self.value!r}")

    @property
    def estimator(self) -> str:
        """Name in a table's ``estimator`` column."""
        special = {"epoch": "binning_refit", "equal_mass": "binning_mass", "pooled": "pooled"}
        special["net_input"] = "binning_net_input"
        return special.get(self.kind, "binning")

    @property
    def parameter(self) -> str:
        """Name in a table's ``parameter`` column."""
        return "width" if self.kind in ("width", "pooled") else "n_bins"


@dataclass(frozen=True)
class MeasureConfig:
    """What is measured of a run: on which samples, in which layers and views, by what.

    Parameters
    ----------
    split : {"training", "validation", "test", "all"}
    n_samples : int
        Rows measured, evenly spaced over the split in ascending order; 0 measures all.
    views : tuple of str
        Names of ``iblib.views.VIEWS``.
    layers : tuple of str
        Names of the model's layers; empty measures all of them.
    batch_norm : bool
        Measure also the tensors before and after each batch norm.
    n_points : int
        Stored epochs measured, evenly thinned, first and last kept; 0 measures all.
    bins : tuple of Bins
        The first is ``measure``'s own; the others follow.
    noise_variance : float
        KDE's noise variance (squared units of the activation).
    more_noise : tuple of float
        Further noise variances, for a sweep.
    relative_noise : tuple of float
        Further noise, as deviations relative to the activation's own: the variance is the square
        of this share times the mean variance of T's units (0 variance: nothing is measured).
    k : int
        Kraskov's neighbour.
    n_components : int
        Principal components of the ``pca`` view.
    estimators : tuple of str
        Some of ``iblib.names.MEASURABLE``: whose rows the table has. Values do not depend on it.
    """

    split: str = "training"
    n_samples: int = 400
    views: tuple[str, ...] = ("layer",)
    layers: tuple[str, ...] = ()
    batch_norm: bool = False
    n_points: int = 0
    bins: tuple[Bins, ...] = (Bins("width", 0.07),)
    noise_variance: float = 0.01
    more_noise: tuple[float, ...] = ()
    relative_noise: tuple[float, ...] = ()
    k: int = 2
    n_components: int = 3
    estimators: tuple[str, ...] = MEASURABLE

    def __post_init__(self):
        if not self.bins:
            raise ConfigError("bins must name at least one convention")
        if not self.estimators or not set(self.estimators) <= set(MEASURABLE):
            raise ConfigError(
                f"estimators must be some of {MEASURABLE}; got {tuple(self.estimators)!r}"
            )
        if self.n_samples < 0 or self.n_points < 0:
            raise ConfigError("n_samples and n_points must not be negative (0 is all)")
        if not all(v > 0 for v in (self.noise_variance, *self.more_noise, *self.relative_noise)):
            raise ConfigError("noise_variance, more_noise and relative_noise must be positive")

    @property
    def needs_ranges(self) -> bool:
        """Whether some bins lie between the extremes over all epochs."""
        return any(bins.kind == "run" for bins in self.bins)

    def as_dict(self) -> dict[str, Any]:
        """Plain settings, for keys and files; all estimators, the default, go without saying."""
        plain = asdict(self)
        if self.estimators == MEASURABLE:
            del plain["estimators"]
        return plain

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "MeasureConfig":
        """Config from plain settings, as TOML and JSON hold them."""
        _check_names(cls, settings)
        plain = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        if "bins" in plain:
            plain["bins"] = tuple(Bins(**bins) for bins in plain["bins"])
        return cls(**plain)


@dataclass(frozen=True)
class Profile:
    """How much a report computes. ``smoke``: CI; ``report``: the committed one; ``full``: FMA.

    ``cnn_``, ``resnet_``, ``mlp_`` and ``linear_`` settings are of SimpleCNN, MiniResNet, Saxe's
    network and the linear network: epochs, seeds, and stored epochs (``points``). ``_bgd_`` is full
    batch: an epoch is one update there (13 of them are as many as one of Saxe's mini-batch epochs).
    ``cnn_widths_epochs`` is of SimpleCNN with its widths reversed; ``mlp_other_seeds`` of softsign,
    softplus, the reversed widths and of training on 30 % of the patterns, which lasts
    ``mlp_few_epochs`` (of 5 updates instead of 13). ``n_samples``: measured clips;
    ``clips_per_genre``: size of the synthetic set.
    """

    name: str
    clips_per_genre: int
    batch_size: int
    n_samples: int
    cnn_epochs: int
    cnn_seeds: int
    cnn_points: int
    cnn_bgd_epochs: int
    cnn_bgd_seeds: int
    cnn_widths_epochs: int
    resnet_epochs: int
    resnet_seeds: int
    resnet_points: int
    mlp_epochs: int
    mlp_seeds: int
    mlp_other_seeds: int
    mlp_points: int
    mlp_bgd_epochs: int
    mlp_bgd_seeds: int
    mlp_few_epochs: int
    linear_epochs: int
    linear_seeds: int


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="smoke",
            clips_per_genre=20,
            batch_size=32,
            n_samples=64,
            cnn_epochs=6,
            cnn_seeds=2,
            cnn_points=5,
            cnn_bgd_epochs=12,
            cnn_bgd_seeds=1,
            cnn_widths_epochs=2,
            resnet_epochs=2,
            resnet_seeds=1,
            resnet_points=2,
            mlp_epochs=40,
            mlp_seeds=2,
            mlp_other_seeds=1,
            mlp_points=5,
            mlp_bgd_epochs=100,
            mlp_bgd_seeds=2,
            mlp_few_epochs=60,
            linear_epochs=100,
            linear_seeds=1,
        ),
        Profile(
            name="report",
            clips_per_genre=80,
            batch_size=32,
            n_samples=512,
            cnn_epochs=40,
            cnn_seeds=3,
            cnn_points=12,
            cnn_bgd_epochs=50,
            cnn_bgd_seeds=2,
            cnn_widths_epochs=10,
            resnet_epochs=4,
            resnet_seeds=2,
            resnet_points=3,
            mlp_epochs=1500,
            mlp_seeds=10,
            mlp_other_seeds=3,
            mlp_points=43,
            mlp_bgd_epochs=3900,
            mlp_bgd_seeds=3,
            mlp_few_epochs=1950,
            linear_epochs=600,
            linear_seeds=5,
        ),
        Profile(
            name="full",
            clips_per_genre=200,
            batch_size=64,
            n_samples=1000,
            cnn_epochs=100,
            cnn_seeds=5,
            cnn_points=30,
            cnn_bgd_epochs=2000,
            cnn_bgd_seeds=3,
            cnn_widths_epochs=100,
            resnet_epochs=100,
            resnet_seeds=3,
            resnet_points=24,
            mlp_epochs=8000,
            mlp_seeds=50,
            mlp_other_seeds=50,
            mlp_points=60,
            mlp_bgd_epochs=104000,
            mlp_bgd_seeds=4,
            mlp_few_epochs=10400,
            linear_epochs=4000,
            linear_seeds=20,
        ),
    )
}


def profile_named(name: str) -> Profile:
    """The profile of this name."""
    if name not in PROFILES:
        raise ConfigError(f"profile must be one of {sorted(PROFILES)}; got {name!r}")
    return PROFILES[name]
