"""From a photo to what is found on it, and from a plan to the retouched photo.

    photo -> analyse -> Analysis -> render(plan) -> Rendering

An `Analysis` holds everything that does not depend on the plan, computed once and on demand, so
feedback renders again in a fraction of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision import compose, engine, faces, landmarks, regions
from vision.errors import NothingToDo
from vision.grain import Grain, grain_of
from vision.photo import Photo
from vision.plan import Edit, Keep, Plan
from vision.vocabulary import FINE_KINDS, LEARNT_KINDS, Kind, Region, Side, expand_kind

# A pixel counts as showing a kind from this ownership on.
FOUND = 0.3
# Distance to clean skin, as a share of full scale, that counts as severity 1.
SEVERE = 0.15


class KindNotLearnt(NothingToDo):
    """The plan names a kind that the shipped detector has not been taught."""


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


class FaceAnalysis:
    """Everything known about one face, computed on demand and kept."""

    def __init__(self, photo: Photo, face: faces.Face):
        self.photo, self.face = photo, face
        self._own_words: dict[str, engine.Found] = {}
        self._healings: dict[int, tuple[tuple[int, ...], engine.Healing]] = {}

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

    @cached_property
    def inside_photo(self) -> np.ndarray:
        """(512, 512) float32, 0 where the crop reaches beyond the photo's border."""
        y, x = np.mgrid[: faces.CROP_SIZE, : faces.CROP_SIZE]
        at = self.alignment.points_to_photo(np.stack([x.ravel(), y.ravel()], axis=1))
        last = np.array([self.photo.width - 1, self.photo.height - 1])
        return ((at >= 0) & (at <= last)).all(axis=1).reshape(x.shape).astype(np.float32)

    @cached_property
    def skin(self) -> np.ndarray:
        return self.regions.skin * self.inside_photo

    @cached_property
    def detected(self) -> engine.Found:
        return engine.engine().detect(self.crop, self.skin)

    @cached_property
    def grain(self) -> Grain | None:
        clean = (self.skin > 0.9) & (self.detected.owners.max(axis=0) < FOUND)
        return grain_of(self.photo, self.alignment, self.crop, clean)

    def marks(self, kind: Kind, phrase: str | None = None) -> Marks:
        """Where one kind is.

        Raises:
            KindNotLearnt: the detector was never taught this kind, or the words mean none.
        """
        found = self.found_for(kind, phrase)
        name = engine.own_words(phrase).kind if kind == "other" and phrase else kind
        owner = found.owners[LEARNT_KINDS.index(name)]
        return Marks(name, owner, np.clip(owner * found.amplitude / SEVERE, 0, 1))

    def found_for(self, kind: Kind, phrase: str | None) -> engine.Found:
        """The detection whose channels answer to this kind or these words."""
        if kind in LEARNT_KINDS:
            return self.detected
        if kind != "other" or not phrase:
            raise KindNotLearnt(f"I have not learnt to see {kind.replace('_', ' ')} yet")
        if phrase not in self._own_words:
            words = engine.own_words(phrase)
            if words.likeness < engine.LEAST_LIKENESS:
                raise KindNotLearnt(f"I do not know what “{phrase}” looks like yet")
            self._own_words[phrase] = engine.engine().detect(self.crop, self.skin, words)
        return self._own_words[phrase]

    def place(self, where: tuple[Region, ...], side: Side | None = None) -> np.ndarray:
        """(512, 512) float32 soft mask of the union of regions."""
        return np.max([self.regions.mask(region, side) for region in where], axis=0)

    @cached_property
    def face_area(self) -> float:
        return max(float(self.regions.mask("face").sum()), 1.0)

    def found(
        self, kind: Kind, where: tuple[Region, ...] = ("face",), side: Side | None = None,
        phrase: str | None = None,
    ) -> float:  # fmt: skip
        """Share of the face area that shows the kind (groups: any of their learnt kinds)."""
        learnt = [k for k in expand_kind(kind) if k in LEARNT_KINDS or k == "other"]
        if not learnt:
            raise KindNotLearnt(f"I have not learnt to see {kind.replace('_', ' ')} yet")
        owner = np.sum([self.marks(k, phrase).owner for k in learnt], axis=0)
        return float(((owner > FOUND) & (self.place(where, side) > 0.5)).sum() / self.face_area)

    def healing(self, found: engine.Found, asked: tuple[int, ...]) -> engine.Healing:
        """What full strength does to a set of channels; the last of each detection is kept for
        the next strength (it may take 30 MB)."""
        kept, healing = self._healings.get(id(found), ((), None))
        if healing is None or kept != asked:
            healing = engine.engine().heal(self.crop, self.skin, found, asked)
            self._healings[id(found)] = asked, healing
        return healing


@dataclass(frozen=True, eq=False)
class Analysis:
    """A photo and its faces, numbered from the left."""

    photo: Photo
    faces: tuple[FaceAnalysis, ...]


@dataclass(frozen=True, eq=False)
class Rendering:
    """The retouched photo and what was touched.

    Attributes:
        photo: same size, depth and profile as the input.
        touched: (H, W) bool, pixels inside an edited area; all others are the input's.
    """

    photo: Photo
    touched: np.ndarray


