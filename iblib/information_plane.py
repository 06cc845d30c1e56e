"""The information plane: runs x epochs x layers x views x estimators -> one tidy table, in bits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn
from tqdm import tqdm

from iblib import files
from iblib.activations import layers_to_measure, measurement_rows, record
from iblib.config import TABLE_FORMAT, Bins, MeasureConfig, key_of
from iblib.datasets.base import Dataset
from iblib.estimators import Measurement, binning, kde, label_entropy, measure, measure_parts
from iblib.training.runs import Run
from iblib.views import View, views_of

COLUMNS = (
    *("run", "dataset", "profile", "model", "activation", "batch_mode", "seed", "epoch"),
    *("layer", "view", "channel", "estimator", "parameter", "value", "quantity", "bits"),
    *("n_samples", "dimension", "label_entropy", "saturated", "zero_radius", "unique_share"),
    *("clipped", "status"),
)

# Above this dimension the Kraskov estimate is known to be biased (notebook 05: +1 nat at d = 20).
TRUSTED_DIMENSION = 10


def measure_run(
    run: Run,
    dataset: Dataset,
    config: MeasureConfig | None = None,
    *,
    profile: str = "",
    device: str = "cpu",
    progress: bool = True,
) -> pd.DataFrame:
    """Information-plane table of a run: one row, one number.

    The stored weights are replayed on ``config``'s fixed measurement set; nothing is trained.
    The table is kept beside the run under the key of run and config and reused.

    Parameters
    ----------
    run : Run
        Finished, or diverged (then its finite epochs are measured).
    dataset : Dataset
        The one the run was trained on, by fingerprint.
    config : MeasureConfig, optional
    profile : str
        Goes into the table's ``profile`` column.
    device : str
        Where networks are replayed.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``; ``bits`` is raw, never clipped.

    Raises
    ------
    ValueError
        Where data and run do not belong together.
    """
    config = config or MeasureConfig()
    if dataset.fingerprint != run.fingerprint:
        raise ValueError(f"run {run.key} was trained on other data than {dataset.source!r}")
    path = run.folder / "planes" / f"{key_of(TABLE_FORMAT, run.key, config.as_dict())}.csv"
    if not path.is_file():
        table = _measure_epochs(run, dataset, config, device, progress)
        with files.replacing(path) as temporary:
            write_table(table, temporary)
    return read_table(path).assign(profile=profile)


def write_table(table: pd.DataFrame, path: Any) -> None:
    """Write a table as CSV: seven digits, so that equal results are equal bytes."""
    table.to_csv(path, index=False, float_format="%.7g", lineterminator="\n")


def read_table(path: Any) -> pd.DataFrame:
    """Read what ``write_table`` wrote; empty text stays text."""
    text = {"run": str, "parameter": str, "profile": str, "status": str, "layer": str}
    empty = {column: [""] for column in ("bits", "unique_share", "loss", "accuracy")}
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=empty)


def _measure_epochs(
    run: Run, dataset: Dataset, config: MeasureConfig, device: str, progress: bool
) -> pd.DataFrame:
    x, y = dataset.take(measurement_rows(dataset.rows(config.split), config.n_samples))
    if y.dtype.kind == "f":
        raise ValueError(f"{dataset.name} has no classes: I(T;Y) of labels is not defined for it")
    epochs = thin(_finite_epochs(run), config.n_points)
    replay = _Replay(run, x, config, device)
    ranges = replay.ranges(epochs) if any(b.kind == "run" for b in config.bins) else {}
    rows: list[dict] = []
    title = f"measuring {run.config.model} {run.config.activation}"
    for epoch in tqdm(epochs, title, leave=False, disable=None if progress else True):
        for member, layer, views in replay.layers(epoch):
            about = {
                "run": run.key,
                "dataset": dataset.name,
                "model": run.config.name,
                "activation": run.config.activation,
                "batch_mode": run.config.batch_mode,
                "seed": run.config.seed + member,
                "epoch": epoch,
                "layer": layer,
            }
            limits = {view.name: ranges.get((member, layer, view.name)) for view in views}
            rows += _layer_rows(views, y, config, limits, about)
    return pd.DataFrame(rows, columns=COLUMNS)


def _finite_epochs(run: Run) -> list[int]:
    """Stored epochs before a divergence; none of a finished run may be missing."""
    if run.status["status"] == "diverged":
        return [epoch for epoch in run.epochs if epoch < run.status["epoch"]]
    if missing := sorted(set(run.config.stored_epochs) - set(run.epochs)):
        raise FileNotFoundError(
            f"weights of epochs {missing} are missing in {run.folder}: delete it, and train again"
        )
    return run.epochs


def thin(epochs: Sequence[int], n_points: int) -> list[int]:
    """``n_points`` of the epochs, evenly thinned by position, first and last kept; 0 keeps all."""
    return [int(e) for e in measurement_rows(np.asarray(epochs, int), n_points)]


@dataclass(frozen=True)
class _Replay:
    """Stored weights of a run, replayed on fixed inputs."""

    run: Run
    x: np.ndarray
    config: MeasureConfig
    device: str
    components: dict[tuple[int, int, str], list[View]] = field(default_factory=dict)

    def layers(self, epoch: int) -> Iterator[tuple[int, str, list[View]]]:
        """(member, layer, its views) of one epoch, one layer of activations in memory at a time."""
        for member, network in enumerate(self.run.networks(epoch)):
            network = network.to(self.device)
            layers = layers_to_measure(network, self.config)
            for layer, t in record(network, self.x, layers):
                yield member, layer, self._views((epoch, member, layer), t)

    def _views(self, key: tuple[int, int, str], t: np.ndarray) -> list[View]:
        """Views of one layer; its principal components, dear and small, are found once."""
        names = [name for name in self.config.views if name != "pca" or key not in self.components]
        views = {v: [] for v in self.config.views}
        for view in views_of(t, names, n_components=self.config.n_components):
            views[view.name].append(view)
        if "pca" in views:
            views["pca"] = self.components.setdefault(key, views["pca"])
        return [view for found in views.values() for view in found]

    def ranges(self, epochs: Sequence[int]) -> dict[tuple[int, str, str], tuple[float, float]]:
        """Smallest and largest value of each (member, layer, view) over all epochs and channels."""
        found: dict[tuple[int, str, str], tuple[float, float]] = {}
        for epoch in epochs:
            for member, layer, views in self.layers(epoch):
                for view in views:
                    key = (member, layer, view.name)
                    low, high = found.get(key, (np.inf, -np.inf))
                    found[key] = (
                        min(low, float(view.values.min())),
                        max(high, float(view.values.max())),
                    )
        return found


def measure_model(
    network: nn.Module,
    x: np.ndarray | Tensor,
    y: np.ndarray | Tensor | Sequence,
    *,
    config: MeasureConfig | None = None,
    name: str = "",
    epoch: int = 0,
) -> pd.DataFrame:
    """Information-plane table of your own network, as it is now.

    Parameters
    ----------
    network : Module
        Any network; measured at ``network.measured_layers()`` if it has them, else at the modules
        named in ``config.layers``, else at every leaf module.
    x : array or tensor, shape (P, ...)
        Inputs, all distinct (else I(X;T) is not H(T)).
    y : sequence of P labels
    config : MeasureConfig, optional
        Views, binning conventions, noise variance, k, layers; its ``split``, ``n_samples`` and
        ``n_points`` are not used: all rows of ``x`` are measured.
    name : str
        Goes into the ``model`` column; the class's name by default.
    epoch : int
        Goes into the ``epoch`` column.

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``; ``bits`` is raw, never clipped.
    """
    config = config or MeasureConfig()
    y = y.cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    about = dict.fromkeys(("run", "dataset", "profile", "activation", "batch_mode"), "")
    about |= {"model": name or type(network).__name__, "epoch": epoch, "seed": 0}
    return pd.DataFrame(_measure_once(network, x, y, config, about), columns=COLUMNS)


def _measure_once(network, x, y, config: MeasureConfig, about: Mapping) -> Iterator[dict]:
    for layer, t in record(network, x, layers_to_measure(network, config)):
        views = _views(t, config)
        limits = {v.name: (float(v.values.min()), float(v.values.max())) for v in views}
        yield from _layer_rows(views, y, config, limits, {**about, "layer": layer})


def _views(t: np.ndarray, config: MeasureConfig) -> list[View]:
    return list(views_of(t, config.views, n_components=config.n_components))


def _layer_rows(
    views: list[View],
    y: np.ndarray,
    config: MeasureConfig,
    limits: Mapping[str, tuple[float, float] | None],
    about: Mapping[str, Any],
) -> list[dict]:
    """All rows of one layer; its filters and the layer itself share their distances."""
    options = {"noise_variance": config.noise_variance, "k": config.k}
    settings = [_first_bins(view, config, limits[view.name]) for view in views]
    places = {name: [i for i, v in enumerate(views) if v.name == name] for name in config.views}
    filters, layer = places.get("filter", []), places.get("layer", [])
    found: dict[int, Measurement] = {}
    if filters and layer and all(_same(settings[i], settings[layer[0]]) for i in filters):
        parts = [views[i].values for i in filters]
        singles, whole = measure_parts(parts, y, **options, **settings[layer[0]])
        found = {layer[0]: whole, **dict(zip(filters, singles, strict=True))}
    rows = []
    for i, view in enumerate(views):
        result = found.get(i) or measure(view.values, y, **options, **settings[i])
        rows += _rows(view, y, config, limits[view.name], result, about)
    return rows


def _first_bins(view: View, config: MeasureConfig, run_range) -> dict:
    """Bins of the pass that measures everything else too; a pooled histogram comes after it."""
    first = config.bins[0]
    return {} if first.kind == "pooled" else _bins_argument(first, view.values, run_range)


def _same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def _rows(
    view: View,
    y: np.ndarray,
    config: MeasureConfig,
    run_range: tuple[float, float] | None,
    result: Measurement,
    about: Mapping[str, Any],
) -> list[dict]:
    """All rows of one view: the estimators of the one pass, then the other binnings."""
    t, first = view.values, config.bins[0]
    common = {
        **about,
        "view": view.name,
        "channel": view.channel,
        "n_samples": len(t),
        "dimension": t.shape[1],
        "label_entropy": label_entropy(y),
        "saturated": False,
        "zero_radius": 0,
        "unique_share": np.nan,
        "clipped": 0,
        "status": "ok",
    }
    if first.kind == "pooled":
        rows = _pooled_rows(first, t, y, common)
    else:
        rows = _binning_rows(first, result.binning, common)
    for bins in config.bins[1:]:
        if bins.kind == "pooled":
            rows += _pooled_rows(bins, t, y, common)
        else:
            found = binning.information(t, y, **_bins_argument(bins, t, run_range))
            rows += _binning_rows(bins, found, common)
    rows += _kde_rows(config.noise_variance, result.kde, common)
    rows += _noise_sweep_rows(config, t, y, common)
    return rows + _kraskov_rows(config.k, result.kraskov, common)


def _bins_argument(bins: Bins, t: np.ndarray, run_range: tuple[float, float] | None) -> dict:
    """Arguments of ``binning.information`` for one convention."""
    if bins.kind == "width":
        return {"width": bins.value}
    n_bins = int(bins.value)
    if bins.kind == "net_input":
        return {"edges": np.unique(np.tanh(np.linspace(-50.0, 50.0, n_bins + 1)))}
    if bins.kind == "equal_mass":
        return {"edges": binning.equal_mass_edges(t, n_bins)}
    low, high = bins.low, bins.high
    if bins.kind == "run":
        low, high = run_range
    elif bins.kind == "epoch":
        low, high = float(t.min()), float(t.max())
    if not high > low:  # a dead layer: one value, one bin
        low, high = low - 0.5, low + 0.5
    return {"edges": binning.uniform_edges(low, high, n_bins)}


def _estimate(common: dict, estimator: str, parameter: str, value: float, **numbers) -> list[dict]:
    """One row per quantity; ``None`` leaves the number empty."""
    about = {"estimator": estimator, "parameter": parameter, "value": value}
    return [
        {**common, **about, "quantity": quantity, "bits": np.nan if bits is None else bits}
        for quantity, bits in numbers.items()
    ]


def _binning_rows(bins: Bins, found, common: dict) -> list[dict]:
    common = common | {
        "saturated": found.saturated,
        "unique_share": found.unique_share,
        "clipped": found.clipped,
    }
    return _estimate(
        common, bins.estimator, bins.parameter, bins.value, I_XT=found.xt, I_TY=found.ty
    )


def _pooled_rows(bins: Bins, t: np.ndarray, y: np.ndarray, common: dict) -> list[dict]:
    found = binning.pooled_information(t, y, width=bins.value)
    return _estimate(
        common, bins.estimator, bins.parameter, bins.value, H_T=found.h_t, I_TY=found.ty
    )


def _noise_sweep_rows(config: MeasureConfig, t: np.ndarray, y: np.ndarray, common) -> list[dict]:
    """KDE at further noise variances, absolute and relative to the activation's own."""
    rows = []
    for variance in config.more_noise:
        rows += _kde_rows(variance, kde.information(t, y, noise_variance=variance), common)
    spread = float(t.var(axis=0, dtype=np.float64).mean()) if config.relative_noise else 0.0
    if spread > 0:  # equal rows have no scale that noise could be relative to
        for share in config.relative_noise:
            found = kde.information(t, y, noise_variance=share**2 * spread)
            rows += _kde_rows(share, found, common, "kde_relative", "relative_noise")
    return rows


def _kde_rows(
    value: float, found, common: dict, estimator: str = "kde", parameter: str = "noise_variance"
) -> list[dict]:
    return _estimate(
        common | {"saturated": found.saturated},
        estimator,
        parameter,
        value,
        I_XT_upper=found.xt_upper,
        I_XT_lower=found.xt_lower,
        I_TY_upper=found.ty_upper,
        I_TY_lower=found.ty_lower,
    )


def _kraskov_rows(k: int, found, common: dict) -> list[dict]:
    common = common | {"zero_radius": found.zero_radius or 0}
    if found.zero_radius:
        common["status"] = "degenerate"
    elif common["dimension"] > TRUSTED_DIMENSION:
        common["status"] = "high_dimension"
    rows = _estimate(common, "kraskov", "k", k, H_T=found.h_t, I_TY=found.ty)
    for row in rows:
        if np.isnan(row["bits"]):
            row["status"] = "too_few_samples"
    return rows
