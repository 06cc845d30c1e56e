"""Information planes and trends over epochs: structure, not pixels."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from plotting_tables import HIDDEN, legend_texts, plane_table, texts

from iblib.plotting import over_epochs_grid, plane_grid, plot_plane
from iblib.plotting.planes import mean_told, plane_limits, plot_over_epochs
from iblib.plotting.style import OKABE_ITO, layer_styles
from iblib.plotting.tables import plane_points, seeds_text
from iblib.summaries import select
from study.plots import pooling_figure

EPOCHS = (0, 1, 3, 10, 30, 100)


@pytest.fixture(scope="module")
def table():
    return plane_table(epochs=EPOCHS)


@pytest.fixture(scope="module")
def tanh(table):
    return table[table["activation"] == "tanh"]


def test_points_pair_the_two_quantities_whatever_the_order_of_rows(tanh):
    points = plane_points(tanh.sample(frac=1, random_state=0), "binning")
    assert len(points) == 3 * len(EPOCHS) * len(HIDDEN)
    one = points.iloc[17]
    rows = select(tanh, estimator="binning", **{k: one[k] for k in ("seed", "epoch", "layer")})
    same = rows.set_index("quantity")["bits"]
    assert (one["x"], one["y"]) == (same["I_XT"], same["I_TY"])


def test_points_follow_the_bound_and_the_entropy(tanh):
    upper, lower = plane_points(tanh, "kde"), plane_points(tanh, "kde", "lower")
    np.testing.assert_allclose(lower["x"], 0.8 * upper["x"])
    entropies = tanh[(tanh["quantity"] == "H_T") & (tanh["estimator"] == "kraskov")]["bits"]
    np.testing.assert_allclose(plane_points(tanh, "kraskov")["x"], entropies)


def test_points_with_one_number_only_are_left_out(tanh):
    lost = tanh[~((tanh["quantity"] == "I_TY") & (tanh["layer"] == "hidden2"))].copy()
    lost.loc[lost["layer"] == "hidden3", "bits"] = np.nan
    assert set(HIDDEN) - set(plane_points(lost, "kraskov")["layer"]) == {"hidden2", "hidden3"}


def test_points_refuse_doubled_rows_and_unknown_names(tanh):
    with pytest.raises(ValueError, match="not a one-to-one merge"):
        plane_points(pd.concat([tanh, tanh]), "binning")
    with pytest.raises(ValueError, match=r"binning, kde, kraskov.*got 'mine'"):
        plane_points(tanh, "mine")
    with pytest.raises(ValueError, match='bound must be "upper" or "lower"'):
        plane_points(tanh, "kde", "middle")


def test_limits_hold_points_and_ceilings_for_binning_and_kde_alike(table):
    limits = plane_limits(table, "binning")
    assert limits == plane_limits(table, "kde")
    assert limits.x[0] < 0 < 10 < limits.x[1]
    assert limits.y[0] < 0 < 1 < limits.y[1]
    assert plane_limits(table, "kraskov") != limits


def test_zero_radius_points_do_not_stretch_the_limits(tanh, ax):
    broken = tanh.copy()
    duplicate = (broken["layer"] == "output") & (broken["estimator"] == "kraskov")
    broken.loc[duplicate, "zero_radius"] = 9
    broken.loc[duplicate & (broken["quantity"] == "H_T"), "bits"] = -900.0
    assert plane_limits(broken, "kraskov").x[0] > -100
    plot_plane(ax, plane_points(broken, "kraskov"))
    assert f"{3 * len(EPOCHS)} of {18 * len(HIDDEN)} points outside" in texts(ax)


def test_plane_by_epoch(tanh, ax):
    plot_plane(ax, plane_points(tanh, "binning"))
    assert ax.get_xlabel() == "I(X;T) [bits]"
    assert ax.get_ylabel() == "I(T;Y) [bits]"
    assert texts(ax) == [r"$\log_2 P$ = 10", "H(Y) = 1"]
    seeds = [a for a in ax.collections if isinstance(a, LineCollection)]
    assert [len(a.get_segments()) for a in seeds] == [3] * len(HIDDEN)
    filled = [a for a in scatters(ax) if not is_hollow(a)]
    first, last = filled[-1].get_facecolor()[[0, -1]]
    np.testing.assert_allclose([first, last], plt.get_cmap("cividis")([0.0, 1.0]))


def scatters(ax):
    return [a for a in ax.collections if isinstance(a, PathCollection)]


def is_hollow(scatter):
    return (scatter.get_facecolor() == to_rgba("white")).all()


def test_saturated_points_are_hollow(tanh, ax):
    points = plane_points(tanh, "binning")
    saturated = points["saturated"].groupby([points["layer"], points["epoch"]]).mean() >= 0.5
    plot_plane(ax, points)
    hollow = [a for a in scatters(ax) if is_hollow(a)]
    assert sum(len(a.get_offsets()) for a in hollow) == saturated.sum() > 0


def test_flags_survive_a_csv(tanh, ax, tmp_path):
    tanh.to_csv(tmp_path / "plane.csv", index=False)
    read = pd.read_csv(tmp_path / "plane.csv")
    a, b = plane_points(tanh, "kde"), plane_points(read, "kde")
    np.testing.assert_array_equal(a["hollow"], b["hollow"])
    plot_plane(ax, b)
    assert any(is_hollow(a) for a in scatters(ax))


def test_plane_by_layer_draws_the_mean_over_seeds(tanh, ax):
    points = plane_points(tanh, "kde")
    plot_plane(ax, points, colour="layer")
    means = [line for line in ax.lines if line.get_linestyle() == "--"]
    expected = points[points["layer"] == "hidden3"].groupby("epoch")["x"].mean()
    np.testing.assert_allclose(means[2].get_xdata(), expected)


@pytest.mark.parametrize(
    ("name", "label"),
    [("kraskov", "H(T) + const [bits]"), ("pooled", "H(one activation) [bits]")],
)
def test_an_entropy_is_not_called_information_and_has_no_ceiling(name, label, ax):
    table = plane_table(activations=["relu"], estimators=[name], epochs=EPOCHS)
    plot_plane(ax, plane_points(table, name))
    assert ax.get_xlabel() == label
    assert texts(ax) == ["H(Y) = 1"]


def test_a_panel_averages_over_seeds_only(table, tanh, ax):
    with pytest.raises(ValueError, match=r"activation must have one value .*'tanh', 'relu'"):
        plot_plane(ax, plane_points(table, "kde"))
    points = plane_points(tanh, "kde")
    with pytest.raises(ValueError, match="got none"):
        plot_plane(ax, points[:0])
    with pytest.raises(ValueError, match='colour must be "epoch" or "layer"'):
        plot_plane(ax, points, colour="seed")


def test_plane_grid_shares_limits_legend_and_colour_bar(table):
    figure = plane_grid(table, title="Planes")
    axes = figure.axes[:6]
    assert axes[1].get_title() == "tanh, KDE (upper)"
    information = [axes[i] for i in (0, 1, 3, 4)]
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in information}) == 1
    assert axes[2].get_xlim() == axes[5].get_xlim()
    assert len(figure.axes) == 7
    assert {*HIDDEN, "mean, n = 3 seeds"} <= set(legend_texts(figure))
    assert figure.legends[0].get_title().get_text().startswith("data: synthetic")
    assert figure.get_suptitle() == "Planes"


def test_plane_grid_says_what_was_not_measured(table):
    hole = table[~((table["activation"] == "relu") & (table["estimator"] == "kde"))]
    figure = plane_grid(hole)
    assert texts(figure.axes[4]) == ["not measured"]


def test_plane_grid_refuses_unknown_columns_and_mixed_panels(table):
    with pytest.raises(ValueError, match="columns of the table; got 'optimiser'"):
        plane_grid(table, rows="optimiser")
    with pytest.raises(ValueError, match="estimator must have one value"):
        plane_grid(table, columns=None)


def test_rows_without_a_value_to_be_sorted_by_do_not_vanish(table, tanh):
    table = table.assign(activation=table["activation"].where(table["seed"] > 0))
    with pytest.raises(ValueError, match=r"activation must have a value in every row; \d+ rows"):
        over_epochs_grid(table)
    titles = [ax.get_title() for ax in plane_grid(tanh.assign(activation=np.nan)).axes[:3]]
    assert titles == ["binning", "KDE (upper)", "Kraskov"]


def test_legends_are_never_wider_than_the_figure(tanh):
    figure = plane_grid(tanh[tanh["estimator"] == "kde"])
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_no_text_is_smaller_than_seven_points(tanh):
    for figure in (plane_grid(tanh), over_epochs_grid(tanh)):
        sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)]
        assert min(sizes) >= 7


def test_over_epochs_draws_a_line_and_a_band_per_layer(tanh, ax):
    plot_over_epochs(ax, tanh, estimator="kde")
    lines = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [line.get_color() for line in lines] == list(OKABE_ITO[: len(HIDDEN)])
    assert texts(ax) == [r"$\log_2 P$ = 10"]
    rows = tanh[(tanh["quantity"] == "I_XT_upper") & (tanh["layer"] == "output")]
    np.testing.assert_allclose(lines[-1].get_ydata(), rows.groupby("epoch")["bits"].mean())
    assert list(lines[0].get_xdata()) == list(EPOCHS)
    bands = [a for a in ax.collections if not isinstance(a, PathCollection)]
    assert len(bands) == len(HIDDEN)
    assert ax.get_xlim()[0] < 0


def test_one_seed_has_no_band(tanh, ax):
    styles = layer_styles(["hidden1", "output"])
    plot_over_epochs(ax, tanh[tanh["seed"] == 0], quantity="I_TY", styles=styles)
    assert all(isinstance(a, PathCollection) for a in ax.collections)
    assert ax.get_ylabel() == "I(T;Y) [bits]"
    assert texts(ax) == ["H(Y) = 1"]


def test_over_epochs_refuses_unknown_quantities(tanh, ax):
    with pytest.raises(ValueError, match="quantity must be"):
        plot_over_epochs(ax, tanh, quantity="H_T")


def test_over_epochs_grid_shares_limits(table):
    figure = over_epochs_grid(table)
    axes = figure.axes
    assert len({axes[i].get_ylim() for i in (0, 1, 3, 4)}) == 1
    assert axes[2].get_ylim() == axes[5].get_ylim() != axes[0].get_ylim()
    assert {"mean, n = 3 seeds", "lowest to highest seed"} <= set(legend_texts(figure))


def test_pooling_figure_compares_before_and_after():
    layers = ("conv", "after_max_pool", "res2_block1", "after_pool", "output")
    table = plane_table(layers=layers, epochs=EPOCHS, estimators=("kde",), n_classes=8)
    pairs = [("conv", "after_max_pool"), ("res2_block1", "after_pool")]
    figure = pooling_figure(table, pairs)
    assert figure.axes[0].get_title() == "tanh, conv → after_max_pool"
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == 2
    assert {ax.get_ylim() for ax in figure.axes if ax.get_ylabel() == "I(T;Y) [bits]"} == {
        figure.axes[2].get_ylim()
    }
    with pytest.raises(ValueError, match=r"layer must be one of .*got 'pool9'"):
        pooling_figure(table, [("conv", "pool9")])


def test_notes_count_the_networks_behind_each_value(table, tanh):
    one_less = tanh[~((tanh["seed"] == 2) & (tanh["layer"] == "output"))].copy()
    assert seeds_text([tanh]) == "n = 3 seeds"
    assert seeds_text([one_less]) == "n = 2 to 3 seeds"
    gone = (tanh["seed"] > 0) & (tanh["epoch"] == 100)  # two of three diverged
    assert seeds_text([tanh.assign(bits=tanh["bits"].mask(gone))]) == "n = 1 to 3 seeds"
    assert seeds_text([tanh, tanh.assign(activation="relu")]) == "n = 3 seeds"
    one_each = table[table["seed"] == 0]  # of two activations, whose runs differ
    assert mean_told([one_each]) == ""
    both = pd.concat([tanh, one_less[one_less["seed"] == 0].assign(activation="relu")])
    assert "mean, n = 1 to 3 seeds" in legend_texts(over_epochs_grid(both))


def test_rows_without_a_layer_are_said(tanh, ax):
    lost = tanh.assign(layer=tanh["layer"].where(tanh["epoch"] > 0))
    with pytest.raises(ValueError, match=r"layer must have a value in every row; \d+ rows"):
        plot_over_epochs(ax, lost)
