"""The redness that a face has of its own, as a layer of density.

Hardly a portrait is without a flushed cheek or nose. Left on the base and taught as "nothing is
here", it makes a network that sees painted redness only; taken off, it leaves an even base and a
layer that is as exact as paint, and real.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.imperfections.base import HAEMOGLOBIN, Base

_DARK = 0.01  # light added before the logarithm: noise in shadows is no colour
_BROAD = 6.0  # sigma in pixels: what is smaller is a mark
_LEAST = 0.05  # density of green light that counts as the person's own tone
_MOST = 0.6
_FAR = 9  # pixels from the border of the skin, where lips, lids and hair colour the mean
_EVERY = 7  # pixels of the skin that the tone is fitted to
_ROUNDS = 5  # of the fit, each trusting less what is redder than the last one said


def flush(base: Base) -> np.ndarray:
    """(512, 512, 3) float32 density of blood near the surface, at least 0, zero off the skin.

    How much redder than green a pixel is depends on pigment and blood, and through cameras' tone
    curves on the light (Tsumura et al. 2003 part them so). What the light explains is fitted by a
    parabola over the whole face; the rest, where it is redder, is the flush.
    """
    skin = (base.skin > 0.5) & (base.surfaces.teeth < 0.1)
    inner = cv2.erode(skin.astype(np.uint8), np.ones((_FAR, _FAR), np.uint8)).astype(np.float32)
    if inner.sum() < _EVERY**3:
        return np.zeros_like(base.linear)
    logarithm = np.log(base.linear + _DARK)
    seen = np.dstack([logarithm[..., 0] - logarithm[..., 1], logarithm.mean(axis=2)])
    near = cv2.GaussianBlur(inner, (0, 0), _BROAD)
    seen = cv2.GaussianBlur(seen * inner[..., None], (0, 0), _BROAD) / (near + 1e-4)[..., None]
    redder = seen[..., 0] - _tone(seen[inner > 0][::_EVERY], seen[..., 1])
    blood = redder / (HAEMOGLOBIN[1] - HAEMOGLOBIN[0])
    apart = 1 - np.clip(base.regions.mask("under_eyes") + base.regions.mask("eyes"), 0, 1)
    amount = np.clip(blood - _LEAST, 0, _MOST) * cv2.GaussianBlur(inner, (0, 0), 3) * apart
    return (amount * base.skin)[..., None].astype(np.float32) * HAEMOGLOBIN


def _tone(seen: np.ndarray, light: np.ndarray) -> np.ndarray:
    """How red the person is without a flush, in any `light` (H, W): a robust fit to `seen` (n, 2),
    redness and light of the skin."""
    red, terms = seen[:, 0], np.vander(seen[:, 1], 3)
    trust = np.ones(len(seen))
    for _ in range(_ROUNDS):
        fitted = np.linalg.lstsq(terms * trust[:, None], red * trust, rcond=None)[0]
        off = red - terms @ fitted
        beyond = np.maximum(off / (1.5 * np.median(np.abs(off)) + 1e-6), 0)
        trust = 1 / np.sqrt(1 + beyond**2)
    return np.polyval(fitted, light)
