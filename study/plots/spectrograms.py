"""Pictures of sound: waveforms, log-mel spectrograms, and the feature maps made from them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from iblib.datasets.melspectrogram import MelSettings
from iblib.plotting.style import OKABE_ITO, SMALLEST_PT, VALUE_CMAP, panels
from study.text import shortened

_HZ_TICKS = (250, 500, 1000, 2000, 4000, 8000)
_STRETCHES = 800
_MOST_ROWS = 8


def plot_waveform(
    ax: Axes, waveform: np.ndarray, sample_rate: int = MelSettings.sample_rate
) -> list[Artist]:
    """Draw a waveform against seconds; long ones as the range of each of 800 stretches.

    Parameters
    ----------
    waveform : ndarray, shape (n,)
        Mono samples in [-1, 1].
    sample_rate : int
        Samples per second.
    """
    samples = np.asarray(waveform, dtype=float)
    if samples.ndim != 1 or not samples.size:
        raise ValueError(f"waveform must have shape (n,) with n > 0; got {samples.shape}")
    seconds = samples.size / sample_rate
    stretches = np.array_split(samples, min(samples.size, _STRETCHES))
    low, high = [s.min() for s in stretches], [s.max() for s in stretches]
    time = np.linspace(0, seconds, len(stretches))
    body = ax.fill_between(time, low, high, color=OKABE_ITO[0], linewidth=0.4)
    ax.set(xlim=(0, seconds), ylim=(-1.02, 1.02), xlabel="time [s]", ylabel="amplitude")
    return [body]


def _tidy(axes: np.ndarray, used: int) -> None:
    """Hide panels without data; keep tick labels at the outer edges only."""
    for i, ax in enumerate(axes.flat):
        ax.label_outer()
        ax.set_visible(i < used)


def mel_frequencies(n_mels: int, sample_rate: int = MelSettings.sample_rate) -> np.ndarray:
    """Centre frequencies [Hz] of Slaney's mel bands up to half the sample rate, ``(n_mels,)``."""
    import librosa  # in the report's environment; the library does without it

    return librosa.mel_frequencies(n_mels + 2, fmin=0.0, fmax=sample_rate / 2)[1:-1]


def plot_spectrogram(
    ax: Axes,
    log_mel: np.ndarray,
    *,
    limits: tuple[float, float] | None = None,
    colour_bar: bool = True,
) -> AxesImage:
    """Draw a log-mel spectrogram: seconds, mel bands with their frequencies [Hz], dB in colour.

    Parameters
    ----------
    log_mel : ndarray, shape (mels, frames)
        Level [dB].
    limits : (float, float), optional
        Colour limits [dB]; by default those of the picture.
    colour_bar : bool
        Add a bar beside the axes.

    Returns
    -------
    AxesImage
        The picture.
    """
    picture = np.asarray(log_mel, dtype=float)
    if picture.ndim != 2 or not picture.size:
        raise ValueError(f"log_mel must have shape (mels, frames); got {picture.shape}")
    n_mels, frames = picture.shape
    low, high = limits or (picture.min(), picture.max())
    seconds = frames * MelSettings.hop_length / MelSettings.sample_rate
    extent = (0, seconds, -0.5, n_mels - 0.5)
    look = {"cmap": VALUE_CMAP, "vmin": low, "vmax": high, "interpolation": "nearest"}
    image = ax.imshow(picture, origin="lower", aspect="auto", extent=extent, **look)
    _frequency_ticks(ax, n_mels)
    ax.set(xlabel="time [s]", ylabel=f"{n_mels} mel bands [Hz]")
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, label="level [dB]", pad=0.02)
    return image


def _frequency_ticks(ax: Axes, n_mels: int) -> None:
    """Label mel bands by frequency."""
    centres = mel_frequencies(n_mels)
    shown = [hz for hz in _HZ_TICKS if hz < centres[-1]]
    ax.set_yticks(np.interp(shown, centres, np.arange(n_mels)), labels=[str(hz) for hz in shown])


