"""Wrinkles: families of curves that follow anatomy, each a dark valley with a lit ridge."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from training.imperfections.base import (
    HAEMOGLOBIN,
    IOD,
    NEUTRAL,
    SIZE,
    Base,
    Layer,
    finish,
    tint,
)

# Mesh points that carry the families; each pair is image-left, image-right.
_BROWS = ((46, 53, 52, 65, 55), (285, 295, 282, 283, 276))
_OUTER_EYES, _INNER_EYES = (33, 263), (133, 362)
_WINGS, _MOUTH = (98, 327), (61, 291)
_BRIDGE, _TOP, _CHIN = 168, 10, 152


def wrinkles(base: Base, rng: np.random.Generator, amount: float) -> Layer:
    """Forehead, frown, crow's feet, under-eye, smile and mouth lines in a random mixture."""
    families = (
        (_forehead, 0.65), (_frown, 0.45), (_crows_feet, 0.65), (_under_eyes, 0.55),
        (_smile, 0.7), (_mouth_corners, 0.3),
    )  # fmt: skip
    chosen = [draw for draw, chance in families if rng.random() < chance]
    chosen = chosen or [_forehead]
    valley = np.zeros((SIZE, SIZE), np.float32)
    for draw in chosen:
        for path, width, depth in draw(base.points, rng, amount):
            _carve(valley, rng, path, width, depth, base.light_direction)
    # Light that comes back out of skin is red: its shadows are warmer than grey.
    colour = tint(rng, (NEUTRAL, 1.0), (HAEMOGLOBIN, rng.uniform(0.25, 0.9)))
    return finish(base, "wrinkles", np.clip(valley, -0.3, 0.9)[..., None] * colour)


def _carve(canvas, rng, path, width, depth, light) -> None:
    """Add one line: a valley of `width` (sigma, px) and `depth`, and a ridge beside it."""
    knots = np.linspace(0, 1, len(path))
    steps = max(int(np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / 2.0), 6)
    t = np.linspace(0, 1, steps)
    curve = CubicSpline(knots, path)(t)
    curve += CubicSpline(np.linspace(0, 1, 7), rng.normal(0, 0.9, (7, 2)))(t)
    fade = np.sin(np.pi * np.clip(t, 0.02, 0.98)) ** rng.uniform(0.3, 0.8)
    broken = np.clip(CubicSpline(np.linspace(0, 1, 9), rng.uniform(0.35, 1.25, 9))(t), 0, 1.3)
    ridge_at = -light * width * 1.9  # skin folds up on the side away from the valley's shadow
    # The soft hollow that the sharp line runs in; in deep folds it carries most of the shadow.
    fold = (np.zeros(2), rng.uniform(0.15, 0.6), width * rng.uniform(2.6, 4.2))
    for offset, sign, spread in ((np.zeros(2), 1.0, width), (ridge_at, -0.4, width * 1.5), fold):
        line = np.zeros_like(canvas)
        pixels = np.int32((curve + offset) * 16)
        for a, b, level in zip(pixels[:-1], pixels[1:], (fade * broken)[:-1], strict=True):
            cv2.line(line, a.tolist(), b.tolist(), float(level), 1, cv2.LINE_AA, 4)
        # A one-pixel line blurred by sigma peaks at 1 / (sqrt(2 pi) sigma): undo that.
        canvas += cv2.GaussianBlur(line, (0, 0), spread) * (sign * depth * 2.5 * spread)


def _depth(rng, amount, scale=1.0):
    return float(rng.uniform(0.16, 0.5) * (0.6 + 0.75 * amount) * scale)


def _forehead(points, rng, amount):
    """Two to six lines across, echoing the brows."""
    left, right = (points[list(brow)] for brow in _BROWS)
    brow = np.vstack([left, right])
    up = points[_TOP] - points[_BRIDGE]
    centre = brow.mean(axis=0)
    for level in np.sort(rng.uniform(0.32, 0.85, int(rng.integers(2, 4 + int(3 * amount))))):
        flat = centre + (brow - centre) * np.array([rng.uniform(0.6, 0.95), rng.uniform(0.1, 0.7)])
        ends = np.sort(rng.choice(len(flat), 2, replace=False)) if rng.random() < 0.35 else (0, 9)
        path = flat[ends[0] : ends[1] + 1] + up * level
        if len(path) > 3:
            yield path, rng.uniform(0.8, 1.9), _depth(rng, amount)


