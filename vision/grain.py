"""Detail finer than the aligned crop: skin's grain stays, what is left of a healed mark goes.

The change is made on a 512-px crop, so in a large photo it cannot take away edges of marks that
only the photo resolves. There the difference between photo and crop is held to what this
person's own clean skin shows: pores and grain lie within that, the rim of a mole does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vision.faces import Alignment
from vision.photo import Photo

# With at least this many crop pixels per photo pixel, the crop shows all that the photo does.
FINEST = 0.75
# Details up to this many standard deviations of clean skin's own are its grain.
_DEVIATIONS = 3.0
_SAMPLES, _LEAST_SAMPLES = 20_000, 500


@dataclass(frozen=True, eq=False)
class Grain:
    """Fine detail of one person's clean skin in one photo.

    Attributes:
        crop: (512, 512, 3) float32 sRGB 0..1, the face without that detail.
        limit: (3,) float32 in 0..1 of full scale, the largest detail that counts as grain.
    """

    crop: np.ndarray
    limit: np.ndarray

    def excess(self, values: np.ndarray, smooth: np.ndarray) -> np.ndarray:
        """(H, W, 3), what detail of `values` beyond grain there is over the crop seen from the
        photo, `smooth`, both sRGB in 0..1."""
        detail = values - smooth
        return detail - np.clip(detail, -self.limit, self.limit)


def grain_of(
    photo: Photo, alignment: Alignment, crop: np.ndarray, clean: np.ndarray
) -> Grain | None:
    """The grain of the clean skin, (512, 512) bool, of a face with its crop (512, 512, 3) uint8.

    None where the crop already shows all the photo does, or too little clean skin is in sight.
    """
    places = np.argwhere(clean)[:, ::-1]
    if alignment.scale > FINEST or len(places) < _LEAST_SAMPLES:
        return None
    rng = np.random.default_rng(0)  # the same photo gives the same pixels
    cells = places[rng.integers(len(places), size=_SAMPLES)]
    drawn = cells + rng.uniform(-0.5, 0.5, cells.shape)
    columns, rows = np.round(alignment.points_to_photo(drawn)).astype(int).T
    height, width = photo.pixels.shape[:2]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    rows, columns = rows[inside], columns[inside]
    values = photo.to_srgb(photo.pixels[rows, columns][:, None])[:, 0]
    smooth = crop.astype(np.float32) / 255
    # The crop at the very pixel's own place, bilinear as `Alignment.to_photo` sees it.
    x, y = alignment.points_to_crop(np.stack([columns, rows], axis=1).astype(np.float64)).T
    seen = cv2.remap(
        smooth, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    detail = values - seen[:, 0]
    deviation = 1.4826 * np.median(np.abs(detail), axis=0)
    return Grain(smooth, (_DEVIATIONS * np.maximum(deviation, 1 / 255)).astype(np.float32))
