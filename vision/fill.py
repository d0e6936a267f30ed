"""Marked areas filled with skin: which face fills which pixel, and what is put there.

The fill is made on the 512-px crop like every other change, but its border is the photo's own: of
the enlarged change, only marked pixels are written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vision.faces import CROP_SIZE, Alignment
from vision.marked import Mask, pack, unpack
from vision.plan import Fill

if TYPE_CHECKING:
    from vision.pipeline import Analysis

# Share of a crop pixel that has to be marked for the whole of it to be filled.
_TOUCHED = 0.1


@dataclass(frozen=True)
class Shared:
    """A mask shared out among the faces: `left` pixels of it lie in no face's crop."""

    fills: tuple[Fill, ...]
    left: int


@dataclass(frozen=True, eq=False)
class Filling:
    """What is filled on one face, in the aligned crop.

    Attributes:
        marked: (512, 512) float32, 1 where the skin is to be made up, 0 elsewhere.
        change: (512, 512, 3) float32, added to sRGB values in 0..1; 0 where nothing is marked.
    """

    marked: np.ndarray
    change: np.ndarray


def share_out(analysis: Analysis, marked: Mask) -> Shared:
    """Give each marked pixel, (H, W), to a face: of those whose crops hold as much of the connected
    part that it belongs to as any does, the one whose middle is nearest to it (in crop pixels, so
    that a small face has a small reach); what that one does not hold, to the next.
    """
    shape = marked.shape
    count, labels, _, middles = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    blocks = [face.alignment.bounds(*shape) for face in analysis.faces]
    within = [
        _covered(face.alignment, shape, block)
        for face, block in zip(analysis.faces, blocks, strict=True)
    ]
    held = [
        np.bincount(labels[_at(block)][inside], minlength=count)
        for block, inside in zip(blocks, within, strict=True)
    ]
    away = [
        np.linalg.norm(face.alignment.points_to_crop(middles) - CROP_SIZE / 2, axis=1)
        for face in analysis.faces
    ]
    first = _nearest(np.array(held), np.array(away)) if held else np.zeros(count, int)
    free = marked.copy()
    mine = [np.zeros_like(inside) for inside in within]
    for only_first in (True, False):
        for index, (block, inside) in enumerate(zip(blocks, within, strict=True)):
            taken = inside & free[_at(block)]
            if only_first:
                taken &= first[labels[_at(block)]] == index
            mine[index] |= taken
            free[_at(block)] &= ~taken
    fills = []
    for index, (block, part) in enumerate(zip(blocks, mine, strict=True)):
        if part.any():
            whole = np.zeros(shape, bool)
            whole[_at(block)] = part
            fills.append(Fill(pack(whole), index))
    return Shared(tuple(fills), int(free.sum()))


def _nearest(held: np.ndarray, away: np.ndarray) -> np.ndarray:
    """(n,) the face (of F) that each of n parts goes to: (F, n) pixels held, and distances."""
    return np.where(held == held.max(axis=0), away, np.inf).argmin(axis=0)


def union(fills: Iterable[Fill]) -> Mask:
    """(H, W) bool, whatever any of at least one fill marks."""
    return reduce(np.logical_or, (unpack(fill.mask) for fill in fills))


def in_crop(alignment: Alignment, marked: Mask) -> np.ndarray:
    """A mask of the photo (H, W) seen from the crop: (512, 512) float32, 0 or 1.

    So wide that a change read for a marked pixel of the photo, between or over several pixels of
    the crop, is never mixed with one that nobody asked for.
    """
    grown = marked.astype(np.uint8) * 255
    finer = round(0.5 / alignment.scale)
    if finer:  # a hair finer than the crop must not get lost in it
        grown = cv2.dilate(grown, np.ones((2 * finer + 1, 2 * finer + 1), np.uint8))
    touched = (alignment.crop(grown) > 255 * _TOUCHED).astype(np.float32)
    reach = math.ceil(max(alignment.scale, 1))
    return cv2.dilate(touched, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))


def coverage(alignment: Alignment, marked: Mask) -> np.ndarray:
    """(512, 512) float32, the share of each crop pixel that is marked in the photo (H, W)."""
    # Not in 8 bit, where a few pixels of a large photo would be rounded to nothing.
    return alignment.crop(marked.astype(np.float32)).clip(0, 1)


def _covered(alignment: Alignment, shape: tuple[int, int], block: tuple) -> Mask:
    """The pixels of a block of the photo that lie inside of the crop as a whole."""
    full = np.full((CROP_SIZE, CROP_SIZE), 255, np.uint8)
    return alignment.to_photo(full, shape, block) == 255


def _at(block: tuple[int, int, int, int]) -> tuple[slice, slice]:
    x0, y0, x1, y1 = block
    return np.s_[y0:y1, x0:x1]
