"""The linear teacher and student, whose information is known exactly (Saxe et al., section 3)."""

import numpy as np
import pandas as pd

from iblib.datasets import linear_teacher
from iblib.training import Run
from study.closed_forms import linear_information_x, linear_information_y
from study.inputs import Trained

# Noise variance at which the linear network's information is read.
LINEAR_NOISE_VARIANCE = 1.0
N_RELEVANT = 30


def linear_network(runs: list[Trained]) -> pd.DataFrame:
    """Exact information [bits] and errors of linear students, per case, seed and stored epoch.

    Columns ``case`` (of ``LINEAR_CASES``), ``seed``, ``epoch``, ``I_XT``, ``I_TY``,
    ``I_relevant``, ``I_irrelevant`` (of the first 30 inputs and of the other 70, each with the
    rest of the input as part of the noise), ``training_loss``, ``test_loss``.
    """
    tables = []
    for one in runs:
        case, settings = one.name.rpartition("-")[0], one.spec.data
        known = {name: settings[name] for name in ("n_relevant", "snr")}
        teacher = linear_teacher.teacher(settings["seed"], **known)
        tables.append(_rows(one.run, teacher).assign(case=case, seed=settings["seed"]))
    return pd.concat(tables, ignore_index=True)


def _rows(run: Run, teacher: np.ndarray) -> pd.DataFrame:
    losses = run.history.pivot_table(index="epoch", columns="split", values="loss")
    rows = []
    for epoch in run.epochs:
        weights = run.weights(epoch)["linear.0.weight"].double().numpy()  # (hidden, inputs)
        row = {"epoch": epoch, **linear_information(weights, teacher)}
        row |= {f"{split}_loss": losses.loc[epoch, split] for split in ("training", "test")}
        rows.append(row)
    return pd.DataFrame(rows)


def linear_information(weights: np.ndarray, teacher: np.ndarray) -> dict[str, float]:
    """Exact I(X;T), I(T;Y) and the parts of relevant and irrelevant inputs, in bits.

    T = W X + N(0, LINEAR_NOISE_VARIANCE), X ~ N(0, I / n_inputs), Y = teacher X + N(0, 1).
    I(X_part;T) = I(X;T) - I(X;T | X_part), and given one part, T depends on the other alone.

    Parameters
    ----------
    weights : ndarray, shape (n_hidden, n_inputs)
    teacher : ndarray, shape (n_inputs,)
    """
    n = weights.shape[1]
    s2 = LINEAR_NOISE_VARIANCE
    total = linear_information_x(weights, np.eye(n) / n, s2)
    only = {
        "I_relevant": weights[:, N_RELEVANT:],
        "I_irrelevant": weights[:, :N_RELEVANT],
    }  # the part that is left when the other is given
    parts = {
        name: total - linear_information_x(w, np.eye(w.shape[1]) / n, s2)
        for name, w in only.items()
    }
    label = linear_information_y(weights, teacher, np.eye(n) / n, s2, 1.0)
    return {"I_XT": total, "I_TY": label, **parts}
