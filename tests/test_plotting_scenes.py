"""Scenes: what stands still is drawn once, and every frame is what a full drawing would show."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from plotting_tables import legend_texts, plane_table

from iblib.plotting import plane_player
from iblib.plotting.scenes import Panel, Scene, plane_scene
from iblib.plotting.style import panels
from study.plots import feature_map_player, histogram_player

EPOCHS = (0, 1, 3, 10)
LAYERS = ("hidden1", "hidden2", "output")


@pytest.fixture(scope="module")
def table():
    whole = plane_table(epochs=EPOCHS, seeds=(0, 1), layers=LAYERS, activations=("tanh",))
    return whole[whole["estimator"] == "binning"]


@pytest.fixture(scope="module")
def history(table):
    keys = table[["run", "seed"]].drop_duplicates().to_dict("records")
    return pd.DataFrame(
        {**key, "epoch": epoch, "split": split, "accuracy": (0.5 + 0.04 * epoch) * share}
        for key in keys
        for epoch in range(11)
        for split, share in (("training", 1.0), ("test", 0.5))
    )


def marks(scene):
    """Position and filling of each layer's marker."""
    lines = [a for a in scene.moving if hasattr(a, "get_marker") and a.get_markersize() == 7.5]
    return {
        to_hex(a.get_color()): (*np.ravel(a.get_data()), to_hex(a.get_markerfacecolor()))
        for a in lines
    }


def test_a_frame_shows_the_mean_of_its_epoch_and_the_way_to_it(table):
    scene = plane_scene([Panel("a", table, "binning")])
    assert scene.steps == list(EPOCHS)
    scene.frame(3)
    rows = table[(table["epoch"] == 3) & (table["layer"] == "hidden1")]
    bits = rows.groupby("quantity")["bits"].mean()
    x, y, _ = marks(scene)["#0072b2"]
    assert (x, y) == pytest.approx((bits["I_XT"], bits["I_TY"]))
    ways = [a for a in scene.moving if a.get_alpha() == 0.45]
    assert [len(way.get_xdata()) for way in ways] == [3] * len(LAYERS)


def test_saturated_points_are_hollow(table):
    scene = plane_scene([Panel("a", table.assign(saturated=True), "binning")])
    scene.frame(10)
    assert {face for *_, face in marks(scene).values()} == {"#ffffff"}
    scene = plane_scene([Panel("a", table.assign(saturated=False), "binning")])
    scene.frame(10)
    assert "#ffffff" not in {face for *_, face in marks(scene).values()}


def test_a_frame_is_what_a_full_drawing_would_show(table, history):
    scene = plane_scene([Panel("a", table, "binning")], history)
    for epoch in (10, 0, 3):  # in any order
        frame = np.asarray(scene.frame(epoch))
    again = plane_scene([Panel("a", table, "binning")], history)
    assert np.array_equal(frame, np.asarray(again.frame(3)))
    figure = again.still_figure(3)
    figure.canvas.draw()
    full = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    # Moving parts are drawn above those that stand still, so some pixels may differ.
    assert np.mean(np.abs(full.astype(int) - frame) > 32) < 0.004


def test_accuracies_are_those_of_the_panels_runs_at_the_epoch(table, history):
    others = history.assign(run="another", accuracy=0.0)
    scene = plane_scene([Panel("a", table, "binning")], pd.concat([history, others]))
    scene.frame(3)
    texts = {t.get_text() for ax in scene.figure.axes for t in ax.texts}
    assert {"epoch 3", "training 0.62, test 0.31"} <= texts


def test_two_panels_with_other_epochs_share_one_slider(table):
    early = table[table["epoch"] <= 1]
    scene = plane_scene([Panel("a", table, "binning"), Panel("b", early, "binning")])
    assert scene.steps == list(EPOCHS)
    scene.frame(10)
    right = [a for a in scene.moving if a.axes is scene.figure.axes[1] and a.get_alpha() == 0.45]
    assert [len(way.get_xdata()) for way in right] == [2] * len(LAYERS)


def test_filters_of_one_layer_have_ways_of_their_own():
    maps = plane_table(epochs=EPOCHS, seeds=(0,), layers=("block1",), channels=(0, 1, 2))
    maps = maps[(maps["estimator"] == "kde") & (maps["activation"] == "tanh")]
    scene = plane_scene([Panel("a", maps, "kde")], ways="channel")
    assert legend_texts(scene.figure)[:3] == ["filter 0", "filter 1", "filter 2"]
    two = pd.concat([maps, maps.assign(layer="block2")])
    with pytest.raises(ValueError, match="layer must have one value in a panel"):
        plane_scene([Panel("a", two, "kde")], ways="channel")
    with pytest.raises(ValueError, match='ways must be "layer" or "channel"'):
        plane_scene([Panel("a", maps, "kde")], ways="seed")


def test_a_scene_moves_only_what_is_animated():
    with panels() as (figure, axes):
        axes[0, 0].set(xlim=(0, 1), ylim=(0, 1))
        (line,) = axes[0, 0].plot([0, 1], [0, 0], animated=True)
    scene = Scene(figure, lambda step: line.set_ydata([step, step]), [0.2, 0.8])
    assert scene.moving == [line]
    low, high, again = (np.asarray(scene.frame(step)) for step in (0.2, 0.8, 0.2))
    assert np.array_equal(low, again)
    assert 0 < np.mean(np.any(low != high, axis=-1)) < 0.05


def test_still_figure_is_the_last_frame(table):
    player = plane_player(table, estimator="binning")
    figure = player.still_figure()
    assert "epoch 10" in {text.get_text() for text in figure.axes[0].texts}
    assert not figure.findobj(lambda artist: artist.get_animated())


def test_histograms_and_feature_maps_have_a_frame_per_epoch():
    generator = np.random.default_rng(0)
    shares = generator.dirichlet(np.ones(5), size=3)
    arrays = {"tanh-epochs": np.array([0, 2, 9]), "tanh-a": shares}
    arrays["tanh-a-edges"] = np.linspace(-1, 1, 6)
    player = histogram_player(arrays, ["tanh"], ["a"])
    assert player.labels == ["epoch 0", "epoch 2", "epoch 9"]
    assert len(set(player.frames)) == 3
    maps = {"block1": generator.normal(size=(3, 4, 8, 6)), "block2": np.zeros((3, 2, 4, 3))}
    player = feature_map_player(generator.normal(size=(16, 12)), maps, [0, 2, 9])
    assert player.labels == ["epoch 0", "epoch 2", "epoch 9"]
    assert len(set(player.frames)) == 3
