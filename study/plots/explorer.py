"""Live menus over measured plane tables; without a kernel, the picture of the first choice."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from iblib.names import ESTIMATORS, estimator_named
from iblib.plotting.interactive import live_view, png_bytes
from iblib.plotting.planes import PlaneLimits, plane_limits
from iblib.plotting.scenes import Panel, Scene, plane_scene
from iblib.plotting.tables import KEYS, data_note, shown_name, values_of

ALL = "all"

Choice = dict[str, str]

# Menus in the order in which they are chosen; each offers what the choices before it leave.
MENUS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "data": lambda t: t["dataset"].astype(str),
    "model": lambda t: t["model"].astype(str),
    "training": lambda t: t["batch_mode"].astype(str),
    "activation": lambda t: t["activation"].map(shown_name),
    "estimator": lambda t: t["menu_estimator"],
    "setting": lambda t: t["parameter"].str.replace("_", " ") + " " + t["value"].map("{:g}".format),
    "view": lambda t: t["view"].astype(str),
    "filters of": lambda t: t["layer"].where(_of_filters(t), ALL).astype(str),
    "seed": lambda t: t["seed"].astype(str),
}
_MEANINGS = {"filters of": "layer", "setting": "bin width, number of bins, noise variance or k"}


def _of_filters(table: pd.DataFrame) -> pd.Series:
    return pd.to_numeric(table["channel"], errors="coerce").fillna(-1) >= 0


class PlaneExplorer:
    """Menus over a plane table, and an epoch slider: one run, or two side by side.

    Looking computes nothing new and feeds nothing: every picture is drawn from the table. Limits
    stay the same while one estimator and setting is looked at.

    Parameters
    ----------
    table : DataFrame
        Plane table; tables of several measurements may be stacked (a point that is in two of them
        is taken once).
    history : DataFrame, optional
        Learning curves of the same runs.
    """

    def __init__(self, table: pd.DataFrame, history: pd.DataFrame | None = None):
        keys = [key for key in (*KEYS, "quantity") if key in table]
        table = table.drop_duplicates(keys)
        upper = table.assign(bound="upper")
        two = [name for name, record in ESTIMATORS.items() if "I_XT_lower" in record.quantities]
        lower = table[table["estimator"].isin(two)].assign(bound="lower")
        rows = pd.concat([upper, lower], ignore_index=True)
        pairs = rows[["estimator", "bound"]].drop_duplicates().itertuples(index=False)
        names = {pair: estimator_named(pair[0]).shown(pair[1]) for pair in map(tuple, pairs)}
        found = pd.MultiIndex.from_frame(rows[["estimator", "bound"]]).map(names)
        self.table = rows.assign(menu_estimator=found.astype(str))
        self.history = history
        self._entries = pd.DataFrame({name: of(self.table) for name, of in MENUS.items()})
        self._kinds = self._entries.drop_duplicates()
        self._scenes: dict[tuple, Scene] = {}
        self._widget = None

    def options(self, chosen: Mapping[str, str] | None = None) -> dict[str, list[str]]:
        """Entries of every menu, given the choices in the menus before it.

        A choice that is not offered is replaced by the first entry; several seeds offer ``all``.
        """
        left, offered = self._kinds, {}
        for name in MENUS:
            entries = values_of(left, name)
            offered[name] = [ALL, *entries] if name == "seed" and len(entries) > 1 else entries
            wanted = (chosen or {}).get(name, offered[name][0])
            wanted = wanted if wanted in offered[name] else offered[name][0]
            left = left if name == "seed" and wanted == ALL else left[left[name] == wanted]
        return offered

    def choice(self, chosen: Mapping[str, str] | None = None) -> Choice:
        """A full choice, checked: menus that are not given have their first entry.

        Raises
        ------
        ValueError
            For an unknown menu, or an entry that the choices before it do not leave.
        """
        chosen = dict(chosen or {})
        if unknown := [name for name in chosen if name not in MENUS]:
            raise ValueError(f"menus are {', '.join(MENUS)}; got {unknown[0]!r}")
        offered = self.options(chosen)
        for name, wanted in chosen.items():
            if str(wanted) not in offered[name]:
                known = ", ".join(offered[name])
                raise ValueError(f"{name} must be one of: {known}; got {wanted!r}")
        return {name: str(chosen.get(name, entries[0])) for name, entries in offered.items()}

    def scene(self, *chosen: Mapping[str, str]) -> Scene:
        """Planes of one choice, or of several side by side; drawn once for equal choices."""
        choices = [self.choice(one) for one in chosen or ({},)]
        key = tuple(tuple(one.values()) for one in choices)
        if key not in self._scenes:
            self._scenes[key] = self._new_scene(choices)
        return self._scenes[key]

    def _new_scene(self, choices: list[Choice]) -> Scene:
        shown = [self._panel(one) for one in choices]
        ways = {"channel" if one["filters of"] != ALL else "layer" for one in choices}
        if len(ways) > 1:
            raise ValueError("filters cannot stand beside layers: choose the same view twice")
        if len({estimator_named(panel.estimator).family for panel in shown}) == 1:
            limits = PlaneLimits(
                *(
                    (min(low for low, _ in ends), max(high for _, high in ends))
                    for ends in zip(*((p.limits.x, p.limits.y) for p in shown), strict=True)
                )
            )
            shown = [replace(panel, limits=limits) for panel in shown]
        return plane_scene(shown, self.history, ways=ways.pop(), dpi=96)

    def _rows(self, choice: Choice, *menus: str) -> pd.DataFrame:
        """Rows of a choice in some menus; every seed where all are wanted."""
        wanted = pd.Series(True, index=self.table.index)
        for name in menus:
            if (name, choice[name]) != ("seed", ALL):
                wanted &= self._entries[name] == choice[name]
        return self.table[wanted]

    def _panel(self, choice: Choice) -> Panel:
        rows = self._rows(choice, *MENUS)
        title = [choice[n] for n in ("activation", "training", "estimator", "setting")]
        seed = "" if choice["seed"] == ALL else f", seed {choice['seed']}"
        heading = f"{choice['model']}, {title[0]}, {title[1]}{seed}\n{', '.join(title[2:])}"
        first = rows.iloc[0]
        whole = self._rows(choice, "data", "estimator", "setting", "view")
        limits = plane_limits(whole, first["estimator"], first["bound"])
        return Panel(heading, rows, first["estimator"], first["bound"], limits)

    def figure(self, *chosen: Mapping[str, str], epoch: int | None = None) -> Figure:
        """The figure of choices at an epoch, the last one by default."""
        scene = self.scene(*chosen)
        scene.frame(scene.steps[-1] if epoch is None else epoch)
        return scene.figure

    def picture(self, *chosen: Mapping[str, str], epoch: int | None = None) -> bytes:
        """PNG of choices at an epoch, the last one by default."""
        scene = self.scene(*chosen)
        return png_bytes(scene.frame(scene.steps[-1] if epoch is None else epoch))

    def widget(self):
        """Menus, slider and picture; they move where a kernel runs."""
        if self._widget is None:
            self._widget = _Controls(self).box
        return self._widget

    def __repr__(self) -> str:
        return f"PlaneExplorer({data_note(self.table)})"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        picture = base64.b64encode(self.picture()).decode()
        bundle = {"text/plain": repr(self), "image/png": picture}
        return bundle | live_view(self.widget)


class _Menus:
    """The dropdowns of one run; a choice renews the menus after it."""

    def __init__(self, explorer: PlaneExplorer, changed: Callable[[], None]):
        import ipywidgets

        self.explorer, self.changed, self.busy = explorer, changed, False
        wide = {"description_width": "5.5em"}
        self.menus = {
            name: ipywidgets.Dropdown(
                options=entries,
                description=name,
                tooltip=_MEANINGS.get(name, name),
                style=wide,
                layout={"width": "19em"},
            )
            for name, entries in explorer.options().items()
        }
        for menu in self.menus.values():
            menu.observe(self._renew, "value")
        self.box = ipywidgets.VBox(list(self.menus.values()))
        self._show_needed()

    @property
    def chosen(self) -> Choice:
        return {name: menu.value for name, menu in self.menus.items()}

    def _renew(self, _) -> None:
        if self.busy:
            return
        self.busy = True
        chosen = self.chosen
        for name, entries in self.explorer.options(chosen).items():
            menu = self.menus[name]
            if list(menu.options) != entries:
                menu.options = entries
            menu.value = chosen[name] if chosen[name] in entries else entries[0]
        self._show_needed()
        self.busy = False
        self.changed()

    def _show_needed(self) -> None:
        """A menu with one entry is no choice."""
        for menu in self.menus.values():
            menu.layout.display = None if len(menu.options) > 1 else "none"


class _Controls:
    """Two sets of menus (the second is optional), Play, an epoch slider, and the picture."""

    def __init__(self, explorer: PlaneExplorer):
        import ipywidgets

        self.explorer = explorer
        self.left, self.right = (_Menus(explorer, self.redraw) for _ in range(2))
        self.both = ipywidgets.Checkbox(description="a second run beside it", indent=False)
        self.picture = ipywidgets.Image(format="png")
        self.slider = ipywidgets.SelectionSlider(
            options=[0], description="epoch", continuous_update=True, layout={"width": "26em"}
        )
        self.play = ipywidgets.Play(min=0, interval=200)
        self.message = ipywidgets.Label()
        self.moving = False
        self.both.observe(lambda _: self.redraw(), "value")
        self.slider.observe(self._to_slider, "index")
        self.play.observe(self._to_play, "value")
        self.redraw(last=True)
        menus = ipywidgets.VBox([self.left.box, self.both, self.right.box])
        moves = ipywidgets.HBox([self.play, self.slider])
        shown = ipywidgets.VBox([moves, self.picture, self.message])
        wrap = {"flex_flow": "row wrap"}
        self.box = ipywidgets.Box([menus, shown], layout={"display": "flex", **wrap})

    def redraw(self, last: bool = False) -> None:
        """New planes; the slider stays at its epoch, or the nearest one before it."""
        self.right.box.layout.display = None if self.both.value else "none"
        chosen = [self.left.chosen, *([self.right.chosen] if self.both.value else [])]
        try:
            self.scene = self.explorer.scene(*chosen)
        except ValueError as problem:
            self.message.value = str(problem)
            return
        self.message.value = ""
        epochs, now = self.scene.steps, self.slider.value
        before = [i for i, epoch in enumerate(epochs) if epoch <= now]
        at = len(epochs) - 1 if last or not before else before[-1]
        self.moving = True
        self.slider.options = epochs
        self.play.max = len(epochs) - 1
        self.slider.index = self.play.value = at
        self.moving = False
        self._show()

    def _show(self) -> None:
        self.picture.value = png_bytes(self.scene.frame(self.scene.steps[self.slider.index]))

    def _to_slider(self, change) -> None:
        if not self.moving and change["new"] is not None:
            self.play.value = change["new"]
            self._show()

    def _to_play(self, change) -> None:
        if not self.moving:
            self.slider.index = change["new"]


def plane_explorer(table: pd.DataFrame, history: pd.DataFrame | None = None) -> PlaneExplorer:
    """Live menus over a plane table: model, activation, estimator and setting, view, seed; epoch.

    With ``IBLIB_STATIC=1``, or without a kernel, it shows the picture of the first choice.
    """
    return PlaneExplorer(table, history)
