"""What is measured: works, who does them, and the goals that were set beforehand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks import arrays

SETTINGS = {"width": 0.07, "noise_variance": arrays.NOISE_LENGTH**2, "k": 2}
RIGHT = 1e-2  # bits

KDE_PEERS = ("saxe", "numpy", "torch")
ROW_CODES = ("pandas", "scikit-learn", "scikit-learn, unique")
BINNING_PEERS = ("saxe", *ROW_CODES, "infomeasure")
# the trees' queries take minutes at d = 8192
NEIGHBOUR_PEERS = ("scipy", "faiss", "scikit-learn", "infomeasure")
NEIGHBOUR_PEERS_WIDE = ("faiss", "scikit-learn")


@dataclass(frozen=True)
class Goal:
    """A number that one row of a work must reach.

    Parameters
    ----------
    row : str
        Implementation, or name of a `Pick`.
    of : {"ratio", "cost", "error_bits", "peak_mb", "median_ms"}
        "ratio": the row's time over ours, at least ``value``; "cost": ours over the row's, at most;
        the others: at most.
    value, stretch : float
        What must be, and what was thought possible.
    if_right : bool
        Void where the row's values are off by more than `RIGHT`.
    """

    row: str
    of: str
    value: float
    stretch: float | None = None
    if_right: bool = False


@dataclass(frozen=True)
class Pick:
    """The fastest or the slowest of some rows, by their medians, as a row of its own."""

    name: str
    among: tuple[str, ...]
    slowest: bool = False


@dataclass(frozen=True)
class Work:
    """One array, one task, those who do it (ours first), and the goals."""

    name: str
    task: str  # what the implementations' functions are registered under
    shape: tuple[int, int]  # samples, dimension
    make: Callable[[], tuple[np.ndarray, np.ndarray]]  # activations float32, labels
    rows: tuple[str, ...]
    goals: tuple[Goal, ...] = ()
    picks: tuple[Pick, ...] = ()
    first_call: bool = False

    @property
    def ours(self) -> str:
        return self.rows[0]

    @property
    def n_products(self) -> int:
        """How heavy it is: P P d."""
        return self.shape[0] ** 2 * self.shape[1]


_ARRAYS = {
    (4096, 3): lambda: arrays.twelve_bit_layer(10, 7, 5, 4, 3),
    (4096, 10): lambda: arrays.twelve_bit_layer(10),
    (1000, 1024): lambda: arrays.conv_layer(1000, 4, 16, 16),
    (2000, 8192): lambda: arrays.conv_layer(2000, 8, 32, 32),
    (1000, 32768): lambda: arrays.conv_layer(1000, 8, 64, 64),
}
_APART = {"clustered": False, "clustered apart": True}
_FIRST_CALLS = ((4096, 10), (1000, 1024))  # a small net's layer and a convolution's
_EXACT = Goal("iblib", "error_bits", 1e-3)
_PROMPT = Goal("iblib, first call", "median_ms", 1000.0)


def _work(task: str, shape, rows, goals=(), kind: str = "", **more) -> Work:
    name = f"{task} {shape[0]}x{shape[1]} {kind}".rstrip()
    make = _ARRAYS.get(shape)
    if kind:
        make = lambda: arrays.clusters(*shape, apart=_APART[kind])  # noqa: E731
    first = shape in _FIRST_CALLS
    goals = (_EXACT, *goals, *([_PROMPT] if first else []))
    return Work(name, task, shape, make, ("iblib", *rows), goals, first_call=first, **more)


def _kde() -> list[Work]:
    against_saxe = {
        (4096, 3): (18, 45),
        (4096, 10): (18, 45),
        (1000, 1024): (8, 15),
        (2000, 8192): (40, 100),
        (1000, 32768): (60, 150),
    }
    works = [
        _work("kde", shape, KDE_PEERS, [Goal("saxe", "ratio", *numbers)])
        for shape, numbers in against_saxe.items()
    ]
    dense = _work("kde", (2000, 8192), KDE_PEERS, [Goal("saxe", "ratio", 3, 4)], "clustered")
    return [*works, dense, _work("kde", (2000, 8192), KDE_PEERS, (), "clustered apart")]


def _noises() -> list[Work]:
    """Eight noises in one pass; none can be proven negligible in the clusters."""
    one, each = "iblib, one noise", "iblib, one by one"
    return [
        _work("noises", shape, (one, each), [Goal(one, "cost", most)], kind)
        for shape, kind, most in (
            ((4096, 10), "", 5.0),
            ((2000, 1024), "clustered", 1.6),
            ((2000, 8192), "clustered", 1.6),
        )
    ]


def _binning() -> list[Work]:
    against_saxe = {
        (4096, 10): (5, 10),
        (1000, 1024): (40, None),
        (2000, 8192): (45, 70),
        (1000, 32768): (35, None),
    }
    best = Pick("fastest of pandas, scikit-learn", ROW_CODES)
    return [
        _work(
            "binning",
            shape,
            BINNING_PEERS,
            [
                Goal("saxe", "ratio", *numbers),
                Goal(best.name, "ratio", 6.0 if shape[1] >= 1024 else 1.0),
            ],
            picks=(best,),
        )
        for shape, numbers in against_saxe.items()
    ]


def _kraskov() -> list[Work]:
    against_tree = {(4096, 3): (1.2, 2.5), (4096, 10): (3, 5)}
    against_flat = Goal("faiss", "ratio", 1.5, 2.2, if_right=True)
    small = [
        _work("kraskov", shape, NEIGHBOUR_PEERS, [Goal("scipy", "ratio", *numbers)])
        for shape, numbers in against_tree.items()
    ]
    return [
        *small,
        _work("kraskov", (1000, 1024), NEIGHBOUR_PEERS, [against_flat]),
        _work("kraskov", (2000, 8192), NEIGHBOUR_PEERS_WIDE, [against_flat]),
        _work("kraskov", (2000, 8192), NEIGHBOUR_PEERS_WIDE, (), "clustered"),
    ]


def _measure() -> list[Work]:
    alone = ("iblib kde", "iblib binning", "iblib kraskov")
    slowest = Pick("slowest of the three alone", alone, slowest=True)
    goal = Goal(slowest.name, "cost", 1.3, 1.1)
    return [
        _work("measure", shape, alone, [goal], picks=(slowest,))
        for shape in ((4096, 10), (1000, 1024), (2000, 8192))
    ]


def _memory() -> Work:
    goals = (Goal("iblib", "peak_mb", 64.0),)
    make = lambda: arrays.tanh_layer(8000, 10)  # noqa: E731
    return Work("memory 8000x10", "measure", (8000, 10), make, ("iblib",), goals)


def _scaling() -> list[Work]:
    makers = {
        10: lambda n: arrays.tanh_layer(n, 10),
        1024: lambda n: arrays.conv_layer(n, 4, 16, 16),
    }
    return [
        Work(f"scaling {n}x{d}", "kde", (n, d), lambda n=n, make=make: make(n), ("iblib", "saxe"))
        for d, make in makers.items()
        for n in (500, 1000, 2000, 4000, 8000)
    ]


def all_works() -> list[Work]:
    """Every work, in the order of the table."""
    works = [*_kde(), *_noises(), *_binning(), *_kraskov(), *_measure()]
    return [*works, _memory(), *_scaling()]
