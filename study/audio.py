"""The audio and the networks trained on it: a data set or trained runs in, tables out."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from iblib.activations import record
from iblib.datasets import Dataset, fma
from iblib.datasets.melspectrogram import decode
from study.inputs import Trained

ENVELOPE_POINTS = 2000
PREVIEW_SECONDS = 6.0
SMALL = {"bitrate_mode": "VARIABLE", "compression_level": 0.7}  # about 40 kB at most
FEATURE_MAP_LAYERS = ("block1", "block2")


def class_shares(data: Dataset) -> pd.DataFrame:
    """Clips of each class in each split: columns class, split, clips."""
    counts = data.class_shares()
    return counts.reset_index().melt(id_vars="class", var_name="split", value_name="clips")


def skipped(data: Dataset) -> pd.DataFrame:
    """What was found and could not be used: columns file, reason."""
    return data.skipped


def examples(data: Dataset) -> dict[str, np.ndarray]:
    """The first training clip of each class: log-mel [dB] rounded to 0.5 dB, waveform envelope.

    ``mel`` (classes, mels, frames) holds ``(dB + 80) * 2`` below 255 as bytes relative to each
    clip's maximum; ``envelope`` (classes, points) alternates minimum and maximum; ``seconds``.
    """
    rows = _first_of_each_class(data)
    decibels = np.stack([np.asarray(data.inputs[row, 0]) for row in rows])
    relative = decibels - decibels.max(axis=(1, 2), keepdims=True)
    clips = [_waveform(data, row) for row in rows]
    return {
        "mel": np.clip((relative + 80) * 2, 0, 255).astype(np.uint8),
        "envelope": np.stack([_envelope(wave) for wave, _ in clips]).astype(np.float16),
        "seconds": np.array([len(wave) / rate for wave, rate in clips]),
        "classes": np.array([data.classes[data.labels[row]] for row in rows]),
        "ids": np.array([str(data.ids[row]) for row in rows]),
    }


def one_clip(data: Dataset) -> bytes:
    """The first seconds of the first training clip, as a mono MP3."""
    return _preview(*_waveform(data, _first_of_each_class(data)[0]))


def clips(data: Dataset) -> dict[str, np.ndarray]:
    """The first seconds of the clips of ``examples``, as small mono MP3 files.

    ``mp3-000``, ``mp3-001`` ... hold a file's bytes, one for each of ``classes`` and ``ids``;
    ``credits`` names title, artist and licence of FMA's.
    """
    rows = _first_of_each_class(data)
    encoded = [_preview(*_waveform(data, row), **SMALL) for row in rows]
    sounds = {f"mp3-{i:03d}": np.frombuffer(mp3, np.uint8) for i, mp3 in enumerate(encoded)}
    if data.name == "fma_small":
        ids = [int(data.ids[row]) for row in rows]
        folder = Path(data.files[0]).parents[2]  # of fma_small/000/000002.mp3
        sounds["credits"] = np.array(fma.credits(folder, ids))
    return sounds | {
        "classes": np.array([data.classes[data.labels[row]] for row in rows]),
        "ids": np.array([str(data.ids[row]) for row in rows]),
    }


def _preview(wave: np.ndarray, rate: int, **quality) -> bytes:
    """The first PREVIEW_SECONDS as MP3; equal sounds are equal bytes."""
    import soundfile

    target = io.BytesIO()
    soundfile.write(target, wave[: int(PREVIEW_SECONDS * rate)], rate, format="MP3", **quality)
    return target.getvalue()


def _first_of_each_class(data: Dataset) -> list[int]:
    training = data.rows("training")
    first = [training[data.labels[training] == c][:1] for c in range(len(data.classes))]
    return [int(row) for rows in first for row in rows]


def _waveform(data: Dataset, row: int) -> tuple[np.ndarray, int]:
    return decode(data.files[row])


def _envelope(wave: np.ndarray) -> np.ndarray:
    """Minimum and maximum of each of ENVELOPE_POINTS / 2 stretches, alternating."""
    mono = wave.mean(axis=1) if wave.ndim == 2 else wave
    parts = np.array_split(mono, ENVELOPE_POINTS // 2)
    return np.array([(part.min(), part.max()) for part in parts]).ravel()


def histories(runs: Iterable[Trained]) -> pd.DataFrame:
    """Learning curves: one row per run, epoch and split, with what identifies the run."""
    tables = []
    for one in runs:
        run, config = one.run, one.run.config
        about = {"run": run.key, "dataset": run.dataset, "profile": one.profile}
        about |= {"model": config.name, "activation": config.activation}
        about["batch_mode"] = config.batch_mode
        table = run.history.assign(**about, seed=run.history["member"] + config.seed)
        columns = [*about, "seed", "epoch", "updates", "split", "loss", "accuracy"]
        tables.append(table.sort_values(["seed", "epoch"], kind="stable")[columns])
    return pd.concat(tables, ignore_index=True)


def confusion(runs: list[Trained]) -> pd.DataFrame:
    """Test clips by true and by predicted class at the last epoch of every run.

    Columns model, activation, batch_mode, seed, true, predicted, clips; pairs that do not occur
    are left out.
    """
    data, tables = runs[0].data, []
    x, y = data.take(data.rows("test"))
    for run in (one.run for one in runs):
        with torch.no_grad():
            found = run.network(run.epochs[-1])(torch.from_numpy(x)).argmax(1).numpy()
        pairs = pd.DataFrame({"true": y, "predicted": found}).value_counts(sort=False)
        about = {"model": run.config.name, "activation": run.config.activation}
        about |= {"batch_mode": run.config.batch_mode, "seed": run.config.seed}
        tables.append(pairs.rename("clips").reset_index().assign(**about))
    table = pd.concat(tables, ignore_index=True)
    for column in ("true", "predicted"):
        table[column] = [data.classes[c] for c in table[column]]
    return table[["model", "activation", "batch_mode", "seed", "true", "predicted", "clips"]]


def feature_maps(runs: list[Trained]) -> dict[str, np.ndarray]:
    """Maps of one test clip in SimpleCNN's first blocks at every stored epoch.

    ``<activation>-<layer>`` has shape (epochs, filters, height, width); ``<activation>-epochs``.
    """
    data = runs[0].data
    row = data.rows("test")[:1]
    x, _ = data.take(row)
    arrays = {"clip": np.array([str(data.ids[row[0]])]), "mel": x[0, 0].astype(np.float16)}
    for run in (one.run for one in runs):
        activation = run.config.activation
        arrays[f"{activation}-epochs"] = np.array(run.epochs)
        networks = [run.network(epoch) for epoch in run.epochs]
        layers = {n: networks[0].measured_layers()[n] for n in FEATURE_MAP_LAYERS}
        recorded = [dict(record(network, x, layers)) for network in networks]
        for layer in layers:
            maps = np.stack([one[layer][0] for one in recorded])
            arrays[f"{activation}-{layer}"] = maps.astype(np.float16)
    return arrays
