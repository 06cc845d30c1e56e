"""The three claims and the slides' sentences against the report's own tables: numbers, verdicts."""

from dataclasses import astuple, dataclass, fields

import pandas as pd

from iblib.summaries import compression, select
from study.summaries import final_accuracy, rank_correlation, with_updates
from study.text import choose, spread

# A fall of I(X;T) below this many bits, in the mean over seeds, is not called compression.
LEAST_FALL = 0.25
# A gap between training and test accuracy below this is called generalising.
LARGEST_GAP = 0.05
# Curves with more saturated points than this are no evidence, whichever way they go.
LARGEST_SATURATED_SHARE = 0.5


@dataclass(frozen=True)
class Verdict:
    """One sentence put to the test; a row of ``results/verdicts.csv``."""

    kind: str  # claim (of the theory) or slide (of the course project's conclusions)
    sentence: str
    verdict: str
    measured: str
    figure: str
    limits: str


def verdicts(
    compression_and_gap: pd.DataFrame,
    saxe_history: pd.DataFrame,
    saxe_planes: pd.DataFrame,
    saxe_variants: pd.DataFrame,
    cnn_planes: pd.DataFrame,
    cnn_noise: pd.DataFrame,
) -> pd.DataFrame:
    """Every sentence with its verdict, from the report's own tables."""
    falls = compression_and_gap
    curves = _last_hidden(pd.concat([saxe_planes, saxe_variants]))
    saxe = _saxe_falls(falls)
    cnn = moving(falls[falls["model"] == "simple_cnn"])
    rows = [
        _two_phases(saxe, cnn),
        _generalisation(saxe, saxe_history, gap_correlation(falls)),
        _noise(with_updates(curves, saxe_history)),
        _like_saxe(saxe),
        _compression_in_cnns(cnn),
        _pooling(cnn_noise),
        _activations(saxe, cnn_planes),
    ]
    return pd.DataFrame([astuple(row) for row in rows], columns=[f.name for f in fields(Verdict)])


def headline(verdicts: pd.DataFrame) -> pd.DataFrame:
    """README's table: the three claims, columns claim, measured, verdict."""
    rows = select(verdicts, kind="claim")
    return rows.rename(columns={"sentence": "claim"})[["claim", "measured", "verdict"]]


def _last_hidden(planes: pd.DataFrame) -> pd.DataFrame:
    chosen = {"estimator": "binning", "parameter": "n_bins", "quantity": "I_XT"}
    return select(planes, layer="hidden5", view="layer", model="mlp", **chosen)


def _saxe_falls(falls: pd.DataFrame) -> pd.DataFrame:
    """Falls of the last hidden layer by Saxe's bins, one row a network."""
    return select(falls, model="mlp", layer="hidden5", estimator="binning", parameter="n_bins")


def moving(falls: pd.DataFrame) -> pd.DataFrame:
    """KDE curves of mini-batch runs that stay below log2 P for at least half of their points."""
    rows = select(falls, estimator="kde", batch_mode="mini-batch")
    return rows[rows["saturated"] <= LARGEST_SATURATED_SHARE]


def gap_correlation(falls: pd.DataFrame) -> dict[str, float]:
    """Rank correlation of compression and generalisation gap over all networks.

    A network's compression is the largest fall of its unsaturated layers, by KDE.
    """
    rows = select(falls, estimator="kde")
    rows = rows[(rows["saturated"] <= LARGEST_SATURATED_SHARE) & (rows["layer"] != "output")]
    keys = ["dataset", "model", "activation", "batch_mode"]
    of_network = rows.groupby([*keys, "run", "seed"], sort=False)[["fall", "gap"]].max()
    return rank_correlation(of_network.reset_index(), "fall", "gap", groups=keys)


def _by_activation(saxe: pd.DataFrame, dataset: str = "binary_patterns") -> dict[str, pd.Series]:
    rows = select(saxe, dataset=dataset, batch_mode="mini-batch")
    return {name: group["fall"] for name, group in rows.groupby("activation", sort=False)}


def _largest_fall(cnn: pd.DataFrame) -> tuple[str, pd.Series]:
    """(where, falls over seeds) of the layer that falls most in the mean."""
    groups = dict(list(cnn.groupby(["activation", "layer"], sort=False)["fall"]))
    if not groups:
        return "no layer below the ceiling", pd.Series([0.0])
    activation, layer = max(groups, key=lambda name: groups[name].mean())
    return f"{activation.replace('relu', 'ReLU')} {layer}", groups[activation, layer]


