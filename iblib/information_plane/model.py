"""The table of your own network, as it is now."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor, nn

from iblib.activations import layers_to_measure, record
from iblib.config import MeasureConfig
from iblib.information_plane.rows import layer_rows
from iblib.information_plane.tables import COLUMNS
from iblib.views import View, views_of


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
        yield from layer_rows(views, y, config, limits, {**about, "layer": layer})


def _views(t: np.ndarray, config: MeasureConfig) -> list[View]:
    return list(views_of(t, config.views, n_components=config.n_components))
