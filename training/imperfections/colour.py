"""Broad colour and light: redness, dark circles and shine."""

from __future__ import annotations

import cv2
import numpy as np

from training.imperfections.base import (
    HAEMOGLOBIN,
    IOD,
    MELANIN,
    SIZE,
    VENOUS,
    Base,
    Layer,
    cloud,
    finish,
    scatter,
    tint,
)
from vision.vocabulary import Region

# Lower lids of the mesh from the inner to the outer corner, image-left eye first.
LOWER_LIDS = (
    (133, 155, 154, 153, 145, 144, 163, 7, 33),
    (362, 382, 381, 380, 374, 373, 390, 249, 263),
)


def _somewhere(
    base: Base, rng: np.random.Generator, places: dict[Region, float], otherwise: Region
) -> np.ndarray:
    """(512, 512) a random union of regions, each there by its chance and not equally strong."""
    area = np.zeros((SIZE, SIZE), np.float32)
    for region, chance in places.items():
        if rng.random() < chance:
            area = np.maximum(area, base.regions.mask(region) * rng.uniform(0.5, 1.0))
    return area if area.any() else base.regions.mask(otherwise).copy()


def redness(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Blood near the surface: flushed cheeks and nose, blotches, now and then fine vessels."""
    places = {"cheeks": 0.85, "nose": 0.6, "chin": 0.3, "forehead": 0.25, "between_brows": 0.2}
    area = _somewhere(base, rng, places, otherwise="cheeks")
    area = cv2.GaussianBlur(area, (0, 0), rng.uniform(6, 18))
    blotches = cloud(rng, 3, 7) if rng.random() < 0.5 else cloud(rng, 6, 16, 40)
    low = rng.uniform(0.1, 0.5)
    field = area * np.clip((blotches - low) / (1 - low) * 1.6, 0, 1)
    field *= 0.8 + 0.4 * cloud(rng, 50, 120)
    colour = tint(rng, (HAEMOGLOBIN, 1.0), (MELANIN, rng.uniform(0.0, 0.15)))
    density = (field * rng.uniform(0.15, 0.6) * (0.6 + 0.7 * amount))[..., None] * colour
    if rng.random() < 0.25:
        density = density + _vessels(rng, area * base.skin)[..., None] * colour
    return finish(base, "redness", density)


def _vessels(rng: np.random.Generator, area: np.ndarray) -> np.ndarray:
    """Thin wandering lines (512, 512) of broken capillaries inside `area`."""
    canvas = np.zeros((SIZE, SIZE), np.float32)
    for start in scatter(rng, area, int(rng.integers(5, 30))):
        turns = rng.normal(0, 0.45, 12).cumsum() + rng.uniform(0, 2 * np.pi)
        steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(1.5, 3.0)
        path = np.vstack([start, start + steps.cumsum(axis=0)])
        cv2.polylines(
            canvas, [np.int32(path * 16)], False, rng.uniform(0.1, 0.3), 1, cv2.LINE_AA, 4
        )
    return cv2.GaussianBlur(canvas, (0, 0), 0.6) * (area > 0.3)


def dark_circles(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """A bluish or brown crescent under the lower lid, deepest near the nose."""
    colour = tint(rng, (VENOUS, rng.uniform(0.2, 1.0)), (MELANIN, rng.uniform(0.2, 1.0)),
                  (HAEMOGLOBIN, rng.uniform(0.0, 0.5)))  # fmt: skip
    depth = rng.uniform(0.22, 0.62) * (0.65 + 0.7 * amount)
    drop = IOD * rng.uniform(0.15, 0.26)
    inner, height = rng.uniform(0.3, 1.0), rng.uniform(0.35, 0.7)
    field = np.zeros((SIZE, SIZE), np.float32)
    for lid in LOWER_LIDS:
        points = base.points[list(lid)]
        across = np.linspace(0, 1, len(points))
        sag = drop * np.sin(np.pi * np.clip(across * 0.85 + 0.12, 0, 1)) ** 0.7
        down = base.points[152] - base.points[168]  # chin minus bridge: the face's own down
        lower = points + sag[:, None] * down / np.linalg.norm(down)
        weight = np.zeros_like(field)
        cv2.fillPoly(weight, [np.int32(np.vstack([points, lower[::-1]]))], 1.0)
        weight = cv2.GaussianBlur(weight, (0, 0), IOD * rng.uniform(0.03, 0.05))
        y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
        span = points[-1] - points[0]
        along = ((x - points[0, 0]) * span[0] + (y - points[0, 1]) * span[1]) / (span @ span)
        weight *= 1 - inner * height * np.clip(along, 0, 1)
        field = np.maximum(field, weight)
    field *= 0.8 + 0.35 * cloud(rng, 8, 24)
    return finish(base, "dark_circles", (field * depth)[..., None] * colour)


def shine(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Oil reflecting the lamp: pale light where the face already faces it, broken by pores."""
    places = {"forehead": 0.8, "nose": 0.8, "cheeks": 0.65, "chin": 0.4, "between_brows": 0.4}
    area = _somewhere(base, rng, places, otherwise="forehead")
    facing = np.clip(base.shading - rng.uniform(0.75, 1.0), 0, None)
    facing = facing / max(float(np.percentile(facing[base.skin > 0.5], 98)), 1e-3)
    lobe = cv2.GaussianBlur(area, (0, 0), 9) * np.clip(facing, 0, 1.2) ** rng.uniform(0.8, 2.0)
    lobe *= np.clip(cloud(rng, 4, 9) * 1.6 - 0.2, 0, 1)
    pores = 0.55 + 0.9 * cloud(rng, 90, 200)
    light = np.array([1.0, rng.uniform(0.93, 1.0), rng.uniform(0.85, 1.0)], np.float32)
    gloss = cv2.GaussianBlur(lobe, (0, 0), rng.uniform(1.5, 5)) * pores
    added = (gloss * rng.uniform(0.15, 0.5) * (0.5 + 0.7 * amount))[..., None] * light
    linear = np.maximum(base.linear, 0.01)
    lit = np.minimum(linear + added, 1.0)
    return finish(base, "shine", np.maximum(np.log(linear / np.maximum(lit, linear)), -1.2))


def uneven_tone(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Patches of more pigment and blood than the person's own mean, and paler ones, without
    edges."""
    brown, red = (cloud(rng, 3, 6, 12) - 0.5 for _ in range(2))
    # Skin pales less than it darkens: as far on both sides, the pale parts look green.
    brown, red = (np.where(field < 0, 0.4 * field, field) for field in (brown, red))
    depth = rng.uniform(0.25, 0.7) * (0.6 + 0.7 * amount)
    pigment, blood = rng.uniform(0.5, 1.0), rng.uniform(0.0, 0.35)
    density = (brown * pigment)[..., None] * MELANIN + (red * blood)[..., None] * HAEMOGLOBIN
    return finish(base, "uneven_tone", (2 * depth * density).astype(np.float32))


def yellow_teeth(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Stained enamel: it takes blue, a little green, and is darker towards the gums."""
    stain = np.array([rng.uniform(0.03, 0.2), rng.uniform(0.25, 0.5), 1.0], np.float32)
    depth = rng.uniform(0.15, 0.5) * (0.6 + 0.7 * amount)
    field = (0.75 + 0.4 * cloud(rng, 12, 40)) * depth
    return finish(base, "yellow_teeth", field[..., None] * stain, on=base.regions.mask("teeth"))
