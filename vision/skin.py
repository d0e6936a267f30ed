"""Which pixels of a crop are bare skin, judged by each person's own skin.

The colour expected at a place is interpolated from landmarks that lie on bare skin (cheeks, nose,
forehead), which follows the light across the face and asks nothing about how dark or pale anyone
is. What departs from it, on a picture so smoothed that freckles, moles, spots and blotches have
gone, is hair, beard, glasses, cloth or background. Geometry has the last word.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision import mesh

Map = NDArray[np.float32]
WORK_SIZE = 256
# Tolerances in CIE Lab units: (lightness, a, b). Redness and tan move a and b; light moves L.
FLOOR = np.array((7.0, 4.5, 4.5), dtype=np.float32)
REACH = 0.22  # of the crop: how far a landmark's colour is expected to hold
# How far a highlight may go towards white and a shadow towards black.
HIGHLIGHT, SHADOW = 0.9, 0.5
# A line counts as a strand if it is darker than its surroundings by this share, and this long.
STRAND_CONTRAST, STRAND_LENGTH = 0.45, 0.12
# Squared, normalised colour distance at which skin and anything else are equally likely.
EVEN_DISTANCE = 9.0
LIMIT = 8.0  # of the log-odds against skin
# Squared distance from skin at which what lies above a forehead is known to be something else.
OTHER_DISTANCE = 4.0
MUCH = 4.0  # how much nearer, squared, a pixel is to that than to skin


def likelihood(
    crop: NDArray[Any],
    landmarks: NDArray[Any],
    lit: Map,
    shaded: Map,
    above: NDArray[np.intp],
    upper: Map,
) -> Map:
    """Log-odds, colour alone, (512, 512) float32: positive where a pixel looks like own skin.

    `crop` (512, 512, 3) uint8 sRGB, `landmarks` (478, 2) in crop pixels. `lit` and `shaded`
    (512, 512), 0..1, say where a highlight and a shadow are skin too; elsewhere they may be grey
    hair or dark hair. `above` (n, 2) are pixels above the forehead: what lies there, if paler than
    skin, is none as far as it reaches down in `upper` (512, 512), 0..1, whatever light may do.
    """
    size = crop.shape[0]
    small = cv2.resize(crop, (WORK_SIZE, WORK_SIZE), interpolation=cv2.INTER_AREA)
    smooth = cv2.medianBlur(small, 9)
    lab = cv2.cvtColor(smooth.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    places = landmarks[list(mesh.BARE)] * (WORK_SIZE / size)
    places = places[((places >= 0) & (places <= WORK_SIZE - 1)).all(1)]
    if len(places) < 3:
        return np.full((size, size), -EVEN_DISTANCE / 2, np.float32)
    columns, rows = places.round().astype(int).T
    colours = lab[rows, columns]
    trusted = _agreeing(colours, places)
    places, colours = places[trusted], colours[trusted]
    spread = 1.5 * np.median(np.abs(colours - np.median(colours, axis=0)), axis=0)
    # On dark skin, or in little light, everything lies closer together: so does hair.
    light = np.clip(np.median(colours[:, 0]) / 60, 0.35, 1)
    tolerance = np.clip(spread, FLOOR * light, 1.5 * FLOOR * light)
    zones = cv2.resize(
        np.dstack([lit, shaded]), (WORK_SIZE, WORK_SIZE), interpolation=cv2.INTER_AREA
    )
    expected = _expected(places, colours)
    departure = _beyond_light(lab, expected, zones)
    odds = (EVEN_DISTANCE - ((departure / tolerance) ** 2).sum(-1)) / 2
    odds = np.clip(odds, -LIMIT, EVEN_DISTANCE / 2).astype(np.float32)
    reach = cv2.resize(upper, (WORK_SIZE, WORK_SIZE), interpolation=cv2.INTER_AREA) > 0.5
    odds[
        reach & _overhang(lab / tolerance, expected / tolerance, above * WORK_SIZE // size)
    ] = -LIMIT
    return cv2.resize(odds, (size, size), interpolation=cv2.INTER_LINEAR)


def _overhang(lab: Map, expected: Map, above: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Pale hair and hats: pixels joined to what lies `above` (n, 2), lighter than skin and nearer
    to its colour than to skin's. A highlight would explain them as well.

    `lab` and the `expected` colour of skin (h, w, 3) are in tolerances.
    """
    if not len(above):
        return np.zeros(lab.shape[:2], bool)
    columns, rows = above.T
    colour = np.median(lab[rows, columns], axis=0)
    away = colour - np.median(expected[rows, columns], axis=0)
    if away[0] < 0 or (away[1:] ** 2).sum() < OTHER_DISTANCE:
        return np.zeros(lab.shape[:2], bool)
    departure = lab - expected
    distance = ((lab - colour)[..., 1:] ** 2).sum(-1)
    alike = (departure[..., 0] > 0) & (MUCH * distance < (departure[..., 1:] ** 2).sum(-1))
    _, labels = cv2.connectedComponents(alike.astype(np.uint8), connectivity=8)
    return alike & np.isin(labels, np.unique(labels[rows, columns]))


