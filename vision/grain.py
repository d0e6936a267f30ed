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
# How much less counts as grain where pores are asked away: skin without any would be plastic.
_SMOOTHED = 0.7
_SAMPLES, _LEAST_SAMPLES = 20_000, 500
_SIDES = (48, 32, 20, 12)  # photo pixels, of a block of clean skin: the largest that fits
_BLOCKS = 9  # of which the one of middling strength is taken


@dataclass(frozen=True, eq=False)
class Grain:
    """Fine detail of one person's clean skin in one photo, to which marks are held.

    Attributes:
        crop: (512, 512, 3) float32 sRGB 0..1, the face without that detail.
        limit: (3,) float32 in 0..1 of full scale, the largest detail that counts as grain.
    """

    crop: np.ndarray
    limit: np.ndarray

    def excess(
        self,
        values: np.ndarray,
        smooth: np.ndarray,
        top: int,
        left: int,
        rough: np.ndarray | None = None,
    ) -> np.ndarray:
        """(H, W, 3), what detail of `values` beyond grain there is over the crop seen from the
        photo, `smooth`, both sRGB in 0..1 and from row `top` and column `left` of the photo on;
        where pores are asked away, `rough` (H, W) in 0..1, less of it counts as grain."""
        detail = values - smooth
        limit = self.limit
        if rough is not None:
            limit = limit * (1 - _SMOOTHED * rough)[..., None]
        return detail - np.clip(detail, -limit, limit)


@dataclass(frozen=True, eq=False)
class BorrowedGrain:
    """Grain of clean skin in place of all detail of what is filled.

    Attributes:
        crop: as in `Grain`.
        tile: (T, T, 3) float32 detail of clean skin, which can be repeated without a seam.
    """

    crop: np.ndarray
    tile: np.ndarray

    def excess(
        self,
        values: np.ndarray,
        smooth: np.ndarray,
        top: int,
        left: int,
        rough: np.ndarray | None = None,
    ) -> np.ndarray:
        """As of `Grain`: all detail, less what is put in its place; no pores are asked away where
        skin is filled in."""
        rows, columns = (
            (np.arange(size) + start) % len(self.tile)
            for size, start in zip(values.shape[:2], (top, left), strict=True)
        )
        return values - smooth - self.tile[rows[:, None], columns]


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
    # Coordinates as a column, (n, 1, 2): of flat lists OpenCV 4 makes a column, OpenCV 5 a row.
    at = alignment.points_to_crop(np.stack([columns, rows], axis=1).astype(np.float64))[:, None]
    seen = cv2.remap(
        smooth, at.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    detail = values - seen[:, 0]
    deviation = 1.4826 * np.median(np.abs(detail), axis=0)
    return Grain(smooth, (_DEVIATIONS * np.maximum(deviation, 1 / 255)).astype(np.float32))


def borrowed_grain(
    photo: Photo, alignment: Alignment, crop: np.ndarray, clean: np.ndarray
) -> BorrowedGrain:
    """Detail of a block of the clean skin, (512, 512) bool, of a face with its crop; none where
    no block of clean skin is large enough.

    Detail is what a network that renders on the crop leaves out: all that is finer than two of its
    pixels.
    """
    smooth = crop.astype(np.float32) / 255
    side, places = _room(clean, alignment.scale)
    if not side:
        return BorrowedGrain(smooth, np.zeros((1, 1, 3), np.float32))
    rng = np.random.default_rng(0)
    some = places[rng.integers(len(places), size=_BLOCKS)].astype(np.float64)
    y, x = np.mgrid[:side, :side] - side // 2
    sigma = max(1.0, 1.0 / alignment.scale)
    blocks = []
    for column, row in np.round(alignment.points_to_photo(some)).astype(int):
        rows = np.clip(row + y, 0, photo.pixels.shape[0] - 1)
        columns = np.clip(column + x, 0, photo.pixels.shape[1] - 1)
        block = photo.to_srgb(photo.pixels[rows, columns])
        blocks.append((block - cv2.GaussianBlur(block, (0, 0), sigma)).astype(np.float32))
    usual = blocks[int(np.argsort([block.std() for block in blocks])[_BLOCKS // 2])]
    across = np.concatenate([usual, usual[:, ::-1]], axis=1)  # mirrored, it repeats
    return BorrowedGrain(smooth, np.concatenate([across, across[::-1]]))


def _room(clean: np.ndarray, scale: float) -> tuple[int, np.ndarray]:
    """The side of a block of clean skin, in photo pixels, and its middles (n, 2) in the crop."""
    for side in _SIDES:
        reach = int(np.ceil(side * scale * np.sqrt(0.5)))
        room = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        roomy = cv2.erode(
            clean.astype(np.uint8), room, borderType=cv2.BORDER_CONSTANT, borderValue=0
        )
        places = np.argwhere(roomy)[:, ::-1]
        if len(places):
            return side, places
    return 0, places