def _two_phases(saxe: pd.DataFrame, cnn: pd.DataFrame) -> Verdict:
    falls = _by_activation(saxe)
    compresses = {name: fall.mean() > LEAST_FALL for name, fall in falls.items()}
    where, most = _largest_fall(cnn)
    measured = (
        "12-bit task, fall of I(X;T) in the last hidden layer by fixed bins, bits: "
        f"tanh {spread(falls['tanh'])}, ReLU {spread(falls['relu'])}, {len(falls['tanh'])} seeds; "
        f"softsign {spread(falls['softsign'])}, softplus {spread(falls['softplus'])}, "
        f"{len(falls['softsign'])} seeds. SimpleCNN, largest fall below the ceiling: "
        f"{spread(most)} ({where}, {len(most)} seeds)"
    )
    verdict = {
        (True, False): "only with a saturating activation",
        (True, True): "seen with both activations",
        (False, False): "not seen",
        (False, True): "seen with ReLU only",
    }[compresses["tanh"], compresses["relu"]]
    return Verdict(
        "claim",
        "Networks fit, then compress",
        verdict,
        measured,
        "06-planes",
        "the size of the fall depends on bins, noise and seed (notebook 12)",
    )


def _generalisation(saxe: pd.DataFrame, history: pd.DataFrame, link: dict) -> Verdict:
    falls = _by_activation(saxe)
    history = select(history, batch_mode="mini-batch", model="mlp", dataset="binary_patterns")
    accuracy = final_accuracy(history).set_index("activation")
    parts = "; ".join(
        f"{shown}: falls {falls[name].mean():.2f} bits, test accuracy "
        f"{accuracy['test'][name]:.3f}, gap {accuracy['gap'][name]:.3f}"
        for name, shown in (("tanh", "tanh"), ("relu", "ReLU"))
    )
    measured = (
        f"{parts}. Compression against gap over {link['n']} networks in {link['n_groups']} "
        f"settings: rank correlation {link['correlation']:.2f} "
        f"({link['low']:.2f} to {link['high']:.2f})"
    )
    without = falls["relu"].mean() <= LEAST_FALL and accuracy["gap"]["relu"] < LARGEST_GAP
    if link["high"] < 0:
        relation = "networks that compress more have smaller gaps here"
    else:
        relation = choose(
            link["low"] > 0,
            "networks that compress more have larger gaps here",
            "no relation shown over all runs",
        )
    needed = choose(without, "not needed: ReLU generalises without it", "not contradicted by ReLU")
    return Verdict(
        "claim",
        "Compression makes them generalise",
        f"{needed}; {relation}",
        measured,
        "12-compression-and-gap",
        "the correlation mixes tasks and settings and says nothing of causes",
    )


def _noise(curves: pd.DataFrame) -> Verdict:
    tanh = select(curves, activation="tanh", dataset="binary_patterns")
    updates = int(tanh.groupby("batch_mode")["updates"].max().min())
    mini, full = (select(tanh, batch_mode=mode) for mode in ("mini-batch", "full batch"))
    noisy, exact = (compression(rows[rows["updates"] <= updates])["fall"] for rows in (mini, full))
    epochs = mini["epoch"].max()
    whole, early = (compression(rows)["fall"] for rows in (mini, full[full["epoch"] <= epochs]))
    measured = (
        f"12-bit task, tanh, fall in the last hidden layer after {updates} updates each, bits: "
        f"mini-batch Adam {spread(noisy)}, {len(noisy)} seeds; full-batch Adam {spread(exact)}, "
        f"{len(exact)} seeds. After {epochs} epochs each: mini-batch Adam {spread(whole)}, "
        f"full-batch Adam {spread(early)}"
    )
    verdict = {
        (True, True): "not the cause: it happens without noise",
        (True, False): "not contradicted: only mini-batches compress",
        (False, True): "not the cause: only the full batch compresses",
        (False, False): "nothing to explain: neither compresses",
    }[noisy.mean() > LEAST_FALL, exact.mean() > LEAST_FALL]
    return Verdict(
        "claim",
        "SGD's noise makes them compress",
        verdict,
        measured,
        "07-sgd-and-full-batch",
        "one optimiser (Adam) and one rate for both",
    )


