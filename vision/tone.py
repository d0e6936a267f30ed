"""Light and colour of pixels: what the attributes of tone mean, how they move and are measured.

PerTouch (Chang et al., AAAI 2026) steers a photo by a parameter map: one value in -1..1 for each of
four attributes at each pixel. So does this module, by a formula in place of a diffusion network:
it works at any size and depth, and every attribute rises with its amount at every pixel.

- brightness is measured as mean CIE L* (0..100). It shifts the logit of a pixel's lightness, so
  black and white stay, nothing clips, and two amounts add up.
- contrast is measured as the standard deviation of L* (RMS contrast, Peli 1990; PerTouch squares
  differences of neighbours, which a photo's size would change). It steepens the curve of lightness
  about the region's mean as an S, or flattens it as a line.
- temperature is measured as mean CIE b* (PerTouch takes the correlated colour temperature of the
  mean colour, which strong colours do not have). It multiplies linear RGB by the ratio of two CIE
  daylight whites (CIE 15), at most 80 mired apart, at the same luminance.
- colorfulness is measured as Hasler and Suesstrunk (2003) do, for sRGB in 0..255. It multiplies
  the distance to grey of the same luminance: by 0 at -1, by about 2 at +1, by less near the edge of
  the gamut.

Brightness and contrast keep each pixel's hue.
"""

from __future__ import annotations

import cv2
import numpy as np

from vision.vocabulary import TONE_ATTRIBUTES, ToneAttribute

Map = np.ndarray
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear sRGB, ITU-R BT.709
# What an amount of 1 does: shift of the logit, exponent of the slope, mired.
SHIFT, STEEPNESS, MIRED = 1.1, 0.7, 80.0
# Lifting black amplifies its noise; by no more than this.
_MOST = 4.0
# Lit skin is less saturated than the same skin in the shade: of a lighter pixel, the colour grows
# by this power of what its light grows by.
_FADE = 0.75
_EDGE = 1e-7


def shifted(values: Map, amounts: Map, pivot: Map) -> Map:
    """Pixels (n, 3) with another tone; all sRGB-encoded float32 in 0..1.

    `amounts` (n, 4) in -1..1 are in the order of `TONE_ATTRIBUTES`, `pivot` (n,) in 0..1 is the
    lightness (sRGB-encoded luminance) that contrast leaves in its place.
    """
    brightness, contrast, temperature, colorfulness = amounts.T
    linear = _decoded(values)
    if temperature.any():
        linear = _warmed(linear, temperature)
    luminance = target = linear @ LUMINANCE
    if brightness.any() or contrast.any():
        lighter = _shift_logit(_encoded(luminance), SHIFT * brightness)
        target = _decoded(_steepened(lighter, contrast, pivot))
    colour = linear - luminance[:, None]
    # How far the colour may be from grey in the gamut, where 1 is as far as it is now.
    up = (1 - target) / np.maximum(_extreme(np.maximum, colour), _EDGE)
    down = target / np.maximum(-_extreme(np.minimum, colour), _EDGE)
    limit = np.minimum(up, down)
    ratio = target / np.maximum(luminance, _EDGE)
    same = np.minimum(np.minimum(np.where(ratio > 1, ratio**_FADE, ratio), _MOST), limit)
    room = np.maximum(limit - same, _EDGE)
    scale = same * (1 + np.minimum(colorfulness, 0))
    scale += room * (1 - np.exp(-same * np.maximum(colorfulness, 0) / room))
    return _encoded(np.clip(target[:, None] + colour * scale[:, None], 0, 1))


def lightness(values: Map) -> Map:
    """(..., 3) sRGB-encoded 0..1 -> (...), their luminance, encoded the same way."""
    return _encoded(_decoded(values) @ LUMINANCE)


