"""Acne: papules with halo, relief and highlight, some with a pale head, scattered; or small flat
brown-red marks, many and close together."""

from __future__ import annotations

import cv2
import numpy as np

from training.imperfections.base import (
    HAEMOGLOBIN,
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
from training.imperfections.pigment import relief

_ERUPTION = 0.5  # of the faces with acne


def acne(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Pimples of all ages: fresh papules, pustules with a head, flat healing marks.

    On photos of patients most are small and dull, and so close that the skin between them is red.
    """
    draw = _eruption if rng.random() < _ERUPTION else _scattered
    return finish(base, "acne", np.clip(draw(base, rng, amount), -0.6, 1.4))


def _eruption(base: Base, rng: np.random.Generator, amount: float) -> np.ndarray:
    """(512, 512, 3) density of small marks in dense clusters on one to three parts of the face."""
    parts = rng.permutation(["forehead", "cheeks", "chin", "jaw", "temples"])
    area = 0.04 + sum(base.regions.mask(part) for part in parts[: rng.integers(1, 4)])
    prior = base.skin * area * (0.03 + cloud(rng, 5, 12) ** 3)
    colour = tint(rng, (HAEMOGLOBIN, 1.0), (MELANIN, rng.uniform(0.1, 0.9)),
                  (NEUTRAL, rng.uniform(0.0, 0.5)))  # fmt: skip
    depth = rng.uniform(0.12, 0.34) * (0.7 + 0.5 * amount)
    density = np.zeros((SIZE, SIZE, 3), np.float32)
    for place in scatter(rng, prior, int(15 + 140 * amount * rng.uniform(0.4, 1.0))):
        radius = float(np.clip(rng.lognormal(np.log(0.85 * MM), 0.42), 1.1, 7.0))
        profile, x, y = stamp(rng, radius, edge=rng.uniform(1.6, 3.0), roughness=0.3)
        patch = (profile * depth * rng.lognormal(0, 0.4))[..., None] * colour
        if rng.random() < 0.6:
            patch = patch + relief(base, x, y, radius, rng.uniform(0.02, 0.14))
        add_at(density, patch.astype(np.float32), place)
    around = cv2.GaussianBlur(density.max(axis=2), (0, 0), rng.uniform(4, 10))
    return density + (around * rng.uniform(0.0, 0.7))[..., None] * HAEMOGLOBIN


def _scattered(base: Base, rng: np.random.Generator, amount: float) -> np.ndarray:
    """(512, 512, 3) density of pimples here and there."""
    mask = base.regions.mask
    favourite = [rng.random() for _ in range(4)]
    prior = 0.12 + sum(
        weight * mask(region)
        for weight, region in zip(favourite, ("forehead", "cheeks", "chin", "jaw"), strict=True)
    )
    prior = base.skin * prior * (0.1 + cloud(rng, 4, 10) ** 2)
    red = tint(rng, (HAEMOGLOBIN, 1.0), (MELANIN, rng.uniform(0.05, 0.4)))
    density = np.zeros((SIZE, SIZE, 3), np.float32)
    for place in scatter(rng, prior, 1 + int(rng.integers(1, 5 + int(45 * amount)))):
        add_at(density, _pimple(base, rng, red, amount), place)
    return density


def _pimple(base: Base, rng: np.random.Generator, red: np.ndarray, amount: float) -> np.ndarray:
    """One pimple (h, w, 3) of density."""
    radius = float(np.clip(rng.lognormal(np.log(1.15 * MM), 0.48), 1.3, 11.0))
    profile, x, y = stamp(rng, radius, edge=rng.uniform(2.0, 4.0), roughness=0.22)
    peak = rng.uniform(0.14, 0.55) * (0.75 + 0.4 * amount)
    squared = x**2 + y**2
    halo = np.exp(-squared / (2 * (radius * 1.15) ** 2)) * rng.uniform(0.1, 0.4)
    patch = ((profile + halo) * peak)[..., None] * red
    if rng.random() < 0.35:  # a flat mark that is healing: no relief, browner
        return patch + (profile * peak * rng.uniform(0.1, 0.5))[..., None] * MELANIN
    patch = patch + relief(base, x, y, radius, rng.uniform(0.04, 0.22))
    if rng.random() < 0.35:  # pus under the skin: paler, a little yellow
        head = np.exp(-squared / (2 * (radius * rng.uniform(0.25, 0.5)) ** 2))
        pale = np.array([-0.16, -0.32, -0.14], np.float32) * rng.uniform(0.6, 1.7)
        patch = patch + head[..., None] * pale
    if rng.random() < 0.5:  # a wet highlight on the side of the light
        shift = base.light_direction * radius * 0.35
        spot = np.exp(
            -((x - shift[0]) ** 2 + (y - shift[1]) ** 2) / (2 * (0.22 * radius + 0.4) ** 2)
        )
        patch = patch - (spot * rng.uniform(0.08, 0.35))[..., None].astype(np.float32)
    return patch.astype(np.float32)
