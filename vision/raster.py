"""What a photo file holds, between its codec and `vision.photo`: samples and the blobs beside them.

Codecs know bytes, not names: they raise `Refusal`, and `vision.photo` says which file it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyvips

MAX_PIXELS = 200_000_000

_INTERPRETATIONS = {
    (np.dtype("uint8"), 1): "b-w",
    (np.dtype("uint8"), 3): "srgb",
    (np.dtype("uint16"), 1): "grey16",
    (np.dtype("uint16"), 3): "rgb16",
}


class Refusal(Exception):
    """Why a photo cannot be read or written and what to do; completes "<file> ..."."""


@dataclass
class Raster:
    """Samples as stored in a file (not yet turned upright) and the metadata beside them.

    pixels: (H, W, 1 or 3) uint8 or uint16; alpha: (H, W) of the same type, never premultiplied.
    exif: a TIFF structure without the "Exif\\0\\0" prefix. encoding: what the codec of the same
    format needs to write the file the way it was written; empty means that codec's defaults.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    orientation: int = 1
    encoding: dict[str, Any] = field(default_factory=dict)


def check_size(width: int, height: int) -> None:
    """Refuse an empty or oversized photo; called on header values, before anything is decoded."""
    if width < 1 or height < 1:
        raise Refusal("has no pixels; use another copy of the file")
    if width * height > MAX_PIXELS:
        raise Refusal(
            f"is {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} megapixels: "
            "make it smaller first"
        )


def split(samples: np.ndarray, premultiplied: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W) or (H, W, 1-4) samples -> pixels (H, W, 1 or 3), straight, and alpha or None."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[2] in (1, 3):
        return samples, None
    pixels, alpha = samples[..., :-1], samples[..., -1]
    return (_unpremultiply(pixels, alpha) if premultiplied else pixels), alpha


def join(raster: Raster, premultiplied: bool = False) -> np.ndarray:
    """The inverse of `split`, bit for bit: (H, W, 1-4) samples."""
    if raster.alpha is None:
        return raster.pixels
    pixels = raster.pixels
    if premultiplied:
        pixels = over(pixels, raster.alpha, background=0)
    return np.concatenate([pixels, raster.alpha[..., None]], axis=2)


def over(pixels: np.ndarray, alpha: np.ndarray, background: int) -> np.ndarray:
    """`pixels` laid over a plain background by `alpha`, rounded; opaque pixels stay as they are."""
    top = np.iinfo(pixels.dtype).max
    opacity = alpha[..., None].astype(np.uint32)  # 65535 * 65535 + 32767 still fits in 32 bits
    blend = pixels * opacity + background * (top - opacity)
    return ((blend + top // 2) // top).astype(pixels.dtype)


def _unpremultiply(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Straight colour. Rounding to nearest makes `over(..., 0)` give the stored samples back."""
    top = np.uint32(np.iinfo(pixels.dtype).max)
    opacity = np.maximum(alpha, 1)[..., None].astype(np.uint32)
    return np.minimum((pixels * top + opacity // 2) // opacity, top).astype(pixels.dtype)


def eight_bit(samples: np.ndarray) -> np.ndarray:
    """uint16 -> uint8, rounded (65535 -> 255); uint8 comes back as it is."""
    if samples.dtype == np.uint8:
        return samples
    reduced = np.empty(samples.shape, np.uint8)
    for row, wide in enumerate(samples):  # as a whole it would take four times the photo's memory
        reduced[row] = (wide.astype(np.uint32) + 128) // 257
    return reduced


def to_vips(samples: np.ndarray) -> pyvips.Image:
    """(H, W, 1-4) uint8 or uint16 -> pyvips image; a 2nd or 4th channel is alpha."""
    height, width, channels = samples.shape
    image = pyvips.Image.new_from_memory(
        np.ascontiguousarray(samples).data,
        width,
        height,
        channels,
        "uchar" if samples.dtype == np.uint8 else "ushort",
    )
    colours = channels - (channels in (2, 4))
    return image.copy(interpretation=_INTERPRETATIONS[samples.dtype, colours])


def from_vips(image: pyvips.Image) -> np.ndarray:
    """Decode a pyvips image to (H, W, channels)."""
    return np.asarray(image.numpy()).reshape(image.height, image.width, image.bands)
