"""The picture of the table: `python -m benchmarks.picture [CSV [FOLDER]]` draws it again."""

import sys
import tempfile
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.handle import ROOT
from benchmarks.works import RIGHT
from iblib.files import write_atomic
from iblib.plotting.style import (
    OKABE_ITO,
    SMALLEST_PT,
    figure_legend,
    layer_styles,
    panels,
    reference_line,
    save_figure,
    say_missing,
)

_NAMES = {
    "saxe": "Saxe's formulas",
    "numpy": "NumPy, naive",
    "torch": "torch, naive",
    "slowest of the three alone": "slowest estimator alone",
    "iblib, one noise": "one of eight noises",
    "iblib, one by one": "eight noises one by one",
    "scipy": "scipy cKDTree",
}
_PEERS = ("saxe", "numpy", "torch", "pandas", "scikit-learn", "scikit-learn, unique")
_PEERS += ("infomeasure", "scipy", "faiss")
_SELVES = ("slowest of the three alone", "iblib, one noise", "iblib, one by one")
_PANEL = (3.9, 5.2)


def draw(csv: Path, folder: Path) -> Path:
    """Draw ``benchmark.png`` into the folder; returns its path.

    Parameters
    ----------
    csv : Path
        A stored table.
    folder : Path
        Made if it does not exist.
    """
    table = pd.read_csv(csv)
    scaling = table["work"].str.startswith("scaling")
    with panels(1, 2, panel=_PANEL, width_ratios=(1.5, 1)) as (figure, axes):
        handles = plot_ratios(axes[0, 0], table[~scaling])
        plot_scaling(axes[0, 1], table[scaling])
        threads, cpu = table["threads"].iloc[0], table["cpu"].iloc[0]
        note = f"{threads} threads, {cpu}; medians of paired rounds, whiskers: quartiles"
        figure_legend(figure, handles, note)
    return saved(figure, "benchmark", folder)


def plot_ratios(ax: Axes, table: pd.DataFrame) -> list[Line2D]:
    """Each peer's time over ours, one line of the panel a work, with the goals.

    Returns the legend's entries.
    """
    table = table.dropna(subset="ratio_to_ours")
    shown = table[table["implementation"].isin(_PEERS + _SELVES)]
    if shown.empty:
        say_missing(ax)
        return []
    works = list(dict.fromkeys(shown["work"]))
    looks = layer_styles([*_PEERS, *_SELVES])
    for row in shown.to_dict("records"):
        y, look = works.index(row["work"]), looks[row["implementation"]]
        face = "white" if row["error_bits"] > RIGHT else look.colour
        ends = [row["ratio_low"], row["ratio_high"]]
        ax.plot(ends, [y, y], color=look.colour, linewidth=0.9, zorder=2)
        marker = {"marker": look.marker, "ls": "", "color": look.colour, "zorder": 3}
        ax.plot([row["ratio_to_ours"]], [y], markerfacecolor=face, **marker)
    for row in table.dropna(subset="goal").to_dict("records"):
        _plot_goals(ax, row, works.index(row["work"]), looks)
    reference_line(ax, 1.0, "as fast as iblib", end=True)
    ax.set(xscale="log", ylim=(len(works) - 0.4, -0.6), xlabel="time / iblib's time")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yticks(range(len(works)), labels=[_work_label(work) for work in works])
    return _ratio_handles(looks, set(shown["implementation"]))


def _work_label(work: str) -> str:
    task, rest = work.split(" ", 1)
    task = {"kde": "KDE", "kraskov": "Kraskov"}.get(task, task)
    return f"{task} {rest.replace('x', ' × ')}"


def _plot_goals(ax: Axes, row: dict, y: int, looks: dict) -> None:
    """A bar in the colour of the peer that the goal names; black where it names the fastest."""
    look = looks.get(row["implementation"])
    colour = look.colour if look else "black"
    for number, strength in ((row["goal"], 1.0), (row["stretch"], 0.4)):
        if pd.notna(number):
            place = number if row["goal_of"] == "ratio" else 1.0 / number
            bar = {"color": colour, "alpha": strength, "linewidth": 1.4, "zorder": 1}
            ax.plot([place, place], [y - 0.3, y + 0.3], **bar)


def _ratio_handles(looks: dict, present: set[str]) -> list[Line2D]:
    entries = [
        Line2D([], [], color=look.colour, marker=look.marker, ls="", label=_NAMES.get(name, name))
        for name, look in looks.items()
        if name in present
    ]
    hollow = {"marker": "o", "ls": "", "color": "0.35", "markerfacecolor": "white"}
    bar = {"marker": "|", "ls": "", "markersize": 8, "markeredgewidth": 1.4}
    entries.append(Line2D([], [], label=f"hollow: off by > {RIGHT:g} bit", **hollow))
    entries.append(Line2D([], [], label="goal, in its peer's colour", color="0.45", **bar))
    entries.append(Line2D([], [], label="stretch", color="0.45", alpha=0.4, **bar))
    entries.append(Line2D([], [], label="goal: fastest row codes", color="black", **bar))
    return entries


def plot_scaling(ax: Axes, table: pd.DataFrame) -> list[Line2D]:
    """Time of the KDE against the number of samples: iblib solid, Saxe's formulas dashed."""
    lines = []
    looks = {"iblib": (OKABE_ITO[2], "-", "s"), "saxe": (OKABE_ITO[0], "--", "o")}
    for (name, dimension), part in table.groupby(["implementation", "dimension"]):
        part = part.dropna(subset="median_ms").sort_values("samples")
        if part.empty:
            continue
        colour, dashes, marker = looks[name]
        look = {"color": colour, "linestyle": dashes, "marker": marker}
        lines += ax.plot(part["samples"], part["median_ms"], **look)
        label = f"{'iblib' if name == 'iblib' else 'Saxe'}, d = {dimension}"
        end = (part["samples"].iloc[-1], part["median_ms"].iloc[-1])
        place = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(label, end, color=colour, fontsize=SMALLEST_PT, **place)
    if not lines:
        say_missing(ax)
        return lines
    samples = sorted(set(table["samples"]))
    ax.set(xscale="log", yscale="log", xlabel="samples P", ylabel="KDE, all four values [ms]")
    ax.set_xticks(samples, labels=[str(n) for n in samples])
    ax.minorticks_off()
    ax.set_xlim(samples[0] * 0.85, samples[-1] * 2.6)
    return lines


def saved(figure, name: str, folder: Path) -> Path:
    """The house's writer numbers figures by notebook; those of benchmarks belong to none."""
    target = folder / f"{name}.png"
    with tempfile.TemporaryDirectory() as temporary:
        content = save_figure(figure, f"00-{name}", temporary).read_bytes()
    if not target.is_file() or target.read_bytes() != content:
        write_atomic(target, content)
    return target


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    defaults = [ROOT / "results" / "benchmark.csv", ROOT / "figures"]
    print(draw(*given, *defaults[len(given) :]))
