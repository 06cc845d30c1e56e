"""The three claims against the report's own tables: numbers first, the verdict follows them."""

from typing import TYPE_CHECKING

import pandas as pd

from iblib.summaries import compression, final_accuracy, select

if TYPE_CHECKING:
    from iblib.experiments.session import Session

# A fall of I(X;T) below this many bits, in the mean over seeds, is not called compression.
LEAST_FALL = 0.25
# A gap between training and test accuracy below this is called generalising.
LARGEST_GAP = 0.05


def last_hidden_falls(planes: pd.DataFrame) -> pd.Series:
    """Fall of the last hidden layer's I(X;T) [bits] on the 12-bit task, by Saxe's bins.

    Returns
    -------
    Series
        Indexed by activation, batch mode and seed.
    """
    rows = select(planes, estimator="binning", parameter="n_bins", quantity="I_XT")
    return _falls(select(rows, layer="hidden5", view="layer"))


def first_block_falls(planes: pd.DataFrame) -> pd.Series:
    """Fall of I(X;T) [bits] of the means of SimpleCNN's first maps, by KDE.

    The first block, because the means of the later ones are saturated at log2 P: there the fall
    is 0 whatever the network does.

    Returns
    -------
    Series
        Indexed by activation, batch mode and seed.
    """
    rows = select(planes, model="simple_cnn", layer="block1", view="spatial_mean")
    return _falls(select(rows, estimator="kde", quantity="I_XT_upper"))


def _falls(rows: pd.DataFrame) -> pd.Series:
    falls = compression(rows).set_index(["activation", "batch_mode", "seed"])["fall"]
    return falls.sort_index()


def headline(session: "Session") -> pd.DataFrame:
    """The three claims, what was measured, and the verdict: columns claim, measured, verdict."""
    falls = last_hidden_falls(session.table("saxe-planes"))
    sgd = falls.xs("SGD", level="batch_mode")
    history = select(session.table("saxe-history"), batch_mode="SGD")
    accuracy = final_accuracy(history).set_index("activation")
    rows = [_two_phases(sgd), _generalisation(sgd, accuracy), _noise(falls["tanh"])]
    return pd.DataFrame(rows, columns=["claim", "measured", "verdict"])


def _spread(falls: pd.Series) -> str:
    text = f"{falls.mean():.2f}"
    return text if len(falls) == 1 else f"{text} ({falls.min():.2f} to {falls.max():.2f})"


def _two_phases(saxe: pd.Series) -> list[str]:
    falls = {name: saxe[name] for name in ("tanh", "relu")}
    compresses = {name: fall.mean() > LEAST_FALL for name, fall in falls.items()}
    measured = (
        "12-bit task, fall of I(X;T) in the last hidden layer, bits: "
        f"tanh {_spread(falls['tanh'])}, ReLU {_spread(falls['relu'])}; {len(falls['tanh'])} seeds"
    )
    verdicts = {
        (True, False): "only with a saturating activation",
        (True, True): "seen with both activations",
        (False, False): "not seen",
        (False, True): "seen with ReLU only",
    }
    return [
        "Networks fit, then compress",
        measured,
        verdicts[compresses["tanh"], compresses["relu"]],
    ]


def _generalisation(saxe: pd.Series, accuracy: pd.DataFrame) -> list[str]:
    measured = "; ".join(
        f"{shown}: falls {saxe[name].mean():.2f} bits, test accuracy {accuracy['test'][name]:.3f}, "
        f"gap {accuracy['gap'][name]:.3f}"
        for name, shown in (("tanh", "tanh"), ("relu", "ReLU"))
    )
    without = saxe["relu"].mean() <= LEAST_FALL and accuracy["gap"]["relu"] < LARGEST_GAP
    verdict = "not needed: ReLU generalises without it" if without else "not contradicted"
    return ["Compression makes them generalise", measured, verdict]


def _noise(tanh: pd.Series) -> list[str]:
    noisy, exact = tanh["SGD"], tanh["BGD"]
    measured = (
        "12-bit task, tanh, fall in the last hidden layer at equally many updates, bits: "
        f"SGD {_spread(noisy)}, {len(noisy)} seeds; full batch {_spread(exact)}, {len(exact)} seeds"
    )
    compress = (noisy.mean() > LEAST_FALL, exact.mean() > LEAST_FALL)
    verdicts = {
        (True, True): "not the cause: it happens without noise",
        (True, False): "not contradicted: only SGD compresses",
        (False, True): "not the cause: only the full batch compresses",
        (False, False): "nothing to explain: neither compresses",
    }
    return ["SGD's noise makes them compress", measured, verdicts[compress]]
