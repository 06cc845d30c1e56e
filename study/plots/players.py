"""Epoch players of histograms of activations and of feature maps."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from iblib.plotting.interactive import EpochPlayer
from iblib.plotting.scenes import Scene
from iblib.plotting.style import REFERENCE_GREY, SMALLEST_PT, figure_legend, layer_styles, panels
from iblib.plotting.tables import shown_name
from study.plots.activity import LEAST_SHARE
from study.plots.spectrograms import (
    common_limits,
    feature_tiles,
    plot_feature_maps,
    plot_spectrogram,
)


def histogram_player(
    arrays: Mapping[str, np.ndarray],
    activations: Sequence[str],
    layers: Sequence[str],
    *,
    title: str = "Activations",
    **options,
) -> EpochPlayer:
    """Histograms of activations with a slider: one row an activation, one column a layer.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``<activation>-<layer>`` (epochs, bins), ``<activation>-<layer>-edges`` and
        ``<activation>-epochs``, which all activations share.
    activations, layers : sequences of str
        What is shown.
    """
    epochs = [int(epoch) for epoch in arrays[f"{activations[0]}-epochs"]]
    styles = layer_styles(layers)
    moves = []
    size = {"figsize": (1.6 * len(layers) + 0.5, 1.55 * len(activations) + 0.6)}
    with panels(len(activations), len(layers), sharey=True, **size, title=title) as (figure, axes):
        for row, activation in zip(axes, activations, strict=True):
            for ax, layer in zip(row, layers, strict=True):
                name, look = f"{activation}-{layer}", styles[layer]
                ax.set_title(f"{shown_name(activation)}, {layer}", fontsize=8)
                moves.append(_histogram(ax, arrays[name], arrays[f"{name}-edges"], look.colour))
            row[0].set_ylabel("share")
        for ax in axes[-1]:
            ax.set_xlabel("activation T")
        figure_legend(figure, [], "share of the layer's activations in each bin; grey: untrained")
    at = {epoch: i for i, epoch in enumerate(epochs)}
    scene = Scene(figure, lambda epoch: [move(at[epoch]) for move in moves], epochs, dpi=80)
    return EpochPlayer.from_scene(scene, title, **options)


def _histogram(ax: Axes, shares: np.ndarray, edges: np.ndarray, colour: str):
    """One layer's histogram; the untrained one stays, in grey."""
    shares = np.maximum(shares, LEAST_SHARE)
    ax.set(yscale="log", ylim=(LEAST_SHARE, 1.5), xlim=(edges[0], edges[-1]))
    ax.tick_params(labelsize=SMALLEST_PT)
    ax.stairs(shares[0], edges, baseline=LEAST_SHARE, color=REFERENCE_GREY, lw=0.8)
    bars = ax.stairs(shares[0], edges, baseline=LEAST_SHARE, fill=True, color=colour, alpha=0.55)
    bars.set_animated(True)
    return lambda i: bars.set_data(shares[i])


def feature_map_player(
    mel: np.ndarray,
    maps: Mapping[str, np.ndarray],
    epochs: Sequence[int],
    *,
    title: str = "Feature maps",
    **options,
) -> EpochPlayer:
    """One clip's mel-spectrogram, and what each filter makes of it through training.

    Parameters
    ----------
    mel : ndarray, shape (n_mels, n_frames)
        The input.
    maps : mapping of str to ndarray (n_epochs, C, H, W)
        By layer.
    epochs : sequence of int, shape (n_epochs,)
    """
    moves = []
    size = {"figsize": (2.7 * (len(maps) + 1), 2.7)}
    with panels(1, len(maps) + 1, **size, title=title) as (figure, axes):
        plot_spectrogram(axes[0, 0], mel.astype(float))
        axes[0, 0].set_title("input: mel-spectrogram")
        for ax, (layer, one) in zip(axes[0, 1:], maps.items(), strict=True):
            limits = common_limits([one])
            image = plot_feature_maps(ax, one[0], limits=limits)
            ax.set_title(f"{layer}: {one.shape[1]} filters")
            moves.append(_pictures(image, one))
            for artist in (image, *ax.texts):
                artist.set_animated(True)
    at = {int(epoch): i for i, epoch in enumerate(epochs)}
    scene = Scene(figure, lambda epoch: [move(at[epoch]) for move in moves], list(at), dpi=80)
    return EpochPlayer.from_scene(scene, title, **{"interval": 500} | options)


def _pictures(image: AxesImage, maps: np.ndarray):
    return lambda i: image.set_data(feature_tiles(maps[i].astype(float)))
