"""From the edits and fills of one face to its gates and its change, in crop space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vision import compose, engine
from vision.engine import FOUND
from vision.grain import borrowed_grain
from vision.keeping import forbidden, withheld
from vision.plan import Edit, Fill, Keep
from vision.vocabulary import FINE_KINDS, NETWORK_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vision.pipeline import FaceAnalysis

# Marks that belong to the person, each a dot in the skin. (Stubble is a texture, too, and is seen
# on many a chin without any: left out, it would leave holes around the mouth.)
DOTS = ("freckles", "moles")
_DOTS = [NETWORK_KINDS.index(kind) for kind in DOTS]
PORES = NETWORK_KINDS.index("pores")


def face_change(
    face: FaceAnalysis, edits: Sequence[Edit], keeps: Sequence[Keep]
) -> compose.CropChange:
    """Gates, change and forbidden area of one face in crop space."""
    change = np.zeros((*face.skin.shape, 3), np.float32)
    gate, fine, rough = (np.zeros_like(face.skin) for _ in range(3))
    # What skin is like all over comes last, and has the room that marks leave.
    every = _strengths(face, edits, keeps)
    every.sort(key=lambda one: one[0].by is not face.network)
    for found, wanted in every:
        asked = tuple(np.flatnonzero(wanted.strengths.any(axis=(1, 2))).tolist())
        if not asked:
            continue
        healing = face.healing(found, asked)
        gates, shares = _worked(wanted.of(asked), healing)
        room = 1 - gate  # what one detection healed is not healed again by another
        if found.by is not face.network:
            room = room * (1 - _spared(face, [one for _, one in every]))
        change += room[..., None] * (shares[..., None] * healing.changes).sum(axis=0)
        is_fine = [NETWORK_KINDS[k] in FINE_KINDS for k in asked]
        fine += room * np.minimum(gates[is_fine].sum(axis=0), 1)
        gate += room * np.minimum(gates.sum(axis=0), 1)
        if PORES in asked:
            # Of a pixel that shows them pores own a part only; of its grain they are all.
            at = asked.index(PORES)
            wished = np.minimum(gates[at] / FOUND, wanted.strengths[PORES])
            rough = np.maximum(rough, room * wished)
    fine = np.maximum(fine, rough)
    shut = forbidden(face, edits, keeps)
    return compose.CropChange(gate, change, shut, fine, face.grain, rough if rough.any() else None)


def _spared(face: FaceAnalysis, every: Sequence[_Wanted]) -> np.ndarray:
    """(512, 512) float32 0..1, where freckles and moles are, as far as nobody asks them away: who
    wants an even skin does not ask for the freckles on it."""
    asked = np.max([wanted.strengths[_DOTS] for wanted in every], axis=0)
    return np.clip((face.detected.owners[_DOTS] * (1 - asked)).max(axis=0) / FOUND, 0, 1)


@dataclass(frozen=True)
class _Wanted:
    """Per channel and pixel, (K, 512, 512): strength, and with how much effort."""

    strengths: np.ndarray
    efforts: np.ndarray

    def of(self, channels: tuple[int, ...]) -> _Wanted:
        return _Wanted(self.strengths[list(channels)], self.efforts[list(channels)])


def _worked(wanted: _Wanted, healing: engine.Healing) -> tuple[np.ndarray, np.ndarray]:
    """Gates (A, 512, 512), and the shares of the healing's changes that go with them.

    Every round of effort takes the same share of what the last one left; together, kinds never
    take more of a pixel than there is.
    """
    gates = wanted.strengths * healing.gates
    if (wanted.efforts == 1).all():
        return gates, wanted.strengths
    gates = 1 - (1 - gates) ** wanted.efforts
    gates /= np.maximum(gates.sum(axis=0), 1)
    return gates, gates / np.maximum(healing.gates, compose.CLOSED)


def fill_change(
    face: FaceAnalysis, fills: tuple[Fill, ...], edits: Sequence[Edit], keeps: Sequence[Keep]
) -> compose.CropChange:
    """What fills do to one face, in crop space; of it, only the pixels they mark are meant.

    Of what lay there nothing stays; the finest detail is borrowed from clean skin.
    """
    filling = face.filling(fills, edits, keeps)
    marked, change = filling.marked, filling.change
    clean = face.clean & (marked == 0)
    grain = borrowed_grain(face.photo, face.alignment, face.crop, clean)
    shut = forbidden(face, edits, keeps, fills)
    return compose.CropChange(marked, change, shut, marked, grain)


def _strengths(
    face: FaceAnalysis, edits: Sequence[Edit], keeps: Sequence[Keep]
) -> list[tuple[engine.Found, _Wanted]]:
    """How strongly each channel is edited, per detection that answers to the words.

    In order: of one kind, a later edit wins where two overlap.
    """
    asked: dict[int, tuple[engine.Found, _Wanted]] = {}
    for edit in edits:
        found = face.found_for(edit.what, edit.phrase)
        nothing = np.zeros_like(found.owners)
        _, own = asked.setdefault(id(found), (found, _Wanted(nothing, nothing + 1)))
        channel = NETWORK_KINDS.index(face.marks(edit.what, edit.phrase).kind)
        place = face.place(edit.where, edit.side)
        allowed = place * (1 - withheld(face, keeps, edit))
        own.efforts[channel] += place * (edit.effort - own.efforts[channel])
        for _, wanted in asked.values():
            strength = edit.strength if wanted is own else 0.0
            wanted.strengths[channel] += allowed * (strength - wanted.strengths[channel])
    return list(asked.values())
