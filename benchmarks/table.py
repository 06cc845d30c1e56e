"""Rows of the result: medians, paired ratios, errors, and whether the goals were met."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.rounds import FIRST_CALL, Record
from benchmarks.works import RIGHT, Goal, Work

COLUMNS = (
    "work", "samples", "dimension", "implementation", "version", "status",
    "median_ms", "min_ms", "ratio_to_ours", "ratio_low", "ratio_high", "peak_mb", "error_bits",
    "goal_of", "goal", "stretch", "met", "rounds",
)  # fmt: skip

_HEAD = ("work", "implementation", "median ms", "min ms", "ratio (quartiles)", "peak MB")
_HEAD += ("error, bits", "goal", "met")
_WIDTHS = (27, 31, 9, 9, 22, 8, 11, 16, 7)
_GOAL_TEXT = {
    "ratio": "ratio >= {}",
    "cost": "1/ratio <= {}",
    "error_bits": "error <= {}",
    "peak_mb": "peak <= {} MB",
    "median_ms": "<= {} ms",
}


def rows_of(work: Work, records: list[Record], reference: dict[str, float]) -> list[dict]:
    """One dict with `COLUMNS` for each record and each pick of the work.

    Parameters
    ----------
    work : Work
    records : list of Record
        Ours first.
    reference : dict
        Reference values by name, bits; empty: no errors are stated.
    """
    shown = [record for record in records if record.row != FIRST_CALL]
    for pick in work.picks:
        among = [r for r in records if r.row in pick.among and r.seconds]
        if among:
            best = (max if pick.slowest else min)(among, key=lambda r: _median(r.seconds))
            shown.append(replace(best, row=pick.name, version=f"{best.row} ({best.version})"))
    shown += [record for record in records if record.row == FIRST_CALL]
    return [_row(work, record, records[0], reference) for record in shown]


def _row(work: Work, record: Record, ours: Record, reference: dict[str, float]) -> dict:
    row = {"work": work.name, "samples": work.shape[0], "dimension": work.shape[1]}
    row |= {"implementation": record.row, "version": record.version, "status": record.status}
    row |= _times(record) | {"peak_mb": record.peak_mb, "error_bits": _error(record, reference)}
    row |= _ratios(record, ours) if record.row != FIRST_CALL else {}
    row |= {"rounds": len(record.seconds)}
    for goal in work.goals:
        if goal.row == record.row:
            row |= {"goal_of": goal.of, "goal": goal.value, "stretch": goal.stretch}
            row |= {"met": _met(goal, row)}
    return dict.fromkeys(COLUMNS) | row


def _median(seconds: dict[int, float]) -> float:
    return float(np.median(list(seconds.values())))


def _times(record: Record) -> dict:
    if not record.seconds:
        return {}
    shortest = min(record.seconds.values())
    return {"median_ms": 1e3 * _median(record.seconds), "min_ms": 1e3 * shortest}


def _ratios(record: Record, ours: Record) -> dict:
    """Time over ours in the same round: median and quartiles of the rounds that both ran."""
    both = sorted(record.seconds.keys() & ours.seconds.keys())
    if record is ours or not both:
        return {}
    ratios = [record.seconds[number] / ours.seconds[number] for number in both]
    low, middle, high = np.percentile(ratios, (25, 50, 75)).tolist()
    return {"ratio_to_ours": middle, "ratio_low": low, "ratio_high": high}


def _error(record: Record, reference: dict[str, float]) -> float | None:
    """Largest difference from the reference, bits; infinite where a value is not a number."""
    differences = [abs(v - reference[n]) for n, v in record.values.items() if n in reference]
    if not differences:
        return None
    return math.inf if any(map(math.isnan, differences)) else max(differences)


def _met(goal: Goal, row: dict) -> str:
    if goal.if_right and not (row["error_bits"] or 0.0) <= RIGHT:
        return "void"
    if goal.of in ("ratio", "cost"):
        measured = row.get("ratio_to_ours")
        measured = 1.0 / measured if measured and goal.of == "cost" else measured
    else:
        measured = row.get(goal.of)
    if measured is None:
        return "no"
    sign = -1.0 if goal.of == "ratio" else 1.0
    if goal.stretch is not None and sign * measured <= sign * goal.stretch:
        return "stretch"
    return "yes" if sign * measured <= sign * goal.value else "no"


def head() -> str:
    """First two lines of the printed table, Markdown."""
    return _line(_HEAD) + "\n" + "|" + "|".join("-" * (width + 2) for width in _WIDTHS) + "|"


def line(row: dict) -> str:
    """One row of the printed table, Markdown; what went wrong stands at its end."""
    cells = [row["work"], row["implementation"], _number(row["median_ms"]), _number(row["min_ms"])]
    spread = f" ({_number(row['ratio_low'])} to {_number(row['ratio_high'])})"
    cells.append(_number(row["ratio_to_ours"]) + spread if row["ratio_to_ours"] else "")
    cells += [_number(row["peak_mb"]), _error_text(row["error_bits"]), _goal_text(row)]
    cells.append(row["met"] or "")
    wrong = "" if row["status"] == "ok" else f" {row['status']} |"
    return _line(cells) + wrong


def _line(cells) -> str:
    return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, _WIDTHS, strict=True)) + " |"


def _number(value: float | None) -> str:
    """Three digits, never an exponent."""
    if value is None:
        return ""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{min(max(digits, 0), 3)}f}"


def _error_text(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


def _goal_text(row: dict) -> str:
    if row["goal"] is None:
        return ""
    return _GOAL_TEXT[row["goal_of"]].format(f"{row['goal']:g}")


def frame(rows: list[dict], threads: int, cpu: str) -> pd.DataFrame:
    """The table that is stored: `COLUMNS`, threads and the CPU's name."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.assign(threads=threads, cpu=cpu)
