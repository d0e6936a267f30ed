"""Real wrinkles, lifted off the faces that have them and laid on faces that have none.

Painted lines are single strokes; life has families of folds, cross-hatched and shaded. A face whose
lines can be filled from the clean skin between them gives both: its lines as a layer of density
(see `base`), and itself without them. Laid on another face by its landmarks (PerTouch replaces
imperfections across faces), the layer is as exact as paint.

`lined.json` lists the faces, chosen by eye, with the zones where lines lie open: no hair, no beard,
no glasses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from training.imperfections.base import SIZE, Base, Layer, finish, to_linear, to_srgb
from vision.vocabulary import Region

ZONES: dict[str, tuple[Region, ...]] = {
    "forehead": ("forehead", "between_brows"),
    "eyes": ("crows_feet", "under_eyes"),
    "smile": ("smile_lines",),
}
LINED: dict[str, list[str]] = json.loads((Path(__file__).parent / "lined.json").read_text())

_DARK = 0.004  # light added before the logarithm: noise in shadows is no density
_SCALES = (1.2, 2.0, 3.5, 5.0)  # sigmas of lines, in pixels
_VALLEY = 0.02  # curvature, in density a squared sigma, at which a pixel is hardly skin any more
_STRETCH = 16  # pixels that a line runs at least: pores and specks are shorter
_AROUND = 7.0  # sigma of the skin that a line is filled from
_COLOUR = 0.4  # how much of a line's own colour comes along to another face
_GRID = 32  # pixels between the places where a warp is computed


def lift(base: Base, zones: list[str]) -> np.ndarray:
    """(512, 512, 3) float32 density of the lines in some `ZONES`: positive in valleys, negative on
    the lit ridges beside them."""
    logarithm = np.log(base.linear + _DARK)
    depth = _valleys(logarithm.mean(axis=2))
    skin = (base.skin > 0.5).astype(np.float32)
    open_skin = skin * (np.exp(-depth / _VALLEY) + 1e-3)
    around = [_mean(channel, open_skin, _AROUND) for channel in np.moveaxis(logarithm, 2, 0)]
    density = np.stack(around, axis=2) - logarithm
    # Within lines all of it, beside them only what is broad, for pores and grain are no wrinkles,
    # farther away nothing.
    lines = long_parts(depth > _VALLEY, _STRETCH).astype(np.float32)
    inside, near = (
        cv2.GaussianBlur(cv2.dilate(lines, np.ones((side, side))), (0, 0), sigma)[..., None]
        for side, sigma in ((3, 1.0), (9, 3.0))
    )
    fine, broad = (cv2.GaussianBlur(density, (0, 0), sigma) for sigma in (0.6, 2.5))
    density = near * (inside * fine + (1 - inside) * broad)
    place = skin * np.clip(sum(_zone(base, zone) for zone in zones), 0, 1)
    return (np.clip(density, -0.5, 1.2) * place[..., None]).astype(np.float32)


def without(base: Base, density: np.ndarray) -> Base:
    """The face with a density taken off it."""
    clean = to_srgb(to_linear(base.crop.astype(np.float32) / 255) * np.exp(density))
    return replace(base, crop=np.round(clean * 255).astype(np.uint8))


@dataclass(frozen=True)
class Lines:
    """The lines of one face: int8 density (512, 512, 3) in steps of 1/100, its landmarks (478, 2),
    and the zones that it has."""

    density: np.ndarray
    points: np.ndarray
    zones: list[str]


@dataclass(frozen=True)
class Bank:
    """Lines of many faces, to be laid on others."""

    faces: tuple[Lines, ...]

    @cached_property
    def _having(self) -> dict[str, list[Lines]]:
        return {zone: [one for one in self.faces if zone in one.zones] for zone in ZONES}

    def lay(self, base: Base, rng: np.random.Generator, amount: float) -> Layer:
        """Wrinkles of one to three people, each in a zone of its own."""
        chosen = [zone for zone in ZONES if rng.random() < 0.65 and self._having[zone]]
        density = np.zeros((SIZE, SIZE, 3), np.float32)
        for zone in chosen or ["forehead"]:
            lines = self._having[zone][int(rng.integers(len(self._having[zone])))]
            laid = _warped(lines, base.points) * _zone(base, zone)[..., None]
            grey = laid.mean(axis=2, keepdims=True)  # another skin's colour is not all right here
            strength = rng.uniform(0.4, 1.0) * (0.6 + 0.8 * amount)
            density += strength * (grey + _COLOUR * (laid - grey))
        return finish(base, "wrinkles", np.clip(density, -0.5, 1.2))


def _warped(lines: Lines, points: np.ndarray) -> np.ndarray:
    """(512, 512, 3) float32: the density moved so that its landmarks come to lie on `points`."""
    every = np.s_[::4]
    warp = RBFInterpolator(points[every], lines.points[every], smoothing=1.0)
    at = np.mgrid[: SIZE + 1 : _GRID, : SIZE + 1 : _GRID].transpose(1, 2, 0)[..., ::-1]
    coarse = warp(at.reshape(-1, 2)).reshape(*at.shape[:2], 2).astype(np.float32)
    y, x = (np.mgrid[:SIZE, :SIZE] / _GRID).astype(np.float32)
    field = cv2.remap(coarse, x, y, cv2.INTER_LINEAR)
    return cv2.remap(lines.density.astype(np.float32), field, None, cv2.INTER_LINEAR) / 100


def _zone(base: Base, zone: str) -> np.ndarray:
    """(512, 512) float32 in 0..1, soft at its border."""
    return np.clip(sum(base.regions.mask(region) for region in ZONES[zone]), 0, 1)


def _valleys(light: np.ndarray) -> np.ndarray:
    """(H, W) float32, how deep a line runs through a pixel: the curvature across it where there is
    little along it (eigenvalues of the Hessian, over scales: Lindeberg 1998)."""
    deepest = np.zeros(light.shape, np.float32)
    for sigma in _SCALES:
        smooth = cv2.GaussianBlur(light, (0, 0), sigma)
        xx, yy, xy = (
            cv2.Sobel(smooth, cv2.CV_32F, *order, scale=sigma**2 / 4)
            for order in ((2, 0), (0, 2), (1, 1))
        )
        mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        line = np.abs(mean - spread) < 0.6 * (mean + spread)
        deepest = np.maximum(deepest, np.where(line, mean + spread, 0))
    return deepest


def long_parts(mask: np.ndarray, stretch: float) -> np.ndarray:
    """(H, W) bool: the connected parts of a mask that run over more than a stretch of pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    reach = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    reach[0] = 0
    return (reach > stretch)[labels]


def _mean(image: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Weighted mean around every pixel, both (H, W)."""
    return cv2.GaussianBlur(image * weight, (0, 0), sigma) / (
        cv2.GaussianBlur(weight, (0, 0), sigma) + 1e-6
    )
