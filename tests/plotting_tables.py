"""Synthetic tables for the tests of plotting: the documented columns, made-up numbers."""

import numpy as np
import pandas as pd

EPOCHS = (0, 1, 2, 3, 5, 8, 13, 20, 30, 50, 80, 120, 200, 300)
HIDDEN = ("hidden1", "hidden2", "hidden3", "hidden4", "hidden5", "output")
QUANTITIES = {
    "binning": ("I_XT", "I_TY"),
    "binning_refit": ("I_XT", "I_TY"),
    "kde": ("I_XT_upper", "I_XT_lower", "I_TY_upper", "I_TY_lower"),
    "kraskov": ("H_T", "I_TY"),
    "pooled": ("H_T", "I_TY"),
}
SETTINGS = {
    "binning": ("width", 0.07),
    "binning_refit": ("n_bins", 100.0),
    "kde": ("noise_variance", 0.01),
    "kraskov": ("k", 2.0),
    "pooled": ("width", 0.07),
}


def plane_table(
    *,
    activations=("tanh", "relu"),
    estimators=("binning", "kde", "kraskov"),
    layers=HIDDEN,
    seeds=(0, 1, 2),
    epochs=EPOCHS,
    view="layer",
    channels=(None,),
    model="mlp",
    n_samples=1024,
    n_classes=2,
):
    """A plane table in which tanh compresses and ReLU does not."""
    rows = []
    for activation in activations:
        for seed in seeds:
            generator = np.random.default_rng([seed, len(activation)])
            for epoch in epochs:
                for depth, layer in enumerate(layers):
                    for channel in channels:
                        rows += _rows(
                            generator,
                            {
                                "run": f"{activation}{seed}",
                                "dataset": "synthetic",
                                "profile": "smoke",
                                "model": model,
                                "activation": activation,
                                "batch_mode": "mini-batch",
                                "seed": seed,
                                "epoch": epoch,
                                "layer": layer,
                                "view": view,
                                "channel": np.nan if channel is None else channel,
                            },
                            depth / max(len(layers) - 1, 1),
                            estimators,
                            n_samples,
                            n_classes,
                        )
    return pd.DataFrame(rows)


def _rows(generator, key, depth, estimators, n_samples, n_classes):
    """All numbers of one layer at one epoch."""
    ceiling, label_entropy = np.log2(n_samples), np.log2(n_classes)
    progress = np.log1p(key["epoch"]) / np.log1p(300)
    fall = 0.45 * progress * depth if key["activation"] == "tanh" else -0.1 * progress * depth
    level = np.clip(1.08 - 0.6 * depth - fall + 0.03 * generator.normal(), 0.05, 1)
    label = np.clip(0.15 + 0.75 * progress**0.7 * (1 - 0.2 * depth) + 0.3 * level**4, 0, 1)
    if key["channel"] == key["channel"]:
        level = np.clip(level * (0.4 + 0.1 * key["channel"] + 0.02 * generator.normal()), 0, 1)
        label *= 0.4 + 0.07 * key["channel"] + 0.02 * generator.normal()
    out = []
    for estimator in estimators:
        parameter, value = SETTINGS[estimator]
        for quantity in QUANTITIES[estimator]:
            bits = ceiling * level if quantity != "I_TY" else label_entropy * label
            if quantity.startswith("I_TY"):
                bits = label_entropy * label
            if quantity.endswith("lower"):
                bits *= 0.8
            if quantity == "H_T":
                bits = 30 * (level - 0.6) * (1.5 - depth)
            out.append(
                key
                | {
                    "estimator": estimator,
                    "parameter": parameter,
                    "value": value,
                    "quantity": quantity,
                    "bits": float(bits),
                    "n_samples": n_samples,
                    "dimension": 10,
                    "label_entropy": label_entropy,
                    "saturated": bool(level > 0.99) and estimator != "kraskov",
                    "zero_radius": 3 if estimator == "kraskov" and level < 0.1 else 0,
                    "unique_share": level,
                    "clipped": 0.0,
                    "status": "ok",
                }
            )
    return out


def history_table(*, seeds=(0, 1, 2), epochs=40, n_classes=8):
    """Learning curves of two activations and two batch modes."""
    rows = []
    for activation in ("tanh", "relu"):
        for batch_mode, updates in (("mini-batch", 20), ("full batch", 1)):
            speed = (0.12 if batch_mode == "mini-batch" else 0.04) * (
                1.3 if activation == "relu" else 1
            )
            for seed in seeds:
                generator = np.random.default_rng([seed, updates])
                for epoch in range(epochs + 1):
                    done = 1 - np.exp(-speed * epoch)
                    for split, best in (("training", 0.92), ("validation", 0.7), ("test", 0.68)):
                        accuracy = 1 / n_classes + (best - 1 / n_classes) * done
                        rows.append(
                            {
                                "run": f"{activation}{batch_mode}{seed}",
                                "dataset": "synthetic",
                                "profile": "smoke",
                                "model": "simple_cnn",
                                "activation": activation,
                                "batch_mode": batch_mode,
                                "seed": seed,
                                "epoch": epoch,
                                "updates": epoch * updates,
                                "split": split,
                                "loss": 2.1 * (1 - best * done) + 0.05 * generator.normal(),
                                "accuracy": accuracy + 0.02 * generator.normal(),
                            }
                        )
    return pd.DataFrame(rows)


def log_mel(seed=0, shape=(128, 400)):
    """Something like a log-mel spectrogram [dB]."""
    generator = np.random.default_rng(seed)
    mels, frames = np.indices(shape)
    beat = 20 * np.maximum(0, np.sin(frames / (6 + seed)) ** 8)
    return -60 * mels / shape[0] + beat + 3 * generator.normal(size=shape) - 10


def waveform(seed=0, seconds=5, rate=22050):
    """A tone with beats in [-1, 1]."""
    time = np.arange(seconds * rate) / rate
    return 0.8 * np.sin(2 * np.pi * 220 * time) * np.abs(np.sin(np.pi * (seed + 1) * time)) ** 3


def texts(owner):
    """All that is written on axes, or on a figure outside of its axes."""
    return [text.get_text() for text in owner.texts]


def legend_texts(figure):
    """The entries of the figure's legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]
