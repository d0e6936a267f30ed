"""What kind of photo this is: framing, light, colour, quality. Nothing that identifies a person.

Everything is computed with the heads masked out: replace all pixels of every head, and the scene
stays the same to the last digit. Only the number and the size of the faces are used of them.

The numbers of `PhotoScene.vector`, in the order of `FEATURES`, each in 0..1 (0.5 where it cannot
be told: the heads fill the photo, or nothing is known about the flash):

    faces       how many, 4 or more being 1
    size        height of the largest face as a share of the photo's
    key         mean lightness L* / 100 (CIE 1976)
    contrast    95th less 5th percentile of L* / 100
    warmth      mean b* from blue (0) over neutral (0.5) to yellow (1); full scale is +-30
    side        right half lighter (1) or left half lighter (0); full scale is 50 L*
    above       upper half lighter (1) or lower half lighter (0); full scale is 50 L*
    flash       fired (1) or not (0), as Exif says (tag Flash, Exif 2.32, 4.6.5)
    colour      mean chroma C*ab / 30: 0 is black and white
    softness    of what is beside and above the heads: 1 / (1 + median |Laplacian of L*|)
    sharpness   e / (e + 20), e the 95th percentile of |Laplacian| over contrast, at full size
    noise       sigma / 10 of the flattest quarter of tiles at full size (Immerkaer 1996,
                "Fast noise variance estimation")
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from vision.photo import Photo

Box = tuple[float, float, float, float]
Feature = Literal[
    "faces", "size", "key", "contrast", "warmth", "side", "above", "flash", "colour", "softness",
    "sharpness", "noise",
]  # fmt: skip
FEATURES: tuple[Feature, ...] = get_args(Feature)
Framing = Literal["no face", "close-up", "portrait", "group"]
FRAMINGS: tuple[Framing, ...] = get_args(Framing)
UNKNOWN = 0.5

# The longer side of the copy that light and colour are read from.
SMALL = 256
# A head is the finder's face box widened by these shares of it: left and right, up, down.
HEAD = (0.35, 0.6, 0.3)
# From this share of the photo's height on a face is a close-up.
CLOSE_UP = 0.45
# With less of the photo outside of heads, nothing is said about it.
LEAST = 0.02
TILE, TILES = 64, 12
_EXIF_IFD, _FLASH = 0x8769, 0x9209


class PhotoScene(BaseModel):
    """`vector`: the numbers of `FEATURES`; `tags`: the same in words, the framing first.

    `setting` is where it seems to be ("outdoors"), where a CLIP was there to tell
    (`memory.setting`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vector: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...],
        Field(min_length=len(FEATURES), max_length=len(FEATURES)),
    ]
    tags: tuple[Annotated[str, Field(max_length=40)], ...] = ()
    setting: Annotated[str, Field(max_length=40)] | None = None

    def __getitem__(self, feature: Feature) -> float:
        return self.vector[FEATURES.index(feature)]

    @property
    def framing(self) -> Framing:
        """How the people are framed."""
        if self["faces"] == 0:
            return "no face"
        if self["faces"] > 0.25:
            return "group"
        return "close-up" if self["size"] >= CLOSE_UP else "portrait"


def scene_of(values: dict[Feature, float], setting: str | None = None) -> PhotoScene:
    """A scene from its numbers, clipped to 0..1; what is missing is unknown."""
    vector = tuple(
        round(min(max(float(values.get(name, UNKNOWN)), 0.0), 1.0), 3) for name in FEATURES
    )
    scene = PhotoScene(vector=vector, setting=setting)
    tags = (scene.framing, *_tags(scene), *([setting] if setting else []))
    return scene.model_copy(update={"tags": tags})


def describe(photo: Photo, faces: Sequence[Box], setting: str | None = None) -> PhotoScene:
    """The scene of a photo whose faces have these boxes (x, y, width, height in its pixels)."""
    heads = [_head(box, photo.width, photo.height) for box in faces]
    values: dict[Feature, float] = {
        "faces": min(len(faces), 4) / 4,
        "size": max((box[3] for box in faces), default=0.0) / photo.height,
        "flash": _flash(photo.exif),
    }
    small = _small(photo, heads)
    if small.outside.mean() >= LEAST:
        values |= _light(small)
    tiles = list(_tiles(photo, heads))
    if tiles:
        values |= _quality(tiles, values.get("contrast", UNKNOWN))
    return scene_of(values, setting)