def _beyond_light(lab: Map, expected: Map, zones: Map) -> Map:
    """What light does not explain of `lab - expected`, both (h, w, 3).

    A highlight mixes skin with white, a shadow scales it towards black: both are straight lines
    from the expected colour, along which a pixel may move for free as far as `zones` (h, w, 2) say.
    """
    departure = lab - expected
    ends = ((100.0, 0.0, 0.0), HIGHLIGHT), ((0.0, 0.0, 0.0), SHADOW)
    for zone, (target, share) in zip(np.moveaxis(zones, -1, 0), ends, strict=True):
        way = np.array(target, np.float32) - expected
        along = (departure * way).sum(-1) / (way * way).sum(-1).clip(1)
        departure = departure - np.clip(along, 0, share * zone)[..., None] * way
    return departure


def _agreeing(colours: NDArray[Any], places: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples (n, 3) are not hair, glasses or a hand: those near the median of their half.

    Light may fall on one half of a face alone; a half so dark that it may be covered by hair is
    held against the other one.
    """
    right = places[:, 0] > np.median(places[:, 0])
    halves = np.stack([np.median(colours[right == half], axis=0) for half in (False, True)])
    darker = halves[:, 0] < 0.5 * halves[::-1, 0]
    halves = np.where(darker[:, None], halves[::-1], halves)
    far = np.abs(colours - halves[right.astype(int)]) / (22.0, 12.0, 14.0)
    return far.max(1) < 1


def _expected(places: NDArray[Any], colours: NDArray[Any]) -> Map:
    """(WORK_SIZE, WORK_SIZE, 3): colours spread from their places, near ones counting most."""
    coarse = 32
    centres = (np.arange(coarse) + 0.5) * (WORK_SIZE / coarse) - 0.5
    grid = np.stack(np.meshgrid(centres, centres), axis=-1)[:, :, None]
    squared = ((grid - places) ** 2).sum(-1) / (REACH * WORK_SIZE / 2) ** 2
    weights = np.exp(-squared / 2) + 1e-3
    field = (weights @ colours) / weights.sum(-1, keepdims=True)
    size = (WORK_SIZE, WORK_SIZE)
    return cv2.resize(field.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)


def snapped(mask: Map, crop: NDArray[Any], radius: int = 8, epsilon: float = 2e-3) -> Map:
    """Guided filter (He et al. 2013, grey guide): the mask's edges move to the picture's edges."""
    guide = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255

    def mean(values: Map) -> Map:
        return cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1))

    guide_mean, mask_mean = mean(guide), mean(mask)
    slope = (mean(guide * mask) - guide_mean * mask_mean) / (
        mean(guide * guide) - guide_mean**2 + epsilon
    )
    offset = mask_mean - slope * guide_mean
    return np.clip(mean(slope) * guide + mean(offset), 0, 1)


def attached(bare: Map, core: NDArray[np.bool_]) -> Map:
    """The skin `bare` (512, 512) without islands that hold nothing of the face's `core`: on a hat
    of the colour of skin the shadow of its brim parts it from the forehead."""
    _, labels = cv2.connectedComponents((bare > 0.3).astype(np.uint8), connectivity=8)
    island = (labels > 0) & ~np.isin(labels, np.unique(labels[core]))
    return bare * (1 - cv2.dilate(island.astype(np.uint8), np.ones((7, 7), np.uint8)))


def highlights(bare: Map, crop: NDArray[Any], where: NDArray[np.bool_]) -> Map:
    """Bright islands within the skin, (512, 512) float32 in 0..1: too glossy to look like skin.

    `bare` (512, 512) is the skin found so far; `where` says where such an island can be nothing
    else (a white moustache is bright, too). Islands that reach beyond it are left out.
    """
    light = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    usual = float(np.median(light[bare > 0.5])) if (bare > 0.5).any() else 255.0
    bright = ((bare < 0.9) & (cv2.blur(light, (5, 5)) > usual)).astype(np.uint8)
    _, labels = cv2.connectedComponents(bright, connectivity=8)
    outside = np.unique(labels[~where])
    island = (bright > 0) & ~np.isin(labels, outside)
    wide = cv2.dilate(island.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), 1.5)


def strands(crop: NDArray[Any], length: float) -> Map:
    """Long, thin, very dark lines: glasses and strands of hair. (512, 512) float32 in 0..1.

    `length` is the face's length in pixels; shorter lines (lashes, moles, creases) do not count.
    """
    light = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    around = cv2.morphologyEx(light, cv2.MORPH_CLOSE, element).astype(np.float32)
    dark = ((around - light) / (around + 8) > STRAND_CONTRAST).astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    extent = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    extent[0] = 0  # the ground
    lines = (extent > STRAND_LENGTH * length)[labels].astype(np.float32)
    wide = cv2.dilate(lines, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    return cv2.GaussianBlur(wide, (0, 0), 1.5)
