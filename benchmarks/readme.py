"""The table of speed in docs/benchmark.md, from the stored one; `python -m benchmarks.readme`."""

import re

import pandas as pd

from benchmarks.handle import ROOT

CSV = ROOT / "results" / "benchmark.csv"
DOCUMENT = ROOT / "docs" / "benchmark.md"
_BLOCK = re.compile(r"(<!-- benchmark:begin -->\n).*?(<!-- benchmark:end -->)", re.DOTALL)

_NAMES = {
    "kde": "KDE",
    "noises": "KDE, 8 noises",
    "binning": "binning",
    "kraskov": "Kraskov",
    "measure": "all three",
}
_PEERS = {
    "saxe": "Saxe's code",
    "fastest of pandas, scikit-learn": "pandas, scikit-learn",
    "scipy": "cKDTree",
    "faiss": "faiss",
    "slowest of the three alone": "slowest alone",
    "iblib, one noise": "one noise",
    "iblib, one by one": "one by one",
}


def block(table: pd.DataFrame) -> str:
    """Markdown: for each work our time and error, and each peer with a goal as a ratio.

    Parameters
    ----------
    table : DataFrame
        What `benchmarks.run` stores.
    """
    shown = table[~table["work"].str.match("scaling|memory")]
    lines = ["| estimator | P x d | ours, ms | error, bits | faster than, times (its error) |"]
    lines.append("|---|---|---|---|---|")
    lines += [_line(rows) for _, rows in shown.groupby("work", sort=False)]
    memory = table.loc[table["work"].str.startswith("memory"), "peak_mb"].iloc[0]
    first = table.loc[table["implementation"] == "iblib, first call", "median_ms"].max()
    lines.append("")
    lines.append(
        f"{table['threads'].iloc[0]} threads, {table['cpu'].iloc[0]}; medians of interleaved "
        f"rounds. Memory above the input for all three at P = 8000, d = 10: {memory:.0f} MB; "
        f"first call of a process: at most {first / 1e3:.1f} s."
    )
    return "\n".join(lines) + "\n"


def _line(rows: pd.DataFrame) -> str:
    ours = rows[rows["implementation"] == "iblib"].iloc[0]
    task, shape, *kind = ours["work"].split(maxsplit=2)
    label = _NAMES.get(task, task) + "".join(f", {word}" for word in kind)
    peers = rows[rows["implementation"].isin(_PEERS) & rows["ratio_to_ours"].notna()]
    cells = [label, shape.replace("x", " x "), _digits(ours["median_ms"]), _error(ours)]
    cells.append("; ".join(_peer(row) for _, row in peers.iterrows()))
    return "| " + " | ".join(cells) + " |"


def _peer(row: pd.Series) -> str:
    text = f"{_PEERS[row['implementation']]} {_digits(row['ratio_to_ours'])}"
    return text + (f" ({_error(row)})" if row["error_bits"] > 1e-4 else "")


def _digits(value: float) -> str:
    """Two digits."""
    return f"{float(f'{value:.1e}'):g}"


def _error(row: pd.Series) -> str:
    error = row["error_bits"]
    return "" if pd.isna(error) else f"{error:.0e}" if error else "0"


def renewed(text: str, table: pd.DataFrame) -> str:
    """The document's text with the block of this table."""
    return _BLOCK.sub(lambda match: match[1] + block(table) + match[2], text)


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text("utf-8"), pd.read_csv(CSV)), encoding="utf-8")
