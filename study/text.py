"""Sentences with numbers in them, written by the run: text and numbers cannot part."""

from collections.abc import Iterable

import numpy as np
from IPython.display import Markdown


def reading(text: str) -> Markdown:
    """What a figure or table shows, as the paragraph below it."""
    return Markdown(f"**Reading.** {' '.join(text.split())}")


def answer(text: str) -> Markdown:
    """The notebook's answer; from a cell tagged ``answer`` the runner copies it below the title."""
    return Markdown(f"**Answer.** {' '.join(text.split())}")


def shortened(label: object, most: int = 20) -> str:
    """A class's or file's name as a label: cut with an ellipsis, and never read as mathematics."""
    text = str(label)
    text = text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
    return text.replace("$", r"\$")


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Mean and range: ``1.74 (1.19 to 2.21)``; one value has no range, no values are ``none``."""
    numbers = np.asarray(list(values), dtype=float)
    if not len(numbers):
        return "none"
    mean = _rounded(numbers.mean(), digits)
    if len(numbers) == 1:
        return mean
    return f"{mean} ({_rounded(numbers.min(), digits)} to {_rounded(numbers.max(), digits)})"


def _rounded(value: float, digits: int) -> str:
    """A number without a minus before zero."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def listed(words: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; ``none`` where there is nothing."""
    *first, last = [str(word) for word in words] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def choose(condition: bool, yes: str, no: str) -> str:
    """One of two wordings."""
    return yes if condition else no


def counted(n: int, word: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{n} {word}{'' if n == 1 else 's'}"
