"""The epoch slider: its representations, its HTML in a browser, and the live explorer."""

import base64
import io
import json
import re

import pandas as pd
import pytest
from browser import Tab, chromium
from PIL import Image
from plotting_tables import plane_table

from iblib.plotting import EpochPlayer, plane_player
from study.plots import explorer as explorer_module
from study.plots import plane_explorer

EPOCHS = (0, 1, 3, 10)
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def table():
    return plane_table(epochs=EPOCHS, seeds=(0, 1), layers=("hidden1", "hidden2", "output"))


@pytest.fixture(scope="module")
def player(table):
    return plane_player(table, estimator="kde")


def kernel(monkeypatch, *, static):
    """Pretend to run in a Jupyter kernel."""
    import IPython

    shell = type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setenv("IBLIB_STATIC", "1") if static else monkeypatch.delenv(
        "IBLIB_STATIC", raising=False
    )


def test_a_frame_per_epoch_of_equal_size_with_one_small_palette(player):
    assert player.labels == ["epoch 0", "epoch 1", "epoch 3", "epoch 10"]
    assert len(set(player.frames)) == len(EPOCHS)
    pictures = [Image.open(io.BytesIO(frame)) for frame in player.frames]
    assert {picture.width for picture in pictures} == {player.width}
    assert max(len(picture.getpalette()) // 3 for picture in pictures) <= 64


def test_the_bundle_in_a_kernel_holds_the_widget(player, monkeypatch):
    kernel(monkeypatch, static=False)
    bundle = player._repr_mimebundle_()
    assert set(bundle) == {WIDGET, "text/html", "image/png", "text/plain"}
    assert base64.b64decode(bundle["image/png"]) == player.frames[-1]
    assert bundle["text/plain"] == "EpochPlayer('Information plane, KDE (upper)', 4 frames)"


def test_the_bundle_is_static_without_a_kernel_or_when_asked(player, monkeypatch):
    kernel(monkeypatch, static=True)
    assert set(player._repr_mimebundle_()) == {"text/html", "image/png", "text/plain"}
    monkeypatch.undo()
    monkeypatch.delenv("IBLIB_STATIC", raising=False)
    assert WIDGET not in player._repr_mimebundle_()


def test_the_widgets_slider_changes_picture_and_label(player):
    picture, controls = player.widget().children
    _, slider, label = controls.children
    slider.value = 1
    assert picture.value == player.frames[1]
    assert label.value == "epoch 1"


def test_html_is_deterministic_and_asks_for_nothing(player, table):
    page = player.to_html()
    assert page == plane_player(table, estimator="kde").to_html()
    assert not re.search(r"https?://|//cdn|@import|<link|\sid=", page)
    data = json.loads(re.search(r'class="ib-frames">(.*?)</script>', page).group(1))
    assert data["labels"] == player.labels
    assert [bool(frame) for frame in data["frames"]] == [True, True, True, False]


def test_html_survives_any_title():
    player = EpochPlayer([b"a", b"b"], [0, "</script>"], '"<b>&</script>')
    page = player.to_html()
    assert page.count("</script>") == 2
    assert '"<b>' not in page


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (([], []), "got 0 frames, 0 labels"),
        (([b"", b""], ["a"]), "got 2 frames, 1 labels"),
    ],
)
def test_player_checks_its_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        EpochPlayer(*wrong)


def test_player_needs_one_configuration_a_panel(table):
    doubled = pd.concat([table, table.assign(batch_mode="full batch")])
    with pytest.raises(ValueError, match="batch_mode must have one value"):
        plane_player(doubled, estimator="kde")


def test_explorer_offers_what_the_choices_before_leave(table):
    explorer = plane_explorer(table)
    offered = explorer.options()
    assert offered["estimator"] == ["binning", "KDE (upper)", "Kraskov", "KDE (lower)"]
    assert offered["seed"] == ["all", "0", "1"]
    assert offered["setting"] == ["width 0.07"]
    assert explorer.options({"estimator": "KDE (lower)"})["setting"] == ["noise variance 0.01"]
    a = explorer.figure({"activation": "tanh"}).axes[0]
    b = explorer.figure({"activation": "ReLU", "seed": "1"}).axes[0]
    assert (a.get_xlim(), a.get_ylim()) == (b.get_xlim(), b.get_ylim())
    with pytest.raises(ValueError, match="activation must be one of: tanh, ReLU; got 'elu'"):
        explorer.figure({"activation": "elu"})
    with pytest.raises(ValueError, match=r"menus are .*; got 'width'"):
        explorer.figure({"width": "0.07"})


def test_explorer_draws_two_runs_at_one_epoch(table):
    explorer = plane_explorer(table)
    kraskov = {"activation": "ReLU", "estimator": "Kraskov"}
    figure = explorer.figure({}, kraskov, epoch=3)
    assert "tanh" in figure.axes[0].get_title()
    assert "Kraskov" in figure.axes[1].get_title()
    assert {text.get_text() for ax in figure.axes for text in ax.texts} >= {"epoch 3"}
    assert explorer.picture({}, kraskov, epoch=3) != explorer.picture({}, kraskov, epoch=0)


