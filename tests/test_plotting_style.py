"""The house style: colours, references, panels, and byte-stable saving."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from iblib.plotting import panels, reference_line, save_figure
from iblib.plotting.style import (
    OKABE_ITO,
    epoch_axis,
    epoch_colour_bar,
    epoch_colours,
    epoch_norm,
    epoch_ticks,
    layer_styles,
    style,
)


def draw(value=1.0):
    with panels(1, 2) as (figure, axes):
        axes[0, 0].plot([0, value], [0, 1])
        reference_line(axes[0, 1], 0.5, "half", "y")
        axes[0, 0].set_title("a title")
    return figure


def test_panels_are_always_two_dimensional_and_close():
    with panels() as (figure, axes):
        assert axes.shape == (1, 1)
    assert plt.get_fignums() == []
    with pytest.raises(RuntimeError, match="stop"), panels():
        raise RuntimeError("stop")
    assert plt.get_fignums() == []
    assert figure.axes


def test_style_leaves_the_readers_settings_alone():
    before = plt.rcParams["font.size"]
    with style():
        assert plt.rcParams["xtick.labelsize"] >= 7
        assert plt.rcParams["svg.hashsalt"] == "iblib"
    assert plt.rcParams["font.size"] == before


def test_epochs_are_cividis_over_the_logarithm():
    norm = epoch_norm([0, 10, 999])
    assert norm(1) == 0
    assert norm(1000) == 1
    assert norm(10) == pytest.approx(1 / 3)
    ends = plt.get_cmap("cividis")([0.0, 1.0])
    np.testing.assert_allclose(epoch_colours([0, 999], norm), ends)
    assert epoch_norm([0]).vmax == 2


def test_epoch_colour_bar_is_labelled_in_epochs():
    with panels() as (figure, axes):
        bar = epoch_colour_bar(figure, axes, epoch_norm([0, 300]))
    labels = [label.get_text() for label in bar.ax.get_yticklabels()]
    assert labels == ["0", "1", "3", "10", "30", "100", "300"]
    np.testing.assert_allclose(bar.get_ticks(), [1, 2, 4, 11, 31, 101, 301])
    assert bar.ax.get_ylabel() == "epoch"


def test_epoch_axis_has_a_place_for_epoch_zero():
    with panels() as (_, axes):
        epoch_axis(axes[0, 0], 50)
        pixels = axes[0, 0].transData.transform([(0, 0), (1, 0), (10, 0)])[:, 0]
    assert epoch_ticks(50) == [0, 1, 3, 10, 30]
    assert np.isfinite(pixels).all()
    assert (np.diff(pixels) > 0).all()


def test_layers_have_okabe_ito_in_network_order_and_distinct_markers():
    styles = layer_styles([f"layer{i}" for i in range(9)])
    colours = [look.colour for look in styles.values()]
    assert colours[:7] == list(OKABE_ITO)
    assert colours[7] == colours[0]
    assert len({look.marker for look in styles.values()}) == 9


@pytest.mark.parametrize("axis", ["x", "y"])
def test_reference_line_is_grey_dotted_and_labelled(axis, ax):
    line, text = reference_line(ax, 0.25, "H(Y)", axis)
    assert set(line.get_xdata() if axis == "x" else line.get_ydata()) == {0.25}
    assert line.get_linestyle() == ":"
    assert text.get_text() == "H(Y)"
    with pytest.raises(ValueError, match=r'"x" or "y"; got \'z\''):
        reference_line(ax, 0, "", "z")


def test_saving_is_byte_stable_and_touches_nothing_that_is_equal(tmp_path):
    figure = draw()
    path = save_figure(figure, "07-plane", tmp_path / "new", svg=True)
    assert path == tmp_path / "new" / "07-plane.png"
    svg = path.with_suffix(".svg")
    before = [(p.read_bytes(), p.stat().st_mtime_ns) for p in (path, svg)]
    save_figure(figure, "07-plane", path.parent, svg=True)
    save_figure(draw(), "07-plane", path.parent, svg=True)
    after = [(p.read_bytes(), p.stat().st_mtime_ns) for p in (path, svg)]
    assert after == before
    assert b"Software" not in before[0][0]
    assert b"<dc:date>" not in before[1][0]
    assert b"Matplotlib v" not in before[1][0]


def test_a_picture_is_a_png_alone_unless_asked(tmp_path):
    save_figure(draw(), "07-plane", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["07-plane.png"]


def test_saved_pixels_are_the_figure_at_160_dpi_and_leave_it_as_it_was(tmp_path):
    figure = draw()
    inches, before = figure.get_size_inches(), (figure.dpi, figure.canvas)
    with Image.open(save_figure(figure, "07-plane", tmp_path)) as picture:
        assert picture.size == tuple((inches * 160).astype(int))
        assert picture.info["dpi"] == pytest.approx((160, 160), abs=0.1)
        saved = np.asarray(picture.convert("RGB")).astype(int)
    assert tuple(saved[0, 0]) == (255, 255, 255)
    drawn = io.BytesIO()
    with style():
        figure.savefig(drawn, format="png", dpi=160)
    with Image.open(drawn) as picture:
        difference = np.abs(saved - np.asarray(picture.convert("RGB")))
    assert difference.max() <= 24
    assert difference.mean() < 1
    assert (figure.dpi, figure.canvas) == before


def test_saving_replaces_a_changed_picture(tmp_path):
    path = save_figure(draw(), "07-plane", tmp_path)
    before = path.read_bytes()
    save_figure(draw(2.0), "07-plane", tmp_path)
    assert path.read_bytes() != before


@pytest.mark.parametrize("name", ["plane", "7-plane", "07-Plane", "07_plane", "07-", "../07-a", ""])
def test_saving_refuses_other_names(tmp_path, name):
    with pytest.raises(ValueError, match="name must look like"):
        save_figure(draw(), name, tmp_path)
    assert not list(tmp_path.iterdir())
