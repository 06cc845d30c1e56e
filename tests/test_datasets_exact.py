"""The 12-bit task, the linear teacher, the record they come in and the splits."""

import numpy as np
import pytest

from iblib import datasets
from iblib.datasets import binary_patterns, linear_teacher, splits
from iblib.datasets.base import SPLITS, DataError, Dataset


def entropy(counts):
    p = counts[counts > 0] / counts.sum()
    return -(p * np.log2(p)).sum()


def test_first_bit_is_the_most_significant():
    bits = binary_patterns.patterns()
    assert bits.shape == (4096, 12)
    assert bits[1].tolist() == [0] * 11 + [1]
    assert bits[2048].tolist() == [1] + [0] * 11


def test_the_graph_is_an_icosahedron():
    joined = binary_patterns.NEIGHBOURS
    assert all(len(set(n)) == 5 for n in joined)
    assert all(i in joined[j] for i in range(12) for j in joined[i])
    assert all(a not in joined[b] for a, b in binary_patterns.ANTIPODES)
    assert sorted(sum(binary_patterns.ANTIPODES, ())) == list(range(12))


def test_invariants():
    found = binary_patterns.invariants()
    assert len(np.unique(found, axis=0)) == 64
    n = found[:, 0]
    np.testing.assert_array_equal(found[:, 1:].sum(axis=1), n * (n - 1) // 2)


def test_labels_are_the_published_ones():
    y, n = binary_patterns.labels(), binary_patterns.invariants()[:, 0]
    assert y.mean() == pytest.approx(0.51709, abs=5e-6)
    assert entropy(np.bincount(y)) == pytest.approx(0.99916, abs=5e-6)
    ones = np.bincount(n, weights=y, minlength=13)
    assert ones[:8].tolist() == [0, 0, 0, 0, 0, 60, 532, 732]
    assert (ones[8:] == np.bincount(n)[8:]).all()


def test_binary_patterns_split_is_shuffled_and_stratified():
    data = datasets.load("binary_patterns")
    assert data.inputs.shape == (4096, 12)
    assert data.inputs.dtype == np.float32
    assert set(np.unique(data.inputs)) == {0, 1}
    shares = data.class_shares()
    np.testing.assert_allclose(shares.loc["1"] / shares.sum(), 0.51709, atol=0.002)
    assert shares.sum().tolist() == [3276, 410, 410]
    assert data.fingerprint != datasets.load("binary_patterns", seed=1).fingerprint
    np.testing.assert_array_equal(binary_patterns.labels(data.inputs), data.labels)


def test_linear_teacher_has_the_stated_statistics():
    data = linear_teacher.load(seed=3, n_test=20000)
    assert data.classes == ()
    assert [len(data.rows(s)) for s in SPLITS] == [100, 100, 20000]
    x, y = data.take(data.rows("test"))
    assert y.shape == (20000, 1)
    assert x.var() == pytest.approx(0.01, rel=0.01)
    signal = x @ linear_teacher.teacher(3)
    assert signal.var() == pytest.approx(1, rel=0.05)
    assert (y[:, 0] - signal).var() == pytest.approx(1, rel=0.05)


def test_linear_teacher_keeps_snr_with_few_relevant_inputs():
    weights = linear_teacher.teacher(0, n_relevant=30, snr=2.0)
    assert (weights[30:] == 0).all()
    assert (weights[:30] != 0).all()
    assert weights @ weights / 100 == pytest.approx(2.0)


def test_more_test_samples_leave_the_training_samples():
    few, many = linear_teacher.load(n_test=10), linear_teacher.load(n_test=500)
    np.testing.assert_array_equal(few.inputs[:200], many.inputs[:200])
    assert few.fingerprint != many.fingerprint


@pytest.mark.parametrize("wrong", [{"n_relevant": 0}, {"n_relevant": 101}, {"snr": 0}])
def test_linear_teacher_refuses(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        linear_teacher.load(**wrong)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"'gtzan'.*synthetic, fma_small, folder"):
        datasets.load("gtzan")


def dataset(**changes):
    fields = {
        "name": "x",
        "inputs": np.arange(8, dtype=np.float32).reshape(4, 2),
        "labels": np.array([0, 1, 0, 1]),
        "classes": ("a", "b"),
        "split": np.array(["training", "training", "test", "validation"]),
        "ids": np.arange(4),
        "fingerprint": "f",
        "source": "made",
    }
    return Dataset(**fields | changes)


def test_take_standardises_by_the_training_rows_alone():
    plain, scaled = dataset(), dataset(standardise=True)
    x, y = scaled.take(scaled.rows("training"))
    assert x.mean() == pytest.approx(0, abs=1e-6)
    assert x.std() == pytest.approx(1, abs=1e-6)
    assert y.tolist() == [0, 1]
    assert scaled.moments == pytest.approx((1.5, np.sqrt(1.25)))
    assert plain.take(plain.rows("all"))[0].tolist() == plain.inputs.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros(3)}, "one length"),
        ({"split": np.array(["train"] * 4)}, "must hold only"),
    ],
)
def test_dataset_refuses(changes, message):
    with pytest.raises(DataError, match=message):
        dataset(**changes)
    with pytest.raises(DataError, match="split must be one of"):
        dataset().rows("train")


