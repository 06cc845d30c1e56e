"""The benchmark's own arithmetic: references, ratios, goals, the README's table, the picture."""

import math

import numpy as np
import pandas as pd
import pytest
from estimators_checks import kde_values

from benchmarks import arrays, readme, reference, table, works
from benchmarks.implementations import IMPLEMENTATIONS, implementation
from benchmarks.picture import draw
from benchmarks.rounds import Record
from benchmarks.works import SETTINGS, Goal, Pick, Work
from iblib.estimators import measure


def test_works_have_names_of_their_own_and_rows_for_their_goals():
    names = [work.name for work in works.all_works()]
    assert len(names) == len(set(names))
    for work in works.all_works():
        rows = {*work.rows, *(pick.name for pick in work.picks)}
        assert {goal.row for goal in work.goals} <= rows | {"iblib, first call"}
        assert all(set(pick.among) <= set(work.rows) for pick in work.picks)


def test_every_goal_of_the_table_is_there():
    goals = [(w.name, g.of, g.value) for w in works.all_works() for g in w.goals]
    assert ("kde 2000x8192 clustered", "ratio", 3) in goals
    assert ("kraskov 4096x3", "ratio", 1.2) in goals
    assert ("memory 8000x10", "peak_mb", 64.0) in goals
    assert ("noises 2000x1024 clustered", "cost", 1.6) in goals
    assert ("noises 4096x10", "cost", 5.0) in goals
    assert sum(of == "cost" for _, of, _ in goals) == 6


def test_every_row_of_ours_says_its_values():
    t, y = arrays.clusters(60, 30, apart=False)
    expected = reference.values(t, y, SETTINGS)
    for task, rows in IMPLEMENTATIONS.items():
        for row in (name for name in rows if name.startswith("iblib")):
            _, function = implementation(task, row).load()
            found = function(t, y, SETTINGS)
            assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-6)


def test_the_works_of_several_noises_are_drawn_and_told(tmp_path):
    stored = pd.read_csv(readme.CSV)
    stored = stored[~stored["work"].str.startswith("noises")]
    work = next(work for work in works.all_works() if work.name == "noises 4096x10")
    values = {"kde.xt_upper": 1.0}
    times = dict(zip(work.rows, (0.02, 0.005, 0.04), strict=True))
    rows = table.rows_of(work, [record(r, [s] * 3, values) for r, s in times.items()], values)
    assert rows[1]["met"] == "yes"
    several = pd.concat([stored, table.frame(rows, 2, "a CPU")])
    assert "| KDE, 8 noises | 4096 x 10 | 20 | 0 | one noise 0.25; one by one 2 |" in readme.block(
        several
    )
    several.to_csv(tmp_path / "table.csv", index=False)
    assert draw(tmp_path / "table.csv", tmp_path).stat().st_size > 10_000


@pytest.mark.parametrize("d", [3, 20])
def test_reference_is_the_definition(d):
    t, y = arrays.tanh_layer(200, d)
    expected = reference.values(t, y, SETTINGS)
    found = measure(t, y, **SETTINGS)
    numbers = [*kde_values(found.kde), found.kraskov.h_t, found.kraskov.ty]
    numbers += [found.binning.xt, found.binning.ty]
    assert sorted(expected.values()) == pytest.approx(sorted(numbers), abs=1e-5)


def test_arrays_repeat_and_clusters_are_within_the_noise():
    t, y = arrays.clusters(60, 512, apart=False)
    again, _ = arrays.clusters(60, 512, apart=False)
    np.testing.assert_array_equal(t, again)
    squared = ((t[:, None].astype(float) - t[None]) ** 2).sum(2)
    inner = squared[(y[:, None] == y[None]) & ~np.eye(60, dtype=bool)]
    assert inner.mean() == pytest.approx(2 * SETTINGS["noise_variance"], rel=0.2)


def record(row, seconds, values=(), status="ok"):
    times = dict(enumerate(seconds))
    return Record(row, "1.0", status, times, 1.0, dict(values))


def small_work(*goals, picks=()):
    return Work("w 2x1", "w", (2, 1), lambda: None, ("iblib", "a", "b"), goals, picks)


