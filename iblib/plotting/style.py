"""The house style: colours, markers, reference lines, panels, and the only writer of figures."""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import font_manager, patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from PIL import Image

from iblib import files

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "<", ">", "P", "X", "*", "p", "h", "d", "8")
REFERENCE_GREY = "0.45"
EPOCH_CMAP = "cividis"
VALUE_CMAP = "magma"
PANEL = (2.6, 2.3)
SMALLEST_PT = 7

# For letters that the first font lacks; only those that are installed are asked.
_FALLBACK_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei"),
    *("PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Noto Sans Devanagari", "Nirmala UI"),
    *("Kohinoor Devanagari", "Arial Unicode MS", "Unifont"),
)
_NAME = re.compile(r"^\d\d-[a-z0-9-]+$")
_RC = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.labelpad": 3,
    "xtick.labelsize": SMALLEST_PT,
    "ytick.labelsize": SMALLEST_PT,
    "legend.fontsize": SMALLEST_PT,
    "legend.frameon": False,
    "figure.titlesize": 9.5,
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "image.cmap": VALUE_CMAP,
    "svg.hashsalt": "iblib",
    "svg.fonttype": "path",
}


@cache
def _fonts() -> list[str]:
    """Font families, in the order in which a letter is looked for."""
    installed = set(font_manager.get_font_names())
    return ["sans-serif", *(name for name in _FALLBACK_FONTS if name in installed)]


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style, whatever the reader's own matplotlib settings are.

    A letter that no installed font has is drawn as a box, without a warning.
    """
    with warnings.catch_warnings(), plt.style.context(["default", _RC | {"font.family": _fonts()}]):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


@contextmanager
def panels(
    rows: int = 1, columns: int = 1, *, panel=PANEL, title: str | None = None, **options
) -> Iterator[tuple[Figure, np.ndarray]]:
    """A styled figure and its ``(rows, columns)`` axes, laid out at the end of the block.

    The figure leaves pyplot's list of open figures, so a notebook shows it once: where it is the
    last expression of a cell. ``panel`` is the width and height of one panel [inch]; ``options``
    go to ``plt.subplots`` (``sharex``, ``width_ratios``, ...).
    """
    size = (panel[0] * columns + 0.5, panel[1] * rows + 0.5)
    options = {"figsize": size, "layout": "constrained", "squeeze": False} | options
    with style():
        figure, axes = plt.subplots(rows, columns, **options)
        try:
            yield figure, axes
            if title is not None:
                figure.suptitle(title or None)
            # ticks and layout are made now, in this style: drawing again would move them
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        finally:
            plt.close(figure)


@dataclass(frozen=True)
class LayerStyle:
    """Colour and marker of one layer."""

    colour: str
    marker: str


def layer_styles(layers: Iterable[str]) -> dict[str, LayerStyle]:
    """Colour and marker by layer, in network order; after 7 layers colours repeat, not markers."""
    return {
        name: LayerStyle(OKABE_ITO[i % len(OKABE_ITO)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(dict.fromkeys(layers))
    }


def marks(
    ax: Axes, x, y, look: LayerStyle, hollow: Iterable[bool], *, size: float, width: float = 0.9
) -> PathCollection:
    """Markers of one layer, white inside where ``hollow``."""
    faces = ["white" if empty else look.colour for empty in hollow]
    fill = {"facecolors": faces, "edgecolors": look.colour, "linewidths": width}
    return ax.scatter(x, y, marker=look.marker, s=size, zorder=3, **fill)


def ringed_marks(
    ax: Axes, x, y, sizes, colours, hollow: np.ndarray, marker="o", *, ring=1.2, outline=1.9
) -> list[PathCollection]:
    """Markers in colours of their own, with dark outlines, so that light ones stay visible.

    The filled ones come first, then the hollow ones, where there are any.
    """
    dark = patheffects.withStroke(linewidth=outline, foreground="0.3")
    full = {"facecolors": colours[~hollow], "edgecolors": "0.25", "linewidths": 0.35}
    empty = {"facecolors": "white", "edgecolors": colours[hollow], "linewidths": ring}
    looks = ((~hollow, full), (hollow, empty | {"path_effects": [dark]}))
    return [
        ax.scatter(x[chosen], y[chosen], sizes[chosen], marker=marker, zorder=4, **look)
        for chosen, look in looks
        if chosen.any()
    ]


def epoch_norm(epochs: Iterable[int]) -> LogNorm:
    """Colour scale over log(epoch + 1), from epoch 0 to the last epoch."""
    return LogNorm(vmin=1, vmax=max(max(epochs, default=0) + 1, 2))


def epoch_colours(epochs: Sequence[int], norm: LogNorm) -> np.ndarray:
    """Cividis colours of epochs, ``(n, 4)`` RGBA in [0, 1]."""
    return plt.get_cmap(EPOCH_CMAP)(norm(np.asarray(epochs, dtype=float) + 1))


def epoch_ticks(last: int) -> list[int]:
    """Epochs worth a label: 0 1 3 10 30 ... up to the last one."""
    decades = [step * 10**power for power in range(9) for step in (1, 3)]
    return [0] + [epoch for epoch in decades if epoch <= last]


def epoch_colour_bar(figure: Figure, axes, norm: LogNorm) -> Colorbar:
    """Colour bar of the epochs, labelled 0 1 3 10 30 ..."""
    mappable = plt.cm.ScalarMappable(norm=norm, cmap=EPOCH_CMAP)
    bar = figure.colorbar(mappable, ax=axes, label="epoch", fraction=0.05, pad=0.02, aspect=30)
    ticks = epoch_ticks(round(norm.vmax) - 1)
    bar.set_ticks([epoch + 1 for epoch in ticks], labels=[str(epoch) for epoch in ticks])
    bar.ax.minorticks_off()
    return bar


def epoch_axis(ax: Axes, last: int, label: str = "epoch") -> None:
    """Logarithmic x axis on which epoch 0 has its place (linear between 0 and 1)."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.35)
    ticks = epoch_ticks(last)
    ax.set_xticks(ticks, labels=[str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(-0.15, max(last, 1) * 1.15)
    ax.set_xlabel(label)


def reference_line(
    ax: Axes, value: float, label: str, axis: str = "x", *, end: bool = False
) -> list[Artist]:
    """Grey dotted line at a reference value, and its label: on a vertical line, above a flat one.

    ``axis`` "x": a vertical line at x = value; "y": a horizontal one; anything else is a
    ValueError. ``end``: the label is at the upper or right end, not at the lower or left one.
    """
    if axis not in ("x", "y"):
        raise ValueError(f'axis must be "x" or "y"; got {axis!r}')
    look = {"color": REFERENCE_GREY, "linestyle": ":", "linewidth": 1.1, "zorder": 1}
    write = {"color": REFERENCE_GREY, "fontsize": SMALLEST_PT, "zorder": 1.5}
    place = 0.98 if end else 0.02
    if axis == "x":
        write |= {"rotation": 90, "ha": "center", "va": "top" if end else "bottom"}
        write["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        line, at, frame = ax.axvline(value, **look), (value, place), ax.get_xaxis_transform()
    else:
        write |= {"ha": "right" if end else "left", "va": "bottom"}
        line, at, frame = ax.axhline(value, **look), (place, value), ax.get_yaxis_transform()
    offset = {"xytext": (0, 0 if axis == "x" else 2), "textcoords": "offset points"}
    return [line, ax.annotate(label, at, xycoords=frame, annotation_clip=False, **offset, **write)]


def say_outside(ax: Axes, inside: pd.Series) -> None:
    """Write how many points are not ``inside`` (n bools) the limits; nothing where all are."""
    if not inside.all():
        text = f"{(~inside).sum()} of {len(inside)} points outside"
        place = {"transform": ax.transAxes, "ha": "right", "va": "bottom"}
        ax.text(0.98, 0.02, text, color="0.25", fontsize=SMALLEST_PT, **place)


def say_missing(ax: Axes) -> None:
    """Mark a panel for which the table holds nothing."""
    ax.text(0.5, 0.5, "not measured", ha="center", va="center", transform=ax.transAxes)
    ax.set(xticks=[], yticks=[])


def filled_panels(axes: np.ndarray, grid: Sequence) -> Iterator[tuple[Axes, Any]]:
    """Axes and facet of each panel that holds something; all get titles, empty ones are marked."""
    for facet in grid:
        ax = axes[facet.row, facet.column]
        ax.set_title(facet.title)
        if facet.table.empty:
            say_missing(ax)
        else:
            yield ax, facet


def layer_handles(styles: Mapping[str, LayerStyle], *, coloured: bool) -> list[Line2D]:
    """Legend entries of the layers: in their colours, or grey where colour means the epoch."""
    return [
        Line2D([], [], color=s.colour if coloured else "0.35", marker=s.marker, ls="", label=name)
        for name, s in styles.items()
    ]


def figure_legend(figure: Figure, handles: Sequence[Artist], note: str = "") -> Legend:
    """Legend below all panels, as wide as the figure allows, under a grey note about the data."""
    entries = list(handles)
    style = {"loc": "outside lower center", "title": note or None, "title_fontsize": SMALLEST_PT}
    style |= {"columnspacing": 1.4, "handletextpad": 0.5}
    for columns in range(min(8, max(len(entries), 1)), 0, -1):
        legend = figure.legend(handles=entries, ncols=columns, **style)
        if columns == 1 or legend.get_window_extent().width < 0.98 * figure.bbox.width:
            break
        legend.remove()
    legend.get_title().set_color("0.35")
    return legend


def save_figure(figure: Figure, name: str, folder: str | Path, *, svg: bool = False) -> Path:
    """Write ``folder/name.png``, and with ``svg`` the SVG beside it; gives the path of the PNG.

    Equal pictures give equal bytes (no dates, fixed ids), and a file whose bytes are equal is not
    touched, so that git shows a change only when the picture changed. The name is ``NN-slug``: two
    digits, a hyphen, small letters, digits and hyphens; any other is a ValueError.
    """
    if not _NAME.match(name):
        raise ValueError(f"name must look like '07-plane-tanh' (NN-slug); got {name!r}")
    drawn, png, vector = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with style():
        figure.savefig(drawn, format="png", pil_kwargs={"compress_level": 0})
        if svg:
            figure.savefig(vector, format="svg", metadata={"Creator": None, "Date": None})
        # 256 colours: 40 % of the bytes, and no difference to be seen
        method = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1, "dither": Image.Dither.NONE}
        dpi = plt.rcParams["savefig.dpi"]
        picture = Image.open(drawn).convert("RGB").quantize(256, **method)
        picture.save(png, "PNG", dpi=(dpi, dpi))
    for kind, content in {"png": png.getvalue(), "svg": vector.getvalue()}.items():
        path = Path(folder) / f"{name}.{kind}"
        if content and not (path.is_file() and path.read_bytes() == content):
            files.write_atomic(path, content)
    return Path(folder) / f"{name}.png"
