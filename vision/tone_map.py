"""Where tones act: the parameter map of a photo, made and used strip by strip.

Each tone is an amount times a soft mask; the amounts of one attribute add up at each pixel. Masks
of the face are made in its crop, those of hair and background on a small copy (`vision.people`);
both follow the photo's own edges at its full size. Where a mask is 0, and where anything is kept,
not a bit changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vision import compose, people, tone
from vision.photo import Photo
from vision.plan import Keep, Tone
from vision.vocabulary import FACELESS, TONE_ATTRIBUTES, Region, Side

if TYPE_CHECKING:
    from vision.faces import Alignment
    from vision.pipeline import FaceAnalysis

Map = np.ndarray
Block = people.Block
# Places that are told apart on the whole photo, not in a face's crop.
ON_PHOTO: tuple[Region, ...] = ("image", "background", "hair")
_PIXELS = 1 << 18  # of a strip: working memory is some 100 bytes times this
_FAINT = 0.01  # a mask below this is none
_GREY = 1e-3  # of full scale between the channels
COLOURS = ("temperature", "colorfulness")  # which a greyscale photo has not


@dataclass(frozen=True)
class ToneMeasure:
    """One tone: the mean of its mask as a share of the photo, and its attribute there (in the units
    of `vision.tone`) in the photo and in the result. All 0 where the place is not in the photo."""

    found: float
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class Guarded:
    """What keeps protect on one face: crop maps (512, 512), where nothing may change (above 0), and
    how much of a tone is withheld around, 0..1."""

    alignment: Alignment
    forbidden: Map
    withheld: Map


class Stage:
    """A photo and its faces as places for tone. Everything is computed when first asked for."""

    def __init__(self, photo: Photo, faces: Sequence[FaceAnalysis]) -> None:
        self.photo, self.faces = photo, faces
        self.shape = photo.height, photo.width
        self._weights: dict[tuple, Map] = {}

    @cached_property
    def people(self) -> people.People:
        persons = [face.person for face in self.faces]
        return people.find(self.photo.srgb8(), persons)

    @property
    def everywhere(self) -> Block:
        return 0, 0, self.shape[1], self.shape[0]

    def reach(self, tones: Sequence[Tone]) -> Block:
        """The block of the photo that all these tones lie in."""
        faces = {wish.face for wish in tones if wish.where not in ON_PHOTO}
        if len(faces) == 0 or any(wish.where in ON_PHOTO for wish in tones):
            return self.everywhere
        bounds = np.array([self.faces[_named(f)].alignment.bounds(*self.shape) for f in faces])
        (x0, y0), (x1, y1) = bounds[:, :2].min(0), bounds[:, 2:].max(0)
        return int(x0), int(y0), int(x1), int(y1)

    def mask(
        self, where: Region, face: int | None, side: Side | None, block: Block, values: Map
    ) -> Map:
        """(h, w) float32 0..1, a place in a block x0, y0, x1, y1 of the photo.

        `values` (h, w, 3) are the photo's own there, sRGB-encoded 0..1.
        """
        if where == "image":
            mask = np.ones(values.shape[:2], np.float32)
        elif where == "background":
            mask = 1 - self.people.everybody.at(values, block, self.shape)
            for one in self.faces:
                mask *= 1 - self._skin(one, block)
        elif where == "hair":
            mask = self.people.hair[_named(face)].at(values, block, self.shape)
            mask *= 1 - self._skin(self.faces[_named(face)], block)
        else:
            return self._in_crop(where, _named(face), side, block)
        return mask if side is None else mask * self._half(face, side, block)

    def _in_crop(self, where: Region, face: int, side: Side | None, block: Block) -> Map:
        one = self.faces[face]
        light = one.regions.light(where, side) * one.own
        mask = one.alignment.to_photo(light, self.shape, block)
        return np.maximum(mask - _FAINT, 0) / (1 - _FAINT)

    def _skin(self, face: FaceAnalysis, block: Block) -> Map:
        """The skin of a face keeps its hue, whatever is done around it."""
        return face.alignment.to_photo(face.skin, self.shape, block)

    def _half(self, face: int | None, side: Side, block: Block) -> Map:
        """One side of a face's midline, or of the photo: of what is no face's, as it is seen, or
        where there is none."""
        x0, y0, x1, y1 = block
        x, y = np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32)[:, None]
        middle, across = np.array(self.shape[::-1]) / 2, np.array((1.0, 0.0))
        if self.faces and not (face is None and side.startswith("photo_")):
            one = self.faces[face or 0]
            middle = one.alignment.points_to_photo(one.regions.outline.mean(0)[None])[0]
            turned = one.alignment.inverse[:, :2] @ (one.regions.down[1], -one.regions.down[0])
            across = turned / np.linalg.norm(turned)
            if side.startswith("photo_") and across[0] < 0:
                across = -across
        away = (x - middle[0]) * across[0] + (y - middle[1]) * across[1]
        if side in ("photo_left", "right"):
            away = -away
        return np.clip(0.5 + away / (0.04 * max(self.shape)), 0, 1).astype(np.float32)

    def measure(self, wish: Tone, after: Photo) -> ToneMeasure:
        """A tone's attribute before and after."""
        weight = self._weight(wish)
        if weight.sum() < 1:
            return ToneMeasure(0.0, 0.0, 0.0)
        seen = self._seen(self.photo, wish), self._seen(after, wish)
        inside = weight > 0
        before, now = (
            tone.measured(values[inside], weight[inside])[wish.attribute] for values in seen
        )
        return ToneMeasure(self._share(wish, weight), before, now)

    def pivot(self, wish: Tone) -> float:
        """The mean lightness of a place, which contrast leaves as it is."""
        weight = self._weight(wish)
        if weight.sum() == 0:
            return 0.5
        return float(np.average(tone.lightness(self._seen(self.photo, wish)), weights=weight))

    def _seen(self, photo: Photo, wish: Tone) -> Map:
        """(h, w, 3) float32 0..1: the small copy, or the crop of the face that the place is on."""
        if wish.where in ON_PHOTO:
            return people.reduced(photo.srgb8()).astype(np.float32) / 255
        crop = self.faces[_named(wish.face)].alignment.crop(photo.srgb8())
        return crop.astype(np.float32) / 255

    def _weight(self, wish: Tone) -> Map:
        """The mask (h, w) of the place on what `_seen` returns."""
        place = wish.where, wish.face, wish.side
        if place not in self._weights:
            if wish.where in ON_PHOTO:
                self._weights[place] = people.reduced(self._whole(*place)) / np.float32(255)
            else:
                one = self.faces[_named(wish.face)]
                light = one.regions.light(wish.where, wish.side)
                self._weights[place] = light * one.own
        return self._weights[place]

    def _whole(self, where: Region, face: int | None, side: Side | None) -> Map:
        """(H, W) uint8, the mask of a place in the photo."""
        whole = np.empty(self.shape, np.uint8)
        for block in blocks(self.everywhere):
            own = self.photo.to_srgb(self.photo.pixels[_at(block)])
            whole[_at(block)] = np.rint(255 * self.mask(where, face, side, block, own))
        return whole

    def _share(self, wish: Tone, weight: Map) -> float:
        """The place's area as a share of the photo."""
        if wish.where in ON_PHOTO:
            return float(weight.mean())
        scale = self.faces[_named(wish.face)].alignment.scale
        return float(weight.sum() / scale**2 / (self.shape[0] * self.shape[1]))


