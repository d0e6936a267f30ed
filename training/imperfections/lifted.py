"""Real wrinkles, dark circles and flushes, lifted off the faces that have them and laid on others.

Painted lines are single strokes; life has families of folds, cross-hatched and shaded. A face whose
lines can be filled from the clean skin between them gives both: its lines as a layer of density
(see `base`), and itself without them. Laid on another face by its landmarks (PerTouch replaces
imperfections across faces), the layer is as exact as paint.

`lifted.json` lists the faces with lines and circles, chosen by eye, with the zones where they lie
open: no hair, no beard, no glasses. Flushes (`flush`) come from all that are red enough.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from training.imperfections.base import SIZE, STEP, Base, Layer, finish, to_linear, to_srgb
from vision.vocabulary import Kind, Region

ZONES: dict[Kind, dict[str, tuple[Region, ...]]] = {
    "dark_circles": {"lids": ("under_eyes",)},
    "wrinkles": {
        "forehead": ("forehead", "between_brows"),
        "eyes": ("crows_feet", "under_eyes"),
        "smile": ("smile_lines",),
    },
    "redness": {"flush": ("face",)},
}
FACES: dict[str, list[str]] = json.loads((Path(__file__).parent / "lifted.json").read_text())

_DARK = 0.004  # light added before the logarithm: noise in shadows is no density
_SCALES = (1.2, 2.0, 3.5, 5.0)  # sigmas of lines, in pixels
_VALLEY = 0.02  # curvature, in density a squared sigma, at which a pixel is hardly skin any more
_STRETCH = 16  # pixels that a line runs at least: pores and specks are shorter
_AROUND = 7.0  # sigma of the skin that a line is filled from
_CHEEK = 20.0  # sigma of the skin that a dark circle is compared with
_LASHES = 9  # pixels along the border of a lid that are left alone
# How much of a mark's own colour comes along to another face, and how strong it is laid there at
# most: most flushes that are lifted are weak.
_COLOUR = {"wrinkles": 0.5, "dark_circles": 0.5, "redness": 1.0}
_MOST = {"wrinkles": 1.0, "dark_circles": 1.0, "redness": 2.0}
_GRID = 32  # pixels between the places where a warp is computed


def lift(base: Base, zones: list[str]) -> dict[Kind, np.ndarray]:
    """(512, 512, 3) float32 density of what is in some zones, for every kind of `ZONES` there:
    positive where it is darker, negative on the lit ridges beside lines."""
    found: dict[Kind, np.ndarray] = {}
    for kind, of_kind in ZONES.items():
        chosen = [zone for zone in zones if zone in of_kind]
        if chosen:
            place = np.clip(sum(_zone(base, kind, zone) for zone in chosen), 0, 1)
            lifted = _circles(base, place) if kind == "dark_circles" else _lines(base, place)
            found[kind] = lifted.astype(np.float32)
            base = without(base, lifted)
    return found


def _lines(base: Base, place: np.ndarray) -> np.ndarray:
    logarithm, skin = np.log(base.linear + _DARK), (base.skin > 0.5).astype(np.float32)
    depth = valleys(logarithm.mean(axis=2), _SCALES, roundest=0.6)
    density = _mean(logarithm, skin * (np.exp(-depth / _VALLEY) + 1e-3), _AROUND) - logarithm
    # Within lines all of it, beside them only what is broad, for pores and grain are no wrinkles,
    # farther away nothing.
    lines = long_parts(depth > _VALLEY, _STRETCH).astype(np.float32)
    inside, near = (
        cv2.GaussianBlur(cv2.dilate(lines, np.ones((side, side))), (0, 0), sigma)[..., None]
        for side, sigma in ((3, 1.0), (9, 3.0))
    )
    fine, broad = (cv2.GaussianBlur(density, (0, 0), sigma) for sigma in (0.6, 2.5))
    density = near * (inside * fine + (1 - inside) * broad)
    return np.clip(density, -0.5, 1.2) * (skin * place)[..., None]


def _circles(base: Base, place: np.ndarray) -> np.ndarray:
    """How much darker lids are than the cheeks below; their texture stays."""
    logarithm, skin = np.log(base.linear + _DARK), (base.skin > 0.5).astype(np.float32)
    lids = ((place > 0.1) & (skin > 0)).astype(np.uint8)
    below = np.indices(lids.shape)[0] > base.points[[33, 263], 1].mean()
    around = skin * (cv2.dilate(lids, np.ones((15, 15))) == 0) * below
    density = _mean(logarithm, around.astype(np.float32), _CHEEK) - _mean(logarithm, skin, 3.0)
    inner = cv2.erode(lids, np.ones((_LASHES, _LASHES))).astype(np.float32)
    return np.clip(density, 0, 1) * (skin * cv2.GaussianBlur(inner, (0, 0), 4))[..., None]


def without(base: Base, density: np.ndarray) -> Base:
    """The face with a density taken off it."""
    clean = to_srgb(to_linear(base.crop.astype(np.float32) / 255) * np.exp(density))
    return replace(base, crop=np.round(clean * 255).astype(np.uint8))


@dataclass(frozen=True)
class Lifted:
    """What was lifted off one face: int8 densities (512, 512, 3) in `STEP`s by kind, its
    landmarks (478, 2), and the zones that it has."""

    densities: dict[Kind, np.ndarray]
    points: np.ndarray
    zones: list[str]


@dataclass(frozen=True)
class Bank:
    """What was lifted off many faces, to be laid on others."""

    faces: tuple[Lifted, ...]

    def has(self, kind: Kind) -> bool:
        return any(kind in one.densities for one in self.faces)

    def lay(self, kind: Kind, base: Base, rng: np.random.Generator, amount: float) -> Layer:
        """A kind that the bank has, from a face of its own in each of one or more zones."""
        having = {
            zone: [one for one in self.faces if zone in one.zones and kind in one.densities]
            for zone in ZONES[kind]
        }
        zones = [zone for zone, faces in having.items() if faces]
        chosen = [zone for zone in zones if rng.random() < 0.65] or [str(rng.choice(zones))]
        density = np.zeros((SIZE, SIZE, 3), np.float32)
        for zone in chosen:
            one = having[zone][int(rng.integers(len(having[zone])))]
            laid = _warped(one.densities[kind], one.points, base.points)
            laid *= _zone(base, kind, zone)[..., None]
            grey = laid.mean(axis=2, keepdims=True)
            strength = _MOST[kind] * rng.uniform(0.4, 1.0) * (0.6 + 0.8 * amount)
            density += strength * (grey + _COLOUR[kind] * (laid - grey))
        return finish(base, kind, np.clip(density, -0.5, 1.2))


def _warped(density: np.ndarray, source: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(512, 512, 3) float32: a density moved so that the landmarks `source` come to lie on
    `points`, both (478, 2)."""
    every = np.s_[::4]
    warp = RBFInterpolator(points[every], source[every], smoothing=1.0)
    at = np.mgrid[: SIZE + 1 : _GRID, : SIZE + 1 : _GRID].transpose(1, 2, 0)[..., ::-1]
    coarse = warp(at.reshape(-1, 2)).reshape(*at.shape[:2], 2).astype(np.float32)
    y, x = (np.mgrid[:SIZE, :SIZE] / _GRID).astype(np.float32)
    field = cv2.remap(coarse, x, y, cv2.INTER_LINEAR)
    return cv2.remap(density.astype(np.float32), field, None, cv2.INTER_LINEAR) * STEP


