"""Tones of a conversation: amounts add up, feedback changes them, memory proposes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

from agent.state import Held, Toned
from agent.usual import LEAST
from llm.commands import Auto
from memory.observation import Preference
from memory.recall import MILD
from vision.places import Spot, inside, meet, parts, shared_place
from vision.plan import Keep, Opening, Tone
from vision.vocabulary import FACELESS, Region, ToneAttribute

# Regions whose light is not that of a place they lie in by name (`Regions.light`): the eyes are
# what is between the lids, and skin is bare skin.
_APART: dict[Region, tuple[Region, ...]] = {
    "eyes": ("under_eyes", "crows_feet"),
    "skin": ("eyes", "lips", "teeth"),
}


def add_tone(tones: Sequence[Toned], new: Tone, serial: int, offset: bool = False) -> list[Toned]:
    """Add an amount to what is there of its attribute at its place; one that comes to 0 is gone.
    Only what nobody asked for by itself is an `offset`."""
    there = next((toned for toned in tones if _place(toned.tone) == _place(new)), None)
    before = there.tone.amount if there else 0.0
    offset = offset and (there is None or there.offset)
    amount = round(min(max(before + new.amount, -1.0), 1.0), 4)
    if amount == before:
        return list(tones)
    rest = [toned for toned in tones if toned is not there]
    return [*rest, Toned(replace(new, amount=amount), serial, offset=offset)] if amount else rest


def lit(where: Sequence[Region]) -> list[Region]:
    """Regions that are to get light, each once: where one lies in another, amounts would add up."""
    regions = list(dict.fromkeys(where))
    return [
        one
        for one in regions
        if all(one in _APART.get(two, ()) for two in regions if parts((one,)) < parts((two,)))
    ]


def change_tones(
    tones: Sequence[Toned],
    meant: Sequence[Toned],
    spoken: Spot | None,
    change: Callable[[float], float],
    serial: int,
) -> list[Toned]:
    """Make the `meant` tones weaker or stronger by a change of their size (0..1), never of sign.

    Of one that lies beyond the place spoken, too, only that place changes: what is to go there is
    taken off by an offset. A place without regions is that of each tone, on its side. What changes
    at a place is the tone with its offsets there; an offset goes with the last tone around it.
    """
    after = list(tones)
    wide = [toned for toned in meant if not toned.offset]
    for toned in meant:
        tone, offset = toned.tone, toned.offset
        if offset and any(inside(*_spots(other, tone)) for other in shared(wide, tone)):
            continue
        parts = [tone]
        if spoken is not None:
            face = spoken.face if tone.face is None else tone.face
            here = Spot(spoken.where or (tone.where,), spoken.side, face)
            place = toned.spot(face)
            if not meet(here, place):
                continue
            if not inside(here, place):
                where, side = shared_place(here, place)
                offset = True
                parts = [_part(tone, region, Spot(where, side, face)) for region in where]
        for part in parts:
            now = _with_offsets(tones, toned, part) if offset else tone.amount
            # Of an offset that takes all away, the tone that it is taken from tells the direction.
            sign = now or (-tone.amount if toned.offset else tone.amount)
            step = _sized(now, sign, change) - now
            after = add_tone(after, replace(part, amount=step), serial, offset)
    around = [toned.tone for toned in after if not toned.offset]
    return [toned for toned in after if not toned.offset or _lies_in(toned, around)]


def _with_offsets(tones: Sequence[Toned], toned: Toned, part: Tone) -> float:
    """What feedback at a part of a tone's place is about: that tone there, or, where it is on an
    offset, all that is there."""
    if toned.offset:
        return total(tones, part)
    offsets = [one for one in tones if one.offset]
    return round(min(max(toned.tone.amount + total(offsets, part), -1.0), 1.0), 4)


def _lies_in(offset: Toned, around: Sequence[Tone]) -> bool:
    tone = offset.tone
    return any(
        inside(*_spots(Toned(one, 0), tone)) for one in around if one.attribute == tone.attribute
    )


def total(tones: Sequence[Toned], tone: Tone) -> float:
    """All there is of a tone's attribute at its place, -1..1: its own amount and wider ones."""
    amounts = [toned.tone.amount for toned in shared(tones, tone) if inside(*_spots(toned, tone))]
    return round(min(max(sum(amounts), -1.0), 1.0), 4)


