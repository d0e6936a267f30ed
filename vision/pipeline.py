"""From a photo to what is found on it, and from a plan to the retouched photo.

    photo -> analyse -> Analysis -> render(plan) -> Rendering

An `Analysis` holds everything that does not depend on the plan, computed once and on demand, so
feedback renders again in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision import compose, engine, faces, identity, landmarks, people, regions, tone_map
from vision.changes import face_change, fill_change
from vision.engine import FOUND
from vision.errors import NothingToDo
from vision.fill import Filling, in_crop, union
from vision.grain import Grain, grain_of
from vision.keeping import forbidden, protected_from_tones
from vision.marked import unpack
from vision.photo import Photo
from vision.plan import Edit, Fill, Keep, Plan
from vision.regions import Surfaces
from vision.settings import Settings
from vision.vocabulary import (
    FACELESS,
    LEARNT_KINDS,
    NETWORK_KINDS,
    SKIN_KINDS,
    Kind,
    Region,
    Side,
    expand_kind,
)

# Distance to clean skin, as a share of full scale, that counts as severity 1.
SEVERE = 0.15


class KindNotLearnt(NothingToDo):
    """The plan names a kind that the shipped detector cannot tell reliably."""


@dataclass(frozen=True)
class Marks:
    """One kind on one face, in the aligned crop.

    Attributes:
        kind: the learnt kind whose channel answered.
        owner: (512, 512) float32 share of the pixel.
        severity: (512, 512) float32 0..1, ownership times distance to clean skin.
    """

    kind: str
    owner: np.ndarray
    severity: np.ndarray

    @property
    def area(self) -> np.ndarray:
        """(512, 512) bool, where it counts as found."""
        return self.owner > FOUND


class FaceAnalysis:
    """Everything known about one face, computed on demand and kept."""

    def __init__(self, photo: Photo, face: faces.Face, settings: Settings):
        self.photo, self.face, self.settings = photo, face, settings
        self.others: tuple[FaceAnalysis, ...] = ()  # whose crops overlap this one's
        self._own_words: dict[str, engine.Found] = {}
        self._healings: dict[int, tuple[tuple[int, ...], engine.Healing]] = {}
        self._fillings: dict[tuple, Filling] = {}
        self._marked: dict[bytes, np.ndarray] = {}

    @cached_property
    def alignment(self) -> faces.Alignment:
        """By the dense landmarks, which are steadier than the finder's five."""
        first = faces.align(self.face.landmarks)
        dense = landmarks.predict_landmarks(first.crop(self.photo.srgb8()))
        return faces.align(first.points_to_photo(faces.five_points(dense)))

    @cached_property
    def crop(self) -> np.ndarray:
        """(512, 512, 3) uint8 sRGB."""
        return self.alignment.crop(self.photo.srgb8())

    @cached_property
    def regions(self) -> regions.Regions:
        upright_left = bool(self.alignment.matrix[0, 0] >= 0)
        return regions.segment(self.crop, landmarks.predict_landmarks(self.crop), upright_left)

    @property
    def person(self) -> people.Person:
        return people.Person(self.regions, self.alignment)

    @cached_property
    def own(self) -> np.ndarray:
        """(512, 512) float32, 0 where the crop reaches beyond the photo's border, or where it
        shows somebody else's face."""
        last = np.array([self.photo.width - 1, self.photo.height - 1])
        at = self._on_photo()
        within = np.logical_and.reduce((at >= 0) & (at <= last), axis=2).astype(np.float32)
        return within * (1 - people.beside(self.person, [other.person for other in self.others]))

    def _on_photo(self) -> np.ndarray:
        """(512, 512, 2), x and y in the photo of every pixel of the crop."""
        y, x = np.mgrid[: faces.CROP_SIZE, : faces.CROP_SIZE]
        at = self.alignment.points_to_photo(np.stack([x.ravel(), y.ravel()], axis=1))
        return at.reshape(*x.shape, 2)

    @cached_property
    def skin(self) -> np.ndarray:
        return self.regions.skin * self.own

    @cached_property
    def surfaces(self) -> Surfaces:
        return Surfaces(self.skin, self.regions.mask("teeth") * self.own)

    @cached_property
    def network(self) -> engine.RetouchEngine:
        return engine.engine(self.settings)

    @cached_property
    def detected(self) -> engine.Found:
        return self.network.detect(self.crop, self.surfaces)

    @cached_property
    def skin_detected(self) -> engine.Found:
        """By the engine that answers for what skin is like all over."""
        return self.network.of(SKIN_KINDS[0]).detect(self.crop, self.surfaces)

    @cached_property
    def identity(self) -> np.ndarray:
        """(128,) what `vision.identity` says of the face as it was."""
        return identity.embed(self.crop)

    @cached_property
    def clean(self) -> np.ndarray:
        """(512, 512) bool, bare skin on which no mark is found."""
        marks = [kind not in SKIN_KINDS for kind in NETWORK_KINDS]
        return (self.skin > 0.9) & (self.detected.owners[marks].max(axis=0) < FOUND)

    @cached_property
    def grain(self) -> Grain | None:
        return grain_of(self.photo, self.alignment, self.crop, self.clean)

    def marks(self, kind: Kind, phrase: str | None = None) -> Marks:
        """Where one kind is.

        Raises:
            KindNotLearnt: the detector was never taught this kind, or the words mean none.
        """
        found = self.found_for(kind, phrase)
        name = found.words.kind if found.words else kind
        owner = found.owners[NETWORK_KINDS.index(name)]
        return Marks(name, owner, np.clip(owner * found.amplitude / SEVERE, 0, 1))

    def found_for(self, kind: Kind, phrase: str | None) -> engine.Found:
        """The detection whose channels answer to this kind or these words."""
        if kind in LEARNT_KINDS:
            return self.skin_detected if kind in SKIN_KINDS else self.detected
        if kind != "other" or not phrase:
            raise KindNotLearnt(f"I have not learnt to see {kind.replace('_', ' ')} yet")
        if phrase not in self._own_words:
            words = engine.own_words(phrase, self.network.tower)
            if words.likeness < self.network.least_likeness or words.kind not in LEARNT_KINDS:
                raise KindNotLearnt(f"I do not know what “{phrase}” looks like yet")
            network = self.network.of(words.kind)
            self._own_words[phrase] = network.detect(self.crop, self.surfaces, words)
        return self._own_words[phrase]

    def place(
        self, where: tuple[Region, ...], side: Side | None = None, whole: bool = False
    ) -> np.ndarray:
        """(512, 512) float32 soft mask of the union of regions; `whole` is with all that lies
        within them, not their skin alone."""
        return np.max([self._region(region, side, whole) for region in where], axis=0)

    def _region(self, region: Region, side: Side | None, whole: bool) -> np.ndarray:
        """The left of the whole photo is the photo's, not that of the face's midline."""
        if region not in FACELESS or side not in ("photo_left", "photo_right"):
            return (self.regions.whole if whole else self.regions.mask)(region, side)
        left = self._on_photo()[..., 0] < self.photo.width / 2
        return self.regions.mask(region) * (left == (side == "photo_left"))

    def marked(self, mask: bytes) -> np.ndarray:
        """(512, 512) float32 0 or 1, a packed mask of the photo seen from the crop, kept: on a
        large photo it takes as long as all else."""
        if mask not in self._marked:
            self._marked[mask] = in_crop(self.alignment, unpack(mask))
        return self._marked[mask]

    def share(self, area: np.ndarray) -> float:
        """Share of the face, as far as the photo shows it, that an area (512, 512) takes up."""
        return min(float((area * (self.own > 0)).sum() / self.face_area), 1.0)

    @cached_property
    def face_area(self) -> float:
        return max(float((self.regions.mask("face") * self.own).sum()), 1.0)

    def found(
        self, kind: Kind, where: tuple[Region, ...] = ("face",), side: Side | None = None,
        phrase: str | None = None,
    ) -> float:  # fmt: skip
        """Share of the face area that shows the kind (groups: any of their learnt kinds)."""
        learnt = [k for k in expand_kind(kind) if k in LEARNT_KINDS or k == "other"]
        if not learnt:
            raise KindNotLearnt(f"I have not learnt to see {kind.replace('_', ' ')} yet")
        owner = np.sum([self.marks(k, phrase).owner for k in learnt], axis=0)
        return self.share((owner > FOUND) & (self.place(where, side) > 0.5))

    def healing(self, found: engine.Found, asked: tuple[int, ...]) -> engine.Healing:
        """What full strength does to a set of channels; the last of each detection is kept for
        the next strength (up to 60 MB, where all kinds are asked)."""
        kept, healing = self._healings.get(id(found), ((), None))
        if healing is None or kept != asked:
            healing = found.by.heal(self.crop, self.surfaces, found, asked)
            self._healings[id(found)] = asked, healing
        return healing

    def filling(
        self, fills: tuple[Fill, ...], edits: Sequence[Edit] = (), keeps: Sequence[Keep] = ()
    ) -> Filling:
        """What is put at the places that some fills mark together, into the photo or into what
        `edits` make of it: skin like that around. The last of each are kept."""
        edits = tuple(edit for edit in edits if edit.strength > 0)
        key = (fills, edits, tuple(keeps)) if edits else (fills,)
        if key not in self._fillings:
            marked = in_crop(self.alignment, union(fills))
            edited = face_change(self, edits, keeps).change if edits else np.float32(0)
            crop = np.clip(self.crop + 255 * edited, 0, 255)
            change = self.network.fill(crop, self.surfaces, marked)
            change += marked[..., None] * edited
            others = {old: f for old, f in self._fillings.items() if bool(old[1:]) != bool(edits)}
            self._fillings = others | {key: Filling(marked, change)}
        return self._fillings[key]


