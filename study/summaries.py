"""Tables to tables: accuracies, updates and rank correlations that the report quotes."""

import numpy as np
import pandas as pd

from iblib.summaries import SETTING


def final_accuracy(history: pd.DataFrame) -> pd.DataFrame:
    """Accuracy at the last epoch by setting: mean over seeds of training, validation and test.

    Beside the three (shares in [0, 1]): ``epochs``, ``updates``, ``n_seeds``, ``gap`` = training -
    test, and ``test_spread`` = largest - smallest test value.
    """
    last = _last_epochs(history)
    counts = {"epochs": ("epoch", "max"), "updates": ("updates", "max")}
    found = last.groupby(SETTING, sort=False).agg(**counts, n_seeds=("seed", "nunique"))
    for split in ("training", "validation", "test"):
        accuracy = last[last["split"] == split].groupby(SETTING)["accuracy"]
        found[split] = accuracy.mean()
    found["gap"] = found["training"] - found["test"]
    found["test_spread"] = accuracy.max() - accuracy.min()
    return found.reset_index()


def _last_epochs(history: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run's last epoch."""
    return history[history["epoch"] == history.groupby("run")["epoch"].transform("max")]


def accuracy_by_seed(history: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every trained network at its last epoch: one row each.

    Columns run, seed, ``dataset``, those of the setting, the splits (shares in [0, 1]), and
    ``gap`` = training - test.
    """
    last = _last_epochs(history)
    keys = ["run", "seed", "dataset", *SETTING]
    found = last.pivot_table(index=keys, columns="split", values="accuracy", sort=False)
    found["gap"] = found["training"] - found["test"]
    return found.reset_index().rename_axis(columns=None)


def rank_correlation(
    table: pd.DataFrame, x: str, y: str, *, groups: list[str], n_resamples: int = 2000
) -> dict[str, float]:
    """Spearman's ``correlation`` of two columns with a 95 % interval, ``low`` to ``high``.

    The interval is a percentile bootstrap over whole ``groups`` (settings, told apart by these
    columns): seeds of one setting are alike, so that resampling them one by one would make the
    interval too short. All three are NaN where there are no rows, or a column is constant. ``n``
    and ``n_groups`` are the numbers of rows and of settings.
    """
    parts = [part[[x, y]].to_numpy(float) for _, part in table.groupby(groups, sort=False)]
    found = _spearman(np.concatenate(parts)) if parts else np.nan
    about = {"n": len(table), "n_groups": len(parts)}
    if np.isnan(found):
        return {"correlation": np.nan, "low": np.nan, "high": np.nan} | about
    random = np.random.default_rng(0)
    drawn = [
        _spearman(np.concatenate([parts[i] for i in random.integers(len(parts), size=len(parts))]))
        for _ in range(n_resamples)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"correlation": found, "low": float(low), "high": float(high)} | about


def _spearman(pairs: np.ndarray) -> float:
    ranks = pd.DataFrame(pairs).rank().to_numpy()
    if np.ptp(ranks, axis=0).min() == 0:
        return np.nan  # one column is constant
    return float(np.corrcoef(ranks, rowvar=False)[0, 1])


def with_updates(table: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Plane rows with the ``updates`` their run had made by each epoch (joined from a history)."""
    updates = history[["run", "epoch", "updates"]].drop_duplicates()
    return table.merge(updates, on=["run", "epoch"], how="left", validate="many_to_one")


def saturation(table: pd.DataFrame) -> pd.DataFrame:
    """Share of saturated measurements by setting, layer, view and estimator (I(X;T) rows)."""
    table = table[table["quantity"].isin(("I_XT", "I_XT_upper"))]
    by = [*SETTING, "layer", "view", "estimator"]
    return table.groupby(by, sort=False)["saturated"].mean().rename("share").reset_index()
