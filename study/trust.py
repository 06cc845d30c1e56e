"""What says how far to trust an estimate: known biases, artefacts on purpose, geometry, the gap."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import digamma, gammaln

from iblib.activations import layers_to_measure, measurement_rows, record
from iblib.estimators import binning, closed_forms, kde, kraskov
from iblib.information_plane import thin
from iblib.summaries import CURVE, SETTING, compression
from iblib.views import views_of
from study.geometry import class_distances
from study.inputs import Trained
from study.summaries import accuracy_by_seed, saturation

GEOMETRY_POINTS = 10
DIMENSIONS = (1, 2, 5, 10, 20, 50, 100)
N_BIAS, BIAS_SEEDS = 1000, 5

# The original course project's table: 1000 rows of which 239 were never filled, and the size of
# SimpleCNN's first layer for a clip of 30 s (4 maps of 32 x 322).
N_ROWS, N_ZERO_ROWS, LAYER_SIZE = 1000, 239, 4 * 32 * 322


def geometry(runs: list[Trained], view: str) -> pd.DataFrame:
    """Distances within and between classes of every layer, in one view of it."""
    return pd.DataFrame([row for one in runs for row in _distances(one, view)])


def _distances(one: Trained, view: str) -> Iterator[dict]:
    run, measure = one.run, one.measure
    x, y = one.data.take(measurement_rows(one.data.rows(measure.split), measure.n_samples))
    for epoch in thin(run.epochs, GEOMETRY_POINTS):
        for member, network in enumerate(run.networks(epoch)):
            about = {"run": run.key, "model": run.config.name, "activation": run.config.activation}
            about |= {"seed": run.config.seed + member, "epoch": epoch}
            for layer, t in record(network, x, layers_to_measure(network, measure)):
                for shown in views_of(t, (view,)):
                    found = class_distances(shown.values, y)
                    numbers = {"within": found.within, "between": found.between}
                    numbers["ratio"] = found.ratio
                    yield {**about, "layer": layer, "view": view, **numbers}


def knn_bias() -> pd.DataFrame:
    """Kraskov's H(T) [bits] of standard normal samples by dimension, beside the truth.

    Columns dimension, n_samples, k, seed, bits, truth, bias.
    """
    rows = []
    for d in DIMENSIONS:
        truth = closed_forms.gaussian_entropy(np.eye(d))
        for seed in range(BIAS_SEEDS):
            t = np.random.default_rng([seed, d]).normal(size=(N_BIAS, d))
            bits = kraskov.entropy(t, k=2).bits
            row = {"dimension": d, "n_samples": N_BIAS, "k": 2, "seed": seed, "bits": bits}
            rows.append({**row, "truth": truth, "bias": bits - truth})
    return pd.DataFrame(rows)


def artefacts() -> pd.DataFrame:
    """Numbers that look like results and are none, made on purpose.

    Columns artefact, quantity, bits, arithmetic (the same number from a formula alone).
    """
    share = N_ZERO_ROWS / N_ROWS
    random = np.random.default_rng(0)
    labels = np.arange(N_ROWS) % 8
    far = random.normal(size=(N_ROWS, 1024)).astype(np.float32)  # saturated: all rows far apart
    holes = far.copy()
    holes[-N_ZERO_ROWS:] = 0
    mixture = (1 - share) * np.log2(N_ROWS) + share * np.log2(1 / share)
    rows = [
        ("saturated KDE", "I(X;T)", kde.information(far, labels).xt_upper, np.log2(N_ROWS)),
        (
            "saturated KDE, 239 of 1000 rows never filled",
            "I(X;T)",
            kde.information(holes, labels).xt_upper,
            mixture,
        ),
        ("nats drawn on an axis in bits", "I(X;T)", np.log(2) * np.log2(N_ROWS), np.log(N_ROWS)),
        *_labels_of_other_rows(far, labels, random),
        _zero_rows_in_many_dimensions(random),
    ]
    return pd.DataFrame(rows, columns=["artefact", "quantity", "bits", "arithmetic"])


def _labels_of_other_rows(far: np.ndarray, labels: np.ndarray, random) -> list[tuple]:
    """Labels in another order than the rows: seen where an estimate is free to move, only there."""
    telling = (labels + 0.1 * random.normal(size=N_ROWS))[:, None]
    shuffled = random.permutation(labels)
    h_y = binning.label_entropy(labels)
    return [
        (f"{what}, labels {order}", "I(T;Y)", kde.information(t, y).ty_upper, truth)
        for what, t in (("saturated KDE", far), ("one telling unit, KDE", telling))
        for order, y, truth in (
            ("aligned", labels, h_y),
            ("of other rows", shuffled, h_y if t is far else np.nan),
        )
    ]


def _zero_rows_in_many_dimensions(random) -> tuple:
    """Zero rows have radius 0; for every other row they are the nearest: its norm is its radius."""
    t = random.normal(size=(N_ROWS, LAYER_SIZE)).astype(np.float32)
    t[-N_ZERO_ROWS:] = 0
    d, k, epsilon = LAYER_SIZE, 2, 1e-16
    radii = np.linalg.norm(t.astype(np.float64), axis=1)
    volume = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)  # of the unit ball [nats]
    nats = d * np.log(radii + epsilon).mean() + volume + digamma(N_ROWS) - digamma(k)
    bits = kraskov.entropy(t, k=k, epsilon=epsilon).bits
    return f"Kraskov, {N_ZERO_ROWS} zero rows, d = {d}", "H(T)", bits, nats / np.log(2)


def saturated_shares(saxe_planes: pd.DataFrame, cnn_planes: pd.DataFrame) -> pd.DataFrame:
    """Share of measurements within 1 % of log2 P: columns of ``saturation``."""
    return saturation(_one_binning(saxe_planes, cnn_planes))


def violations(saxe_planes: pd.DataFrame, cnn_planes: pd.DataFrame) -> pd.DataFrame:
    """How often estimates break the data-processing inequality between whole layers.

    Columns of ``processing_violations``, pairs in which both layers are at the ceiling
    among them.
    """
    planes = _one_binning(saxe_planes, cnn_planes)
    whole = planes[(planes["view"] == "layer") & planes["quantity"].str.startswith("I_XT")]
    # logits in bins of the hidden layers' range are clipped: no layer like the others
    return processing_violations(whole[whole["layer"] != "output"])


def processing_violations(table: pd.DataFrame, *, tolerance: float = 0.01) -> pd.DataFrame:
    """How often an estimate breaks the data-processing inequality between consecutive layers.

    I(X;T) of a later layer can never be above an earlier one's; an estimate can. The table holds
    one view, and layers in network order; what is larger by less than ``tolerance`` bits does not
    count.

    Returns
    -------
    DataFrame
        Per setting, estimator and quantity: ``pairs`` compared, ``violations``, ``share``,
        ``largest`` violation in bits.
    """
    key = [c for c in CURVE if c not in ("layer", "channel")] + ["epoch"]
    # network order is the order of first appearance, model by model: they share layer names
    position = table.groupby("model")["layer"].transform(lambda layers: pd.factorize(layers)[0])
    table = table.assign(position=position).sort_values([*key, "position"], ignore_index=True)
    step = table.groupby(key, sort=False)["bits"].diff().dropna()
    table = table.loc[step.index].assign(step=step, broken=step > tolerance)
    groups = table.groupby([*SETTING, "estimator", "quantity"], sort=False)
    found = groups.agg(
        pairs=("step", "size"), violations=("broken", "sum"), largest=("step", "max")
    )
    found["share"] = found["violations"] / found["pairs"]
    found["largest"] = found["largest"].clip(lower=0)
    return found.reset_index()


def _one_binning(saxe_planes: pd.DataFrame, cnn_planes: pd.DataFrame) -> pd.DataFrame:
    """Planes of both tasks by one binning: Saxe's bins, and 30 of a run for audio."""
    planes = pd.concat([saxe_planes, cnn_planes])
    planes = planes[planes["estimator"].isin(("binning", "kde")) & (planes["parameter"] != "width")]
    return planes.reset_index(drop=True)


def compression_and_gap(
    saxe_planes: pd.DataFrame,
    saxe_variants: pd.DataFrame,
    cnn_planes: pd.DataFrame,
    saxe_history: pd.DataFrame,
    training_history: pd.DataFrame,
) -> pd.DataFrame:
    """Compression beside generalisation: one row per trained network, layer, view and estimator.

    ``summaries.compression`` of the curves of I(X;T) that can move (whole layers of the 12-bit
    networks, means of maps of the convolutional ones), ``saturated`` (share of a curve's points),
    the accuracies at the last epoch, and ``gap`` = training - test.
    """
    means = cnn_planes[cnn_planes["view"] == "spatial_mean"]
    planes = pd.concat([saxe_planes, saxe_variants, means], ignore_index=True)
    planes = planes[planes["quantity"].isin(("I_XT", "I_XT_upper"))]
    found = compression(planes)
    share = planes.groupby(CURVE, sort=False, dropna=False)["saturated"].mean()
    found = found.merge(share.reset_index(), on=CURVE, how="left")
    accuracy = accuracy_by_seed(pd.concat([saxe_history, training_history]))
    keys = ["run", "seed", "model", "activation", "batch_mode"]
    return found.merge(accuracy, on=keys, how="left", validate="many_to_one")