@dataclass(frozen=True, eq=False)
class Analysis:
    """A photo and its faces, numbered from the left."""

    photo: Photo
    faces: tuple[FaceAnalysis, ...]

    @cached_property
    def stage(self) -> tone_map.Stage:
        """The places of the photo for light and colour."""
        return tone_map.Stage(self.photo, self.faces)

    def reached(self, edited: set[int]) -> set[int]:
        """Of faces, by index, all whose crops overlap one of theirs: edits may touch them."""
        size = self.photo.height, self.photo.width
        bounds = [face.alignment.bounds(*size) for face in self.faces]
        return {
            index
            for index, (x0, y0, x1, y1) in enumerate(bounds)
            for left, top, right, bottom in (bounds[other] for other in edited)
            if index in edited or (x0 < right and left < x1 and y0 < bottom and top < y1)
        }


@dataclass(frozen=True, eq=False)
class Rendering:
    """The retouched photo and what was touched.

    Attributes:
        photo: same size, depth and profile as the input.
        touched: (H, W) bool, pixels inside an edited area; all others are the input's.
    """

    photo: Photo
    touched: np.ndarray


def analyse(photo: Photo, settings: Settings | None = None) -> Analysis:
    """Find the faces; everything else about them is computed when first asked for, on the device
    that the settings name."""
    settings, found = settings or Settings(), faces.find(photo.srgb8())
    analysis = Analysis(photo, tuple(FaceAnalysis(photo, face, settings) for face in found))
    for index, face in enumerate(analysis.faces):
        near = analysis.reached({index}) - {index}
        face.others = tuple(analysis.faces[other] for other in sorted(near))
    return analysis