def test_ratios_are_of_the_same_round_and_goals_are_judged():
    goals = (Goal("a", "ratio", 2.0, 5.0), Goal("iblib", "error_bits", 1e-3))
    pick = Pick("fastest", ("a", "b"))
    records = [
        record("iblib", [1.0, 2.0, 1.0], {"x": 1.0}),
        record("a", [3.0, 6.0, 3.0], {"x": 1.5}),
        record("b", [9.0], {"x": math.nan}),
    ]
    rows = table.rows_of(small_work(*goals, picks=(pick,)), records, {"x": 1.0})
    by_name = {row["implementation"]: row for row in rows}
    assert by_name["a"]["ratio_to_ours"] == 3.0
    assert by_name["a"]["met"] == by_name["iblib"]["met"] == "yes"
    assert by_name["a"]["error_bits"] == 0.5
    assert by_name["b"]["error_bits"] == math.inf
    assert by_name["fastest"]["version"].startswith("a ")


@pytest.mark.parametrize(
    ("goal", "seconds", "met"),
    [
        (Goal("a", "ratio", 3.5), 3.0, "no"),
        (Goal("a", "ratio", 2.0, 3.0), 3.0, "stretch"),
        (Goal("a", "cost", 0.3), 3.0, "no"),
        (Goal("a", "cost", 0.4), 3.0, "yes"),
        (Goal("a", "ratio", 2.0, if_right=True), 3.0, "void"),
    ],
)
def test_goals(goal, seconds, met):
    records = [record("iblib", [1.0], {"x": 0.0}), record("a", [seconds], {"x": 1.0})]
    rows = table.rows_of(small_work(goal), records, {"x": 0.0})
    assert rows[1]["met"] == met


def test_a_peer_that_failed_is_a_row():
    records = [record("iblib", [1.0]), record("a", [], status="ImportError: none")]
    rows = table.rows_of(small_work(Goal("a", "ratio", 2.0)), records, {})
    assert rows[1]["met"] == "no"
    assert "ImportError" in table.line(rows[1])


def test_stored_table_is_drawn_and_told(tmp_path):
    stored = pd.read_csv(readme.CSV)
    text = readme.renewed("<!-- benchmark:begin -->\nold\n<!-- benchmark:end -->", stored)
    assert "old" not in text
    assert text.count("\n| ") > 15
    png = draw(readme.CSV, tmp_path)
    assert png.stat().st_size > 10_000
    assert png.read_bytes() == (readme.ROOT / "figures" / "benchmark.png").read_bytes()


def test_the_projection_is_the_sum_of_its_lines():
    from benchmarks.pipeline import FULL, Row, projection

    rows = [
        Row("decode + mel, a clip", 0.5),
        Row("train simple_cnn, a clip", 0.001),
        Row("train mini_resnet, a clip", 0.01),
        Row("measure simple_cnn, an epoch, P = 400", 4.0),
        Row("measure mini_resnet, an epoch, P = 400", 40.0),
    ]
    lines = projection(rows, 2).splitlines()
    hours = [float(line.split("= ")[-1].split()[0]) for line in lines if "core hours" in line]
    assert hours[0] == pytest.approx(8000 * 1.0 / 3600, abs=0.05)
    passes = 2 * (
        FULL.cnn_seeds * FULL.cnn_epochs + FULL.cnn_full_batch_seeds * FULL.cnn_full_batch_epochs
    )
    assert hours[1] == pytest.approx(passes * 6400 * 0.001 / 3600, abs=0.05)
    total = sum(hours)
    found = [int(line.split(": ")[-1].removesuffix(" h")) for line in lines[5:8]]
    assert found == [pytest.approx(total / n, abs=0.6) for n in (1, 2, 16)]


def test_paired_times_are_taken_in_turn():
    from benchmarks.pipeline import paired

    calls = []
    one, other = paired(lambda: calls.append(1), lambda: calls.append(2), 3)
    assert calls == [1, 2] * 4  # the first pair is not timed
    assert min(one, other) >= 0