def _like_saxe(saxe: pd.DataFrame) -> Verdict:
    falls = _by_activation(saxe)
    alike = falls["tanh"].mean() > 1 and falls["relu"].mean() < 0.5
    some = falls["tanh"].mean() > LEAST_FALL > falls["relu"].mean()
    return Verdict(
        "slide",
        "The results are like Saxe's",
        choose(alike, "holds", choose(some, "holds in direction", "not shown"))
        + " for Saxe's own network; no such contrast follows for convolutional ones",
        f"tanh falls {spread(falls['tanh'])} bits, ReLU {spread(falls['relu'])}",
        "06-falls",
        "more than 1 bit and less than 0.5 bit were asked for",
    )


def _compression_in_cnns(cnn: pd.DataFrame) -> Verdict:
    where, most = _largest_fall(cnn)
    n_curves = cnn.groupby(["activation", "layer"]).ngroups
    return Verdict(
        "slide",
        "Compression is present in simple CNNs",
        choose(
            most.mean() > LEAST_FALL,
            choose(most.mean() < 2 * LEAST_FALL, f"barely, in {where}", f"in {where}"),
            "not found where it could be seen",
        ),
        f"largest mean fall of {n_curves} layers below the ceiling: {spread(most)} bits "
        f"({where}, {len(most)} seeds; means of maps, KDE)",
        "09-bounds",
        "whole layers are saturated: there neither presence nor absence can be seen",
    )


def _pooling(noise: pd.DataFrame) -> Verdict:
    usual, largest = 0.01, noise.loc[noise["estimator"] == "kde", "value"].max()
    cnn = _before_and_after(noise, "simple_cnn", "before_pool")
    resnet = _before_and_after(noise, "mini_resnet", "res2_block1")
    seen = [one.loc[largest, "lost"] > LEAST_FALL for one in (cnn, resnet)]
    hidden = cnn.loc[usual, "after"] > LARGEST_SATURATED_SHARE
    said = {
        f"{name}, noise variance {value:g}": one.loc[value]
        for name, one in (("SimpleCNN", cnn), ("MiniResNet", resnet))
        for value in (usual, largest)
    }
    measured = "; ".join(
        f"{name}: {row['before']:.2f} and {row['after']:.2f}, {row['lost']:.2f} bits less after"
        for name, row in said.items()
    )
    return Verdict(
        "slide",
        "Pooling has a big influence",
        choose(
            any(seen),
            choose(
                bool(hidden),
                f"only with enough noise: at {usual:g} both sides of SimpleCNN's pooling are "
                f"mostly at the ceiling, at {largest:g} pooling takes it off",
                "holds: pooling takes the layer off the ceiling",
            ),
            "not shown: the layer is at the ceiling on both sides",
        ),
        f"average pooling, share of saturated points before and after, mean I(X;T): {measured}",
        "11-pooling-noise",
        "what is lost cannot be told where the tensor before is saturated (notebook 11)",
    )


def _before_and_after(noise: pd.DataFrame, model: str, before: str) -> pd.DataFrame:
    """Saturated shares before and after average pooling, and bits lost, by noise variance."""
    rows = select(noise, model=model, layer=[before, "after_pool"], view="layer")
    rows = select(rows, estimator="kde", quantity="I_XT_upper")
    tables = {
        column: rows.pivot_table(index="value", columns="layer", values=column, aggfunc="mean")
        for column in ("saturated", "bits")
    }
    shares, bits = tables["saturated"], tables["bits"]
    lost = bits[before] - bits["after_pool"]
    return pd.DataFrame({"before": shares[before], "after": shares["after_pool"], "lost": lost})


def _activations(saxe: pd.DataFrame, planes: pd.DataFrame) -> Verdict:
    falls = _by_activation(saxe)
    rows = select(planes, model="simple_cnn", layer="block1", view="spatial_mean", estimator="kde")
    last = select(rows, batch_mode="mini-batch", quantity="I_XT_upper")
    last = last[last["epoch"] == last["epoch"].max()].groupby("activation")["bits"]
    means, ranges = last.mean(), (last.min(), last.max())
    apart = ranges[1][means.idxmin()] < ranges[0][means.idxmax()]
    return Verdict(
        "slide",
        "ReLU or tanh shows in the plane",
        choose(bool(apart), "holds: as height of I(X;T) in CNNs", "not shown in CNNs")
        + "; as compression only in Saxe's network",
        f"SimpleCNN, block1, means of maps, last epoch: tanh {spread(last.get_group('tanh'))} bits,"
        f" ReLU {spread(last.get_group('relu'))}; Saxe's network: tanh falls "
        f"{falls['tanh'].mean():.2f} bits, ReLU {falls['relu'].mean():.2f}",
        "08-planes-simple-cnn",
        "the noise variance is one for both activations, whose scales differ (notebook 09)",
    )
