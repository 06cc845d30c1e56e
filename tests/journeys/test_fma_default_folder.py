"""Whoever has unpacked FMA-small into data/ need not say where it is."""

from clips import write_fma


def test_fma_in_the_default_folder(clone):
    n_clips = write_fma(clone.folder / "data")
    done = clone.report("--dataset", "fma_small", "--only", "01")
    assert done.report == clone.folder / "build" / "smoke-fma_small"
    assert done.table("class-shares")["clips"].sum() == n_clips