def measured(values: Map, weight: Map) -> dict[ToneAttribute, float]:
    """All four attributes of pixels (n, 3), sRGB-encoded 0..1, each counted by its weight (n,)."""
    lab = cv2.cvtColor(np.ascontiguousarray(values[None], np.float32), cv2.COLOR_RGB2LAB)[0]
    red, green, blue = 255 * values.T
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    mean = np.average(opponents, axis=1, weights=weight)
    spread = np.average((opponents - mean[:, None]) ** 2, axis=1, weights=weight)
    light = float(np.average(lab[:, 0], weights=weight))
    deviation = np.average((lab[:, 0] - light) ** 2, weights=weight)
    numbers = (
        light,
        float(np.sqrt(deviation)),
        float(np.average(lab[:, 2], weights=weight)),
        float(np.sqrt(spread.sum()) + 0.3 * np.sqrt((mean**2).sum())),
    )
    return dict(zip(TONE_ATTRIBUTES, numbers, strict=True))


def _shift_logit(x: Map, by: Map) -> Map:
    odds = np.exp(by)
    return x * odds / (1 + (odds - 1) * x)


def _steepened(x: Map, contrast: Map, pivot: Map) -> Map:
    """An S through black, pivot and white; a line through the pivot for less contrast."""
    slope = np.exp(STEEPNESS * contrast)
    inner, pivot = np.clip(x, 1e-6, 1 - 1e-6), np.clip(pivot, 0.02, 0.98)
    relative = inner * (1 - pivot) / (pivot * (1 - inner))
    odds = pivot / (1 - pivot) * cv2.exp(slope * cv2.log(relative)).reshape(x.shape)
    return np.where(contrast > 0, odds / (1 + odds), pivot + slope * (x - pivot))


def _warmed(linear: Map, temperature: Map) -> Map:
    """As if lit by another daylight, at the same luminance; what would be too bright is dimmed."""
    warm = np.maximum(temperature, 0)[:, None] * _log_gains(MIRED)
    cold = np.maximum(-temperature, 0)[:, None] * _log_gains(-MIRED)
    lit = linear * np.exp(warm + cold)
    lit *= (linear @ LUMINANCE / np.maximum(lit @ LUMINANCE, 1e-9))[:, None]
    return lit / np.maximum(_extreme(np.maximum, lit), 1)[:, None]


def _extreme(of: np.ufunc, colours: Map) -> Map:
    """(n, 3) -> (n,): numpy's own reduction of so short an axis is ten times slower."""
    return of(of(colours[:, 0], colours[:, 1]), colours[:, 2])


def _log_gains(mired: float) -> Map:
    """(3,) logarithms of linear sRGB, for a daylight white so many mired warmer than D65."""
    white = _daylight(1e6 / (1e6 / 6504 + mired)) / _daylight(6504)
    return np.log(white / (white @ LUMINANCE)).astype(np.float32)


def _daylight(kelvin: float) -> Map:
    """Linear sRGB of CIE daylight (CIE 15:2004, 4000 to 25000 K), luminance 1."""
    t = 1e3 / kelvin
    low = 0.244063 + 0.09911 * t + 2.9678 * t**2 - 4.6070 * t**3
    high = 0.237040 + 0.24748 * t + 1.9018 * t**2 - 2.0064 * t**3
    x = low if kelvin <= 7000 else high
    y = -3 * x**2 + 2.87 * x - 0.275
    to_srgb = np.array([(3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415),
                        (0.0557, -0.2040, 1.0570)])  # fmt: skip
    return to_srgb @ np.array([x / y, 1, (1 - x - y) / y])


def _decoded(values: Map) -> Map:
    """sRGB-encoded -> linear (IEC 61966-2-1), both 0..1."""
    curve = cv2.pow((values + 0.055) / 1.055, 2.4).reshape(values.shape)
    return np.where(values <= 0.04045, values / 12.92, curve).astype(np.float32)


def _encoded(linear: Map) -> Map:
    """linear -> sRGB-encoded, both 0..1."""
    curve = 1.055 * cv2.pow(np.maximum(linear, 0), 1 / 2.4).reshape(linear.shape) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, curve).astype(np.float32)