def without_heads(photo: Photo, faces: Sequence[Box]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB, mid-grey where heads are."""
    pixels = photo.srgb8().copy()
    for x0, y0, x1, y1 in (_head(box, photo.width, photo.height) for box in faces):
        pixels[y0:y1, x0:x1] = 128
    return pixels


class _Small(NamedTuple):
    """L*, a*, b* (h, w, 3); what is outside of heads (h, w); the row where the lowest head ends."""

    lab: NDArray[np.float32]
    outside: NDArray[np.bool_]
    shoulders: int


def _head(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    x, y, w, h = box
    beside, up, down = HEAD
    return (
        max(math.floor(x - beside * w), 0),
        max(math.floor(y - up * h), 0),
        min(math.ceil(x + (1 + beside) * w), width),
        min(math.ceil(y + (1 + down) * h), height),
    )


def _small(photo: Photo, heads: Sequence[tuple[int, int, int, int]]) -> _Small:
    import cv2

    scale = min(SMALL / max(photo.width, photo.height), 1.0)
    size = max(round(photo.width * scale), 1), max(round(photo.height * scale), 1)
    pixels = cv2.resize(photo.srgb8(), size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    outside = np.ones(lab.shape[:2], bool)
    across, down = size[0] / photo.width, size[1] / photo.height
    for x0, y0, x1, y1 in heads:
        # Wider by the reach of the filters, so that not even the rim of a head is read.
        rows = np.s_[max(int(y0 * down) - 3, 0) : math.ceil(y1 * down) + 3]
        columns = np.s_[max(int(x0 * across) - 3, 0) : math.ceil(x1 * across) + 3]
        outside[rows, columns] = False
    lowest = max((y1 for *_, y1 in heads), default=photo.height)
    return _Small(lab, outside, math.ceil(lowest * down))


def _light(small: _Small) -> dict[Feature, float]:
    import cv2

    lab, outside = small.lab, small.outside
    light = lab[..., 0]
    low, high = np.percentile(light[outside], (5, 95))
    beside = outside.copy()
    beside[small.shoulders :] = False  # below, clothes are no background
    values: dict[Feature, float] = {
        "key": light[outside].mean() / 100,
        "contrast": (high - low) / 100,
        "warmth": 0.5 + lab[..., 2][outside].mean() / 60,
        "colour": np.hypot(lab[..., 1], lab[..., 2])[outside].mean() / 30,
        "side": _lighter_half(light, outside),
        "above": _lighter_half(light[::-1].T, outside[::-1].T),
    }
    if beside.mean() >= LEAST:
        fine = np.abs(cv2.Laplacian(light, cv2.CV_32F))
        values["softness"] = 1 / (1 + float(np.median(fine[beside])))
    return values


def _lighter_half(light: NDArray[np.float32], outside: NDArray[np.bool_]) -> float:
    """Above 0.5 where the right half is lighter, below where the left half is."""
    middle = light.shape[1] // 2
    left, right = light[:, :middle][outside[:, :middle]], light[:, middle:][outside[:, middle:]]
    if not (left.size and right.size):
        return UNKNOWN
    return 0.5 + float(right.mean() - left.mean()) / 100


def _tiles(
    photo: Photo, heads: Sequence[tuple[int, int, int, int]]
) -> Iterator[NDArray[np.float32]]:
    """Grey tiles (64, 64) of a regular grid at full size, those that touch no head."""
    import cv2

    pixels = photo.srgb8()
    for y in _spread(photo.height):
        for x in _spread(photo.width):
            touches = any(
                x < x1 and x + TILE > x0 and y < y1 and y + TILE > y0 for x0, y0, x1, y1 in heads
            )
            if not touches:
                tile = np.ascontiguousarray(pixels[y : y + TILE, x : x + TILE])
                yield cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _spread(length: int) -> list[int]:
    """Where tiles begin: no two overlap, the first and the last touch the border."""
    count = min(length // TILE, TILES)
    return [round(at) for at in np.linspace(0, length - TILE, count)] if count else []


def _quality(tiles: Sequence[NDArray[np.float32]], contrast: float) -> dict[Feature, float]:
    import cv2

    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    fine = [np.abs(cv2.filter2D(tile, -1, mask))[1:-1, 1:-1].mean() for tile in tiles]
    noise = math.sqrt(math.pi / 2) / 6 * float(np.percentile(fine, 25))
    edges = np.concatenate([np.abs(cv2.Laplacian(t, cv2.CV_32F))[1:-1, 1:-1] for t in tiles])
    energy = float(np.percentile(edges, 95)) / max(contrast, 0.05)
    return {"noise": noise / 10, "sharpness": energy / (energy + 20)}


def _flash(exif: bytes | None) -> float:
    from PIL import Image

    if not exif:
        return UNKNOWN
    tags = Image.Exif()
    try:
        with warnings.catch_warnings(action="ignore"):
            tags.load(b"Exif\0\0" + exif)
        fired = tags.get_ifd(_EXIF_IFD).get(_FLASH)
    except (SyntaxError, ValueError, OSError, KeyError, TypeError, IndexError, struct.error):
        return UNKNOWN  # a damaged block: the photo itself is fine
    return float(fired & 1) if isinstance(fired, int) else UNKNOWN


def _tags(scene: PhotoScene) -> Iterator[str]:
    spoken: tuple[tuple[Feature, float, str, float, str], ...] = (
        ("colour", 0.06, "black and white", 2.0, ""),
        ("key", 0.25, "low key", 0.7, "high key"),
        ("contrast", 0.25, "flat light", 0.8, "hard light"),
        ("side", 0.4, "light from the left", 0.6, "light from the right"),
        ("above", 0.35, "light from below", 0.7, "light from above"),
        ("flash", -1.0, "", 0.9, "flash"),
        ("softness", -1.0, "", 0.6, "soft background"),
        ("sharpness", 0.3, "blurred", 2.0, ""),
        ("noise", -1.0, "", 0.5, "noisy"),
    )
    for feature, low, below, high, above in spoken:
        if scene[feature] <= low:
            yield below
        elif scene[feature] >= high:
            yield above
    if scene["colour"] > 0.06 and abs(scene["warmth"] - 0.5) > 0.15:
        yield "warm light" if scene["warmth"] > 0.5 else "cool light"
