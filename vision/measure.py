"""What a turn really did, measured on the result: reductions, kept areas, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import cast

import cv2
import numpy as np

from vision import compose, engine, identity
from vision.changes import face_change
from vision.fill import coverage
from vision.keeping import (
    kind_of,
    of_skin,
    protected,
    protected_from_tones,
    wins,
    withheld,
)
from vision.marked import unpack
from vision.photo import Photo
from vision.pipeline import SEVERE, Analysis, FaceAnalysis, Rendering
from vision.plan import Edit, Keep, Plan
from vision.tone_map import ToneMeasure, blocks, kept_masks, on_photo
from vision.vocabulary import NETWORK_KINDS, SKIN_KINDS, Kind

# An edit is judged where at least this much of it is let through.
IN_FORCE = 0.9


@dataclass(frozen=True)
class EditMeasure:
    """One edit: `found` is the share of the face area, severities are 0..1 over the found area,
    `reduction` is 1 - after / before (negative when it got worse, 0 when nothing was found).

    Severities leave out what a keep or a later edit holds back, unless that is all there is; what
    is taken for another mark afterwards counts as left. Those of kinds that are `all_over` the skin
    follow the strength too little to aim by."""

    found: float
    severity_before: float
    severity_after: float
    reduction: float
    all_over: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class FillMeasure(EditMeasure):
    """One fill. The severities are the mean size, as a share of full scale, of the change that
    filling makes: in the photo, and in the result if it were filled once more. `kept` is the share
    of the marked pixels that keeps hold back."""

    kept: float


@dataclass(frozen=True)
class KeepMeasure:
    """One keep: `found` share of the face area that it protects, and the largest change of any
    channel value inside it, in the photo's own depth. A keep of `SKIN_KINDS`, which are all over
    the skin, holds back edits of them alone: `max_change` is what those would do there."""

    found: float
    max_change: int


@dataclass(frozen=True)
class Measurement:
    """In the order of the plan's edits, keeps, fills and tones; `outside_max_change` is over all
    pixels outside of the edited areas. `identity` is the likeness to themselves (`vision.identity`,
    at most 1) of the faces that edits and fills change, by their number."""

    edits: tuple[EditMeasure, ...]
    kept: tuple[KeepMeasure, ...]
    outside_max_change: int
    fills: tuple[FillMeasure, ...] = ()
    tones: tuple[ToneMeasure, ...] = ()
    identity: Mapping[int, float] = field(default_factory=dict)


def measure(analysis: Analysis, plan: Plan, rendering: Rendering) -> Measurement:
    """Run the detector on the result and compare it with the photo, pixel by pixel."""
    before, after = analysis.photo, rendering.photo
    crops = {
        number: analysis.faces[number].alignment.crop(after.srgb8())
        for number in sorted({e.face for e in plan.edits} | {fill.face for fill in plan.fills})
    }
    seen: dict[tuple, engine.Found] = {}
    edits = tuple(
        _edit(analysis.faces[e.face], n, plan, crops[e.face], seen)
        for n, e in enumerate(plan.edits)
    )
    kept = tuple(_keep(analysis, k, plan, after) for k in plan.keeps)
    outside = _largest_change(before.pixels, after.pixels, ~rendering.touched)
    tones = tuple(analysis.stage.measure(tone, after) for tone in plan.tones)
    fills = _fills(analysis, plan, rendering, crops)
    same = {
        number: identity.likeness(analysis.faces[number].identity, identity.embed(crop))
        for number, crop in crops.items()
    }
    return Measurement(edits, kept, outside, fills, tones, same)


def _edit(face: FaceAnalysis, number: int, plan: Plan, crop: np.ndarray, seen: dict) -> EditMeasure:
    """`crop` is the face in the result; what is found on it is kept in `seen`."""
    edit = plan.edits[number]
    marks = face.marks(edit.what, edit.phrase)
    area = marks.area & (face.place(edit.where, edit.side) > 0.5)
    if not area.any():
        return EditMeasure(0.0, 0.0, 0.0, 0.0)
    before = face.found_for(edit.what, edit.phrase)
    key = (id(face), id(before))
    if key not in seen:
        seen[key] = before.by.detect(crop, face.surfaces, before.words)
    found = seen[key]
    owner = found.owners[NETWORK_KINDS.index(marks.kind)]
    if marks.kind not in SKIN_KINDS:
        owner = owner + _renamed(before, found, marks.kind)
    severity = np.clip(owner * found.amplitude / SEVERE, 0, 1)
    # Where another wish holds the edit back it has not fallen short of its own.
    own = area & (_in_force(face, number, plan) > IN_FORCE)
    judged = own if own.any() else area
    start, end = float(marks.severity[judged].mean()), float(severity[judged].mean())
    return EditMeasure(
        face.share(area), start, end, 1 - end / max(start, 1e-6),
        all_over=marks.kind in SKIN_KINDS,
    )  # fmt: skip


def _renamed(before: engine.Found, after: engine.Found, kind: str) -> np.ndarray:
    """(512, 512) float32 0..1, how much more of each pixel other kinds of marks own than before:
    what is taken for another kind once it is weaker has not gone."""
    others = [n for n, k in enumerate(NETWORK_KINDS) if k not in (kind, *SKIN_KINDS)]
    more = after.owners[others].sum(axis=0) - before.owners[others].sum(axis=0)
    return np.clip(more, 0, 1)


def _in_force(face: FaceAnalysis, number: int, plan: Plan) -> np.ndarray:
    """(512, 512) float32 0..1, how much of an edit, by its number in the plan, keeps and later
    edits of the same marks let through."""
    edit = plan.edits[number]
    keeps = [keep for keep in plan.keeps if keep.face == edit.face]
    free = 1 - withheld(face, keeps, edit)
    mark = face.marks(edit.what, edit.phrase).kind
    for later in plan.edits[number + 1 :]:
        if later.face == edit.face and face.marks(later.what, later.phrase).kind == mark:
            free *= 1 - face.place(later.where, later.side) * (1 - withheld(face, keeps, later))
    return free


def _fills(
    analysis: Analysis, plan: Plan, rendering: Rendering, crops: Mapping[int, np.ndarray]
) -> tuple[FillMeasure, ...]:
    """What a user marks may be anything, so its distance to the person's skin is told in full, not
    up to `SEVERE`, at which marks of the skin count as 1."""
    left: dict[int, np.ndarray] = {}
    measures = []
    for fill in plan.fills:
        face = analysis.faces[fill.face]
        filling = face.filling(tuple(other for other in plan.fills if other.face == fill.face))
        if fill.face not in left:
            left[fill.face] = face.network.fill(crops[fill.face], face.surfaces, filling.marked)
        marked = unpack(fill.mask)
        weight = coverage(face.alignment, marked)
        start, end = (
            float(np.average(np.abs(change).mean(axis=2), weights=weight))
            for change in (filling.change, left[fill.face])
        )
        share = face.share(weight)
        kept = 1 - float(rendering.touched[marked].mean())
        measures.append(FillMeasure(share, start, end, 1 - end / max(start, 1e-6), kept))
    return tuple(measures)


def _keep(analysis: Analysis, keep: Keep, plan: Plan, after: Photo) -> KeepMeasure:
    face = analysis.faces[keep.face]
    edits = [edit for edit in plan.edits if edit.face == keep.face]
    if of_skin(face, keep):
        return _keep_of_skin(face, keep, edits)
    fills = [fill for fill in plan.fills if fill.face == keep.face]
    area = (protected_from_tones if plan.tones else protected)(face, keep, edits, fills)
    change = _change_inside(face, area, after.pixels)
    if plan.tones:
        change = max(change, _change_on_photo(analysis, keep, after))
    return KeepMeasure(face.share(area), change)


def _keep_of_skin(face: FaceAnalysis, keep: Keep, edits: list[Edit]) -> KeepMeasure:
    place = face.place(keep.where, keep.side) > 0.5
    for edit in edits:
        if wins(edit, keep):
            place = place & (face.place(edit.where, edit.side) < 0.02)
    own = [edit for edit in edits if kind_of(face, edit) == kind_of(face, keep)]
    shown = face.marks(cast("Kind", keep.what), keep.phrase).area & place
    if not own:
        return KeepMeasure(face.share(shown), 0)
    pixels = face.photo.pixels.copy()
    change = face_change(face, own, [keep])
    compose.write(face.photo, face.alignment, change, pixels, np.zeros(pixels.shape[:2], bool))
    return KeepMeasure(face.share(shown), _change_inside(face, place, pixels))


def _change_inside(face: FaceAnalysis, area: np.ndarray, after: np.ndarray) -> int:
    """The largest change of the photo's pixels to `after` inside an area (512, 512) of the crop."""
    before = face.photo.pixels
    height, width = before.shape[:2]
    x0, y0, x1, y1 = bounds = face.alignment.bounds(height, width)
    inside = face.alignment.to_photo(area.astype(np.float32), (height, width), bounds) > 0.5
    block = np.s_[y0:y1, x0:x1]
    return _largest_change(before[block], after[block], inside)


def _change_on_photo(analysis: Analysis, keep: Keep, after: Photo) -> int:
    """The largest change in a place that reaches beyond the face's crop, where tones do, too."""
    before, stage = analysis.photo, analysis.stage
    most = 0
    if not on_photo(keep):
        return 0
    for block in blocks(stage.everywhere):
        rows = np.s_[block[1] : block[3]]
        was = before.pixels[rows]
        for mask in kept_masks(stage, [keep], block, before.to_srgb(was)):
            most = max(most, _largest_change(was, after.pixels[rows], mask > 0.5))
    return most


def _largest_change(before: np.ndarray, after: np.ndarray, where: np.ndarray) -> int:
    """Largest absolute difference of any channel (H, W, C) where a mask (H, W) is true."""
    channels = cv2.split(cv2.absdiff(before, after))
    return int(cv2.minMaxLoc(reduce(cv2.max, channels), where.astype(np.uint8))[1])