def _frown(points, rng, amount):
    """One to three upright lines between the brows."""
    inner = points[55], points[285]
    up = points[_TOP] - points[_BRIDGE]
    for side in rng.permutation([0.25, 0.75, 0.5])[: int(rng.integers(1, 4))]:
        start = inner[0] + (inner[1] - inner[0]) * (side + rng.normal(0, 0.06)) - up * 0.06
        lean = (0.5 - side) * rng.uniform(0, 18)
        length = rng.uniform(0.14, 0.3)
        path = np.stack([start + up * f * length - [lean * f, 0] for f in np.linspace(0, 1, 4)])
        yield path, rng.uniform(0.9, 2.0), _depth(rng, amount, 1.1)


def _crows_feet(points, rng, amount):
    """A fan of lines from each outer eye corner."""
    for outer, inner in zip(_OUTER_EYES, _INNER_EYES, strict=True):
        out = points[outer] - points[inner]
        normal = np.array([-out[1], out[0]]) * np.sign(out[0])
        for angle in np.linspace(-0.55, 0.75, int(rng.integers(2, 4 + int(3 * amount)))):
            angle += rng.normal(0, 0.1)
            away = out * np.cos(angle) + normal * np.sin(angle)
            start, length = rng.uniform(0.2, 0.35), rng.uniform(0.3, 0.75)
            bend = normal * rng.uniform(-0.05, 0.12)
            path = np.stack([
                points[outer] + away * (start + f * length) + bend * f**2
                for f in np.linspace(0, 1, 4)
            ])  # fmt: skip
            yield path, rng.uniform(0.7, 1.3), _depth(rng, amount, 0.85)


def _under_eyes(points, rng, amount):
    """Fine lines below the lower lids, slanting down and outwards."""
    for outer, inner in zip(_OUTER_EYES, _INNER_EYES, strict=True):
        span = points[outer] - points[inner]
        down = np.array([-span[1], span[0]]) * np.sign(span[0])
        for level in np.sort(rng.uniform(0.3, 0.75, int(rng.integers(1, 3 + int(3 * amount))))):
            begin, end = rng.uniform(0.0, 0.35), rng.uniform(0.6, 1.05)
            path = np.stack([
                points[inner] + span * f + down * level * (0.75 + 0.5 * np.sin(np.pi * f))
                for f in np.linspace(begin, end, 5)
            ])  # fmt: skip
            yield path, rng.uniform(0.6, 1.2), _depth(rng, amount, 0.75)


def _smile(points, rng, amount):
    """The fold from the nose wing past the mouth corner, sharp or soft, and its companions."""
    width, strength = rng.uniform(1.4, 3.0), _depth(rng, amount, 1.15)
    if rng.random() < 0.5:
        width, strength = rng.uniform(2.5, 5.0), 0.4 * strength
    for wing, corner in zip(_WINGS, _MOUTH, strict=True):
        out = np.array([np.sign(points[corner, 0] - points[_CHIN, 0]) * IOD, 0.0])
        reach = rng.uniform(0.75, 1.2)
        fall = points[corner] - points[wing]
        for shift in [0.0] + [0.13] * int(rng.random() < 0.3 * amount + 0.1):
            along = np.linspace(0.0, 1.0, 5)[:, None]
            bulge = 0.09 + shift + 0.1 * np.sin(np.pi * along * 0.8)
            path = points[wing] + out * bulge + fall * along * reach
            yield path, width * (1 - 2 * shift), strength * (1 - 2.5 * shift)


def _mouth_corners(points, rng, amount):
    """Marionette lines from the mouth corners towards the chin."""
    for corner in _MOUTH:
        down = points[_CHIN] - points[corner]
        away = np.array([-np.sign(down[0]), 0.0]) * IOD
        path = np.stack([
            points[corner] + down * f * np.array([0.25, 1.0]) + away * 0.04
            for f in np.linspace(0.08, rng.uniform(0.4, 0.7), 4)
        ])  # fmt: skip
        yield path, rng.uniform(0.9, 1.8), _depth(rng, amount, 0.9)
