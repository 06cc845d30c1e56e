"""What every data set is once loaded: rows of inputs, their labels, split and origin."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

SPLITS = ("training", "validation", "test")


class DataError(ValueError):
    """Data that cannot be used as they are; the message names the cure in one line."""


def skipped_table(rows: list[tuple[str, str]] = ()) -> pd.DataFrame:
    """Table of what could not be used, columns ``file`` and ``reason``, from pairs of them."""
    return pd.DataFrame(list(rows), columns=["file", "reason"], dtype=str)


def advice(skipped: pd.DataFrame, n_used: int) -> str:
    """The ``clip_seconds`` that would use nine of ten too short clips; nothing where few are."""
    short = skipped["reason"].str.extract(r"^too short: ([\d.]+) s")[0].dropna().astype(float)
    short = short[short > 0]
    if len(short) <= 0.05 * (n_used + len(short)):
        return ""
    seconds = short.sort_values().iloc[len(short) // 10]
    return f"--clip-seconds {seconds:g} (clip_seconds={seconds:g}) would use most of the short ones"


@dataclass(frozen=True)
class Dataset:
    """Inputs and labels of n items, whose rows belong together by construction.

    DataError if the lengths differ, or ``split`` holds another word than ``SPLITS``.
    """

    name: str
    inputs: np.ndarray  # (n, ...) float32; memory-mapped for audio, in dB, not standardised
    labels: np.ndarray  # (n,) int64, or (n, m) float32 for regression
    classes: tuple[str, ...]  # name of class c at position c; empty for regression
    split: np.ndarray  # (n,) training, validation or test
    ids: np.ndarray  # (n,) track id, relative file name, or pattern number
    fingerprint: str  # hash of everything that determines inputs, labels and split
    source: str  # a sentence for captions: what data, real or synthetic, how many, which seed
    standardise: bool = False  # whether ``take`` standardises by the training split
    files: tuple[str, ...] = ()  # path of each row's audio file, where there is one
    # columns file and reason: what was found and could not be used
    skipped: pd.DataFrame = field(default_factory=skipped_table)

    def __post_init__(self):
        lengths = {len(self.inputs), len(self.labels), len(self.split), len(self.ids)}
        if len(lengths) != 1:
            raise DataError(f"inputs, labels, split and ids must have one length; got {lengths}")
        if unknown := set(np.unique(self.split)) - set(SPLITS):
            raise DataError(f"split must hold only {SPLITS}; got {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of one split in ascending order; ``all`` gives every row."""
        if split == "all":
            return np.arange(len(self))
        if split not in SPLITS:
            raise DataError(f"split must be one of {(*SPLITS, 'all')}; got {split!r}")
        return np.flatnonzero(self.split == split)

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (standardised where the set asks for it, float32) and labels of ``rows``."""
        x = np.asarray(self.inputs[rows], dtype=np.float32)
        if self.standardise:
            mean, deviation = self.moments
            x = x - np.float32(mean)
            x /= np.float32(deviation)
        return x, self.labels[rows]

    @cached_property  # the data never change, and a pass over a large memory map takes seconds
    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of all input values of the training split."""
        rows = self.rows("training")
        if not len(rows):
            raise DataError(f"{self.name} has no training rows to standardise by")
        means, squares = [], []
        for i in rows:  # row by row, so that a memory map is never loaded whole
            values = np.asarray(self.inputs[i], dtype=np.float64)
            means.append(values.mean())
            squares.append((values**2).mean())
        mean = float(np.mean(means))
        return mean, float(np.sqrt(max(np.mean(squares) - mean**2, 1e-12)))

    def summary(self) -> str:
        """One line: how many rows are used, by split, and how many were skipped, by reason."""
        splits = ", ".join(f"{len(self.rows(name))} {name}" for name in SPLITS)
        # reasons without what is one file's own: numbers, and what stands behind a colon
        kinds = self.skipped["reason"].replace([r":.*", r"[\d.]*\d"], ["", "n"], regex=True)
        kinds = kinds.value_counts()
        why = ": " + ", ".join(f"{n} {kind}" for kind, n in kinds.items()) if len(kinds) else ""
        cure = advice(self.skipped, len(self))
        line = f"{self.name}: {len(self)} used ({splits}), {len(self.skipped)} skipped{why}"
        return f"{line}; {cure}" if cure else line

    def class_shares(self) -> pd.DataFrame:
        """Clips of each class in each split (rows: classes, columns: splits)."""
        classes = pd.Categorical.from_codes(self.labels, self.classes)
        splits = pd.Categorical(self.split, SPLITS)
        return pd.crosstab(classes, splits, dropna=False, rownames=["class"], colnames=["split"])