def spectrogram_grid(mels: Mapping[str, np.ndarray], *, title: str = "") -> Figure:
    """Log-mel spectrograms by genre, with the same axes and the same dB limits.

    Parameters
    ----------
    mels : mapping of str to ndarray (mels, frames)
        One panel each, in this order [dB].
    """
    columns = min(4, len(mels))
    rows = -(-len(mels) // columns)
    limits = common_limits(mels.values())
    options = {"panel": (1.9, 1.6), "sharex": True, "sharey": True}
    with panels(rows, columns, **options, title=title) as (figure, axes):
        for ax, (name, log_mel) in zip(axes.flat, mels.items(), strict=False):
            image = plot_spectrogram(ax, log_mel, limits=limits, colour_bar=False)
            ax.set_title(shortened(name))
        _tidy(axes, len(mels))
        figure.colorbar(image, ax=axes, label="level [dB]", pad=0.02, fraction=0.05, aspect=30)
    return figure


def common_limits(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """Smallest and largest finite value of several arrays."""
    found = [p[np.isfinite(p)] for p in map(np.asarray, pictures)]
    found = [p for p in found if p.size]
    if not found:
        raise ValueError("pictures must hold at least one finite value; got none")
    return float(min(p.min() for p in found)), float(max(p.max() for p in found))


def plot_feature_maps(
    ax: Axes,
    maps: np.ndarray,
    *,
    limits: tuple[float, float] | None = None,
) -> AxesImage:
    """Draw all maps of one layer for one clip, as tiles of one picture in reading order.

    Parameters
    ----------
    maps : ndarray, shape (C, H, W)
        Activations of C filters; low frequencies are drawn below.
    limits : (float, float), optional
        Colour limits; by default those of the maps.

    Returns
    -------
    AxesImage
        The picture.
    """
    maps = np.asarray(maps, dtype=float)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"maps must have shape (filters, height, width); got {maps.shape}")
    n, height, width = maps.shape
    columns = _tile_columns(n, height, width)
    gap = _gap(height)
    low, high = limits or common_limits([maps])
    look = {"cmap": VALUE_CMAP, "vmin": low, "vmax": high, "interpolation": "nearest"}
    image = ax.imshow(feature_tiles(maps), aspect="auto", **look)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if -(-n // columns) <= _MOST_ROWS:
        for i in range(n):
            at = ((i % columns) * (width + gap) - 0.5, (i // columns) * (height + gap) - 0.5)
            _number(ax, i, at)
    return image


def _tile_columns(n: int, height: int, width: int) -> int:
    """Tiles in a row: the whole about twice as wide as high, and no more than 8 rows."""
    wide = round(np.sqrt(2 * n * height / width))
    return int(np.clip(max(wide, -(-n // _MOST_ROWS)), 1, n))


def _gap(height: int) -> int:
    """White pixels between tiles."""
    return 1 if height < 12 else 2


def feature_tiles(maps: np.ndarray) -> np.ndarray:
    """Maps (C, H, W) side by side with white (NaN) gaps; a map's first row, the lowest, below."""
    n, height, width = maps.shape
    columns, gap = _tile_columns(n, height, width), _gap(height)
    rows = -(-n // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    picture = np.full(shape, np.nan)
    for i, one in enumerate(maps):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        picture[top : top + height, left : left + width] = one[::-1]
    return picture


def _number(ax: Axes, number: int, at: tuple[float, float]) -> None:
    """A filter's number in the corner of its tile."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
    write = {"xytext": (1.5, -1.5), "textcoords": "offset points", "ha": "left", "va": "top"}
    ax.annotate(str(number), at, fontsize=SMALLEST_PT, bbox=box, **write)


def feature_map_grid(maps: Mapping[int, np.ndarray], *, title: str = "") -> Figure:
    """Feature maps of one layer and one clip by epoch, with common colour limits.

    Parameters
    ----------
    maps : mapping of int to ndarray (C, H, W)
        By epoch.
    """
    columns = min(3, len(maps))
    rows = -(-len(maps) // columns)
    limits = common_limits(maps.values())
    with panels(rows, columns, panel=(2.3, 1.9), title=title) as (figure, axes):
        for ax, (key, one) in zip(axes.flat, maps.items(), strict=False):
            image = plot_feature_maps(ax, one, limits=limits)
            ax.set_title(f"epoch {key}")
        for ax in axes.flat[len(maps) :]:
            ax.set_visible(False)
        figure.colorbar(image, ax=axes, label="activation", pad=0.02, fraction=0.05, aspect=30)
    return figure