def render(analysis: Analysis, plan: Plan) -> Rendering:
    """Carry out a plan on the analysed photo.

    Raises:
        KindNotLearnt: an edit names a kind that the detector has not been taught.
        ValueError: an edit, a fill or a tone names a face that is not there.
    """
    named = [edit.face for edit in plan.edits] + [fill.face for fill in plan.fills]
    for index in named + [tone.face for tone in plan.tones if tone.face is not None]:
        if not 0 <= index < len(analysis.faces):
            raise ValueError(f"face {index} of {len(analysis.faces)} does not exist")
    pixels = analysis.photo.pixels.copy()
    touched = np.zeros(pixels.shape[:2], bool)
    unmarked = ~union(plan.fills) if plan.fills else None
    for index, face in enumerate(analysis.faces):
        edits, keeps, fills = _of_face(plan, index)
        if any(edit.strength > 0 for edit in edits):
            change = face_change(face, edits, keeps)
            only = _left_open(analysis, plan, index, unmarked)
            compose.write(analysis.photo, face.alignment, change, pixels, touched, only)
        if fills:
            change = fill_change(face, fills, edits, keeps)
            only = _left_open(analysis, plan, index, union(fills))
            compose.write(analysis.photo, face.alignment, change, pixels, touched, only)
    if any(tone.amount for tone in plan.tones):
        tone_map.write(
            analysis.stage, plan.tones, _guarded(analysis, plan), plan.keeps, pixels, touched
        )
    return Rendering(analysis.photo.with_pixels(pixels), touched)


def _of_face(plan: Plan, index: int) -> tuple[tuple[Edit, ...], tuple[Keep, ...], tuple[Fill, ...]]:
    return (
        tuple(edit for edit in plan.edits if edit.face == index),
        tuple(keep for keep in plan.keeps if keep.face == index),
        tuple(fill for fill in plan.fills if fill.face == index),
    )


def _guarded(analysis: Analysis, plan: Plan) -> list[tone_map.Guarded]:
    """What keeps protect from tones, face by face."""
    guarded = []
    for index, face in enumerate(analysis.faces):
        edits, keeps, fills = _of_face(plan, index)
        if keeps:
            areas = [protected_from_tones(face, keep, edits, fills) for keep in keeps]
            whole = [a for a, keep in zip(areas, keeps, strict=True) if keep.what == "everything"]
            area = np.max(areas, axis=0)
            around = tone_map.around(area, np.max([area * 0, *whole], axis=0))
            guarded.append(tone_map.Guarded(face.alignment, area, around))
    return guarded


def _left_open(
    analysis: Analysis, plan: Plan, index: int, only: np.ndarray | None
) -> np.ndarray | None:
    """(H, W) bool, of `only` (None: everywhere) what keeps of all faces but one leave open: crops
    overlap, and neither marks nor regions (neck, skin) stop where the next face begins."""
    shape = analysis.photo.pixels.shape[:2]
    for other, face in enumerate(analysis.faces):
        kept = forbidden(face, *_of_face(plan, other)) if other != index else None
        if kept is not None:
            x0, y0, x1, y1 = block = face.alignment.bounds(*shape)
            only = np.ones(shape, bool) if only is None else only.copy()
            only[y0:y1, x0:x1] &= face.alignment.to_photo(kept, shape, block) == 0
    return only