def blocks(block: Block) -> Iterator[Block]:
    """A block of a photo in strips, from the top."""
    x0, y0, x1, y1 = block
    rows = max(1, _PIXELS // max(x1 - x0, 1))
    for top in range(y0, y1, rows):
        yield x0, top, x1, min(top + rows, y1)


def _at(block: Block) -> tuple[slice, slice]:
    x0, y0, x1, y1 = block
    return np.s_[y0:y1, x0:x1]


def write(
    stage: Stage,
    tones: Sequence[Tone],
    guarded: Sequence[Guarded],
    keeps: Sequence[Keep],
    pixels: Map,
    touched: Map,
) -> None:
    """Write tones into `pixels` (H, W, C) and mark `touched` (H, W), in place.

    `guarded` is what keeps protect in the crops; of `keeps`, those of places `ON_PHOTO` count.
    """
    photo = stage.photo
    grey = photo.pixels.shape[2] == 1
    tones = [wish for wish in tones if wish.amount and not (grey and wish.attribute in COLOURS)]
    pivots = [stage.pivot(wish) if wish.attribute == "contrast" else 0.0 for wish in tones]
    kept = [keep for keep in keeps if on_photo(keep)]
    for block in blocks(stage.everywhere if kept else stage.reach(tones)):
        rows = _at(block)
        own = photo.to_srgb(photo.pixels[rows])
        amounts, pivot = _parameters(stage, tones, pivots, block, own)
        allowed, free = _allowed(stage, guarded, kept, block, own)
        amounts *= allowed[..., None]
        open_ = amounts.any(axis=2) & free
        native = pixels[rows]
        if open_.any():
            now = native[open_][:, None]
            values = photo.to_srgb(now)
            moved = tone.shifted(values[:, 0], amounts[open_], pivot[open_])[:, None]
            beyond = now - photo.from_srgb(values)  # outside sRGB, and what conversion rounds off
            beyond *= _faded(values, moved)
            top = np.iinfo(pixels.dtype).max
            native[open_] = np.clip(np.rint(photo.from_srgb(moved) + beyond), 0, top)[:, 0]
            touched[rows] |= open_
        if kept:  # what was healed there goes back, too
            native[~free], touched[rows][~free] = photo.pixels[rows][~free], False


def _faded(before: Map, after: Map) -> Map:
    """(..., 3) twice -> (..., 1) 0..1, how much of their distance to grey colours have left."""
    was, now = (of.max(axis=-1, keepdims=True) - of.min(axis=-1, keepdims=True)
                for of in (before, after))  # fmt: skip
    return np.where(was > _GREY, np.minimum(now / np.maximum(was, _GREY), 1), 1)


def _parameters(
    stage: Stage, tones: Sequence[Tone], pivots: Sequence[float], block: Block, own: Map
) -> tuple[Map, Map]:
    """The parameter map (h, w, 4) of a block, and the pivot of contrast (h, w)."""
    amounts = np.zeros((*own.shape[:2], len(TONE_ATTRIBUTES)), np.float32)
    pivot, share = (np.zeros(own.shape[:2], np.float32) for _ in range(2))
    masks: dict[tuple, Map] = {}
    for wish, middle in zip(tones, pivots, strict=True):
        place = wish.where, wish.face, wish.side
        if place not in masks:
            masks[place] = stage.mask(*place, block, own)
        amounts[..., TONE_ATTRIBUTES.index(wish.attribute)] += wish.amount * masks[place]
        if wish.attribute == "contrast":
            pivot += middle * abs(wish.amount) * masks[place]
            share += abs(wish.amount) * masks[place]
    return np.clip(amounts, -1, 1), pivot / np.maximum(share, 1e-6)


def _allowed(
    stage: Stage, guarded: Sequence[Guarded], keeps: Sequence[Keep], block: Block, own: Map
) -> tuple[Map, Map]:
    """(h, w) 0..1, how much of a tone keeps let through, and (h, w) bool, where they let any."""
    allowed = np.ones(own.shape[:2], np.float32)
    free = np.ones(own.shape[:2], bool)
    for one in guarded:
        allowed *= 1 - one.alignment.to_photo(one.withheld, stage.shape, block)
        free &= one.alignment.to_photo(one.forbidden, stage.shape, block) == 0
    for mask in kept_masks(stage, keeps, block, own):
        allowed *= np.clip(1 - 2 * mask, 0, 1)
        free &= mask <= 0.5
    return allowed, free


def kept_masks(stage: Stage, keeps: Sequence[Keep], block: Block, own: Map) -> Iterator[Map]:
    """The masks (h, w) of what is kept whole `ON_PHOTO`; above 0.5 nothing changes."""
    for keep in keeps:
        for region in on_photo(keep):
            face = None if region in FACELESS else keep.face
            mask = stage.mask(region, face, keep.side, block, own)
            for one in keep.openings:
                mask = mask * (1 - stage.mask(one.where, one.face, one.side, block, own))
            yield mask


def on_photo(keep: Keep) -> list[Region]:
    """The places of a keep that reach beyond a face's crop."""
    return [region for region in keep.where if region in ON_PHOTO and keep.what == "everything"]


def around(forbidden: Map, spacious: Map) -> Map:
    """How much of a tone is withheld around kept areas, (512, 512) each 0 or more: at marks of a
    kind over a few pixels, at places that are kept whole (`spacious`) over more."""
    soft = compose.soften((forbidden > 0).astype(np.float32))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
    wide = cv2.GaussianBlur(cv2.dilate((spacious > 0).astype(np.float32), element), (0, 0), 6)
    return np.maximum(np.maximum(soft, wide), forbidden > 0).astype(np.float32)


def _named(face: int | None) -> int:
    if face is None:
        raise ValueError("this place needs a face")
    return face
