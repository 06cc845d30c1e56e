"""What might cause compression: gradients, batches, samples and inputs, setting beside setting."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iblib.plotting.planes import equal_limits, plot_over_epochs
from iblib.plotting.style import (
    OKABE_ITO,
    LayerStyle,
    epoch_axis,
    figure_legend,
    layer_handles,
    layer_styles,
    panels,
    reference_line,
)
from iblib.plotting.tables import data_note, seeds_text, shown_name, values_of
from study.plots.activity import band_over_seeds, plot_seeds, sparse_epochs
from study.plots.curves import SPLITS, plot_learning_curves


def plot_signal_to_noise(
    ax: Axes, gradients: pd.DataFrame, styles: Mapping[str, LayerStyle]
) -> list[Artist]:
    """Draw the gradient's signal-to-noise ratio of every layer's weights against the epoch.

    Parameters
    ----------
    gradients : DataFrame
        One setting: columns seed, epoch, layer and ``snr``.
    styles : dict of str to LayerStyle
        By layer.

    Returns
    -------
    list of Artist
        The line at 1; by layer the band over seeds and the mean.
    """
    artists = reference_line(ax, 1.0, "signal = noise", "y", end=True)
    for layer, rows in gradients.dropna(subset="snr").groupby("layer", sort=False):
        artists += band_over_seeds(ax, rows, "snr", styles[str(layer)])
    epoch_axis(ax, int(gradients["epoch"].max()))
    ax.set(yscale="log", ylabel="signal / noise")
    return artists


def gradients_figure(gradients: pd.DataFrame, planes: pd.DataFrame, *, title: str = "") -> Figure:
    """Gradient signal-to-noise ratio above I(X;T) [bits], on one epoch axis, by activation.

    Parameters
    ----------
    gradients : DataFrame
        Columns activation, seed, epoch, layer (``layer1`` are the weights into ``hidden1``), snr.
    planes : DataFrame
        Plane table of the hidden layers; one binning convention for each activation.
    """
    into, layers = values_of(gradients, "layer"), values_of(planes, "layer")
    looks = layer_styles(into)
    names = values_of(gradients, "activation")
    with panels(2, len(names), panel=(3.0, 2.0), sharex="col", title=title) as (figure, axes):
        for column, name in enumerate(names):
            rows = gradients[gradients["activation"] == name]
            plot_signal_to_noise(axes[0, column], rows, looks)
            axes[0, column].set(title=f"{shown_name(name)}: gradient", xlabel="")
            rows = planes[planes["activation"] == name]
            plot_over_epochs(axes[1, column], rows, styles=layer_styles(layers))
            axes[1, column].set_title(f"{shown_name(name)}: layers")
        for row in axes:
            equal_limits(row)
        handles = [
            Line2D([], [], color=s.colour, marker=s.marker, ls="", label=f"{name} → {to}")
            for (name, s), to in zip(looks.items(), [*layers, "output"], strict=False)
        ]
        seeds = seeds_text([gradients.dropna(subset="snr"), planes])
        handles.append(Line2D([], [], color="0.4", label=f"mean, {seeds}"))
        figure_legend(figure, handles, data_note(planes))
    return figure


def modes_figure(table: pd.DataFrame, *, title: str = "") -> Figure:
    """I(X;T) [bits] of one layer by each batch mode, at equal epochs and at equal updates.

    Parameters
    ----------
    table : DataFrame
        Plane rows of one layer and quantity, with ``updates``; one
        binning convention for each activation.
    """
    names = values_of(table, "activation")
    layer = values_of(table, "layer")[0]
    modes = dict(zip(values_of(table, "batch_mode"), OKABE_ITO, strict=False))
    with panels(len(names), 2, panel=(3.0, 1.9), sharey="row", title=title) as (figure, axes):
        for row, name in zip(axes, names, strict=True):
            for ax, x in zip(row, ("epoch", "updates"), strict=True):
                rows = table[table["activation"] == name]
                for mode, colour in modes.items():
                    one = rows[rows["batch_mode"] == mode]
                    plot_seeds(ax, one, "bits", x=x, colour=colour)
                epoch_axis(ax, int(rows[x].max()), x)
                ax.set_title(f"{shown_name(name)}, by {'epoch' if x == 'epoch' else 'update'}")
                ax.set_ylabel(f"I(X;T) of {layer} [bits]" if x == "epoch" else "")
        handles = []
        for mode, colour in modes.items():
            label = f"{mode}: mean, {seeds_text([table[table['batch_mode'] == mode]])}"
            handles.append(Line2D([], [], color=colour, lw=1.6, label=label))
        handles.append(Line2D([], [], color="0.4", lw=0.5, label="one seed"))
        figure_legend(figure, handles, data_note(table))
    return figure


def cases_figure(
    cases: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    *,
    layers: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Settings side by side: I(X;T) [bits] of the layers above accuracy and loss of two splits.

    Parameters
    ----------
    cases : dict of str to (DataFrame, DataFrame)
        By heading, the plane rows (one binning convention) and the history of one setting.
    layers : sequence of str, optional
        All layers of the network, where figures must agree on colours; some may not be shown.
    """
    drawn = list(dict.fromkeys(x for t, _ in cases.values() for x in values_of(t, "layer")))
    styles = {name: s for name, s in layer_styles(layers or drawn).items() if name in drawn}
    with panels(3, len(cases), panel=(1.95, 1.6), sharey="row", title=title) as (figure, axes):
        for column, (heading, (planes, history)) in enumerate(cases.items()):
            plot_over_epochs(axes[0, column], planes, styles=styles, ceiling=column == 0)
            axes[0, column].set_title(heading)
            splits = history[history["split"] != "validation"]
            for ax, metric in zip(axes[1:, column], ("accuracy", "loss"), strict=True):
                plot_learning_curves(ax, splits, metric=metric, log=True)
            for ax in axes[:, column]:
                ax.set_ylabel("" if column else ax.get_ylabel())
        equal_limits(axes[0])
        sparse_epochs(axes)
        handles = layer_handles(styles, coloured=True)
        for split in ("training", "test"):
            colour, line = SPLITS[split]
            handles.append(Line2D([], [], color=colour, ls=line, label=split))
        seeds = seeds_text(table for pair in cases.values() for table in pair)
        handles.append(Line2D([], [], color="0.4", label=f"mean, {seeds}; band: range"))
        figure_legend(figure, handles, data_note(pd.concat([p for p, _ in cases.values()])))
    return figure


