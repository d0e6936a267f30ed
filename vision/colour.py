"""Between a photo's own colours and sRGB, through its ICC profile (libvips and Little CMS).

Relative colorimetric, with 16 bits per channel or more on the way. A profile that is damaged, or
made for another kind of image (a CMYK profile in an RGB file), counts as sRGB, as it does in
every viewer; so does one that leads to colours but not back from them (a scanner's tables), for
what is retouched must be written in it. The blob itself is carried along untouched.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyvips

from vision.raster import Refusal, eight_bit, from_vips, to_vips

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709
# Coding-independent code points (ITU-T H.273), as HEIC and PNG use them in place of a profile.
_DISPLAY_P3, _BT2020, _LINEAR, _PQ, _HLG = 12, 9, 8, 16, 18


def to_srgb(block: np.ndarray, icc: bytes | None) -> np.ndarray:
    """(h, w, 1 or 3) uint8 or uint16 -> (h, w, 3) float32, sRGB-encoded, 0..1."""
    if is_srgb(icc, block.shape[2]):
        values = block.astype(np.float32) / np.iinfo(block.dtype).max
        return np.repeat(values, 3, axis=2) if block.shape[2] == 1 else values
    return from_vips(_transform(block, icc, depth=16)).astype(np.float32) / 65535


def from_srgb(values: np.ndarray, icc: bytes | None, channels: int, top: int) -> np.ndarray:
    """(h, w, 3) sRGB-encoded 0..1 -> (h, w, channels) float32 on the scale 0..top, not rounded."""
    values = np.clip(values, 0, 1)
    if is_srgb(icc, channels):
        native = values @ _LUMA[:, None] if channels == 1 else values
        return native.astype(np.float32) * top
    sixteen = np.rint(values * 65535).astype(np.uint16)
    return _from_srgb(sixteen, icc).astype(np.float32) * np.float32(top / 65535)


def srgb8(pixels: np.ndarray, icc: bytes | None) -> np.ndarray:
    """(H, W, 1 or 3) -> (H, W, 3) uint8 in sRGB. With a profile it streams: no float copy."""
    if is_srgb(icc, pixels.shape[2]):
        reduced = eight_bit(pixels)
        return np.repeat(reduced, 3, axis=2) if reduced.shape[2] == 1 else reduced
    return from_vips(_transform(pixels, icc, depth=8))


@lru_cache(maxsize=16)
def is_srgb(icc: bytes | None, channels: int) -> bool:
    """Whether a profile changes no colour by half an 8-bit step, which many "sRGB"s differ by.

    Tried on a lattice of colours rather than by name: there are dozens of names.
    """
    if icc is None:
        return True
    axis = np.linspace(0, 65535, 17 if channels == 3 else 256).astype(np.uint16)
    lattice = np.stack(np.meshgrid(*[axis] * channels, indexing="ij"), -1).reshape(1, -1, channels)
    try:
        shown = from_vips(_transform(lattice, icc, depth=16))
        _from_srgb(np.zeros((1, 1, 3), np.uint16), icc)
    except pyvips.Error:
        return True
    return int(np.abs(shown.astype(int) - lattice).max()) <= 128


def named_profile(primaries: int, transfer: int) -> bytes | None:
    """The ICC profile for H.273 code points; None where they mean sRGB or nothing."""
    if transfer in (_LINEAR, _PQ, _HLG) or primaries == _BT2020:
        raise Refusal("is an HDR photo (BT.2020, PQ, HLG or linear); export it as SDR first")
    return bytes(pyvips.Operation.call("profile_load", "p3")) if primaries == _DISPLAY_P3 else None


def _from_srgb(sixteen: np.ndarray, icc: bytes | None) -> np.ndarray:
    image = to_vips(sixteen).icc_import(input_profile="srgb", embedded=False)
    return from_vips(_with_profile(image, icc).icc_export(depth=16))


def _transform(samples: np.ndarray, icc: bytes | None, depth: int) -> pyvips.Image:
    return _with_profile(to_vips(samples), icc).icc_transform("srgb", embedded=True, depth=depth)


def _with_profile(image: pyvips.Image, icc: bytes | None) -> pyvips.Image:
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    return image
