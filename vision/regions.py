"""Soft masks of every region of a portrait, in the crop of one aligned face.

Regions are outlines of the 478-point mesh, extended where the mesh ends short (forehead, ears,
neck), with borders a few pixels soft. Skin regions are cut to bare skin (`vision.skin`). Masks are
made when first asked for and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from vision import mesh, skin
from vision.faces import CROP_SIZE
from vision.landmarks import POINTS, LandmarkNet, predict_landmarks
from vision.mesh import Outline, Pair
from vision.vocabulary import TEETH_KINDS, Region, Side

__all__ = ["LandmarkNet", "Regions", "Surfaces", "predict_landmarks", "segment"]

Map = NDArray[np.float32]
SHAPE = (CROP_SIZE, CROP_SIZE)
SOFT = 3.0  # standard deviation of the borders, crop pixels
WIDE = 8.0  # the same for light
FADE = 24  # crop pixels at its ends over which light fades
FINE = 1.5  # the same for eyes, brows, lips and teeth

PAIRED: dict[str, Pair] = {
    "eyes": mesh.AROUND_EYE,
    "under_eyes": mesh.UNDER_EYE,
    "crows_feet": mesh.CROWS_FEET,
    "temples": mesh.TEMPLE,
    "cheeks": mesh.CHEEK,
    "jaw": mesh.JAW,
}
CENTRAL: dict[str, Outline] = {
    "between_brows": mesh.BETWEEN_BROWS,
    "nose": mesh.NOSE,
    "upper_lip": mesh.UPPER_LIP,
    "mouth": mesh.AROUND_MOUTH,
    "chin": mesh.CHIN,
}
# Regions that are more than bare skin; all others are cut to it.
WHOLE = frozenset({"eyes", "lips", "teeth", "hair", "background", "image"})
# Regions whose geometry says too little: without their skin they are nothing.
BARE = frozenset({"skin", "neck", "ears"})


def segment(crop: NDArray[Any], landmarks: NDArray[Any], upright_left: bool = True) -> Regions:
    """Regions of an aligned crop (512, 512, 3) uint8 sRGB with its landmarks (478, 2).

    `upright_left`: whether the left of the crop is the left of the photo (false for a face that
    is upside down in it), for the sides named as seen in the photo.
    """
    if crop.shape != (*SHAPE, 3) or crop.dtype != np.uint8:
        raise ValueError(f"need a (512, 512, 3) uint8 crop, got {crop.shape} {crop.dtype}")
    if landmarks.shape != (POINTS, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"need finite landmarks of shape (478, 2), got {landmarks.shape}")
    return Regions(crop, landmarks.astype(np.float32), upright_left)


class Surfaces(NamedTuple):
    """Where imperfections can be, (512, 512) float32 in 0..1 each: bare skin, and teeth."""

    skin: Map
    teeth: Map

    def of(self, kind: str) -> Map:
        """The surface that a kind of imperfection is on."""
        return self.teeth if kind in TEETH_KINDS else self.skin

    @property
    def both(self) -> Map:
        return np.maximum(self.skin, self.teeth)


class Regions:
    """Masks (512, 512) float32 in 0..1 of one face; `landmarks` (478, 2) in crop pixels.

    `length` of the face in crop pixels, from the top of the mesh to the `chin` (2,); `down` is the
    unit vector (2,) along it.
    """

    def __init__(self, crop: NDArray[Any], landmarks: Map, upright_left: bool = True) -> None:
        self.landmarks = landmarks
        self._crop = crop
        self._upright_left = upright_left
        self._cache: dict[tuple[str, Side | None], Map] = {}
        eyes = landmarks[list(mesh.EYE_CENTRES)].mean(0)
        down = landmarks[mesh.CHIN_TIP] - landmarks[mesh.FOREHEAD_TOP]
        self.length = float(np.linalg.norm(down))
        self.down = down / max(self.length, 1.0)
        self._eyes = eyes
        self.chin = landmarks[mesh.CHIN_TIP]

    @cached_property
    def outline(self) -> Map:
        """(36, 2), around the face up to the hairline."""
        return self._raised(self.landmarks[list(mesh.OVAL)])

    @property
    def skin(self) -> Map:
        """Bare skin of face, ears and neck; eyes, brows, lips, nostrils and hair are out."""
        return self._kept(("_skin", None), self._make_skin)

    def mask(self, region: Region, side: Side | None = None) -> Map:
        """The soft mask of one region; `side` left and right are the subject's own.

        A photo cannot say whether it was mirrored: the subject's left is taken to be on the
        right of the upright crop. A region on the midline is halved there.
        """
        if region not in get_args(Region):
            raise ValueError(f"unknown region {region!r}: use one of {', '.join(get_args(Region))}")
        return self._kept((region, side), lambda: self._make_mask(region, side))

    def whole(self, region: Region, side: Side | None = None) -> Map:
        """`mask` with what lies within the region and is not bare skin (eyes, brows, lips)."""
        if region in (*WHOLE, *BARE):
            return self.mask(region, side)
        on_left = None if side is None else self._on_crop_left(side)
        return self._kept((f"_whole_{region}", side), lambda: self._area(region, on_left))

    def light(self, region: Region, side: Side | None = None) -> Map:
        """The mask of a region for its light and colour: `mask` with borders that light can have.

        Wide within the face, and with what is not bare skin (eyes, brows, lips, a beard) but hair;
        "eyes" are what is between the lids. It fades out where the crop ends.
        """
        return self._kept((f"_light_{region}", side), lambda: self._make_light(region, side))

    def _make_light(self, region: Region, side: Side | None) -> Map:
        on_left = None if side is None else self._on_crop_left(side)
        if region == "eyes":
            pair = mesh.EYE if on_left is None else [mesh.EYE.left if on_left else mesh.EYE.right]
            area = self._union(self._widened(outline, 0.004) for outline in pair)
        elif region in WHOLE:
            area = self._area(region, on_left)
        else:
            wide = cv2.GaussianBlur(self._area(region, on_left), (0, 0), WIDE)
            area = wide * (self.skin if region in BARE else self._surface)
        fade = np.zeros(SHAPE, np.float32)
        fade[FADE:-FADE, FADE:-FADE] = 1
        return area * cv2.blur(fade, (2 * FADE - 1, 2 * FADE - 1))

    @cached_property
    def _surface(self) -> Map:
        """Bare skin and all that lies within it, without hair that hangs over the face."""
        middle = self.outline.mean(0)
        inner = _filled(middle + (self.outline - middle) * 0.88)
        return np.maximum(self.skin, inner * (1 - self.mask("hair") * self._upper_face()))

    def _kept(self, key: tuple[str, Side | None], make: Callable[[], Map]) -> Map:
        if key not in self._cache:
            made = make()
            made.flags.writeable = False
            self._cache[key] = made
        return self._cache[key]

    def _make_mask(self, region: Region, side: Side | None) -> Map:
        on_left = None if side is None else self._on_crop_left(side)
        area = self._area(region, on_left)
        return area if region in WHOLE else area * self.skin

    def _on_crop_left(self, side: Side) -> bool:
        if side in ("photo_left", "photo_right"):
            return (side == "photo_left") == self._upright_left
        return side == "right"

    def _area(self, region: Region, on_left: bool | None) -> Map:
        """The region's geometry alone; `on_left` picks one side of the crop."""
        if region in PAIRED:
            pair = PAIRED[region]
            sides = pair if on_left is None else (pair.left if on_left else pair.right,)
            return self._union(self._outline(side) for side in sides)
        if region == "smile_lines":
            lines = mesh.SMILE_LINE
            chosen = lines if on_left is None else (lines.left if on_left else lines.right,)
            return self._union(self._stroke(line, 0.055) for line in chosen)
        whole = self._whole_area(region)
        return whole if on_left is None else whole * self._half(on_left)

    def _whole_area(self, region: Region) -> Map:
        if region in CENTRAL:
            return self._outline(CENTRAL[region])
        if region == "lips":
            return self._outline(mesh.OUTER_LIPS, FINE) * (1 - self._outline(mesh.INNER_LIPS, FINE))
        areas: dict[str, Callable[[], Map]] = {
            "face": lambda: _filled(self.outline),
            "skin": lambda: np.ones(SHAPE, np.float32),
            "image": lambda: np.ones(SHAPE, np.float32),
            "forehead": lambda: _filled(self._raised(self.landmarks[list(mesh.FOREHEAD)])),
            "t_zone": lambda: self._union(
                self._whole_area(part) for part in ("forehead", "nose", "chin")
            ),
            "ears": lambda: self._union(self._ear(edge) for edge in mesh.EAR_EDGE),
            "neck": self._neck,
            "teeth": self._teeth,
            "hair": self._hair,
            "background": self._background,
        }
        return areas[region]()

    # Geometry

    def _outline(self, outline: Outline, soft: float = SOFT) -> Map:
        return _filled(self.landmarks[list(outline)], soft)

    def _stroke(self, line: Outline, width: float) -> Map:
        """A band along mesh points, `width` as a share of the face's length."""
        canvas = np.zeros(SHAPE, np.uint8)
        points = _fixed(self.landmarks[list(line)])
        thickness = max(3, round(width * self.length))
        cv2.polylines(canvas, [points], False, 255, thickness, cv2.LINE_AA, _SHIFT)
        return _softened(canvas, SOFT)

    def _union(self, areas: Iterable[Map]) -> Map:
        return np.maximum.reduce(list(areas))

    def _raised(self, points: Map) -> Map:
        """Points above the eyes moved up: the mesh ends below the hairline."""
        height = np.maximum(0, (self._eyes - points) @ self.down)
        share = np.clip(height / (0.3 * self.length), 0, 1) ** 2
        return points - (share * 0.18 * self.length)[:, None] * self.down

    def _half(self, on_left: bool) -> Map:
        """The part of the crop on one side of the face's midline."""
        line = self.landmarks[list(mesh.MIDLINE)]
        far = 3 * CROP_SIZE
        line = np.vstack([line[0] - far * self.down, line, line[-1] + far * self.down])
        across = np.array((self.down[1], -self.down[0])) * (-far if on_left else far)
        return _filled(np.vstack([line, line[::-1] + across]))

    def _ear(self, edge: Outline) -> Map:
        """A lobe outside of the cheek's edge; none where the face is turned away on this side."""
        joint = self.landmarks[list(edge)]
        away = joint.mean(0) - self.landmarks[list(mesh.MIDLINE)].mean(0)
        away -= (away @ self.down) * self.down
        half = float(np.linalg.norm(away))
        if half < 0.22 * self.length:
            return np.zeros(SHAPE, np.float32)
        away *= 0.17 * self.length / half
        return _filled(np.vstack([joint - 0.02 * away, joint[::-1] + away]))

    def _neck(self, overlap: float = 0.0) -> Map:
        """From the jaw's edge down, a little narrower than the jaw."""
        jaw = self.landmarks[[172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397]]
        below = jaw[[-1, 0]] + 0.9 * self.length * self.down
        jaw = jaw - overlap * self.length * self.down
        return _filled(np.vstack([jaw, below]))

    # Pixels

    def _make_skin(self) -> Map:
        neck, face = self._neck(overlap=0.1), _filled(self.outline)
        ears = self._union(self._ear(edge) for edge in mesh.EAR_EDGE)
        under_eyes = self._union(self._outline(part) for part in mesh.UNDER_EYE)
        core = self._union(self._outline(part) for part in (mesh.NOSE, *mesh.CHEEK))
        core = np.maximum(core, under_eyes)
        clear = 1 - self._outline(mesh.AROUND_MOUTH)  # of moustaches, which can be white
        core = cv2.GaussianBlur(core * clear, (0, 0), 8)
        lit = np.maximum(core, 0.5 * face * clear)
        # Prior log-odds: sure on the middle of the face, doubtful at ears and neck. Below the eyes
        # colour says nothing, for circles can be of any; rims of glasses are taken out as strands.
        prior = 2.5 * core + 6 * under_eyes - 1.5 * (1 - face)
        shaded = np.maximum(core, 0.4 * face)
        upper = self._upper_face()
        odds = prior + skin.likelihood(
            self._crop, self.landmarks, lit, shaded, self._above_forehead(), upper
        )
        bare = skin.snapped((1 / (1 + np.exp(-odds))).astype(np.float32), self._crop)
        bare = np.maximum(bare, skin.highlights(bare, self._crop, face * clear > 0.5))
        limit = np.maximum(np.maximum(face, neck), ears)
        # Sunglasses part a forehead from the face, but not from the brows.
        face_proper = (core > 0.5) | (upper < 0.5) | (self._above_brows() > 0.5)
        bare = skin.attached(bare * limit, face_proper)
        strands = skin.strands(self._crop, self.length) * upper
        return bare * (1 - np.maximum(self.features, strands))

    def _above_brows(self) -> Map:
        """The brows, moved up by their height: a hat does not come down there, glasses may."""
        height = 0.05 * self.length * self.down
        return self._union(_filled(self.landmarks[list(brow)] - height) for brow in mesh.BROW)

    def _above_forehead(self) -> NDArray[np.intp]:
        """(n, 2) pixels of the crop above the hairline; none where the photo ends there."""
        top = self.outline[[0, 1, 2, 3, 33, 34, 35]]
        places = (top - 0.06 * self.length * self.down).round().astype(np.intp)
        return places[((places >= 0) & (places < CROP_SIZE)).all(1)]

    def _upper_face(self) -> Map:
        """Where glasses and fringes are: above the middle of the nose, soft."""
        rows, columns = np.indices(SHAPE, dtype=np.float32)
        below = (columns - self._eyes[0]) * self.down[0] + (rows - self._eyes[1]) * self.down[1]
        return np.clip((0.25 * self.length - below) / (0.05 * self.length + 1), 0, 1)

    @cached_property
    def features(self) -> Map:
        """Eyes, brows, lips with what is between them, and nostrils, each a little widened."""
        widened = [
            *((outline, 0.01) for outline in mesh.EYE),
            *((outline, 0.008) for outline in mesh.BROW),
            (mesh.OUTER_LIPS, 0.008),
        ]
        parts = [self._widened(outline, share) for outline, share in widened]
        nostrils = self._union(self._widened(side, 0.01) for side in mesh.NOSTRIL)
        return self._union([*parts, nostrils * self._dark()])

    def _widened(self, outline: Outline, share: float) -> Map:
        canvas = np.zeros(SHAPE, np.uint8)
        points = _fixed(self.landmarks[list(outline)])
        cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, _SHIFT)
        thickness = max(1, round(2 * share * self.length))
        cv2.polylines(canvas, [points], True, 255, thickness, cv2.LINE_AA, _SHIFT)
        return _softened(canvas, FINE)

    def _dark(self) -> Map:
        """Much darker than the nose around it, which nostrils are and the nose's wings are not."""
        light = cv2.cvtColor(self._crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
        nose = light[self._outline(mesh.NOSE) > 0.5]
        usual = float(np.median(nose)) if nose.size else 128.0
        return np.clip((0.7 * usual - light) / (0.2 * usual + 1), 0, 1)

    def _teeth(self) -> Map:
        """Bright and pale pixels of the opened mouth; empty where it is closed."""
        inside = self._outline(mesh.INNER_LIPS, FINE)
        lab = cv2.cvtColor(self._crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        lips = self._outline(mesh.OUTER_LIPS, FINE) * (1 - inside) > 0.5
        if not lips.any():
            return np.zeros(SHAPE, np.float32)
        lip = np.median(lab[lips], axis=0)
        # Paler (less red) than the lips by half, and at least as light.
        pale = np.clip((0.75 * lip[1] - lab[..., 1]) / (0.25 * max(lip[1], 4.0)), 0, 1)
        light = np.clip((lab[..., 0] - lip[0] + 5) / 10, 0, 1)
        return (inside * cv2.GaussianBlur(pale * light, (0, 0), FINE)).astype(np.float32)

    def _head(self) -> Map:
        """Face, ears and the hair around them, as an oval about the face."""
        outline = self.outline
        centre = outline.mean(0)
        return _filled(centre + (outline - centre) * 1.45)

    def _hair(self) -> Map:
        """Pixels of the head that look like what lies above the forehead, and not like skin."""
        seeds = self._above_forehead()
        if not len(seeds):
            return np.zeros(SHAPE, np.float32)
        smooth = cv2.GaussianBlur(self._crop, (0, 0), 4).astype(np.float32) / 255
        lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
        colour = np.median(lab[seeds[:, 1], seeds[:, 0]], axis=0)
        distance = (((lab - colour) / (14.0, 8.0, 10.0)) ** 2).sum(-1)
        alike = 1 / (1 + np.exp((distance - 4) / 2))
        chin = self.landmarks[mesh.CHIN_TIP]
        rows, columns = np.indices(SHAPE, dtype=np.float32)
        above = (columns - chin[0]) * self.down[0] + (rows - chin[1]) * self.down[1] < 0
        not_hair = self._union([self.skin, self.features, self._neck()])
        hair = alike * above * (1 - not_hair) * self._head()
        return skin.snapped(hair.astype(np.float32), self._crop)

    def _background(self) -> Map:
        """What is neither head nor, below the chin, within shoulder width; geometry only."""
        chin = self.landmarks[mesh.CHIN_TIP]
        across = np.array((self.down[1], -self.down[0]))
        slope = [
            chin - 0.1 * self.length * self.down + sign * reach * self.length * across
            + drop * self.length * self.down
            for sign, reach, drop in ((-1, 0.4, 0), (1, 0.4, 0), (1, 1.6, 0.5), (1, 1.6, 3.0),
                                      (-1, 1.6, 3.0), (-1, 1.6, 0.5))
        ]  # fmt: skip
        person = np.maximum(self._head(), _filled(np.stack(slope), 2 * SOFT))
        return np.clip(1 - person, 0, 1)


_SHIFT = 4  # cv2 draws at a sixteenth of a pixel


def _fixed(points: NDArray[Any]) -> NDArray[np.int32]:
    return (points * (1 << _SHIFT)).round().astype(np.int32)


def _filled(points: NDArray[Any], soft: float = SOFT) -> Map:
    """The inside of a polygon (n, 2), its border `soft` pixels wide."""
    canvas = np.zeros(SHAPE, np.uint8)
    cv2.fillPoly(canvas, [_fixed(points)], 255, cv2.LINE_AA, _SHIFT)
    return _softened(canvas, soft)


def _softened(canvas: NDArray[np.uint8], soft: float) -> Map:
    return cv2.GaussianBlur(canvas.astype(np.float32) / 255, (0, 0), soft)