def usual_tones(
    wish: Auto,
    faces: Sequence[int],
    usual: Sequence[Preference],
    tones: Sequence[Toned],
    keeps: Sequence[Held],
) -> Iterator[tuple[Tone, str]]:
    """The tones that this user likes where `auto` may act, the widest place first, and why.

    What is remembered of a place is its `total`, so that a narrower one only adds what the wider
    ones leave missing. A place that shares anything with a tone said outright is not left to
    taste, and one that is kept stays. The words of `auto` scale the amounts.
    """
    said = [toned for toned in tones if not toned.proposed]
    known = [one for one in usual if one.polarity == "shift" and one.amount is not None]
    known.sort(key=lambda one: (-len(parts((one.region,))), one.side is not None))
    made: list[Toned] = []
    for one in known:
        for face in _reached(wish, faces, one):
            whole = round(min(max((one.amount or 0) * wish.strength / MILD, -1.0), 1.0), 4)
            tone = Tone(cast("ToneAttribute", one.kind), one.region, whole, face, one.side)
            if kept_whole(keeps, tone) or shared(said, tone):
                continue
            amount = round(min(max(whole - total(made, tone), -1.0), 1.0), 4)
            around = all(inside(*_spots(toned, tone)) for toned in shared(made, tone))
            if abs(amount) >= LEAST and around:
                made.append(Toned(replace(tone, amount=amount), 0))
                yield made[-1].tone, one.reason


def set_tone(tones: Sequence[Toned], new: Toned) -> list[Toned]:
    """Put a tone in the place of what is there of its attribute."""
    return [*(toned for toned in tones if _place(toned.tone) != _place(new.tone)), new]


def _reached(wish: Auto, faces: Sequence[int], one: Preference) -> Sequence[int | None]:
    """The faces whose part is meant by `auto`, None for the photo's own places; somebody's name or
    a part of the face leaves those out."""
    asked = tuple(wish.where)
    anywhere = asked == ("face",) and wish.side is None
    if one.region in FACELESS:
        return (None,) if faces and anywhere and wish.who in (None, "everyone") else ()
    spot = Spot((one.region,), one.side)
    return faces if anywhere or inside(Spot(asked, wish.side), spot) else ()


def shared(tones: Sequence[Toned], tone: Tone) -> list[Toned]:
    """Those that change the same attribute somewhere in a tone's place."""
    return [
        toned
        for toned in tones
        if toned.tone.attribute == tone.attribute and meet(*_spots(toned, tone))
    ]


def _spots(toned: Toned, tone: Tone) -> tuple[Spot, Spot]:
    """Both places; one that is no face's own is seen from the other's face."""
    face = tone.face if tone.face is not None else toned.tone.face or 0
    return toned.spot(face), Toned(tone, 0).spot(face)


def _part(tone: Tone, region: Region, spot: Spot) -> Tone:
    face = None if region in FACELESS else spot.face
    return replace(tone, where=region, face=face, side=spot.side)


def kept_whole(keeps: Sequence[Held], tone: Tone) -> list[Held]:
    """The keeps of everything that all of a tone's place lies in."""
    return [
        held
        for held in keeps
        if held.keep.what == "everything" and inside(held.keep, _seen_from(held.keep, tone))
    ]


def same_place(keep: Keep, tone: Tone) -> bool:
    """Whether a keep lies in a tone's place."""
    return inside(_seen_from(keep, tone), keep)


def opened(keep: Keep, tone: Tone) -> Keep | None:
    """A keep that lets a tone inside it be: without the regions that are the tone's own, with an
    opening where a wider one holds it; None where nothing is left to keep."""
    place = _seen_from(keep, tone)
    left = tuple(
        region for region in keep.where if not inside(place, replace(keep, where=(region,)))
    )
    rest = replace(keep, where=left)
    if left and inside(rest, place):
        opening = Opening(tone.where, tone.face, tone.side)
        rest = replace(rest, openings=tuple(dict.fromkeys((*rest.openings, opening))))
    return rest if left else None


def _seen_from(keep: Keep, tone: Tone) -> Spot:
    """A tone's place on the face of a keep, where one of both is of no face."""
    anywhere = tone.face is None or "image" in keep.where
    return Spot((tone.where,), tone.side, keep.face if anywhere else tone.face or 0)


def _sized(amount: float, sign: float, change: Callable[[float], float]) -> float:
    size = min(max(change(abs(amount)), 0.0), 1.0)
    return size if sign > 0 else -size


def _place(tone: Tone) -> tuple:
    return tone.attribute, tone.where, tone.face, tone.side