def test_stratified_split_is_80_10_10_in_every_class_and_deterministic():
    labels = np.repeat(["a", "b"], [100, 50])
    split = splits.stratified(labels, seed=1)
    for name, n in (("a", 100), ("b", 50)):
        counts = [(split[labels == name] == s).sum() for s in SPLITS]
        assert counts == [0.8 * n, 0.1 * n, 0.1 * n]
    np.testing.assert_array_equal(split, splits.stratified(labels, seed=1))
    assert (split != splits.stratified(labels, seed=2)).any()


def test_small_classes_are_in_every_set_or_an_error():
    split = splits.stratified(np.array(["a"] * 3 + ["b"] * 4))
    assert set(split[:3]) == set(split[3:]) == set(SPLITS)
    with pytest.raises(DataError, match=r"3 clips in each class.*'b' \(2\)"):
        splits.stratified(np.array(["a"] * 9 + ["b"] * 2))


def test_few_training_patterns_are_some_of_the_usual_ones():
    usual = datasets.load("binary_patterns")
    few = datasets.load("binary_patterns", training_share=0.3)
    assert few.name == "binary_patterns_30"
    assert few.fingerprint != usual.fingerprint
    assert len(few.rows("training")) == round(0.3 * 4096)
    assert set(few.rows("training")) < set(usual.rows("training"))
    assert set(few.rows("validation")) == set(usual.rows("validation"))
    share = [data.labels[data.rows("training")].mean() for data in (usual, few)]
    assert share[0] == pytest.approx(share[1], abs=1e-3)


@pytest.mark.parametrize("share", [0, -0.1, 0.9])
def test_impossible_training_shares_are_refused(share):
    with pytest.raises(DataError, match="training_share must be in"):
        datasets.load("binary_patterns", training_share=share)


def test_a_data_set_of_ones_own_has_its_own_options(monkeypatch):
    usual = datasets.load("binary_patterns")
    calls = []

    def own(path, *, n=3, seed=0):
        calls.append((path, n, seed))
        return usual

    monkeypatch.setitem(datasets.DATASETS, "own", own)
    assert datasets.load("own", path="here", n=5) is usual
    assert calls == [("here", 5, 0)]
    assert datasets.options("own")["n"] == 3
    assert datasets.fingerprint("own", path="here") == usual.fingerprint
    with pytest.raises(DataError, match="own: missing a required argument: 'path'; its options"):
        datasets.load("own")
    with pytest.raises(DataError, match=r"unknown data set 'other'; choose one of .*, own"):
        datasets.load("other")


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_an_option_that_a_data_set_does_not_have_is_refused(name):
    words = rf"{name}: .*'colour'; its options are .*\bseed\b"
    for ask in (datasets.load, datasets.fingerprint):
        with pytest.raises(DataError, match=words):
            ask(name, colour="red")
    assert "seed" in datasets.options(name)


def test_fingerprints_of_what_is_no_audio_are_those_of_the_data():
    few = {"training_share": 0.3, "seed": 2}
    found = datasets.fingerprint("binary_patterns", **few)
    assert found == datasets.load("binary_patterns", **few).fingerprint
