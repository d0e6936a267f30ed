"""What a plan's keeps protect on one face, and which edits overrule them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vision import compose, tone_map
from vision.places import narrower
from vision.plan import Edit, Fill, Keep, same_thing
from vision.vocabulary import LEARNT_KINDS, SKIN_KINDS, expand_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vision.pipeline import FaceAnalysis

# A place's soft mask counts as inside of it from here on.
_INSIDE = 0.4


def forbidden(
    face: FaceAnalysis, edits: Sequence[Edit], keeps: Sequence[Keep], fills: Sequence[Fill] = ()
) -> np.ndarray | None:
    """(512, 512), above 0 where a keep lets nothing change."""
    if not keeps:
        return None
    return np.max([protected(face, keep, edits, fills) for keep in keeps], axis=0)


def keep_area(face: FaceAnalysis, keep: Keep) -> np.ndarray:
    """(512, 512) float32 0..1, what a keep protects: a place, a kind's marks at a place, or what is
    marked. What skin is like all over protects nothing but itself (`withheld`): who keeps the pores
    wants the pimples gone nonetheless."""
    if keep.mask is not None:
        return face.marked(keep.mask)
    if keep.what == "everything":
        return (face.place(keep.where, keep.side, whole=True) > 0.02).astype(np.float32)
    place = face.place(keep.where, keep.side)
    marks = [
        face.marks(kind, keep.phrase)
        for kind in expand_kind(keep.what)
        if kind in LEARNT_KINDS or (kind == "other" and keep.phrase)
    ]
    areas = [one.area for one in marks if one.kind not in SKIN_KINDS]
    return (np.any(areas, axis=0) & (place > 0.02)).astype(np.float32) if areas else place * 0


def wins(edit: Edit, keep: Keep) -> bool:
    """Whether an edit overrules a keep: the same thing, named at a true part of its place."""
    return same_thing(keep, edit) and narrower(edit, keep)


def withheld(face: FaceAnalysis, keeps: Sequence[Keep], edit: Edit) -> np.ndarray:
    """How much of an edit is withheld at each pixel, 0..1, softly around what is kept."""
    held = np.zeros_like(face.skin)
    for keep in keeps:
        if wins(edit, keep):
            continue
        if of_skin(face, keep):
            if kind_of(face, edit) == kind_of(face, keep):
                # All of the edit inside of the place, however little of it there is, and softly
                # outside; all of it everywhere where both places are the same.
                asked = np.maximum(face.place(edit.where, edit.side), 1e-6)
                kept = face.place(keep.where, keep.side) / asked
                held = np.maximum(held, np.minimum(kept / _INSIDE, 1))
        else:
            held = np.maximum(held, compose.soften(keep_area(face, keep)))
    return held


def of_skin(face: FaceAnalysis, keep: Keep) -> bool:
    """Whether a keep is of what skin is like all over, which holds back edits of that alone."""
    return keep.mask is None and kind_of(face, keep) in SKIN_KINDS


def kind_of(face: FaceAnalysis, thing: Edit | Keep) -> str:
    """The kind that is meant: of the user's own words the nearest one that is known."""
    own = thing.what == "other" and thing.phrase
    return face.marks("other", thing.phrase).kind if own else thing.what


def protected(
    face: FaceAnalysis, keep: Keep, edits: Sequence[Edit], fills: Sequence[Fill] = ()
) -> np.ndarray:
    """The part of a keep that no edit and no fill overrules: there the photo's own values stay."""
    area = keep_area(face, keep)
    for edit in edits:
        if wins(edit, keep):
            area = area * (face.place(edit.where, edit.side) < 0.5)
    for fill in fills:
        if keep.mask is None and fill.what == keep.what:  # one of them was pointed at
            area = area * (1 - face.marked(fill.mask))
    return area


def protected_from_tones(
    face: FaceAnalysis, keep: Keep, edits: Sequence[Edit], fills: Sequence[Fill] = ()
) -> np.ndarray:
    """The same for light and colour, without the openings. What is kept whole beyond the crop and
    has openings there is protected on the photo alone (`tone_map.kept_masks`)."""
    if keep.openings and keep.what == "everything":
        keep = replace(keep, where=tuple(set(keep.where) - set(tone_map.ON_PHOTO)))
    placed = bool(keep.where) or keep.mask is not None
    area = protected(face, keep, edits, fills) if placed else np.zeros_like(face.skin)
    for opening in keep.openings:
        if opening.face == keep.face and opening.where not in tone_map.ON_PHOTO:
            area = area * (face.regions.light(opening.where, opening.side) < 0.5)
    return area
