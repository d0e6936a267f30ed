"""What a painter paints on, and what it hands back.

Every imperfection is a layer of optical density in linear light (Beer-Lambert):

    painted_linear = base_linear * exp(-sum over kinds of density_kind)

so layers add, strength is linear in density, the skin's own grain shows through, and the exact
mask and difference of each kind are known. Negative density is brighter than the base (shine,
the lit ridge beside a wrinkle).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from vision.regions import Regions, Surfaces
from vision.vocabulary import Kind

SIZE = 512
STEP = 0.01  # of a stored density
IOD = 144.0  # pixels between the eye centres of an aligned crop
MM = IOD / 63.0  # pixels per millimetre of an adult's face

# Directions of absorption in linear RGB: melanin takes blue, haemoglobin takes green and blue,
# veins seen through thin skin take red. Unit in the strongest channel.
MELANIN = np.array([0.45, 0.75, 1.0], np.float32)
HAEMOGLOBIN = np.array([0.12, 1.0, 0.8], np.float32)
VENOUS = np.array([1.0, 0.9, 0.6], np.float32)
NEUTRAL = np.array([1.0, 1.0, 1.0], np.float32)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB-encoded values 0..1 -> linear light 0..1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light 0..1 -> sRGB-encoded values 0..1 (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Base:
    """An aligned face to paint on.

    Attributes:
        crop: (512, 512, 3) uint8 sRGB.
        regions: landmarks (478, 2), soft skin (512, 512) and region masks of the crop.
        blur: standard deviation in pixels of the photo's own softness at crop scale.
    """

    crop: np.ndarray
    regions: Regions
    blur: float

    @cached_property
    def linear(self) -> np.ndarray:
        return to_linear(self.crop.astype(np.float32) / 255.0).astype(np.float32)

    @cached_property
    def points(self) -> np.ndarray:
        return self.regions.landmarks

    @cached_property
    def skin(self) -> np.ndarray:
        return self.regions.skin

    @cached_property
    def surfaces(self) -> Surfaces:
        return Surfaces(self.skin, self.regions.mask("teeth"))

    @cached_property
    def shading(self) -> np.ndarray:
        """Slowly varying light on the skin, 1 at its median: (512, 512) float32."""
        light = cv2.GaussianBlur(self.linear.mean(axis=2), (0, 0), 12)
        return light / max(float(np.median(light[self.skin > 0.5])), 1e-3)

    @cached_property
    def light_direction(self) -> np.ndarray:
        """Unit vector in the image towards the brighter side of the face."""
        rows, columns = np.nonzero(self.skin > 0.5)
        light = self.shading[rows, columns]
        centred = np.stack([columns - columns.mean(), rows - rows.mean()], axis=1)
        slope = np.linalg.lstsq(centred, light - light.mean(), rcond=None)[0]
        slope += np.array([0.0, -1e-4])  # lit from above when the light is flat
        return (slope / np.linalg.norm(slope)).astype(np.float32)


@dataclass(frozen=True)
class Layer:
    """One kind's paint: optical density (512, 512, 3) float32, zero off the skin (or teeth)."""

    kind: Kind
    density: np.ndarray


def finish(base: Base, kind: Kind, density: np.ndarray, on: np.ndarray | None = None) -> Layer:
    """Soften a layer to the photo's own sharpness and keep it on the skin, or `on` (512, 512)."""
    soft = cv2.GaussianBlur(density, (0, 0), base.blur)
    place = base.skin if on is None else on
    return Layer(kind, (soft * place[..., None]).astype(np.float32))


def tint(rng: np.random.Generator, *weighted: tuple[np.ndarray, float]) -> np.ndarray:
    """A mixture of absorption directions, slightly different for every person."""
    mixed = np.sum([direction * weight for direction, weight in weighted], axis=0)
    mixed = mixed * rng.uniform(0.88, 1.12, 3)
    return (mixed / mixed.max()).astype(np.float32)


def cloud(rng: np.random.Generator, *cells: int) -> np.ndarray:
    """Smooth random field 0..1 (512, 512), the mean of octaves of `cells` bumps a side."""
    field = np.zeros((SIZE, SIZE), np.float32)
    for count in cells:
        coarse = rng.random((count + 2, count + 2), dtype=np.float32)
        field += cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    low, high = field.min(), field.max()
    return (field - low) / (high - low + 1e-6)


def scatter(rng: np.random.Generator, likelihood: np.ndarray, count: int) -> np.ndarray:
    """`count` places (count, 2) as x, y drawn from an unnormalised likelihood (512, 512)."""
    weight = likelihood.ravel().astype(np.float64)
    total = weight.sum()
    if total <= 0:
        return np.zeros((0, 2), np.float32)
    chosen = rng.choice(weight.size, size=count, p=weight / total)
    places = np.stack([chosen % SIZE, chosen // SIZE], axis=1).astype(np.float32)
    return places + rng.uniform(-0.5, 0.5, places.shape).astype(np.float32)


def stamp(
    rng: np.random.Generator, radius: float, *, edge: float, roughness: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An irregular spot as (profile, x, y) on a small grid centred on zero.

    `profile` is 1 inside and falls to 0 around `radius`; `edge` is the exponent of the fall
    (2 soft, 8 sharp), `roughness` 0..0.5 how far the outline departs from an ellipse.
    """
    half = int(np.ceil(radius * 2.6)) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.7, 1.0)
    u = x * np.cos(angle) + y * np.sin(angle)
    v = (y * np.cos(angle) - x * np.sin(angle)) / stretch
    theta = np.arctan2(v, u)
    outline = np.ones_like(theta)
    for wave in (2, 3, 5):
        bump = rng.normal(0, roughness / wave)
        outline += bump * np.cos(wave * theta + rng.uniform(0, 2 * np.pi))
    distance = np.hypot(u, v) / (radius * np.clip(outline, 0.4, 1.6))
    return np.exp(-(distance**edge) * 0.7), x, y


def add_at(canvas: np.ndarray, patch: np.ndarray, place: np.ndarray) -> None:
    """Add a patch (h, w, 3) to the canvas centred on `place` (x, y), cut at the border."""
    half_y, half_x = patch.shape[0] // 2, patch.shape[1] // 2
    left, top = round(float(place[0])) - half_x, round(float(place[1])) - half_y
    x0, y0 = max(left, 0), max(top, 0)
    x1 = min(left + patch.shape[1], canvas.shape[1])
    y1 = min(top + patch.shape[0], canvas.shape[0])
    if x0 < x1 and y0 < y1:
        canvas[y0:y1, x0:x1] += patch[y0 - top : y1 - top, x0 - left : x1 - left]
