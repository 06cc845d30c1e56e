"""H(T) layer by layer, orders of layers, duplicates, pooling before and after: what is drawn."""

import numpy as np
import pandas as pd
import pytest
from plotting_tables import legend_texts, plane_table, texts

from study.plots import (
    before_after_filters,
    before_after_sweep,
    few_duplicates,
    filters_before_after,
    layer_panels,
    layer_points,
    map_panels,
    networks_grid,
    order_correlations,
    order_grid,
    per_unit,
    zero_radius_bars,
)

BLOCKS = ("block1", "block2", "block3")
EPOCHS = (0, 1, 3, 10)
POOLS = ("before_pool", "after_pool")


def cnn_table(layers=BLOCKS, **settings):
    return plane_table(layers=layers, epochs=EPOCHS, model="simple_cnn", **settings)


@pytest.fixture(scope="module")
def small():
    return plane_table(epochs=(0, 1, 5), layers=("hidden1", "hidden2"))


@pytest.fixture(scope="module")
def cnn():
    return cnn_table()


def entropies(table):
    return table[(table["estimator"] == "kraskov") & (table["quantity"] == "H_T")]


def test_bits_per_unit_are_entropies_over_the_dimension(cnn):
    found = per_unit(cnn)
    assert set(found["quantity"]) == {"H_T"}
    assert np.allclose(found["bits"] * found["dimension"], entropies(cnn)["bits"])


def test_curves_with_many_duplicates_are_left_out_as_a_whole(cnn):
    rows = entropies(cnn).assign(zero_radius=5)  # of 1024: less than 1 %
    many = (rows["layer"] == "block2") & (rows["seed"] == 1) & (rows["epoch"] == 3)
    rows.loc[many, "zero_radius"] = 11
    left = few_duplicates(rows)
    assert len(rows) - len(left) == 2 * len(EPOCHS)  # both activations
    assert left.query("layer == 'block2' and seed == 1").empty
    assert 1 not in set(few_duplicates(rows, ["run", "seed"])["seed"])


def test_networks_stand_side_by_side_on_scales_of_their_own(small, cnn):
    figure = networks_grid({"small": small, "large": cnn}, label="H(T) / d")
    limits = [ax.get_ylim() for ax in figure.axes]
    assert limits[0] == limits[2] != limits[1] == limits[3]
    assert {ax.get_ylabel() for ax in figure.axes} == {"H(T) / d"}
    assert legend_texts(figure)[:3] == ["hidden1 · block1", "hidden2 · block2", "block3"]
    assert "mean, n = 3 seeds" in legend_texts(figure)


def test_a_network_without_an_activation_says_so(small, cnn):
    figure = networks_grid({"small": small[small["activation"] == "tanh"], "large": cnn})
    assert texts(figure.axes[2]) == ["not measured"]


def test_a_panel_per_layer_holds_both_activations(cnn):
    figure = layer_panels(cnn)
    assert [ax.get_title() for ax in figure.axes] == [f"{layer}, d = 10" for layer in BLOCKS]
    assert [len(ax.lines) for ax in figure.axes] == [2, 2, 2]
    values = entropies(cnn).query("layer == 'block1' and zero_radius == 0")["bits"]
    low, high = figure.axes[0].get_ylim()
    assert low < values.min()
    assert values.max() < high


def test_a_line_per_map_and_a_column_per_view():
    views = [
        cnn_table(("block1",), seeds=(0,), channels=(0, 1), view=v)
        for v in ("filter", "filter_mean")
    ]
    figure = map_panels(pd.concat(views), "block1")
    assert [len(ax.lines) for ax in figure.axes] == [2] * 4
    assert legend_texts(figure)[:2] == ["filter 0", "filter 1"]


def order_table(normal, reverse):
    """H(T) rows of a network with widths 4, 8, 16 and reversed, of two seeds each."""
    rows = entropies(cnn_table(activations=("tanh",), seeds=(0, 1)))
    parts = []
    for model, bits in (("simple_cnn", normal), ("simple_cnn 16-8-4", reverse)):
        values = dict(zip(BLOCKS, bits, strict=True))
        part = rows.assign(model=model, run=model + rows["run"], zero_radius=0)
        parts.append(part.assign(bits=part["layer"].map(values)))
    return pd.concat(parts)


WIDTHS = pd.Series(
    [4, 8, 16, 16, 8, 4],
    index=pd.MultiIndex.from_product([["simple_cnn", "simple_cnn 16-8-4"], BLOCKS]),
)


def points_of(normal, reverse, **settings):
    table = order_table(normal, reverse)
    return layer_points(table, BLOCKS, WIDTHS, network="CNN", **settings)


