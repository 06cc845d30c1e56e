"""Frozen settings that travel or are stored, and the keys made from them."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from iblib.names import MEASURABLE

# Raised by one whenever the code changes what equal settings compute.
RUN_FORMAT = 5
TABLE_FORMAT = 5

OPTIMIZERS = ("sgd", "adam")


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

    ``model``, ``activation`` and the ``options`` (``filters``, ``sizes`` ...) are arguments of
    ``iblib.models.build``; ``optimizer`` is "sgd" or "adam", ``momentum`` for SGD only;
    ``batch_size`` 0 is full batch (gradient descent). Stored are the untrained network, epoch 0,
    and about ``n_points`` of the ``epochs`` over the training split, on a log grid. ``n_seeds``
    members, of seeds ``seed``, ``seed + 1`` ..., train as one ensemble (without batch norm only).
    """

    model: str
    activation: str = "relu"
    options: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    batch_size: int = 32
    epochs: int = 30
    n_points: int = 16
    seed: int = 0
    n_seeds: int = 1

    def __post_init__(self):
        checks = {
            f"optimizer must be one of {OPTIMIZERS}": self.optimizer in OPTIMIZERS,
            "learning_rate must be positive and finite": 0 < self.learning_rate < math.inf,
            "momentum must be in [0, 1)": 0 <= self.momentum < 1,
            "batch_size must not be negative (0 is full batch)": self.batch_size >= 0,
            "epochs must not be negative": self.epochs >= 0,
            "n_points must be at least 1": self.n_points >= 1,
            "seed must not be negative": self.seed >= 0,
            "n_seeds must be at least 1": self.n_seeds >= 1,
        }
        for rule, holds in checks.items():
            if not holds:
                raise ConfigError(f"{rule}; got {getattr(self, rule.split()[0])!r}")

    @property
    def batch_mode(self) -> str:
        """``mini-batch`` or ``full batch``."""
        return "mini-batch" if self.batch_size else "full batch"

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
class Binning:
    """One binning convention, by name (fixed width, fixed bounds, fitted bounds; notebook 03).

    ``kind`` is one of

    - ``width``: bins of width ``value`` anchored at 0;
    - ``bounds``: ``value`` equal bins between ``low`` and ``high``;
    - ``run``: ``value`` equal bins between a member's extremes over all units and epochs of a run;
    - ``epoch``: the same, refitted at every epoch (an artefact, kept to be shown);
    - ``net_input``: ``value`` bins that are equal in a tanh unit's net input, from -50 to 50 (edges
      ``tanh(linspace(-50, 50, value + 1))``, those that float64 can tell apart);
    - ``pooled``: all values of the view in one histogram of width ``value``; not I(X;T).
    """

    kind: str
    value: float
    low: float = -1.0
    high: float = 1.0

    KINDS = ("width", "bounds", "run", "epoch", "net_input", "pooled")

    def __post_init__(self):
        if self.kind not in self.KINDS:
            raise ConfigError(f"kind must be one of {self.KINDS}; got {self.kind!r}")
        is_whole = self.parameter == "width" or self.value % 1 == 0
        if not (0 < self.value < math.inf and is_whole):
            raise ConfigError(f"value must be positive (and whole for n_bins); got {self.value!r}")
        if not -math.inf < self.low < self.high < math.inf:
            raise ConfigError(f"low must be below high; got {self.low!r} and {self.high!r}")

    @property
    def estimator(self) -> str:
        """Name in a table's ``estimator`` column."""
        special = {"epoch": "binning_refit", "net_input": "binning_net_input", "pooled": "pooled"}
        return special.get(self.kind, "binning")

    @property
    def parameter(self) -> str:
        """Name in a table's ``parameter`` column."""
        return "width" if self.kind in ("width", "pooled") else "n_bins"


@dataclass(frozen=True)
class MeasureConfig:
    """What is measured of a run: on which samples, in which layers and views, by what.

    ``split`` is training, validation, test or all; ``n_samples`` of its rows are measured, evenly
    spaced and ascending (0: all), at ``n_points`` of the stored epochs, first and last kept (0:
    all), in ``layers``, by the model's names (none named: all), and ``views``, of
    ``iblib.views.VIEWS``; ``pca`` has ``n_components``.

    ``bins`` are conventions, the first ``measure``'s own. The KDE's noises: ``noise_variance`` and
    ``more_noise`` (squared units of the activation), ``resolution`` (deviations over the root mean
    square distance between samples), ``relative_noise`` (deviations over that of T, whose variance
    is the mean over units; nothing where it is 0). ``k`` is Kraskov's neighbour. ``estimators``,
    some of ``iblib.names.MEASURABLE``, says whose rows the table has; no value depends on it.
    """

    split: str = "training"
    n_samples: int = 400
    views: tuple[str, ...] = ("layer",)
    layers: tuple[str, ...] = ()
    n_points: int = 0
    bins: tuple[Binning, ...] = (Binning("width", 0.07),)
    noise_variance: float = 0.01
    more_noise: tuple[float, ...] = ()
    resolution: tuple[float, ...] = (0.25,)
    relative_noise: tuple[float, ...] = ()
    k: int = 2
    n_components: int = 3
    estimators: tuple[str, ...] = MEASURABLE

    def __post_init__(self):
        if not self.bins:
            raise ConfigError("bins must name at least one convention")
        if not self.estimators or not set(self.estimators) <= set(MEASURABLE):
            found = tuple(self.estimators)
            raise ConfigError(f"estimators must be some of {MEASURABLE}; got {found!r}")
        if self.k < 1:
            raise ConfigError(f"k must be at least 1; got {self.k!r}")
        if self.n_samples < 0 or self.n_points < 0:
            raise ConfigError("n_samples and n_points must not be negative (0 is all)")
        noises = (self.noise_variance, *self.more_noise, *self.resolution, *self.relative_noise)
        if not all(0 < v < math.inf for v in noises):
            raise ConfigError(f"noise must be positive and finite; got {noises}")

    @property
    def needs_ranges(self) -> bool:
        """Whether some bins lie between the extremes over all epochs."""
        return any(bins.kind == "run" for bins in self.bins)

    def as_dict(self) -> dict[str, Any]:
        """Plain settings, for keys and files."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "MeasureConfig":
        """Config from plain settings, as TOML and JSON hold them."""
        _check_names(cls, settings)
        plain = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        if "bins" in plain:
            plain["bins"] = tuple(Binning(**bins) for bins in plain["bins"])
        return cls(**plain)
