"""What is found, on the photo: where each kind is, and which mark lies at a point."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vision.marked import Mask
from vision.pipeline import Analysis, FaceAnalysis
from vision.vocabulary import FINE_KINDS, LEARNT_KINDS, SKIN_KINDS, Kind, default_region

# A finger or a mouse misses by this much, in crop pixels.
_REACH = 6
# A mark is kept or filled with so much of the skin around it, in crop pixels.
_RIM = 3


@dataclass(frozen=True, eq=False)
class Spot:
    """One mark: its kind, the face it is on, and (H, W) bool, the pixels of the photo it covers."""

    kind: Kind
    face: int
    mask: Mask


def spread(analysis: Analysis, kind: Kind, face: int) -> Mask:
    """(H, W) bool, where a face of the photo shows a kind at its usual place."""
    one = analysis.faces[face]
    return _on_photo(one, _owned(one, kind).astype(np.float32))


def spot_at(analysis: Analysis, x: float, y: float) -> Spot | None:
    """The mark at, or closest to, a point of the upright photo, None where there is none.

    Small marks beat broad ones that they lie on: who clicks on a mole does not mean the flush.
    What skin is like all over is no mark.
    """
    for index, face in enumerate(analysis.faces):
        at = face.alignment.points_to_crop(np.array([[x, y]], np.float32))[0]
        marks = [kind for kind in LEARNT_KINDS if kind not in SKIN_KINDS]
        small = [kind for kind in marks if kind in FINE_KINDS]
        for kinds in (small, [kind for kind in marks if kind not in FINE_KINDS]):
            hits = [hit for kind in kinds if (hit := _hit(face, kind, at)) is not None]
            if hits:
                _, kind, part = min(hits, key=lambda hit: hit[0])
                size = 2 * _RIM + 1
                grown = cv2.dilate(part.astype(np.uint8), np.ones((size, size), np.uint8))
                return Spot(kind, index, _on_photo(face, grown.astype(np.float32)))
    return None


def _hit(face: FaceAnalysis, kind: Kind, at: np.ndarray) -> tuple[float, Kind, np.ndarray] | None:
    """Distance, kind and connected part (512, 512) of the kind's mark that is closest to a point of
    the crop, if one is in reach."""
    owned = _owned(face, kind)
    ys, xs = np.nonzero(owned)
    if not len(ys):
        return None
    away = np.hypot(xs - at[0], ys - at[1])
    closest = int(away.argmin())
    if away[closest] > _REACH:
        return None
    _, labels = cv2.connectedComponents(owned.astype(np.uint8))
    return float(away[closest]), kind, labels == labels[ys[closest], xs[closest]]


def _owned(face: FaceAnalysis, kind: Kind) -> np.ndarray:
    """(512, 512) bool."""
    place = face.place((default_region(kind),))
    return face.marks(kind).area & (place > 0.5)


def _on_photo(face: FaceAnalysis, crop_mask: np.ndarray) -> Mask:
    height, width = face.photo.pixels.shape[:2]
    return face.alignment.to_photo(crop_mask, (height, width)) > 0.5
