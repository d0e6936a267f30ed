"""Edits brought to the photo's own resolution, depth and colours.

The network's change is made on a 512-px crop; it is smooth except at marks, so it is enlarged and
*added* to the photo: the skin's own grain, which lives above the crop's resolution, stays
(`vision.grain` says what is grain). Only pixels with an open gate are written; every other integer
is the photo's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vision.faces import Alignment
from vision.grain import BorrowedGrain, Grain
from vision.photo import Photo

# A gate below this leaves the pixel alone: what would change there is not visible, and an edited
# area with a clear border can be checked.
CLOSED = 0.03
_STRIP = 512  # rows converted at once, so that a large photo is never held as float as a whole


@dataclass(frozen=True, eq=False)
class CropChange:
    """What one face's plan does, in the aligned crop.

    Attributes:
        gate: (512, 512) float32 0..1, how far each pixel is edited.
        change: (512, 512, 3) float32, added to sRGB values in 0..1 (gate included).
        forbidden: (512, 512) float32, above 0 where nothing may change; None for nowhere.
        fine: (512, 512) float32 0..1, how far detail beyond the skin's own grain is taken away: the
            part of the gate that belongs to marks with fine edges, and what is `rough`.
        grain: of the skin; None where the photo is no finer than the crop.
        rough: (512, 512) float32 0..1, how far pores are asked away, which are a part of the grain.
    """

    gate: np.ndarray
    change: np.ndarray
    forbidden: np.ndarray | None
    fine: np.ndarray
    grain: Grain | BorrowedGrain | None
    rough: np.ndarray | None = None


def soften(area: np.ndarray) -> np.ndarray:
    """A binary area (512, 512) grown by two pixels, with a soft border outside of it."""
    grown = cv2.dilate(area, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    return np.maximum(cv2.GaussianBlur(grown, (0, 0), 1.2), area).astype(np.float32)


def write(
    photo: Photo,
    alignment: Alignment,
    edit: CropChange,
    pixels: np.ndarray,
    touched: np.ndarray,
    only: np.ndarray | None = None,
) -> None:
    """Write one face's change into `pixels` (H, W, C) and mark `touched` (H, W), in place.

    With `only`, (H, W) bool, no other pixels are written.
    """
    gate = np.where(edit.gate > CLOSED, edit.gate, 0)
    if not gate.any():
        return
    height, width = touched.shape
    x0, y0, x1, y1 = _bounds(alignment, gate, height, width)
    for top in range(y0, y1, _STRIP):
        block = (x0, top, x1, min(top + _STRIP, y1))
        open_ = alignment.to_photo(gate.astype(np.float32), (height, width), block) > CLOSED
        if edit.forbidden is not None:
            open_ &= alignment.to_photo(edit.forbidden, (height, width), block) == 0
        rows, columns = np.s_[top : block[3]], np.s_[x0:x1]
        if only is not None:
            open_ &= only[rows, columns]
        if not open_.any():
            continue
        change = alignment.to_photo(edit.change, (height, width), block)
        native = pixels[rows, columns]
        values = photo.to_srgb(native)
        if edit.grain is not None:
            fine = alignment.to_photo(edit.fine.astype(np.float32), (height, width), block)
            smooth = alignment.to_photo(edit.grain.crop, (height, width), block)
            # At the crop's border, where it is blended with nothing, there is nothing to compare.
            within = alignment.to_photo(np.ones_like(edit.gate), (height, width), block) > 0.999
            rough = None
            if edit.rough is not None:
                rough = alignment.to_photo(edit.rough.astype(np.float32), (height, width), block)
            change = change - (fine * within)[..., None] * edit.grain.excess(
                values, smooth, top, x0, rough
            )
        # The difference of two conversions, so that a profile's rounding changes nothing where
        # the change is nothing.
        moved = photo.from_srgb(np.clip(values + change, 0, 1)) - photo.from_srgb(values)
        top_value = np.iinfo(pixels.dtype).max
        edited = np.clip(np.rint(native + moved), 0, top_value).astype(pixels.dtype)
        native[open_] = edited[open_]
        touched[rows, columns] |= open_


def _bounds(alignment: Alignment, gate: np.ndarray, height: int, width: int):
    """x0, y0, x1, y1 in the photo of the open part of the gate, with a pixel to spare."""
    rows, columns = np.nonzero(gate)
    x, y = (columns.min() - 1, columns.max() + 1), (rows.min() - 1, rows.max() + 1)
    corners = alignment.points_to_photo(np.array([(a, b) for a in x for b in y], np.float64))
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int) + 1
    x0, x1 = np.clip((low[0], high[0]), 0, width)
    y0, y1 = np.clip((low[1], high[1]), 0, height)
    return int(x0), int(y0), int(x1), int(y1)
