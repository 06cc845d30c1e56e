"""What networks get right and wrong at the end: confusion matrices, and dots of accuracy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.plotting.style import (
    OKABE_ITO,
    SMALLEST_PT,
    figure_legend,
    panels,
    reference_line,
)
from iblib.plotting.tables import seeds_text
from study.text import shortened

CONFUSION_CMAP = "Blues"
_DARK = 0.55  # share from which numbers are written in white


def confusion_counts(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Clips by true class (rows) and predicted class (columns), summed over what the rows hold.

    Parameters
    ----------
    table : DataFrame
        Columns ``true``, ``predicted``, ``clips``; pairs that do not occur may be left out.
    classes : sequence of str
        Order of rows and columns.
    """
    counts = table.pivot_table(values="clips", index="true", columns="predicted", aggfunc="sum")
    return counts.reindex(index=classes, columns=classes).fillna(0).astype(int)


def plot_confusion(ax: Axes, counts: pd.DataFrame) -> list[Artist]:
    """Draw a confusion matrix: each row's shares as colour from 0 to 1, its counts as numbers.

    Parameters
    ----------
    counts : DataFrame
        Rows are true classes, columns predicted ones, in the same order.

    Returns
    -------
    list of Artist
        The image, then the numbers; zeros are left empty.

    Raises
    ------
    ValueError
        If rows and columns are not the same classes in the same order.
    """
    if list(counts.index) != list(counts.columns):
        raise ValueError(
            "counts must have the same classes in rows and columns; "
            f"got {list(counts.index)} and {list(counts.columns)}"
        )
    totals = counts.sum(axis=1)
    shares = counts.div(totals.where(totals > 0, 1), axis=0).to_numpy(float)
    artists: list[Artist] = [ax.imshow(shares, cmap=CONFUSION_CMAP, vmin=0, vmax=1)]
    for (row, column), n in np.ndenumerate(counts.to_numpy()):
        if n:
            look = {"color": "white" if shares[row, column] > _DARK else "black"}
            look |= {"ha": "center", "va": "center", "fontsize": SMALLEST_PT}
            look |= {"fontweight": "bold" if row == column else "normal"}
            artists.append(ax.text(column, row, f"{n}", **look))
    place = np.arange(len(counts))
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(place, labels=[shortened(name) for name in counts.columns], **turned)
    ax.set_yticks(place, labels=[f"{shortened(name)} ({n})" for name, n in totals.items()])
    ax.set(xlabel="predicted", ylabel="true (clips x seeds)")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return artists


def confusion_grid(
    table: pd.DataFrame, *, columns: str, classes: Sequence[str], title: str = ""
) -> Figure:
    """Confusion matrices side by side, with one colour bar.

    Parameters
    ----------
    table : DataFrame
        As in `confusion_counts`, and ``seed``; seeds are summed.
    columns : str
        Table column that makes the panels, in order of first appearance.
    classes : sequence of str
    """
    groups = list(table.groupby(columns, sort=False))
    with panels(1, len(groups), panel=(3.0, 2.9), sharey=True, title=title) as (figure, axes):
        for ax, (name, rows) in zip(axes[0], groups, strict=True):
            image = plot_confusion(ax, confusion_counts(rows, classes))[0]
            ax.set_title(f"{name}, {seeds_text([rows])}")
            ax.label_outer()
        figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.04, pad=0.02)
    return figure


def plot_accuracies(ax: Axes, table: pd.DataFrame, *, n_clips: int | None = None) -> list[Artist]:
    """Draw one row a setting: a hollow dot a seed, the mean, and how uncertain it is.

    Parameters
    ----------
    table : DataFrame
        One row a trained network; columns ``setting`` (a label), and ``test`` in [0, 1].
    n_clips : int, optional
        Clips behind each accuracy; draws sqrt(a (1 - a) / n_clips) as a thin grey bar.

    Returns
    -------
    list of Artist
        By setting: grey bar (with ``n_clips``), dots, mean with its standard error over seeds.
    """
    names = list(dict.fromkeys(table["setting"]))
    artists: list[Artist] = []
    for place, name in enumerate(names):
        values = table.loc[table["setting"] == name, "test"].to_numpy(float)
        mean = values.mean()
        if n_clips:
            error = np.sqrt(mean * (1 - mean) / n_clips)
            artists += ax.plot([mean - error, mean + error], [place] * 2, **_CLIPS)
        stack = pd.Series(values).groupby(values).cumcount()  # equal values stand below each other
        artists += ax.plot(values, place + 0.22 + 0.12 * stack, **_SEED)
        spread = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
        artists.append(ax.errorbar(mean, place, xerr=spread, **_MEAN))
    labels = [f"{name} (n = {n})" for name, n in table["setting"].value_counts()[names].items()]
    ax.set_yticks(range(len(names)), labels=labels)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1), xlabel="test accuracy")
    return artists


_CLIPS = {"color": "0.78", "lw": 5, "solid_capstyle": "butt", "zorder": 1.5}
_SEED = {"color": OKABE_ITO[0], "marker": "o", "ls": "", "mfc": "white", "ms": 4, "zorder": 3}
_MEAN = {"color": "black", "fmt": "D", "ms": 4.5, "capsize": 3, "elinewidth": 1.2, "zorder": 4}


def accuracies_figure(
    table: pd.DataFrame,
    *,
    n_clips: int | None = None,
    n_classes: int | None = None,
    title: str = "",
) -> Figure:
    """One row a setting with dots of seeds, mean and errors, and chance as a grey dotted line.

    Parameters
    ----------
    table, n_clips
        As in `plot_accuracies`.
    n_classes : int, optional
        Draws chance, 1 / n_classes.
    """
    height = 0.34 * table["setting"].nunique() + 0.5
    with panels(1, 1, panel=(5.2, height), title=title) as (figure, axes):
        ax = axes[0, 0]
        plot_accuracies(ax, table, n_clips=n_clips)
        if n_classes:
            reference_line(ax, 1 / n_classes, f"chance {100 / n_classes:.3g} %", "x", end=True)
        handles = [
            Line2D([], [], **_SEED, label="one seed"),
            Line2D([], [], color="black", marker="D", label="mean, standard error over seeds"),
        ]
        if n_clips:
            handles.append(Line2D([], [], **_CLIPS, label=f"standard error of {n_clips} clips"))
        figure_legend(figure, handles)
    return figure
