"""Figures that move: an epoch slider that works with and without a kernel."""

import base64
import html
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import resources

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from iblib.names import estimator_named
from iblib.plotting.planes import plane_limits
from iblib.plotting.scenes import Panel, Scene, plane_scene
from iblib.plotting.tables import facets
from iblib.summaries import select


def png_bytes(picture: Image.Image) -> bytes:
    """A picture as PNG, without dates and names."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def reduce_colours(frames: Sequence[Image.Image], colours: int = 64) -> list[Image.Image]:
    """Draw RGB frames of one size with one palette, of the first, middle and last frame.

    They become smaller, and no colour moves from frame to frame.
    """
    width, height = frames[0].size
    sample = Image.new("RGB", (width, 3 * height))
    for i, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
        sample.paste(frame, (0, i * height))
    palette = sample.quantize(colours, method=Image.Quantize.MAXCOVERAGE)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def live_view(make_widget: Callable) -> dict:
    """A widget's own representation, without its text; empty where it could not move.

    It can where a Jupyter kernel runs and ``IBLIB_STATIC`` is not 1.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if os.environ.get("IBLIB_STATIC") == "1" or getattr(shell, "kernel", None) is None:
        return {}
    bundle = make_widget()._repr_mimebundle_()
    return {kind: data for kind, data in bundle.items() if "widget-view" in kind}


class EpochPlayer:
    """A picture per epoch with a slider and a Play button, with and without a kernel.

    One object, several representations: ipywidgets where a kernel runs; self-contained HTML
    (inline pictures, keyboard, touch, screen reader; nothing from outside, no random ids) in an
    exported page; where neither works the poster, which is the last frame and shown first.
    ``IBLIB_STATIC=1`` leaves the widgets out, so that committed notebooks carry no widget state.

    ``frames`` are PNG pictures of equal size with one of ``labels``, such as "epoch 30", each;
    ``title`` names them to screen readers. ``width`` is that on the page [px] (narrower windows
    shrink it), ``interval`` the time of a frame while playing [ms].
    """

    def __init__(
        self,
        frames: Sequence[bytes],
        labels: Sequence[object],
        title: str = "figure",
        *,
        width: int = 640,
        interval: int = 200,
    ):
        if not frames or len(frames) != len(labels):
            counts = f"{len(frames)} frames, {len(labels)} labels"
            raise ValueError(f"frames must be one or more, with one label each; got {counts}")
        self.frames, self.labels = list(frames), [str(label) for label in labels]
        self.title, self.width, self.interval = title, width, interval
        self._scene: Scene | None = None

    @classmethod
    def from_scene(cls, scene: Scene, title: str = "figure", **options) -> "EpochPlayer":
        """The frames of a scene, one for each of its epochs; ``options`` as of `EpochPlayer`."""
        frames = reduce_colours([scene.frame(step) for step in scene.steps])
        options = {"width": frames[0].width} | options
        labels = [f"epoch {step}" for step in scene.steps]
        player = cls([png_bytes(frame) for frame in frames], labels, title, **options)
        player._scene = scene
        return player

    def still_figure(self) -> Figure:
        """The last frame of a player made `from_scene` as a figure, to be saved."""
        if self._scene is None:
            raise ValueError("still_figure needs a player made by from_scene")
        return self._scene.still_figure(self._scene.steps[-1])

    def widget(self):
        """The ipywidgets view: picture, Play button, slider and label; it moves in a kernel."""
        import ipywidgets

        last = len(self.frames) - 1
        at = {"value": last, "min": 0, "max": last}
        picture = ipywidgets.Image(value=self.frames[-1], format="png", width=self.width)
        slider = ipywidgets.IntSlider(**at, readout=False, layout={"width": "55%"})
        play = ipywidgets.Play(**at, interval=self.interval)
        label = ipywidgets.Label(self.labels[-1])
        ipywidgets.jslink((play, "value"), (slider, "value"))

        def show(change):
            picture.value = self.frames[change["new"]]
            label.value = self.labels[change["new"]]

        slider.observe(show, "value")
        return ipywidgets.VBox([picture, ipywidgets.HBox([play, slider, label])])

    def to_html(self) -> str:
        """Self-contained HTML; equal for equal frames."""
        encoded = [base64.b64encode(frame).decode() for frame in self.frames]
        poster, encoded[-1] = encoded[-1], ""  # it is in the page already, as the picture
        data = {"title": self.title, "labels": self.labels, "width": self.width}
        data |= {"interval": self.interval, "poster": len(encoded) - 1, "frames": encoded}
        # "<" must not end the script element; JSON reads the escape back.
        text = json.dumps(data).replace("<", "\\u003c")
        # makes the controls inside its element; without JavaScript the picture remains
        script = resources.files("iblib.plotting").joinpath("player.js").read_text("utf-8")
        name = html.escape(self.title)
        label = html.escape(f"{self.title}, {self.labels[-1]}")
        look = f"width:{self.width}px;max-width:100%;height:auto"
        return (
            f'<div class="ib-player" role="group" aria-label="{name}">\n'
            f'<img alt="{label}" style="{look}" src="data:image/png;base64,{poster}">\n'
            f'<script type="application/json" class="ib-frames">{text}</script>\n'
            f"<script>\n{script}</script>\n</div>"
        )

    def __repr__(self) -> str:
        return f"EpochPlayer({self.title!r}, {len(self.frames)} frames)"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        bundle = {
            "text/plain": repr(self),
            "text/html": self.to_html(),
            "image/png": base64.b64encode(self.frames[-1]).decode(),
        }
        return bundle | live_view(self.widget)


def plane_player(
    table: pd.DataFrame,
    history: pd.DataFrame | None = None,
    *,
    estimator: str,
    bound: str = "upper",
    columns: str | None = "activation",
    ways: str = "layer",
    title: str = "",
    dpi: int = 88,
    **options,
) -> EpochPlayer:
    """Information planes with a slider: each frame shows one measured epoch and the way to it.

    Colour is the layer (with ``ways="channel"`` the filter of one layer), the faint line its way so
    far, hollow points are saturated. Limits and colours are those of the whole table in every
    frame. A column of ``table`` that is neither ``columns``, which makes panels side by side, nor
    ``ways`` must have one value.

    ``history``, learning curves with ``run``, ``seed``, ``epoch``, ``split`` and ``accuracy``, adds
    a small panel below each plane; ``bound`` is the KDE's "upper" or "lower" value; ``title`` is by
    default the estimator; ``options`` are those of `EpochPlayer`.
    """
    measured = select(table, estimator=estimator)
    limits = plane_limits(measured, estimator, bound)
    shown = [
        Panel(facet.title, facet.table, estimator, bound, limits)
        for facet in facets(measured, None, columns, bound)
    ]
    title = title or f"Information plane, {estimator_named(estimator).shown(bound)}"
    scene = plane_scene(shown, history, ways=ways, title=title, dpi=dpi)
    return EpochPlayer.from_scene(scene, title, **options)
