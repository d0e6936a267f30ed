"""Pigment: freckles, moles and dark spots, all melanin, told apart by size, number and edge."""

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
    """Age and sun spots, from one to a crowd on temples and cheeks, mottled plaques with a sharp
    border, and melasma."""
    mask = base.regions.mask
    prior = base.skin * (0.2 + mask("cheeks") + mask("temples") + 0.5 * mask("forehead"))
    prior *= 0.2 + cloud(rng, 4, 9)
    colour = tint(rng, (MELANIN, 1.0), (HAEMOGLOBIN, rng.uniform(0.0, 0.15)))
    depth, usual = rng.uniform(0.2, 0.5) * (0.7 + 0.5 * amount), rng.uniform(1.0, 1.7) * MM
    density = np.zeros((SIZE, SIZE, 3), np.float32)
    for place in scatter(rng, prior, 1 + int(rng.integers(0, 4 + int(90 * amount**2)))):
        radius = float(np.clip(rng.lognormal(np.log(usual), 0.45), 1.8, 9.0))
        _spot(density, rng, place, radius, depth * rng.lognormal(0, 0.3), colour)
    if rng.random() < 0.35:
        for place in scatter(rng, prior, int(rng.integers(1, 4))):
            _spot(density, rng, place, rng.uniform(3.0, 7.0) * MM, depth * 0.8, colour)
    density *= (0.65 + 0.5 * cloud(rng, 60, 140))[..., None]
    if rng.random() < 0.2:
        density += (_melasma(base, rng) * rng.uniform(0.2, 0.45))[..., None] * colour
    return finish(base, "dark_spots", np.minimum(density, 1.0))


def _spot(
    density: np.ndarray, rng: np.random.Generator, place: np.ndarray, radius: float, peak: float,
    colour: np.ndarray,
) -> None:  # fmt: skip
    profile, _, _ = stamp(rng, radius, edge=rng.uniform(3.0, 7.0), roughness=0.3)
    add_at(density, (profile * peak)[..., None] * colour, place)


def _melasma(base: Base, rng: np.random.Generator) -> np.ndarray:
    """(512, 512) 0..1: brown that covers the same places left and right, ragged and speckled where
    it ends."""
    mask = base.regions.mask
    area = np.zeros((SIZE, SIZE), np.float32)
    for region, chance in (("cheeks", 0.8), ("forehead", 0.5), ("nose", 0.3), ("mouth", 0.3)):
        if rng.random() < chance:
            area = np.maximum(area, mask(region) * rng.uniform(0.7, 1.0))
    area = cv2.GaussianBlur(area, (0, 0), rng.uniform(8, 16))
    ragged = 0.45 * cloud(rng, 6, 14) + 0.55 * cloud(rng, 40, 90, 160)
    return np.clip((0.7 * area + ragged - rng.uniform(0.95, 1.1)) * rng.uniform(4, 8), 0, 1) * area


def relief(base: Base, x: np.ndarray, y: np.ndarray, radius: float, depth: float) -> np.ndarray:
    """Shading (h, w, 3) of a small bump: darker away from the light, brighter towards it."""
    towards = (x * base.light_direction[0] + y * base.light_direction[1]) / radius
    fall = np.exp(-((x**2 + y**2) / (radius * 1.15) ** 2))
    return (-towards * fall * depth)[..., None].astype(np.float32) * NEUTRAL
