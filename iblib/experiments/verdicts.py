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
        Indexed by activation and seed.
    """
    rows = select(planes, estimator="binning", parameter="n_bins", quantity="I_XT")
    rows = select(rows, layer="hidden5", view="layer")
    return compression(rows).set_index(["activation", "seed"])["fall"]


def pooled_falls(planes: pd.DataFrame) -> pd.Series:
    """Fall of I(X;T) [bits] of SimpleCNN's last maps' means, by KDE.

    Returns
    -------
    Series
        Indexed by activation, batch mode and seed.
    """
    rows = select(planes, model="simple_cnn", layer="before_pool", view="spatial_mean")
    rows = select(rows, estimator="kde", quantity="I_XT_upper")
    return compression(rows).set_index(["activation", "batch_mode", "seed"])["fall"]


def headline(session: "Session") -> pd.DataFrame:
    """The three claims, what was measured, and the verdict: columns claim, measured, verdict."""
    saxe = last_hidden_falls(session.table("saxe-planes"))
    accuracy = final_accuracy(session.table("saxe-history")).set_index("activation")
    pooled = pooled_falls(session.table("cnn-planes"))
    return pd.DataFrame(
        [
            _two_phases(saxe),
            _generalisation(saxe, accuracy),
            _noise(pooled),
        ],
        columns=["claim", "measured", "verdict"],
    )


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
    without = [
        name
        for name in ("tanh", "relu")
        if saxe[name].mean() <= LEAST_FALL and accuracy["gap"][name] < LARGEST_GAP
    ]
    verdict = "not needed: ReLU generalises without it" if "relu" in without else "not contradicted"
    return ["Compression makes them generalise", measured, verdict]


def _noise(pooled: pd.Series) -> list[str]:
    parts, same = [], []
    for name, shown in (("tanh", "tanh"), ("relu", "ReLU")):
        noisy, exact = pooled[name, "SGD"].mean(), pooled[name, "BGD"].mean()
        parts.append(f"{shown} SGD {noisy:.2f}, full batch {exact:.2f}")
        same.append((noisy > LEAST_FALL) == (exact > LEAST_FALL))
    measured = f"SimpleCNN, fall of the last maps' means (KDE), bits: {'; '.join(parts)}"
    verdict = "not the cause: both alike" if all(same) else "they differ: see notebook 07"
    return ["SGD's noise makes them compress", measured, verdict]
