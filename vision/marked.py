"""Marked areas: masks that come from outside, read, checked and packed for a plan.

A mask is (H, W) bool over the upright photo, true where something is to go.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision import photo as photos
from vision.errors import FreckleError
from vision.photo import Photo
from vision.raster import over

Mask = NDArray[np.bool_]
# Pillow's modes that `vision.photo` takes as they are.
_PLAIN_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"}
_SWAPPING = range(5, 9)  # EXIF orientations that exchange height and width


class MaskError(FreckleError):
    """A mask cannot be read or does not fit its photo; the message says what to do."""


def read(source: str | Path | Image.Image | np.ndarray, photo: Photo) -> Mask:
    """A mask of the photo from an image file, a Pillow image or an (H, W) bool or uint8 array.

    Marked is what is more than half white and not transparent. The size is that of the upright
    photo; an image of the size that the photo's file stores is turned upright like the photo.

    Raises:
        MaskError: it cannot be read, has another size, or marks nothing.
    """
    name = f"the mask {source}" if isinstance(source, str | Path) else "the mask"
    marked = _of_array(source) if isinstance(source, np.ndarray) else _of_image(source, name)
    upright = marked.shape == (photo.height, photo.width)
    if not upright and marked.shape == (photo.width, photo.height) and photo.turned in _SWAPPING:
        marked = photos.upright(marked, photo.turned)
    fit(marked, photo, name)
    return marked


def fit(marked: Mask, photo: Photo, name: str = "the mask") -> None:
    """Make sure that a mask is one of this photo.

    Raises:
        MaskError: it has another size, or marks nothing.
    """
    height, width = marked.shape
    if (height, width) != (photo.height, photo.width):
        raise MaskError(
            f"{name} is {width} x {height} pixels, but the photo {photo.width} x {photo.height}: "
            "give it the photo's size"
        )
    if not marked.any():
        raise MaskError(f"{name} marks nothing: make white what is to go, and all else black")


def pack(marked: Mask) -> bytes:
    """A mask as a 1-bit PNG."""
    file = io.BytesIO()
    Image.fromarray(marked).save(file, format="PNG")
    return file.getvalue()


def unpack(png: bytes) -> Mask:
    """What `pack` packed; raises `MaskError` where it is no image."""
    try:
        return _white(photos.load(png))
    except photos.PhotoError as error:
        raise MaskError(f"no mask can be read from it: {error}") from None


def _of_array(array: np.ndarray) -> Mask:
    if array.ndim != 2 or array.dtype not in (np.bool_, np.uint8):
        raise MaskError(f"the mask is {array.dtype} {array.shape}: give (H, W) bool or uint8")
    return array.copy() if array.dtype == np.bool_ else array > 127


def _of_image(source: str | Path | Image.Image, name: str) -> Mask:
    """The photo reader has no limit below 200 megapixels; Pillow knows more formats."""
    try:
        return _white(photos.load(_plain(source) if isinstance(source, Image.Image) else source))
    except photos.PhotoError as refused:
        if isinstance(source, Image.Image):
            raise MaskError(f"{name} cannot be read: {refused}") from refused
        try:
            with Image.open(source) as image:
                return _white(photos.load(_plain(image)))
        except (*photos.DAMAGE, Image.DecompressionBombError):
            raise MaskError(f"the mask {refused}") from refused


def _plain(image: Image.Image) -> Image.Image | np.ndarray:
    """A Pillow image of any mode in a form that `vision.photo` takes."""
    if image.mode in _PLAIN_MODES:
        return image
    if image.mode.startswith("I"):  # 16 bit in a wider, or differently ordered, integer
        return np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
    return image.convert("L" if image.mode == "F" else "RGB")


def _white(image: Photo) -> Mask:
    """Where an image, laid over black by its alpha, is more than half white."""
    pixels = image.pixels
    grey = pixels if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]
    if image.alpha is not None:
        grey = over(grey, image.alpha, background=0)
    return grey[..., 0] > np.iinfo(grey.dtype).max // 2
