"""Live controls over a measured plane table; without a kernel, the figure of the first choice."""

import base64
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from iblib.plotting.interactive import figure_picture, is_live, png_bytes, widget_view
from iblib.plotting.planes import plane_grid
from iblib.plotting.style import panels
from iblib.plotting.tables import data_note, estimator_label, select, values_of

_NETWORK = ("dataset", "profile", "model", "activation", "batch_mode")
_ALL = "all"


class PlaneExplorer:
    """Dropdowns over a plane table: estimator, network, view, seed, and the meaning of colour.

    Looking computes nothing new and feeds nothing: every picture is drawn from the table. Limits
    stay the same while one estimator and view is looked at.

    Parameters
    ----------
    table : DataFrame
        Plane table.

    Attributes
    ----------
    choices : dict of str to list of str
        Menus and their entries; the first entry is the default.
    """

    def __init__(self, table: pd.DataFrame):
        self.table = table
        self._estimators = _estimator_choices(table)
        self._views = _view_choices(table)
        self.choices = {"estimator": list(self._estimators), "view": list(self._views)}
        self.choices |= {
            name: [str(value) for value in values_of(table, name)]
            for name in _NETWORK
            if name in table
        }
        self.choices["seed"] = [_ALL, *(str(seed) for seed in values_of(table, "seed"))]
        self.choices["colour"] = ["epoch", "layer"]
        self._pictures: dict[tuple, bytes] = {}
        self._widget = None

    def figure(self, **chosen: str) -> Figure:
        """The figure of one choice; a menu that is not given has its first entry.

        Raises
        ------
        ValueError
            If a menu or an entry does not exist, or the table holds no such combination.
        """
        picked = self._picked(chosen)
        measured = dict(self._estimators[picked["estimator"]])
        bound = measured.pop("bound")
        whole = select(self.table, **measured, **self._views[picked["view"]])
        wanted = {name: picked[name] for name in _NETWORK if name in picked}
        if picked["seed"] != _ALL:
            wanted["seed"] = picked["seed"]
        rows = whole
        for name, value in wanted.items():
            rows = rows[rows[name].astype(str) == value]
        if rows.empty:
            raise ValueError(f"chosen must be in the table; got {', '.join(picked.values())}")
        shown = {"rows": None, "columns": None, "colour": picked["colour"], "bound": bound}
        many = [value for name, value in wanted.items() if len(self.choices[name]) > 1]
        title = ", ".join([picked["estimator"], picked["view"], *many])
        return plane_grid(rows, **shown, whole=whole, title=title, panel=(5.6, 4.0))

    def _picked(self, chosen: Mapping[str, str]) -> dict[str, str]:
        """A full choice, checked."""
        for name, value in chosen.items():
            legal = self.choices.get(name)
            if legal is None or str(value) not in legal:
                known = ", ".join(self.choices if legal is None else legal)
                raise ValueError(f"{name} must be one of: {known}; got {value!r}")
        first = {name: values[0] for name, values in self.choices.items()}
        return first | {name: str(value) for name, value in chosen.items()}

    def picture(self, **chosen: str) -> bytes:
        """PNG of one choice, drawn once; a combination that is not in the table says so."""
        key = tuple(self._picked(chosen).values())
        if key not in self._pictures:
            try:
                figure = self.figure(**chosen)
            except ValueError as problem:
                figure = _message(str(problem))
            self._pictures[key] = png_bytes(figure_picture(figure))
        return self._pictures[key]

    def widget(self):
        """Dropdowns beside the picture; they move where a kernel runs."""
        if self._widget is None:
            self._widget = self._make_widget()
        return self._widget

    def _make_widget(self):
        """One dropdown a menu with a choice, wired to the picture."""
        import ipywidgets

        menus = {
            name: ipywidgets.Dropdown(options=values, description=name.replace("_", " "))
            for name, values in self.choices.items()
            if len(values) > 1
        }
        picture = ipywidgets.Image(value=self.picture(), format="png")

        def show(_):
            picture.value = self.picture(**{name: menu.value for name, menu in menus.items()})

        for menu in menus.values():
            menu.observe(show, "value")
        return ipywidgets.HBox([ipywidgets.VBox(list(menus.values())), picture])

    def __repr__(self) -> str:
        return f"PlaneExplorer({data_note(self.table)})"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        picture = base64.b64encode(self.picture()).decode()
        bundle = {"text/plain": repr(self), "image/png": picture}
        return bundle | (widget_view(self.widget()) if is_live() else {})


def plane_explorer(table: pd.DataFrame) -> PlaneExplorer:
    """Live controls over a plane table: estimator, network, view, seed, colour.

    With ``IBLIB_STATIC=1``, or without a kernel, it shows the figure of the first choice.
    """
    return PlaneExplorer(table)


def _estimator_choices(table: pd.DataFrame) -> dict[str, dict]:
    """Estimator, its setting and (KDE) its bound, by the text of the menu."""
    settings = table[["estimator", "parameter", "value"]].drop_duplicates()
    choices = {}
    for one in settings.to_dict("records"):
        for bound in ("upper", "lower") if one["estimator"] == "kde" else ("upper",):
            setting = f"{one['parameter']} {one['value']:g}".replace("_", " ")
            text = f"{estimator_label(one['estimator'], bound)}, {setting}"
            choices[text] = one | {"bound": bound}
    return choices


def _view_choices(table: pd.DataFrame) -> dict[str, dict]:
    """View and channel, by the text of the menu."""
    pairs = table[["view"]].assign(channel=pd.to_numeric(table["channel"], errors="coerce"))
    choices = {}
    for view, channel in pairs.drop_duplicates().itertuples(index=False):
        if pd.isna(channel) or channel < 0:
            choices[str(view)] = {"view": view}
        else:
            choices[f"{view} {channel:.0f}"] = {"view": view, "channel": channel}
    return choices


def _message(text: str) -> Figure:
    """A figure that says why there is nothing to see."""
    with panels(panel=(5.6, 4.0)) as (figure, axes):
        axes[0, 0].set_axis_off()
        axes[0, 0].text(0.5, 0.5, text, ha="center", va="center", wrap=True)
    return figure
