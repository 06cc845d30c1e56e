"""Confusion matrices and dots of accuracy: structure, not pixels."""

import numpy as np
import pandas as pd
import pytest
from plotting_tables import texts

from study.plots import accuracies_figure, confusion_grid
from study.plots.matrices import confusion_counts, plot_accuracies, plot_confusion

CLASSES = ["Folk", "Pop", "Rock"]


@pytest.fixture
def table():
    columns = ["activation", "seed", "true", "predicted", "clips"]
    rows = [
        ("relu", 0, "Folk", "Folk", 3),
        ("relu", 0, "Pop", "Folk", 1),
        ("relu", 0, "Pop", "Pop", 2),
        ("relu", 1, "Folk", "Folk", 2),
        ("relu", 1, "Folk", "Pop", 1),
        ("relu", 1, "Pop", "Pop", 3),
        ("tanh", 0, "Pop", "Pop", 3),
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def accuracies():
    names = ["CNN, tanh"] * 3 + ["CNN, ReLU"]
    return pd.DataFrame({"setting": names, "test": [0.5, 0.6, 0.7, 0.25]})


def test_counts_are_summed_over_seeds_and_hold_all_classes(table):
    counts = confusion_counts(table[table["activation"] == "relu"], CLASSES)
    expected = [[5, 1, 0], [1, 5, 0], [0, 0, 0]]
    np.testing.assert_array_equal(counts, expected)
    assert list(counts.index) == list(counts.columns) == CLASSES


def test_confusion_is_coloured_by_row_shares_and_written_in_counts(table, ax):
    counts = confusion_counts(table[table["activation"] == "relu"], CLASSES)
    image, *numbers = plot_confusion(ax, counts)
    np.testing.assert_allclose(image.get_array(), [[5 / 6, 1 / 6, 0], [1 / 6, 5 / 6, 0], [0] * 3])
    assert image.get_clim() == (0, 1)
    assert [text.get_text() for text in numbers] == ["5", "1", "1", "5"]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["Folk (6)", "Pop (6)", "Rock (0)"]
    with pytest.raises(ValueError, match="same classes in rows and columns"):
        plot_confusion(ax, counts[["Pop", "Folk", "Rock"]])


def test_confusion_grid_counts_the_seeds_of_each_panel(table):
    figure = confusion_grid(table, columns="activation", classes=CLASSES)
    titles = [ax.get_title() for ax in figure.axes[:2]]
    assert titles == ["relu, n = 2 seeds", "tanh, n = 1 seed"]


def test_accuracies_have_dots_mean_and_error(accuracies, ax):
    found = plot_accuracies(ax, accuracies, n_clips=64)
    clips, dots, mean = found[:3]
    np.testing.assert_allclose(clips.get_xdata(), 0.6 + np.sqrt(0.24 / 64) * np.array([-1, 1]))
    np.testing.assert_allclose(dots.get_xdata(), [0.5, 0.6, 0.7])
    assert mean.lines[0].get_xdata() == pytest.approx([0.6])
    assert mean.has_xerr
    assert not found[5].has_xerr  # one seed has no spread
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["CNN, tanh (n = 3)", "CNN, ReLU (n = 1)"]


def test_equal_accuracies_do_not_hide_each_other(ax):
    table = pd.DataFrame({"setting": ["CNN"] * 3, "test": [0.5, 0.6, 0.5]})
    dots = plot_accuracies(ax, table)[0]
    assert len(set(zip(dots.get_xdata(), dots.get_ydata(), strict=True))) == 3


def test_accuracies_figure_draws_chance(accuracies):
    figure = accuracies_figure(accuracies, n_clips=64, n_classes=8)
    assert texts(figure.axes[0]) == ["chance 12.5 %"]
    assert texts(accuracies_figure(accuracies).axes[0]) == []