def exact_figure(
    tables: Mapping[str, pd.DataFrame],
    rows: Sequence[Mapping[str, str]],
    ylabels: Sequence[str],
    *,
    title: str = "",
    panel: tuple[float, float] = (2.2, 1.7),
) -> Figure:
    """Columns of a table of exact numbers against the epoch, one column of panels a case.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By heading: columns seed, epoch and those drawn.
    rows : sequence of dict of str to str
        For each row of panels: table column -> legend entry.
    ylabels : sequence of str
        For each row of panels.
    """
    with panels(len(rows), len(tables), panel=panel, sharey="row", title=title) as (figure, axes):
        for j, (heading, table) in enumerate(tables.items()):
            for i, columns in enumerate(rows):
                ax = axes[i, j]
                for (column, label), colour in zip(columns.items(), OKABE_ITO, strict=False):
                    plot_seeds(ax, table, column, colour=colour, label=label)
                epoch_axis(ax, int(table["epoch"].max()))
                ax.set(title=heading if i == 0 else "", ylabel="" if j else ylabels[i])
        sparse_epochs(axes)
        for row, columns in zip(axes, rows, strict=True):
            if len(columns) > 1:
                row[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        label = f"mean, {seeds_text(tables.values())}"
        mean = Line2D([], [], color="0.4", lw=1.6, label=label)
        figure_legend(figure, [mean, Line2D([], [], color="0.4", lw=0.5, label="one seed")])
    return figure
