"""What people use today, to be measured beside the network: filters, and filling by hand.

Each takes a photo (512, 512, 3) float32 sRGB 0..1 and the skin (512, 512) 0..1 and works on the
skin alone, which flatters it: in common tools it would also blur eyes and hair.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Filter = Callable[[np.ndarray, np.ndarray], np.ndarray]
# Widths in pixels of a crop with 144 px between the eyes; strengths in 0..1 of full scale.
_FINE, _BROAD, _EDGE = 4, 12, 0.08


def bilateral(photo: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Bilateral filter (Tomasi and Manduchi 1998)."""
    return _on(skin, photo, cv2.bilateralFilter(photo, -1, _EDGE, _FINE))


def guided(photo: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Each channel guided by itself (He et al. 2013, eq. 5 and 6)."""

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(x, -1, (2 * _FINE + 1, 2 * _FINE + 1))

    middle = mean(photo)
    variance = mean(photo**2) - middle**2
    slope = variance / (variance + (_EDGE / 2) ** 2)
    return _on(skin, photo, mean(slope) * photo + mean(middle - slope * middle))


def frequency_separation(photo: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Even out the colours below the skin's texture, and lay the texture back on."""
    tones = cv2.GaussianBlur(photo, (0, 0), _FINE)
    weight = cv2.GaussianBlur(skin, (0, 0), _BROAD)[..., None] + 1e-3
    even = cv2.GaussianBlur(tones * skin[..., None], (0, 0), _BROAD) / weight
    return _on(skin, photo, even + (photo - tones))


FILTERS: dict[str, Filter] = {
    "bilateral filter": bilateral,
    "guided filter": guided,
    "frequency separation": frequency_separation,
}


def inpaint(photo: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Fill the true mask (512, 512) bool from its border (Telea 2004): an oracle, for it is told
    where every mark is."""
    crop = np.round(photo * 255).astype(np.uint8)
    return (cv2.inpaint(crop, marks.astype(np.uint8), 3, cv2.INPAINT_TELEA) / 255).astype("float32")


def _on(skin: np.ndarray, photo: np.ndarray, filtered: np.ndarray) -> np.ndarray:
    return np.clip(photo + skin[..., None] * (filtered - photo), 0, 1).astype(np.float32)
