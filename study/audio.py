"""What the notebooks show of the audio data and of the networks trained on it."""

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from iblib import paths
from iblib.activations import record
from iblib.datasets import fma
from iblib.information_plane import measure_run
from iblib.training import Run, train

if TYPE_CHECKING:
    from study.lab import Session

ENVELOPE_POINTS = 2000
PREVIEW_SECONDS = 6.0
SMALL = {"bitrate_mode": "VARIABLE", "compression_level": 0.7}  # about 40 kB at most
FEATURE_MAP_LAYERS = ("block1", "block2")


def class_shares(session: "Session") -> pd.DataFrame:
    """Clips of each class in each split: columns class, split, clips."""
    counts = session.audio.class_shares()
    return counts.reset_index().melt(id_vars="class", var_name="split", value_name="clips")


def skipped(session: "Session") -> pd.DataFrame:
    """What was found and could not be used: columns file, reason."""
    return session.audio.skipped


def examples(session: "Session") -> dict[str, np.ndarray]:
    """The first training clip of each class: log-mel [dB] rounded to 0.5 dB, waveform envelope.

    ``mel`` (classes, mels, frames) holds ``(dB + 80) * 2`` below 255 as bytes relative to each
    clip's maximum; ``envelope`` (classes, points) alternates minimum and maximum; ``seconds``.
    """
    data, rows = session.audio, _first_of_each_class(session)
    decibels = np.stack([np.asarray(data.inputs[row, 0]) for row in rows])
    relative = decibels - decibels.max(axis=(1, 2), keepdims=True)
    clips = [_waveform(session, row) for row in rows]
    return {
        "mel": np.clip((relative + 80) * 2, 0, 255).astype(np.uint8),
        "envelope": np.stack([_envelope(wave) for wave, _ in clips]).astype(np.float16),
        "seconds": np.array([len(wave) / rate for wave, rate in clips]),
        "classes": np.array([data.classes[data.labels[row]] for row in rows]),
        "ids": np.array([str(data.ids[row]) for row in rows]),
    }


def one_clip(session: "Session") -> bytes:
    """The first seconds of the first training clip, as a mono MP3."""
    return _preview(*_waveform(session, _first_of_each_class(session)[0]))


def clips(session: "Session") -> dict[str, np.ndarray]:
    """The first seconds of the clips of ``examples``, as small mono MP3 files.

    ``mp3-000``, ``mp3-001`` ... hold a file's bytes, one for each of ``classes`` and ``ids``;
    ``credits`` names title, artist and licence of FMA's.
    """
    data, rows = session.audio, _first_of_each_class(session)
    encoded = [_preview(*_waveform(session, row), **SMALL) for row in rows]
    sounds = {f"mp3-{i:03d}": np.frombuffer(mp3, np.uint8) for i, mp3 in enumerate(encoded)}
    if data.name == "fma_small":
        ids = [int(data.ids[row]) for row in rows]
        sounds["credits"] = np.array(fma.credits(session.data_dir or paths.data_dir(), ids))
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


def _first_of_each_class(session: "Session") -> list[int]:
    data = session.audio
    training = data.rows("training")
    first = [training[data.labels[training] == c][:1] for c in range(len(data.classes))]
    return [int(row) for rows in first for row in rows]


def _waveform(session: "Session", row: int) -> tuple[np.ndarray, int]:
    from iblib.datasets.melspectrogram import decode

    return decode(session.audio.files[row])


def _envelope(wave: np.ndarray) -> np.ndarray:
    """Minimum and maximum of each of ENVELOPE_POINTS / 2 stretches, alternating."""
    mono = wave.mean(axis=1) if wave.ndim == 2 else wave
    parts = np.array_split(mono, ENVELOPE_POINTS // 2)
    return np.array([(part.min(), part.max()) for part in parts]).ravel()


def trained(session: "Session") -> dict[str, Run]:
    """Every run on audio, trained now or reused."""
    return {
        name: train(spec.run, session.audio, device=session.device)
        for name, spec in session.audio_runs().items()
    }


def training_history(session: "Session") -> pd.DataFrame:
    """Learning curves of all runs on audio: one row per run, epoch and split."""
    return histories(trained(session), session.profile.name)


def histories(runs: dict[str, Run], profile: str) -> pd.DataFrame:
    """Learning curves of runs, with what identifies each of them."""
    tables = []
    for run in runs.values():
        about = {"run": run.key, "dataset": run.dataset, "profile": profile}
        about |= {"model": run.config.name, "activation": run.config.activation}
        about["batch_mode"] = run.config.batch_mode
        table = run.history.assign(**about, seed=run.history["member"] + run.config.seed)
        columns = [*about, "seed", "epoch", "updates", "split", "loss", "accuracy"]
        tables.append(table[columns])
    return pd.concat(tables, ignore_index=True)


def confusion(session: "Session") -> pd.DataFrame:
    """Test clips by true and by predicted class at the last epoch of every run.

    Columns model, activation, batch_mode, seed, true, predicted, clips; pairs that do not occur
    are left out.
    """
    data = session.audio
    x, y = data.take(data.rows("test"))
    tables = []
    for run in trained(session).values():
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


def planes(session: "Session") -> pd.DataFrame:
    """Information planes of whole layers for every run on audio."""
    return _measured(session, "planes")


def filters(session: "Session") -> pd.DataFrame:
    """Information of single filters, for the runs that ask for it."""
    return _measured(session, "filters")


def noise(session: "Session") -> pd.DataFrame:
    """KDE over noise variances and binning over numbers of bins, for the runs that ask for it."""
    return _measured(session, "noise")


def _measured(session: "Session", measure: str) -> pd.DataFrame:
    specs, profile = session.audio_runs(), session.profile.name
    tables = [
        measure_run(
            run,
            session.audio,
            specs[name].measures[measure],
            profile=profile,
            device=session.device,
        )
        for name, run in trained(session).items()
        if measure in specs[name].measures
    ]
    return pd.concat(tables, ignore_index=True)


def feature_maps(session: "Session") -> dict[str, np.ndarray]:
    """Maps of one test clip in SimpleCNN's first blocks at every stored epoch.

    ``<activation>-<layer>`` has shape (epochs, filters, height, width); ``<activation>-epochs``.
    """
    row = session.audio.rows("test")[:1]
    x, _ = session.audio.take(row)
    arrays = {"clip": np.array([str(session.audio.ids[row[0]])]), "mel": x[0, 0].astype(np.float16)}
    runs = trained(session)
    for activation in ("relu", "tanh"):
        run = runs[f"simple_cnn-{activation}-SGD-0"]
        arrays[f"{activation}-epochs"] = np.array(run.epochs)
        networks = [run.network(epoch) for epoch in run.epochs]
        layers = {n: networks[0].measured_layers()[n] for n in FEATURE_MAP_LAYERS}
        recorded = [dict(record(network, x, layers)) for network in networks]
        for layer in layers:
            maps = np.stack([one[layer][0] for one in recorded])
            arrays[f"{activation}-{layer}"] = maps.astype(np.float16)
    return arrays
