"""Small pictures for pages: thumbnails of figures, mel-spectrograms, and data URLs."""

import base64
import io

import numpy as np
from matplotlib import colormaps
from PIL import Image

from iblib.plotting.interactive import png_bytes
from iblib.plotting.style import VALUE_CMAP

COLOURS = 64
MEL_SIZE = (256, 128)  # pixels
MEL_LEVELS = 160  # bytes of examples.npz: half decibels above the floor of 80


def data_url(content: bytes, kind: str = "image/png") -> str:
    """Content that a page holds itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def thumbnail(png: bytes, width: int = 420) -> bytes:
    """A picture on white, at most ``width`` pixels wide, in few colours, as PNG."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGBA")
    white = Image.new("RGBA", small.size, "white")
    white.alpha_composite(small)
    height = max(1, round(small.height * min(1, width / small.width)))
    size = min(width, small.width), height
    scaled = white.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return png_bytes(scaled.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE))


def mel_picture(mel: np.ndarray) -> bytes:
    """A log-mel spectrogram as PNG: time from left to right, low bands below.

    Parameters
    ----------
    mel : ndarray, shape (mels, frames), uint8
        Half decibels above the floor, as in ``examples.npz``.
    """
    levels = np.minimum(mel[::-1].astype(float) / MEL_LEVELS, 1) * 255
    picture = Image.fromarray(levels.round().astype(np.uint8))
    picture = picture.resize(MEL_SIZE, Image.Resampling.BOX)
    coloured = Image.fromarray((np.asarray(picture) // 8 * 8).astype(np.uint8), mode="L")
    palette = (colormaps[VALUE_CMAP](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    coloured.putpalette(palette.tobytes())
    return png_bytes(coloured)
