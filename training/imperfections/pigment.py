"""Pigment: freckles, moles and dark spots, all melanin, told apart by size, number and edge."""

from __future__ import annotations

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


def freckles(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Many small flat spots, thickest over nose and upper cheeks, in clusters."""
    mask = base.regions.mask
    prior = 0.12 + mask("nose") + mask("cheeks") * 1.1 + mask("under_eyes") * 0.5
    prior = base.skin * prior * (0.15 + cloud(rng, 5, 14) ** 2)
    colour = tint(rng, (MELANIN, 1.0), (HAEMOGLOBIN, rng.uniform(0.05, 0.3)))
    depth = rng.uniform(0.15, 0.36) * (0.65 + 0.6 * amount)
    density = np.zeros((SIZE, SIZE, 3), np.float32)
    for place in scatter(rng, prior, int(25 + 330 * amount * rng.uniform(0.5, 1.0))):
        radius = float(np.clip(rng.lognormal(np.log(0.72 * MM), 0.4), 0.9, 4.8))
        profile, _, _ = stamp(rng, radius, edge=rng.uniform(2.0, 4.0), roughness=0.25)
        peak = depth * rng.lognormal(0, 0.45)
        add_at(density, (profile * peak)[..., None] * colour, place)
    return finish(base, "freckles", np.minimum(density, 0.8))


def moles(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """One to a few dark, sharply bounded spots; the larger ones are raised and catch light."""
    colour = tint(rng, (MELANIN, 1.0), (NEUTRAL, rng.uniform(0.1, 0.6)))
    density = np.zeros((SIZE, SIZE, 3), np.float32)
    for place in scatter(rng, base.skin, 1 + int(rng.integers(0, 2 + int(5 * amount)))):
        radius = float(np.clip(rng.lognormal(np.log(1.3 * MM), 0.4), 1.8, 9.0))
        profile, x, y = stamp(rng, radius, edge=rng.uniform(3.5, 8.0), roughness=0.12)
        patch = (profile * rng.uniform(0.55, 1.5))[..., None] * colour
        if radius > 3.5 and rng.random() < 0.6:
            patch = patch + relief(base, x, y, radius, rng.uniform(0.05, 0.25))
        add_at(density, patch, place)
    return finish(base, "moles", np.minimum(density, 2.0))


def dark_spots(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Age and sun spots with irregular outlines and mottled fill; sometimes wide melasma."""
    mask = base.regions.mask
    prior = base.skin * (0.3 + mask("cheeks") + 0.6 * mask("temples") + 0.5 * mask("forehead"))
    colour = tint(rng, (MELANIN, 1.0), (HAEMOGLOBIN, rng.uniform(0.0, 0.35)))
    density = np.zeros((SIZE, SIZE, 3), np.float32)
    for place in scatter(rng, prior, 1 + int(rng.integers(0, 3 + int(16 * amount)))):
        radius = float(np.clip(rng.lognormal(np.log(2.2 * MM), 0.45), 2.6, 20.0))
        profile, _, _ = stamp(rng, radius, edge=rng.uniform(2.5, 6.0), roughness=0.45)
        peak = rng.uniform(0.1, 0.42) * (0.7 + 0.5 * amount)
        add_at(density, (profile * peak)[..., None] * colour, place)
    if rng.random() < 0.22:
        patches = np.clip((cloud(rng, 4, 9) - 0.58) * 5, 0, 1) * prior
        density += (patches * rng.uniform(0.1, 0.28))[..., None] * colour
    density *= (0.7 + 0.45 * cloud(rng, 60, 140))[..., None]
    return finish(base, "dark_spots", np.minimum(density, 1.0))


def relief(base: Base, x: np.ndarray, y: np.ndarray, radius: float, depth: float) -> np.ndarray:
    """Shading (h, w, 3) of a small bump: darker away from the light, brighter towards it."""
    towards = (x * base.light_direction[0] + y * base.light_direction[1]) / radius
    fall = np.exp(-((x**2 + y**2) / (radius * 1.15) ** 2))
    return (-towards * fall * depth)[..., None].astype(np.float32) * NEUTRAL
