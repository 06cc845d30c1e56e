"""Figures of one epoch at a time: what stands still is drawn once, what moves at every step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from iblib.names import estimator_named
from iblib.plotting.planes import PlaneLimits, hollow_handles, mean_told, seed_mean, still_plane
from iblib.plotting.style import (
    SMALLEST_PT,
    LayerStyle,
    epoch_axis,
    figure_legend,
    layer_handles,
    layer_styles,
    panels,
    style,
)
from iblib.plotting.tables import data_note, plane_points, require_one, values_of


class Scene:
    """A figure whose animated artists ``move(step)`` changes; frames cost only what moves.

    Its layout is kept as it is. Steps are epochs, in order; ``dpi`` is the frames' resolution.
    """

    def __init__(self, figure: Figure, move: Callable[[object], None], steps: Sequence, *, dpi=88):
        self.figure, self.move, self.steps = figure, move, list(steps)
        figure.set_layout_engine("none")
        figure.set_dpi(dpi)
        self.canvas = FigureCanvasAgg(figure)
        with style():
            self.canvas.draw()
        self.still = self.canvas.copy_from_bbox(figure.bbox)
        found = figure.findobj(lambda artist: artist.get_animated())
        self.moving = sorted(found, key=lambda artist: artist.get_zorder())

    def frame(self, step) -> Image.Image:
        """The figure at one step, as an RGB picture."""
        with style():
            self.canvas.restore_region(self.still)
            self.move(step)
            for artist in self.moving:
                artist.draw(self.canvas.get_renderer())
        return Image.fromarray(np.asarray(self.canvas.buffer_rgba())).convert("RGB")

    def still_figure(self, step) -> Figure:
        """The whole figure at one step: the static twin, to be saved."""
        self.move(step)
        for artist in self.moving:
            artist.set_animated(False)
        self.moving = []  # frames would miss them from here on
        return self.figure


def _way(ax: Axes, rows: pd.DataFrame, look: LayerStyle, line: str) -> Callable:
    """One layer's (or filter's) way through a plane: means over seeds, the last one's seeds."""
    mean, moving = seed_mean(rows), {"animated": True, "color": look.colour}
    (path,) = ax.plot([], [], lw=1.4, alpha=0.45, ls=line, **moving)
    (dots,) = ax.plot([], [], ".", ms=3.5, alpha=0.55, zorder=3, **moving)
    edge = {"mec": look.colour, "mew": 1.6, "zorder": 4}
    (mark,) = ax.plot([], [], look.marker, ms=7.5, **edge, **moving)

    def show(epoch: int) -> None:  # nothing before its first measured one
        passed = mean[mean["epoch"] <= epoch]
        path.set_data(passed["x"], passed["y"])
        last = passed[-1:]
        mark.set_data(last["x"], last["y"])
        mark.set_markerfacecolor("white" if (last["hollow"] >= 0.5).any() else look.colour)
        seeds = rows[rows["epoch"].isin(last["epoch"])]
        dots.set_data(*(seeds[["x", "y"]].to_numpy().T if len(seeds) > 1 else ([], [])))

    return show


@dataclass(frozen=True)
class Panel:
    """One plane of a scene: its title, its plane table, which values, and the limits."""

    title: str
    table: pd.DataFrame
    estimator: str
    bound: str = "upper"
    limits: PlaneLimits | None = None


