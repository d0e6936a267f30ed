"""Tones of a conversation: amounts add up, feedback changes them by what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from agent.places import Spot, inside, narrower
from agent.state import Held, Toned
from vision.plan import Tone
from vision.vocabulary import FACELESS, Region


def add_tone(tones: Sequence[Toned], new: Tone, serial: int) -> list[Toned]:
    """Add an amount to what is there of its attribute at its place; one that comes to 0 is gone."""
    there = next((toned for toned in tones if _place(toned.tone) == _place(new)), None)
    before = there.tone.amount if there else 0.0
    amount = round(min(max(before + new.amount, -1.0), 1.0), 4)
    if amount == before:
        return list(tones)
    rest = [toned for toned in tones if toned is not there]
    return [*rest, Toned(replace(new, amount=amount), serial)] if amount else rest


def change_tones(
    tones: Sequence[Toned],
    meant: Sequence[Toned],
    spoken: Spot | None,
    change: Callable[[float], float],
    serial: int,
) -> list[Toned]:
    """Make the `meant` tones weaker or stronger by a change of their size (0..1), never of sign.

    Of one that is wider than the place spoken, only that place changes: what is to go there is
    taken off by a tone of its own.
    """
    after = list(tones)
    for toned in meant:
        tone = toned.tone
        parts = [tone]
        if spoken is not None:
            here = replace(spoken, face=spoken.face if tone.face is None else tone.face)
            place = toned.spot(here.face)
            if narrower(here, place):
                parts = [_part(tone, region, here) for region in here.where]
            elif not inside(here, place):
                continue
        step = _sized(tone, change) - tone.amount
        for part in parts:
            after = add_tone(after, replace(part, amount=step), serial)
    return after


def _part(tone: Tone, region: Region, spot: Spot) -> Tone:
    face = None if region in FACELESS else spot.face
    return replace(tone, where=region, face=face, side=spot.side)


def kept_whole(keeps: Sequence[Held], tone: Tone) -> bool:
    """Whether all of a tone's place is kept as it is."""
    toned = Toned(tone, 0)
    return any(
        held.keep.what == "everything" and inside(held.keep, toned.spot(held.keep.face))
        for held in keeps
    )


def _sized(tone: Tone, change: Callable[[float], float]) -> float:
    size = min(max(change(abs(tone.amount)), 0.0), 1.0)
    return size if tone.amount > 0 else -size


def _place(tone: Tone) -> tuple:
    return tone.attribute, tone.where, tone.face, tone.side
