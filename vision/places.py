"""Which place lies inside which, by name: the logic of words, not of pixels.

The conversation needs to know that the forehead is a part of the face long before a mask exists:
"a bit less on the forehead" makes a place of its own, "remove them all" swallows narrower wishes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from vision.vocabulary import REGIONS, Region, Side

_EYES: set[Region] = {"eyes", "under_eyes", "crows_feet"}
_MOUTH: set[Region] = {"mouth", "upper_lip", "lips", "teeth"}
_T_ZONE: set[Region] = {"forehead", "between_brows", "nose", "chin"}
_REST: set[Region] = {"temples", "cheeks", "smile_lines", "jaw"}
_FACE = _EYES | _MOUTH | _T_ZONE | _REST
_NECK: set[Region] = {"neck", "ears"}
_SKIN = _FACE | _NECK
_PARTS: dict[Region, set[Region]] = {
    **{region: {region} for region in REGIONS},
    "eyes": _EYES,
    "mouth": _MOUTH,
    "t_zone": _T_ZONE,
    "face": _FACE,
    "skin": _SKIN,
    "image": set(REGIONS),
}
# On a face that looks at the camera, the subject's left is on the right of the photo.
_OWN_SIDE = {"photo_left": "right", "photo_right": "left"}


def parts(where: Iterable[Region]) -> set[Region]:
    """The smallest named places that these regions are made of."""
    return set().union(*(_PARTS[region] for region in where))


class Placed(Protocol):
    """Whatever has a place on a face: edits and keeps of a plan, a `Spot`."""

    @property
    def where(self) -> tuple[Region, ...]: ...

    @property
    def side(self) -> Side | None: ...

    @property
    def face(self) -> int: ...


@dataclass(frozen=True)
class Spot:
    """Just a place."""

    where: tuple[Region, ...]
    side: Side | None = None
    face: int = 0


def inside(outer: Placed, inner: Placed) -> bool:
    """Whether all of `inner` lies in `outer`, on the same face."""
    sided = outer.side is None or _own(outer.side) == _own(inner.side)
    return outer.face == inner.face and sided and parts(inner.where) <= parts(outer.where)


def narrower(inner: Placed, outer: Placed) -> bool:
    """Whether `inner` is a true part of `outer`."""
    return inside(outer, inner) and not inside(inner, outer)


def meet(one: Placed, other: Placed) -> bool:
    """Whether two places share anything."""
    apart = one.side and other.side and _own(one.side) != _own(other.side)
    return one.face == other.face and not apart and bool(parts(one.where) & parts(other.where))


def shared_place(one: Placed, other: Placed) -> tuple[tuple[Region, ...], Side | None]:
    """The regions and the side that two places have in common, where they `meet`."""
    common = parts(one.where) & parts(other.where)
    whole = next((p.where for p in (one, other) if parts(p.where) == common), None)
    return whole or tuple(sorted(common)), one.side or other.side


def widest(where: Iterable[Region]) -> list[Region]:
    """Regions in their order, without those that are a part of another one, or twice there."""
    regions = list(dict.fromkeys(where))
    return [one for one in regions if not any(parts((one,)) < parts((two,)) for two in regions)]


def _own(side: Side | None) -> str | None:
    return side and _OWN_SIDE.get(side, side)
