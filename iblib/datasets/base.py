"""What every data set is once loaded: rows of inputs, their labels, split and origin."""

import re
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


@dataclass(frozen=True)
class Dataset:
    """Inputs and labels whose rows belong together by construction.

    Parameters
    ----------
    name : str
        ``synthetic``, ``fma_small``, ``folder``, ``binary_patterns`` or ``linear_teacher``.
    inputs : ndarray, shape (n, ...), float32
        Row i is item i; memory-mapped for audio, in dB, not standardised.
    labels : ndarray, shape (n,) int64, or (n, m) float32 for regression
    classes : tuple of str
        Name of class c at position c; empty for regression.
    split : ndarray, shape (n,), str
        ``training``, ``validation`` or ``test``.
    ids : ndarray, shape (n,)
        What row i is: track id, relative file name, or pattern number.
    fingerprint : str
        Hash of everything that determines inputs, labels and split.
    source : str
        One sentence for captions: what data, real or synthetic, how many, which seed.
    standardise : bool
        Whether ``take`` subtracts the training mean and divides by the training deviation.
    files : tuple of str
        Path of each row's audio file, where there is one.
    skipped : DataFrame
        Columns ``file`` and ``reason``: what was found and could not be used.

    Raises
    ------
    DataError
        If the lengths differ, or ``split`` holds another word than ``SPLITS``.
    """

    name: str
    inputs: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    split: np.ndarray
    ids: np.ndarray
    fingerprint: str
    source: str
    standardise: bool = False
    files: tuple[str, ...] = ()
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
            mean, deviation = self.moments()
            x = x - np.float32(mean)
            x /= np.float32(deviation)
        return x, self.labels[rows]

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of all input values of the training split."""
        return self._moments

    @cached_property  # the data never change, and a pass over a large memory map takes seconds
    def _moments(self) -> tuple[float, float]:
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
        kinds = self.skipped["reason"].map(_kind_of).value_counts()
        why = ": " + ", ".join(f"{n} {kind}" for kind, n in kinds.items()) if len(kinds) else ""
        return f"{self.name}: {len(self)} used ({splits}), {len(self.skipped)} skipped{why}"

    def class_shares(self) -> pd.DataFrame:
        """Clips of each class in each split (rows: classes, columns: splits)."""
        counts = pd.crosstab(
            pd.Categorical([self.classes[c] for c in self.labels], categories=self.classes),
            pd.Categorical(self.split, categories=SPLITS),
            dropna=False,
        )
        counts.index.name, counts.columns.name = "class", "split"
        return counts


def _kind_of(reason: str) -> str:
    """A reason without what is one file's own: numbers, and what stands behind a colon."""
    return re.sub(r"[\d.]*\d", "n", reason.partition(":")[0])
