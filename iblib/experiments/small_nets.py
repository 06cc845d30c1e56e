"""What the notebooks show of small networks: Saxe's 12-bit task, and the exact linear case."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iblib.datasets import binary_patterns, linear_teacher
from iblib.estimators import exact
from iblib.experiments.audio import histories
from iblib.experiments.specs import linear_run
from iblib.information_plane import measure_run
from iblib.training import Run, train

if TYPE_CHECKING:
    from iblib.experiments.session import Session

# Noise variance at which the linear network's information is read (Saxe et al., section 3).
LINEAR_NOISE_VARIANCE = 1.0
N_RELEVANT = 30


def _saxe_trained(session: "Session") -> dict[str, Run]:
    data = binary_patterns.load()
    return {
        name: train(spec.run, data, device=session.device)
        for name, spec in session.saxe_runs().items()
    }


def saxe_history(session: "Session") -> pd.DataFrame:
    """Learning curves of the 12-bit task: one row per seed, epoch and split."""
    return histories(_saxe_trained(session), session.profile.name)


def saxe_planes(session: "Session") -> pd.DataFrame:
    """Information planes of the 12-bit task, measured on all 4096 patterns."""
    data, specs = binary_patterns.load(), session.saxe_runs()
    tables = [
        measure_run(run, data, specs[name].measures[0], profile=session.profile.name)
        for name, run in _saxe_trained(session).items()
    ]
    return pd.concat(tables, ignore_index=True)


def linear_network(session: "Session") -> pd.DataFrame:
    """Exact information [bits] and errors of linear students, per seed and stored epoch.

    Columns ``case`` ("all relevant" or "30 of 100 relevant"), ``seed``, ``epoch``, ``I_XT``,
    ``I_TY``, ``I_relevant``, ``I_irrelevant`` (of the first 30 inputs and of the other 70, each
    with the rest of the input as part of the noise), ``training_loss``, ``test_loss``.
    """
    tables = []
    for case, n_relevant in (("all relevant", None), ("30 of 100 relevant", N_RELEVANT)):
        for seed in range(session.profile.linear_seeds):
            data = linear_teacher.load(seed, n_relevant=n_relevant)
            spec = linear_run(session.profile, seed)
            run = train(spec.run, data)
            teacher = linear_teacher.teacher(seed, n_relevant=n_relevant)
            tables.append(_linear_rows(run, teacher).assign(case=case, seed=seed))
    return pd.concat(tables, ignore_index=True)


def _linear_rows(run: Run, teacher: np.ndarray) -> pd.DataFrame:
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
    total = exact.linear_information_x(weights, np.eye(n) / n, s2)
    only = {
        "I_relevant": weights[:, N_RELEVANT:],
        "I_irrelevant": weights[:, :N_RELEVANT],
    }  # the part that is left when the other is given
    parts = {
        name: total - exact.linear_information_x(w, np.eye(w.shape[1]) / n, s2)
        for name, w in only.items()
    }
    label = exact.linear_information_y(weights, teacher, np.eye(n) / n, s2, 1.0)
    return {"I_XT": total, "I_TY": label, **parts}