def analyse(photo: Photo) -> Analysis:
    """Find the faces; everything else about them is computed when first asked for."""
    return Analysis(photo, tuple(FaceAnalysis(photo, face) for face in faces.find(photo.srgb8())))


def render(analysis: Analysis, plan: Plan) -> Rendering:
    """Carry out a plan on the analysed photo.

    Raises:
        KindNotLearnt: an edit names a kind that the detector has not been taught.
        ValueError: an edit names a face that is not there.
    """
    for edit in plan.edits:
        if not 0 <= edit.face < len(analysis.faces):
            raise ValueError(f"face {edit.face} of {len(analysis.faces)} does not exist")
    pixels = analysis.photo.pixels.copy()
    touched = np.zeros(pixels.shape[:2], bool)
    for index, face in enumerate(analysis.faces):
        edits = [edit for edit in plan.edits if edit.face == index]
        if any(edit.strength > 0 for edit in edits):
            keeps = [keep for keep in plan.keeps if keep.face == index]
            change = face_change(face, edits, keeps)
            compose.write(analysis.photo, face.alignment, change, pixels, touched)
    return Rendering(analysis.photo.with_pixels(pixels), touched)


def face_change(face: FaceAnalysis, edits: list[Edit], keeps: list[Keep]) -> compose.CropChange:
    """Gates, change and forbidden area of one face in crop space."""
    change = np.zeros((*face.skin.shape, 3), np.float32)
    gate, fine = np.zeros_like(face.skin), np.zeros_like(face.skin)
    for found, strengths in _strengths(face, edits, keeps):
        asked = tuple(np.flatnonzero(strengths.any(axis=(1, 2))).tolist())
        if not asked:
            continue
        healing, strengths = face.healing(found, asked), strengths[list(asked)]
        gates = strengths * healing.gates
        room = 1 - gate  # what one detection healed is not healed again by another
        change += room[..., None] * (strengths[..., None] * healing.changes).sum(axis=0)
        is_fine = [LEARNT_KINDS[k] in FINE_KINDS for k in asked]
        fine += room * np.minimum(gates[is_fine].sum(axis=0), 1)
        gate += room * np.minimum(gates.sum(axis=0), 1)
    forbidden = np.max([protected(face, keep, edits) for keep in keeps], axis=0) if keeps else None
    return compose.CropChange(gate, change, forbidden, fine, face.grain)


def _strengths(
    face: FaceAnalysis, edits: list[Edit], keeps: list[Keep]
) -> list[tuple[engine.Found, np.ndarray]]:
    """How strongly each channel (K, 512, 512) is edited, per detection that answers to the words.

    In order: of one kind, a later edit wins where two overlap.
    """
    asked: dict[int, tuple[engine.Found, np.ndarray]] = {}
    for edit in edits:
        found = face.found_for(edit.what, edit.phrase)
        _, own = asked.setdefault(id(found), (found, np.zeros_like(found.owners)))
        channel = LEARNT_KINDS.index(face.marks(edit.what, edit.phrase).kind)
        allowed = face.place(edit.where, edit.side) * (1 - _withheld(face, keeps, edit))
        for _, strengths in asked.values():
            wanted = edit.strength if strengths is own else 0.0
            strengths[channel] += allowed * (wanted - strengths[channel])
    return list(asked.values())


def keep_area(face: FaceAnalysis, keep: Keep) -> np.ndarray:
    """(512, 512) float32 0..1, what a keep protects: a place, or a kind's marks at a place."""
    place = face.place(keep.where, keep.side)
    if keep.what == "everything":
        return (place > 0.02).astype(np.float32)
    marks = [
        face.marks(kind, keep.phrase).owner > FOUND
        for kind in expand_kind(keep.what)
        if kind in LEARNT_KINDS or (kind == "other" and keep.phrase)
    ]
    return (np.any(marks, axis=0) & (place > 0.02)).astype(np.float32) if marks else place * 0


def _wins(face: FaceAnalysis, edit: Edit, keep: Keep) -> bool:
    """Whether an edit overrules a keep: the same kind, named at a narrower place."""
    if keep.what not in (edit.what, "everything"):
        return False
    narrow, wide = face.place(edit.where, edit.side), face.place(keep.where, keep.side)
    return float(narrow.sum()) < 0.9 * float(wide.sum()) and keep.what == edit.what


def _withheld(face: FaceAnalysis, keeps: list[Keep], edit: Edit) -> np.ndarray:
    """How much of an edit is withheld at each pixel, 0..1, softly around what is kept."""
    held = np.zeros_like(face.skin)
    for keep in keeps:
        if not _wins(face, edit, keep):
            held = np.maximum(held, compose.soften(keep_area(face, keep)))
    return held


def protected(face: FaceAnalysis, keep: Keep, edits: list[Edit]) -> np.ndarray:
    """The part of a keep that no edit overrules: there the photo's own values stay."""
    area = keep_area(face, keep)
    for edit in edits:
        if _wins(face, edit, keep):
            area = area * (face.place(edit.where, edit.side) < 0.5)
    return area
