"""Stubble: short hairs through the skin, and the grey shadow of those still under it."""

from __future__ import annotations

import cv2
import numpy as np

from training.imperfections.base import (
    MELANIN,
    NEUTRAL,
    SIZE,
    VENOUS,
    Base,
    Layer,
    cloud,
    finish,
    scatter,
    tint,
)


def stubble(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """A day's to a week's growth where a beard would be."""
    mask = base.regions.mask
    field = np.maximum.reduce([mask("upper_lip"), mask("chin"), mask("jaw")])
    field = base.skin * cv2.GaussianBlur(field, (0, 0), rng.uniform(4, 10))
    field *= np.clip(0.35 + 0.9 * cloud(rng, 3, 8), 0, 1)
    drawn = np.zeros((SIZE, SIZE), np.uint8)  # anti-aliased lines are drawn on bytes alone
    length, lean = rng.uniform(0.8, 2.0 + 2.5 * amount), rng.normal(np.pi / 2, 0.25)
    for place in scatter(rng, field, int(300 + 2600 * amount)):
        angle = lean + rng.normal(0, 0.45)
        end = place + length * rng.uniform(0.5, 1.3) * np.array([np.cos(angle), np.sin(angle)])
        ends = np.int32(np.stack([place, end]) * 16)
        level = int(rng.uniform(80, 255))
        cv2.line(drawn, ends[0].tolist(), ends[1].tolist(), level, 1, cv2.LINE_AA, 4)
    dark = tint(rng, (NEUTRAL, 1.0), (MELANIN, rng.uniform(0.2, 1.0)))
    shadow = tint(rng, (VENOUS, 1.0), (NEUTRAL, 0.5))
    depth = rng.uniform(0.25, 0.7)
    density = (drawn / 255 * depth)[..., None] * dark
    density += (field * rng.uniform(0.03, 0.18) * (0.5 + 0.8 * amount))[..., None] * shadow
    return finish(base, "stubble", np.minimum(density, 1.2))
