"""The pores and the unevenness that a face has of its own, as layers of density.

Like its redness (`flush`): hardly a face is without them. Painted on faces that keep their own and
taught as "only the paint is here", both are lost in what was there before (a network taught so gave
back 9 % of painted pores and none of uneven tone); taken off, they leave an even base and
layers that are as exact as paint, and real.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.imperfections.base import HAEMOGLOBIN, MELANIN, MM, NEUTRAL, Base

_DARK = 0.01  # light added before the logarithm: noise in shadows is no texture
_FAR = 9  # pixels from the border of the skin, where lips, lids and hair colour the mean

_PIT = 1.0 * MM  # sigma in pixels: what is broader than a pore and the rough skin around it
_KEPT = 0.35  # of the texture stays: skin without any is plastic
_DEEPEST = 3.0  # times the usual depth of the face's texture, from which on it is a mark

_BROAD = 7.0  # sigma in pixels: what is smaller is a mark
_EVERY = 7  # pixels of the skin that the tone is fitted to
_ROUNDS = 5  # of the fit, each trusting less what is far from the last one
_LEAST = 0.03  # density of pigment that counts as the person's own tone
_MOST = 0.35
_PALEST = 0.4  # of it where skin is paler: it pales less than it darkens


def texture(base: Base, marks: np.ndarray) -> np.ndarray:
    """(512, 512, 3) float32 density of pores and rough skin, positive in pits, zero off the skin.

    What is finer than `_PIT` and no deeper than texture is; `marks` (512, 512) bool are left out,
    for they are of other kinds.
    """
    skin = _inner(base, marks)
    light = np.log(base.linear.mean(axis=2) + _DARK)
    fine = np.where(skin > 0, _mean(light, skin, _PIT) - light, 0)
    usual = 1.4826 * float(np.median(np.abs(fine[skin > 0]))) if skin.any() else 0.0
    limit = max(_DEEPEST * usual, 1e-6)
    shallow = limit * np.tanh(fine / limit)
    amount = (1 - _KEPT) * shallow * cv2.GaussianBlur(skin, (0, 0), 2) * skin
    return (amount * base.skin)[..., None].astype(np.float32) * NEUTRAL


def unevenness(base: Base, marks: np.ndarray) -> np.ndarray:
    """(512, 512, 3) float32 density of pigment where it is more (or less, negative) than the
    person's own, in broad patches without edges, zero off the skin and at `marks` (512, 512) bool.

    Of the ratios of linear light what the light itself explains is fitted over the whole face, as
    in `flush`; pigment and blood together explain the rest (Tsumura et al. 2003), of which the
    pigment is taken: blood is redness.
    """
    skin = _inner(base, marks)
    if skin.sum() < _EVERY**3:
        return np.zeros_like(base.linear)
    logarithm = np.log(base.linear + _DARK)
    ratios = np.stack([-np.diff(logarithm, axis=2)[..., i] for i in (0, 1)], axis=-1)
    broad = _mean(np.dstack([ratios, logarithm.mean(axis=2)]), skin, _BROAD)
    at = skin > 0
    off = np.stack(
        [broad[..., i] - _fit(broad[at][::_EVERY, i], broad[at][::_EVERY, 2], broad[..., 2])
         for i in (0, 1)],
        axis=-1,
    )  # fmt: skip
    absorbed = np.stack([np.diff(MELANIN), np.diff(HAEMOGLOBIN)], axis=1)  # ratios by chromophore
    pigment = off @ np.linalg.inv(absorbed)[0]
    beyond = np.sign(pigment) * np.clip(np.abs(pigment) - _LEAST, 0, None)
    lids = np.clip(base.regions.mask("under_eyes") + base.regions.mask("eyes"), 0, 1)
    place = cv2.GaussianBlur(skin, (0, 0), 4) * (1 - lids)  # there it is dark circles
    amount = np.clip(beyond, -_PALEST * _MOST, _MOST) * place
    return (amount * base.skin)[..., None].astype(np.float32) * MELANIN


def _inner(base: Base, marks: np.ndarray) -> np.ndarray:
    """(512, 512) float32, 1 on skin away from its border, lids and `marks`, 0 elsewhere."""
    skin = (base.skin > 0.5) & (base.surfaces.teeth < 0.1)
    inner = cv2.erode(skin.astype(np.uint8), np.ones((_FAR, _FAR), np.uint8)) > 0
    return (inner & ~marks & (base.regions.mask("eyes") < 0.5)).astype(np.float32)


def _mean(image: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Weighted mean around every pixel: (H, W[, C]) by (H, W) -> the same shape."""
    shape = weight.shape + (1,) * (image.ndim - 2)
    weighted = cv2.GaussianBlur(image * weight.reshape(shape), (0, 0), sigma)
    return weighted / (cv2.GaussianBlur(weight, (0, 0), sigma) + 1e-4).reshape(shape)


def _fit(seen: np.ndarray, light: np.ndarray, every: np.ndarray) -> np.ndarray:
    """What is usual of the person in any light `every` (H, W): a robust parabola through `seen`
    over `light`, both (n,)."""
    terms, trust = np.vander(light, 3), np.ones(len(seen))
    for _ in range(_ROUNDS):
        fitted = np.linalg.lstsq(terms * trust[:, None], seen * trust, rcond=None)[0]
        off = np.abs(seen - terms @ fitted)
        trust = 1 / np.sqrt(1 + (off / (1.5 * np.median(off) + 1e-6)) ** 2)
    return np.polyval(fitted, every)
