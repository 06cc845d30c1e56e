"""Pictures of doubt: cells with their numbers, sweeps, geometry, compression against the gap."""

import numpy as np
import pandas as pd
import pytest

from study.plots import compression_gap_figure, geometry_figure, plot_sweep_of_falls
from study.plots.evidence import ACTIVATION_COLOURS, plot_compression_and_gap, plot_shares

SHARES = pd.DataFrame({"binning": [0.0, 1.0], "kde": [np.nan, 0.25]}, index=["block1", "block2"])


def test_every_share_is_written_and_what_was_not_measured_is_marked(ax):
    plot_shares(ax, SHARES, title="layers")
    assert [text.get_text() for text in ax.texts] == ["0.00", "-", "1.00", "0.25"]
    assert ax.texts[2].get_color() == "white"  # on a dark cell


@pytest.fixture
def falls():
    rows = [
        {"activation": a, "estimator": "binning", "parameter": "width", "value": v, "fall": v * f}
        for a, f in (("tanh", 2.0), ("relu", 0.1))
        for v in (0.07, 0.5)
        for _ in range(2)
    ]
    return pd.DataFrame(rows).assign(
        seed=[0, 1] * 4, gap=0.1, layer=["hidden4", "hidden5"] * 4, setting="12-bit"
    )


def test_a_sweep_has_one_line_an_activation_in_its_colour(ax, falls):
    plot_sweep_of_falls(ax, falls, estimators=("binning",), parameter="width")
    assert [line.get_color() for line in ax.lines] == [
        ACTIVATION_COLOURS["tanh"],
        ACTIVATION_COLOURS["relu"],
    ]
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([0.14, 1.0])
    assert ax.get_xscale() == "log"
    assert "bits" in ax.get_ylabel()


def test_compression_against_gap_shows_every_row(ax, falls):
    scatters = plot_compression_and_gap(ax, falls, marker="layer")
    assert sum(len(one.get_offsets()) for one in scatters) == len(falls)
    assert "bits" in ax.get_xlabel()


def test_panels_of_compression_and_gap_agree_on_their_limits(falls):
    parts = {"networks": (falls, "setting"), "layers": (falls.assign(fall=5.0), "layer")}
    figure = compression_gap_figure(parts, note="one dot a network")
    first, second = figure.axes[:2]
    assert first.get_xlim() == second.get_xlim()
    assert first.get_ylim() == second.get_ylim()


def test_geometry_stands_below_the_bits_of_the_same_epochs():
    curves = [
        {"activation": a, "layer": layer, "epoch": e, "bits": 5.0, "ratio": 0.5}
        for a in ("tanh", "relu")
        for layer in ("hidden1", "hidden2")
        for e in (0, 1, 10)
    ]
    table = pd.DataFrame(curves)
    figure = geometry_figure(table, table, bits_label="I(X;T) [bits]")
    upper, lower = figure.axes[0], figure.axes[2]
    assert upper.get_xlim() == lower.get_xlim()
    assert len(upper.lines) == 2