def test_points_are_of_the_last_epoch_that_all_models_have():
    table = order_table((3, 2, 1), (3, 2, 1))
    table = table[(table["model"] == "simple_cnn") | (table["epoch"] < 10)]
    points = layer_points(table, BLOCKS, WIDTHS)
    assert set(points["epoch"]) == {3}
    one = points[(points["widths"] == "reversed") & (points["seed"] == 0)]
    assert one["width"].tolist() == [16, 8, 4]
    assert one["depth"].tolist() == [1, 2, 3]
    assert one["per_unit"].tolist() == [0.3, 0.2, 0.1]


@pytest.mark.parametrize(
    ("reverse", "depth", "width"),
    [((30, 20, 10), -1, -1), ((10, 20, 30), 1, -1)],
    ids=["depth decides", "width decides"],
)
def test_reversed_widths_tell_depth_from_width(reverse, depth, width):
    found = order_correlations(points_of((3, 2, -1), reverse)).set_index("widths")
    assert found.loc["normal", ["depth", "width"]].tolist() == pytest.approx([-1, -1])
    expected = {"depth": depth, "width": width if depth == 1 else 1}
    assert found.loc["reversed", list(expected)].tolist() == pytest.approx(list(expected.values()))
    assert found.loc["normal", "order"] == "1 > 2 > 3"
    assert found.loc["normal", "positive"] == pytest.approx(2 / 3)
    assert np.isnan(found.loc["normal", "dimension"])  # d is 10 in all layers
    assert found["seeds"].tolist() == [2, 2]


def test_the_order_is_drawn_with_the_widths_beside_the_dots():
    (ax,) = order_grid(points_of((3, 2, 1), (1, 2, 3))).axes
    assert texts(ax) == ["4", "8", "16", "16", "8", "4"]
    assert [line.get_ydata().tolist() for line in ax.lines] == [[3, 2, 1], [1, 2, 3]]


def test_bars_are_shares_of_samples_at_the_first_and_last_epoch():
    table = cnn_table(activations=("tanh", "relu"), seeds=(0, 1))
    late_relu = (table["epoch"] == 10) & (table["activation"] == "relu")
    table["zero_radius"] = np.where(late_relu, 512, 0)
    figure = zero_radius_bars({"CNN": table})
    first, last = figure.axes
    assert [bar.get_height() for bar in first.patches] == [0] * 6
    assert [bar.get_height() for bar in last.patches] == [0, 0, 0, 0.5, 0.5, 0.5]
    assert texts(last) == ["0"] * 3


def sweep_table():
    """Two noise variances and two numbers of bins; saturated before, not after."""
    table = cnn_table(POOLS, seeds=(0,), estimators=("kde", "binning"))
    parts = [table.assign(value=value) for value in (4.0, 30.0)]
    table = pd.concat(parts)
    return table.assign(saturated=table["layer"] == "before_pool")


def test_a_sweep_has_the_shares_and_the_bits_of_each_estimator():
    figure = before_after_sweep(sweep_table(), POOLS)
    axes = np.array(figure.axes).reshape(4, 2)
    assert [ax.get_title() for ax in axes[0]] == ["KDE: noise variance", "binning: bin width"]
    share = [line.get_ydata().tolist() for line in axes[0, 0].lines]
    assert share == [[1, 1], [0, 0]]
    assert len({ax.get_ylim()[0] for ax in axes[1::2].flat}) == 1


def test_a_sweeps_seeds_are_counted_by_activation():
    table = sweep_table()
    more = [table[table["activation"] == "tanh"].assign(seed=s, run=f"t{s}") for s in (1, 2)]
    figure = before_after_sweep(pd.concat([table, *more]), POOLS)
    assert figure.legends[0].get_title().get_text().endswith("n = 1 to 3 seeds")


def filter_table():
    layers = {
        layer: cnn_table((layer,), seeds=(0,), channels=(0, 1, 2), view="filter") for layer in POOLS
    }
    layers["after_pool"]["bits"] -= 1
    return pd.concat(layers.values())


def test_filters_are_paired_by_their_number():
    table = filter_table()
    found = filters_before_after(table[table["activation"] == "tanh"], POOLS, "kde")
    assert found["channel"].tolist() == [0, 1, 2]
    assert (found["before"] - found["after"]).tolist() == pytest.approx([1, 1, 1])
    assert set(found["epoch"]) == {10}


def test_filters_are_ordered_by_the_value_after():
    figure = before_after_filters(filter_table(), {"simple_cnn": POOLS})
    after = figure.axes[0].collections[1].get_offsets()[:, 1]
    assert (np.diff(after) >= 0).all()
    assert [figure.axes[i].get_ylabel() for i in (0, 2)] == ["I(X;T) [bits]", "I(T;Y) [bits]"]
