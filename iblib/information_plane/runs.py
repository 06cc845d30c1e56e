"""The table of a trained run: its stored weights replayed, epoch by epoch."""

import io
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iblib import files
from iblib.activations import measurement_rows, record
from iblib.config import TABLE_FORMAT, MeasureConfig, key_of
from iblib.datasets.base import Dataset
from iblib.information_plane.replay import Replay
from iblib.information_plane.rows import epoch_rows, ranges_over
from iblib.information_plane.tables import COLUMNS, read_table, write_table
from iblib.progress import bar
from iblib.training.runs import Run

log = logging.getLogger(__name__)

# A killed measurement loses at most this, and the epoch it was in.
SAVE_SECONDS = 20.0
_HEADER = ",".join(COLUMNS) + "\n"


def measure_run(
    run: Run,
    dataset: Dataset,
    config: MeasureConfig | None = None,
    *,
    profile: str = "",
    device: str = "cpu",
    progress: bool = True,
) -> pd.DataFrame:
    """Information-plane table of a run, with the columns ``COLUMNS``: one row, one number.

    The stored weights are replayed on ``config``'s fixed measurement set, on ``device``; nothing
    is trained. ``bits`` is raw, never clipped. Of a diverged run the epochs before that are
    measured; where activations are not finite, ``bits`` is NaN and ``status`` is ``diverged``.

    The table is kept beside the run under the key of run and config, sealed (the first line is its
    checksum), and reused. One that was killed on the way goes on, and ends byte-equal. A
    ``dataset`` that is not the one, by fingerprint, that the run was trained on is a ValueError.
    """
    config = config or MeasureConfig()
    if dataset.fingerprint != run.fingerprint:
        raise ValueError(f"run {run.key} was trained on other data than {dataset.source!r}")
    path = _table_path(run, config)
    table = _stored_table(path)
    if table is None:
        unfinished = path.with_suffix(".partial")
        table = _measured_table(run, dataset, config, device, progress, unfinished)
        files.write_sealed(path, table.encode())
        unfinished.unlink(missing_ok=True)
    return read_table(io.StringIO(table)).assign(profile=profile)


def _table_path(run: Run, config: MeasureConfig) -> Path:
    return run.folder / "planes" / f"{key_of(TABLE_FORMAT, run.key, config.as_dict())}.sealed"


def stored_table(run: Run, config: MeasureConfig) -> str | None:
    """The CSV of a table measured before, or None where there is none that is whole."""
    return _stored_table(_table_path(run, config))


def _stored_table(path: Path) -> str | None:
    try:
        table = files.read_sealed(path) if path.is_file() else None
        if table is None or table.startswith(_HEADER.encode()):
            return table and table.decode()
        log.warning("%s holds no table; measuring anew", path)
    except files.DamagedFileError as error:
        log.warning("%s; measuring anew", error)
    return None


def _measured_table(
    run: Run, dataset: Dataset, config: MeasureConfig, device: str, progress: bool, unfinished: Path
) -> str:
    """The table as CSV, which grows by whole epochs, in order; kept in ``unfinished`` meanwhile."""
    x, y = dataset.take(measurement_rows(dataset.rows(config.split), config.n_samples))
    if y.dtype.kind == "f":
        raise ValueError(f"{dataset.name} has no classes: I(T;Y) of labels is not defined for it")
    epochs = thin(_finite_epochs(run), config.n_points)
    replay = Replay(partial(_recorded, run, x, config, device), config)
    ranges = ranges_over(epochs, replay.layers_to_return_to) if config.needs_ranges else {}
    about = about_run(run)
    title = f"measuring {run.config.model} {run.config.activation}"
    table = _stored_table(unfinished) or _HEADER
    measured = set(read_table(io.StringIO(table))["epoch"])
    saved_at = time.monotonic()
    for epoch in bar(epochs, title, shown=progress):
        if epoch in measured:
            continue
        rows = epoch_rows(replay.layers(epoch), y, config, ranges, about | {"epoch": epoch})
        table += write_table(pd.DataFrame(rows, columns=COLUMNS), header=False)
        if time.monotonic() - saved_at >= SAVE_SECONDS:
            files.write_sealed(unfinished, table.encode())
            saved_at = time.monotonic()
    return table


def about_run(run: Run) -> dict[str, Any]:
    """What every row of a run's tables says of it; ``seed`` is that of member 0."""
    about, config = {"run": run.key, "dataset": run.dataset}, run.config
    about |= {"model": config.name, "activation": config.activation}
    return about | {"batch_mode": config.batch_mode, "seed": config.seed}


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


def _recorded(
    run: Run, x: np.ndarray, config: MeasureConfig, device: str, epoch: int
) -> Iterator[tuple[int, str, np.ndarray]]:
    """(member, layer, its activations) of one epoch, one layer of them in memory at a time."""
    for member, network in enumerate(run.networks(epoch)):
        network = network.to(device)
        for layer, t in record(network, x, config.layers):
            yield member, layer, t
