"""The stain that a person's teeth have, as a layer of density.

Like the redness of a face (`flush`): hardly anybody's teeth are without it. Painted on teeth that
keep their own and taught as "only the paint is here", how much of the yellow is to go cannot be
told from the photo; taken off, teeth are left as white as those of the whitest third of people.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.imperfections.base import Base

# Absorption in linear RGB of what stains teeth: it takes blue, less green, hardly any red.
STAIN = np.array([0.05, 0.4, 1.0], np.float32)
_DARK = 0.01  # light added before the logarithm: noise in shadows is no colour
_NEAR = 2.5  # sigma in pixels: noise is finer
# How much redder than blue (logarithm of linear light) white teeth are beside skin that is so much
# redder: fitted to 33 training faces (.28 and .06; residual .13), and half a residual less.
_BY_SKIN, _WHITEST = 0.28, -0.02
_MOST = 0.6
_FEW = 100  # pixels; fewer are no teeth that one could whiten


def stain(base: Base) -> np.ndarray:
    """(512, 512, 3) float32 density of what stains the teeth, at least 0, zero elsewhere.

    What white teeth look like in the light of the photo is told by the skin, which is lit alike.
    """
    teeth = base.regions.mask("teeth")
    skin = base.skin > 0.5
    if (teeth > 0.5).sum() < _FEW or not skin.any():
        return np.zeros_like(base.linear)
    logarithm = np.log(base.linear + _DARK)
    yellow = logarithm[..., 0] - logarithm[..., 2]
    white = _BY_SKIN * float(np.median(yellow[skin])) + _WHITEST
    near = cv2.GaussianBlur(teeth, (0, 0), _NEAR) + 1e-4
    seen = cv2.GaussianBlur(yellow * teeth, (0, 0), _NEAR) / near
    amount = np.clip((seen - white) / (STAIN[2] - STAIN[0]), 0, _MOST) * teeth
    return amount[..., None].astype(np.float32) * STAIN
