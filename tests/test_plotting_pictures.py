"""Learning curves, class shares, truths, waveforms, spectrograms, feature maps."""

import numpy as np
import pandas as pd
import pytest
from plotting_tables import history_table, legend_texts, log_mel, texts, waveform

from iblib.plotting import save_figure
from study.plots import (
    feature_map_grid,
    learning_curves_grid,
    plot_against_truth,
    plot_class_shares,
    plot_waveform,
    spectrogram_grid,
)
from study.plots.curves import plot_learning_curves
from study.plots.matrices import confusion_grid
from study.plots.spectrograms import mel_frequencies, plot_feature_maps, plot_spectrogram


@pytest.fixture(scope="module")
def history():
    return history_table(epochs=10)


def one(history):
    return history[(history["activation"] == "relu") & (history["batch_mode"] == "mini-batch")]


def test_learning_curves_draw_mean_and_band_of_each_split(history, ax):
    rows = one(history)
    plot_learning_curves(ax, rows, chance=0.125)
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    assert len({line.get_linestyle() for line in lines}) == 3
    expected = rows[rows["split"] == "test"].groupby("epoch")["accuracy"].mean()
    np.testing.assert_allclose(lines[2].get_ydata(), expected)
    assert len(ax.collections) == 3
    assert texts(ax) == ["chance = 0.125"]


@pytest.mark.parametrize("wrong", [{"metric": "f1"}, {"x": "hours"}])
def test_learning_curves_name_what_they_know(history, ax, wrong):
    with pytest.raises(ValueError, match=r"must be one of .*got"):
        plot_learning_curves(ax, one(history), **wrong)


def test_learning_curves_average_over_seeds_only(history, ax):
    with pytest.raises(ValueError, match="activation must have one value"):
        plot_learning_curves(ax, history)


def test_learning_curves_grid_shares_axes(history):
    figure = learning_curves_grid(history, n_classes=8, log=True, x="updates")
    assert len({ax.get_ylim() for ax in figure.axes[4:]}) == 1
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert "mean, n = 3 seeds" in legend_texts(figure)


def test_class_shares_are_percentages_of_each_split(ax):
    counts = pd.DataFrame({"training": [30, 10], "test": [5, 5]}, index=["Folk", "Rock"])
    bars = plot_class_shares(ax, counts)
    assert [[bar.get_width() for bar in group] for group in bars] == [[75, 25], [50, 50]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Folk", "Rock"]


@pytest.mark.filterwarnings("error")
def test_any_class_name_can_be_drawn(tmp_path):
    """Letters that no installed font has, 120 letters, and what looks like mathematics."""
    names = ["古典音乐", "クラシック", "शास्त्रीय", "x" * 120, r"a$\b$"]
    clips = pd.DataFrame({"true": names, "predicted": names, "clips": 1, "seed": 0, "model": "m"})
    figure = confusion_grid(clips, columns="model", classes=names)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "古典音乐 (1)"
    assert labels[3] == f"{'x' * 19}… (1)"
    save_figure(figure, "01-names", tmp_path)
    mels = {name: log_mel(i, (16, 20)) for i, name in enumerate(names)}
    save_figure(spectrogram_grid(mels), "02-names", tmp_path)


@pytest.mark.filterwarnings("error")
def test_any_class_name_can_have_a_share(ax):
    plot_class_shares(ax, pd.DataFrame({"test": [1, 2]}, index=["古典音乐", "x" * 120]))


def test_estimate_against_truth(ax):
    estimate = np.array([[1.0, 2.0, 4.0], [3.0, 4.0, 6.0]])
    plot_against_truth(ax, [1, 10, 100], estimate, [2, 3, 4], label="KDE", estimator="kde")
    truth, mean = ax.lines
    assert truth.get_linestyle() == ":"
    assert mean.get_linestyle() == "--"
    np.testing.assert_allclose(mean.get_ydata(), [2, 3, 5])
    assert mean.get_label() == "KDE (mean ± sd, n = 2)"
    plot_against_truth(ax, [1, 10, 100], estimate[0], None, log_x=True)
    assert len(ax.lines) == 3
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10", "100"]


def test_log_ticks_have_room(ax):
    weights = [0.1, 0.2, 0.3, 0.5, 0.7, 0.87, 1.2, 2, 3, 5, 7, 10, 15, 20, 30, 50]
    plot_against_truth(ax, weights, np.zeros(16), None, log_x=True)
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0.1", "0.3", "0.7", "2", "5", "15", "50"]


def test_estimate_must_fit_x(ax):
    with pytest.raises(ValueError, match=r"n = len\(x\) = 2; got \(3,\)"):
        plot_against_truth(ax, [1, 2], np.zeros(3), 0.0)


def test_waveform_is_drawn_in_seconds(ax):
    plot_waveform(ax, waveform(seconds=2))
    assert ax.get_xlim() == (0, 2)
    with pytest.raises(ValueError, match=r"shape \(n,\)"):
        plot_waveform(ax, np.zeros((2, 10)))


def test_spectrogram_axes(ax):
    image = plot_spectrogram(ax, log_mel(shape=(128, 431)), limits=(-80, 0))
    assert ax.get_xlim()[1] == pytest.approx(431 * 512 / 22050)
    assert image.get_clim() == (-80, 0)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["250", "500", "1000", "2000", "4000", "8000"]
    place = dict(zip(labels, ax.get_yticks(), strict=True))
    assert np.argmin(np.abs(mel_frequencies(128) - 1000)) == pytest.approx(place["1000"], abs=1)
    with pytest.raises(ValueError, match=r"shape \(mels, frames\)"):
        plot_spectrogram(ax, np.zeros(5))


def test_spectrogram_grid_has_common_limits():
    mels = {name: log_mel(i, (64, 100)) for i, name in enumerate(["Folk", "Pop", "Rock"])}
    figure = spectrogram_grid(mels)
    pictures = [ax.images[0] for ax in figure.axes[:3]]
    low = min(mel.min() for mel in mels.values())
    assert {picture.get_clim() for picture in pictures} == {
        (low, max(mel.max() for mel in mels.values()))
    }


def test_feature_maps_are_tiles_in_reading_order(ax):
    maps = np.arange(3 * 2 * 4).reshape(3, 2, 4)
    picture = plot_feature_maps(ax, maps).get_array()
    np.testing.assert_array_equal(picture[:2, :4], maps[0][::-1])
    np.testing.assert_array_equal(picture[:2, 5:], maps[1][::-1])
    np.testing.assert_array_equal(picture[3:, :4], maps[2][::-1])
    assert np.ma.getmaskarray(np.ma.masked_invalid(picture))[2].all()
    assert texts(ax) == ["0", "1", "2"]
    with pytest.raises(ValueError, match=r"shape \(filters, height, width\)"):
        plot_feature_maps(ax, maps[0])


def test_feature_map_grid_has_common_limits():
    maps = {epoch: np.full((4, 8, 20), float(epoch)) for epoch in (0, 1, 10, 100)}
    figure = feature_map_grid(maps)
    shown = [ax for ax in figure.axes if ax.images]
    assert {ax.images[0].get_clim() for ax in shown} == {(0.0, 100.0)}