def test_explorer_takes_a_point_of_two_tables_once(table):
    explorer = plane_explorer(pd.concat([table, table[table["seed"] == 0]]))
    assert len(explorer.table) == len(plane_explorer(table).table)


def test_explorer_shows_the_filters_of_one_layer():
    maps = plane_table(
        epochs=EPOCHS, seeds=(0,), layers=("block1", "block2"), view="filter", channels=(0, 1, 2)
    )
    layers = plane_table(epochs=EPOCHS, seeds=(0,), layers=("block1", "block2"))
    explorer = plane_explorer(pd.concat([layers, maps]))
    assert explorer.options()["filters of"] == ["all"]
    assert explorer.options({"view": "filter"})["filters of"] == ["block1", "block2"]
    filters = {"view": "filter", "filters of": "block2"}
    named = {text.get_text() for text in explorer.figure(filters).legends[0].get_texts()}
    assert {"filter 0", "filter 1", "filter 2"} <= named
    with pytest.raises(ValueError, match="filters cannot stand beside layers"):
        explorer.figure({}, filters)


def test_explorer_is_a_picture_when_static(table, monkeypatch):
    explorer = plane_explorer(table)
    kernel(monkeypatch, static=True)
    assert set(explorer._repr_mimebundle_()) == {"image/png", "text/plain"}
    kernel(monkeypatch, static=False)
    assert WIDGET in explorer._repr_mimebundle_()


@pytest.fixture
def controls(table):
    return explorer_module._Controls(plane_explorer(table))


def test_explorers_menus_change_the_picture_and_the_menus_after_them(controls):
    menus, before = controls.left.menus, controls.picture.value
    menus["estimator"].value = "KDE (upper)"
    assert controls.picture.value != before
    assert menus["setting"].value == "noise variance 0.01"
    before = controls.picture.value
    menus["activation"].value = "ReLU"
    assert controls.picture.value != before
    assert menus["estimator"].value == "KDE (upper)"
    assert menus["view"].layout.display == "none"  # one entry is no choice


def test_explorers_slider_and_play_move_together_and_stay_at_the_epoch(controls):
    assert controls.slider.value == EPOCHS[-1]
    last = controls.picture.value
    controls.slider.index = 1
    assert controls.play.value == 1
    assert controls.picture.value != last
    controls.play.value = 2
    assert controls.slider.value == 3
    controls.left.menus["estimator"].value = "Kraskov"
    assert controls.slider.value == 3


def test_explorers_second_run_stands_beside_the_first(controls):
    with Image.open(io.BytesIO(controls.picture.value)) as one:
        width = one.width
    assert controls.right.box.layout.display == "none"
    controls.both.value = True
    assert controls.right.box.layout.display is None
    controls.right.menus["activation"].value = "ReLU"
    with Image.open(io.BytesIO(controls.picture.value)) as two:
        assert two.width > 1.5 * width


@pytest.fixture
def page(player, tmp_path):
    """The player's HTML in a real browser without a network; also what it asked for."""
    fast = EpochPlayer(player.frames, player.labels, player.title, interval=60)
    path = tmp_path / "player.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{fast.to_html()}{fast.to_html()}")
    with chromium() as browser:
        tab = Tab(browser.new_context(offline=True).new_page())
        tab.open(path)
        yield tab


def test_a_reader_moves_the_slider_and_plays(page):
    box = page.locator(".ib-player").first
    picture, slider, label = box.locator("img"), box.get_by_role("slider"), box.locator("output")
    assert page.get_by_role("slider").count() == 2
    assert label.text_content() == "epoch 10"
    last = picture.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert label.text_content() == "epoch 3"
    assert picture.get_attribute("src") != last
    assert slider.get_attribute("aria-valuetext") == "epoch 3"
    assert picture.get_attribute("alt").endswith("epoch 3")
    page.keyboard.press("Home")
    assert label.text_content() == "epoch 0"
    box.get_by_role("button", name="Play").click()
    box.get_by_role("button", name="Pause").wait_for()
    box.get_by_role("button", name="Play").wait_for()
    assert label.text_content() == "epoch 10"
    assert picture.get_attribute("src") == last
    assert page.locator(".ib-player output").nth(1).text_content() == "epoch 10"
    assert page.outside == []
    assert page.errors == []


def test_a_reader_drags_on_a_small_touch_screen(page):
    page.set_viewport_size({"width": 360, "height": 640})
    box = page.locator(".ib-player").first
    bounds = box.get_by_role("slider").bounding_box()
    page.mouse.click(bounds["x"] + 2, bounds["y"] + bounds["height"] / 2)
    assert box.locator("output").text_content() == "epoch 0"
    assert box.locator("img").bounding_box()["width"] <= 360
    assert bounds["height"] >= 30