def plane_scene(
    shown: Sequence[Panel],
    history: pd.DataFrame | None = None,
    *,
    ways: str = "layer",
    title: str = "",
    dpi: int = 88,
) -> Scene:
    """Planes side by side that show one epoch: every layer's point, its way so far, accuracies.

    Steps are the measured epochs of all panels; one measured at fewer epochs keeps its last one.
    ``history``: learning curves; those of a panel's runs are drawn below it. ``ways``: of every
    "layer", or of every "channel" (filter) of one layer. A panel without a point, or of several
    configurations, is a ValueError.
    """
    if ways not in ("layer", "channel"):
        raise ValueError(f'ways must be "layer" or "channel"; got {ways!r}')
    points = [plane_points(panel.table, panel.estimator, panel.bound) for panel in shown]
    for one in points:
        require_one(one, but=(ways,), also=("layer",) if ways == "channel" else ())
    names = list(dict.fromkeys(name for one in points for name in values_of(one, ways)))
    styles = layer_styles(names)
    heights = (3.4,) if history is None else (3.4, 1)
    size = {"figsize": (3.5 * len(shown) + 0.4, 2.6 + len(heights)), "height_ratios": heights}
    moves = []
    with panels(len(heights), len(shown), title=title, **size) as (figure, axes):
        for column, (panel, one) in enumerate(zip(shown, points, strict=True)):
            moves.append(_plane(axes[0, column], panel, one, styles, ways))
            if history is not None:
                moves.append(_accuracies(axes[1, column], history, one))
        prefix = "" if ways == "layer" else "filter "
        handles = layer_handles({f"{prefix}{n}": s for n, s in styles.items()}, coloured=True)
        told = mean_told(points)
        way = f"way so far, {told}" if told else "way so far"
        handles.append(Line2D([], [], color="0.4", lw=1.4, alpha=0.6, label=way))
        if told:
            handles.append(Line2D([], [], color="0.4", marker=".", ls="", ms=4, label="one seed"))
        note = data_note(pd.concat([panel.table for panel in shown]))
        figure_legend(figure, [*handles, *hollow_handles(points)], note)
    epochs = sorted({int(epoch) for one in points for epoch in one["epoch"]})
    return Scene(figure, lambda epoch: [move(epoch) for move in moves], epochs, dpi=dpi)


def _plane(ax: Axes, panel: Panel, points: pd.DataFrame, styles: dict, ways: str) -> Callable:
    """The still part of one plane; what moves it to an epoch is returned."""
    ax.set_title(panel.title)
    still_plane(ax, points, panel.limits)
    line, groups = estimator_named(panel.estimator).line, points.groupby(ways, sort=False)
    found = [_way(ax, rows, styles[name], line) for name, rows in groups]
    place = {"transform": ax.transAxes, "ha": "left", "va": "top", "fontsize": 9}
    text = ax.text(0.03, 0.9, "", weight="bold", color="0.2", animated=True, **place)

    def move(epoch: int) -> None:
        for way in found:
            way(epoch)
        text.set_text(f"epoch {epoch}")

    return move


def _accuracies(ax: Axes, history: pd.DataFrame, points: pd.DataFrame) -> Callable:
    """Accuracies of a panel's runs on a small axis, with a line that moves to an epoch."""
    runs = history[history["run"].isin(set(points["run"])) & history["seed"].isin(points["seed"])]
    curves = {}
    for split, line in (("training", "-"), ("test", "--")):
        mean = runs[runs["split"] == split].groupby("epoch")["accuracy"].mean()
        if mean.notna().any():
            ax.plot(mean.index, mean, ls=line, lw=1.1, color="0.3", label=split)
            curves[split] = mean
    ax.set(ylim=(0, 1.5), yticks=(0, 0.5, 1), ylabel="accuracy")
    epoch_axis(ax, int(points["epoch"].max()))
    ax.tick_params(axis="x", labelsize=SMALLEST_PT)
    ax.legend(loc="upper right", fontsize=SMALLEST_PT, ncols=2, frameon=False, borderpad=0)
    line = ax.axvline(0, color="#D55E00", lw=1.4, animated=True)
    place = {"transform": ax.transAxes, "ha": "left", "va": "top", "fontsize": 7.5}
    says = ax.text(0.03, 0.97, "", color="0.2", animated=True, **place)

    def move(epoch: int) -> None:
        line.set_xdata([epoch, epoch])
        # the last recorded value; before the first one, that
        at = {s: mean.iloc[max((mean.index <= epoch).sum() - 1, 0)] for s, mean in curves.items()}
        says.set_text(", ".join(f"{split} {value:.2f}" for split, value in at.items()))

    return move
