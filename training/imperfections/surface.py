"""Relief of the skin: bags under the eyes, scars and pores, all seen by their shading."""

from __future__ import annotations

import cv2
import numpy as np

from training.imperfections.base import (
    HAEMOGLOBIN,
    IOD,
    MELANIN,
    MM,
    NEUTRAL,
    SIZE,
    Base,
    Layer,
    add_at,
    cloud,
    finish,
    scatter,
    stamp,
    tint,
)
from training.imperfections.colour import LOWER_LIDS
from training.imperfections.pigment import relief


def eye_bags(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """A bulge below each lower lid: light on its upper face, a shaded groove along its foot."""
    drop = IOD * rng.uniform(0.17, 0.3)
    depth = rng.uniform(0.14, 0.42) * (0.6 + 0.7 * amount)
    swell, groove = rng.uniform(0.15, 0.45), rng.uniform(0.12, 0.24)
    crest = rng.uniform(0.4, 0.6)
    density = np.zeros((SIZE, SIZE), np.float32)
    for lid in LOWER_LIDS:
        along, depth_below = _below_lid(base, base.points[list(lid)])
        ends = np.clip(np.sin(np.pi * np.clip(along * 0.92 + 0.06, 0, 1)), 0, 1) ** 0.6
        level = depth_below / (drop * (0.35 + 0.65 * ends))
        foot = np.exp(-(((level - 1) / np.where(level < 1, 1.6 * groove, groove)) ** 2))
        bulge = np.exp(-(((level - crest) / 0.26) ** 2))
        inside = ((along > 0) & (along < 1) & (level > 0)).astype(np.float32)
        inside = cv2.GaussianBlur(inside, (0, 0), IOD * 0.03)
        density += ends * inside * (foot - swell * bulge) * depth
    density *= 0.85 + 0.3 * cloud(rng, 6, 18)
    colour = tint(rng, (NEUTRAL, 1.0), (HAEMOGLOBIN, rng.uniform(0.1, 0.5)))
    return finish(base, "eye_bags", density[..., None] * colour)


def _below_lid(base: Base, lid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every pixel (512, 512): place along the lid 0..1, and distance below it in pixels."""
    down = base.points[152] - base.points[168]  # chin minus bridge: the face's own down
    down = down / np.linalg.norm(down)
    span = lid[-1] - lid[0]
    span = span - (span @ down) * down
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    along = ((x - lid[0, 0]) * span[0] + (y - lid[0, 1]) * span[1]) / (span @ span)
    knots = (lid - lid[0]) @ span / (span @ span)
    order = np.argsort(knots)
    height = np.interp(along, knots[order], (lid @ down)[order])
    return along, (x * down[0] + y * down[1] - height).astype(np.float32)


def scars(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Pits that acne left, and now and then a pale or pink line of a healed cut."""
    mask = base.regions.mask
    prior = base.skin * (0.1 + mask("cheeks") + 0.5 * mask("temples") + 0.4 * mask("forehead"))
    prior *= 0.1 + cloud(rng, 4, 9) ** 2
    density = np.zeros((SIZE, SIZE, 3), np.float32)
    depth = rng.uniform(0.2, 0.55) * (0.7 + 0.5 * amount)
    for place in scatter(rng, prior, 2 + int(rng.integers(2, 6 + int(45 * amount)))):
        radius = float(np.clip(rng.lognormal(np.log(1.0 * MM), 0.45), 1.4, 9.0))
        profile, x, y = stamp(rng, radius, edge=rng.uniform(2.0, 6.0), roughness=0.25)
        # A pit, lit from inside out.
        patch = -relief(base, x, y, radius, depth * rng.uniform(0.6, 1.2))
        patch += (profile * depth * rng.uniform(0.0, 0.4))[..., None] * NEUTRAL
        if rng.random() < 0.3:
            patch += (profile * rng.uniform(0.03, 0.15))[..., None] * HAEMOGLOBIN
        add_at(density, patch, place)
    if rng.random() < 0.3:
        density += _cut(base, rng)
    return finish(base, "scars", np.clip(density, -0.5, 0.9))


def _cut(base: Base, rng: np.random.Generator) -> np.ndarray:
    """(512, 512, 3) a healed cut: a smooth line, paler or pinker than the skin, with one edge."""
    start = scatter(rng, base.skin, 1)
    if not len(start):
        return np.zeros((SIZE, SIZE, 3), np.float32)
    turns = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.12, 10).cumsum()
    step = rng.uniform(0.02, 0.05) * IOD
    path = start[0] + step * np.stack([np.cos(turns), np.sin(turns)], axis=1).cumsum(axis=0)
    width = rng.uniform(0.9, 2.2)
    line, edge = np.zeros((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), np.float32)
    cv2.polylines(line, [np.int32(path * 16)], False, 1.0, 1, cv2.LINE_AA, 4)
    shifted = path - base.light_direction * width * 1.4
    cv2.polylines(edge, [np.int32(shifted * 16)], False, 1.0, 1, cv2.LINE_AA, 4)
    line, edge = (cv2.GaussianBlur(x, (0, 0), width) * 2.5 * width for x in (line, edge))
    pale = np.array([-0.10, -0.14, -0.13], np.float32) * rng.uniform(0.5, 2.0)
    pink = HAEMOGLOBIN * rng.uniform(0.08, 0.3)
    colour = pale if rng.random() < 0.6 else pink
    return line[..., None] * colour + edge[..., None] * NEUTRAL * rng.uniform(0.03, 0.12)


def pores(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Enlarged pores: small dark pits, close together on the nose and the inner cheeks."""
    mask = base.regions.mask
    prior = 0.05 + mask("nose") + 0.7 * mask("cheeks") + 0.4 * mask("between_brows")
    prior = base.skin * (prior + 0.3 * mask("forehead") + 0.3 * mask("chin"))
    prior *= 0.5 + cloud(rng, 3, 7)
    pits, depth = np.zeros((SIZE, SIZE), np.float32), rng.uniform(0.12, 0.3) * (0.6 + 0.7 * amount)
    places = scatter(rng, prior, int(800 + 2600 * amount * rng.uniform(0.5, 1.0)))
    at = np.clip(np.round(places).astype(int), 0, SIZE - 1)
    # One impulse a pore: its weight is the area it darkens, so that blurring keeps its depth.
    np.add.at(pits, (at[:, 1], at[:, 0]), rng.lognormal(0, 0.25, len(at)).astype(np.float32))
    radius = rng.uniform(0.24, 0.38) * MM
    pits = cv2.GaussianBlur(pits, (0, 0), radius) * (2 * np.pi * radius**2)
    rim = cv2.GaussianBlur(pits, (0, 0), 1.6 * radius)
    colour = tint(rng, (NEUTRAL, 1.0), (MELANIN, rng.uniform(0.2, 0.8)))
    return finish(base, "pores", (depth * np.minimum(pits - 0.4 * rim, 1.4))[..., None] * colour)