def _zone(base: Base, kind: Kind, zone: str) -> np.ndarray:
    """(512, 512) float32 in 0..1, soft at its border."""
    return np.clip(sum(base.regions.mask(region) for region in ZONES[kind][zone]), 0, 1)


def valleys(light: np.ndarray, sigmas: tuple[float, ...], roundest: float) -> np.ndarray:
    """(H, W) float32, how deep a line runs through a pixel: the curvature across it where that
    along it is less than `roundest` of it, at the scale that shows most (eigenvalues of the
    Hessian: Lindeberg 1998)."""
    deepest = np.zeros(light.shape, np.float32)
    for sigma in sigmas:
        smooth = cv2.GaussianBlur(light, (0, 0), sigma)
        xx, yy, xy = (
            cv2.Sobel(smooth, cv2.CV_32F, *order, scale=sigma**2 / 4)
            for order in ((2, 0), (0, 2), (1, 1))
        )
        mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        line = np.abs(mean - spread) < roundest * (mean + spread)
        deepest = np.maximum(deepest, np.where(line, mean + spread, 0))
    return deepest


def long_parts(mask: np.ndarray, stretch: float) -> np.ndarray:
    """(H, W) bool: the connected parts of a mask that run over more than a stretch of pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    reach = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    reach[0] = 0
    return (reach > stretch)[labels]


def _mean(image: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Weighted mean around every pixel: (H, W, 3) by (H, W) -> (H, W, 3)."""
    weighted = cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma)
    return weighted / (cv2.GaussianBlur(weight, (0, 0), sigma) + 1e-6)[..., None]
