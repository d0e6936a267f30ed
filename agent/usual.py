"""What memory fills in where the user left it open: the strengths of `auto` and of plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm.commands import Auto, Reduce
from llm.words import find_numbers, split
from memory.observation import Preference
from memory.recall import MILD
from vision.errors import FreckleError
from vision.places import Spot, inside, narrower, parts
from vision.plan import Edit
from vision.vocabulary import PERMANENT_KINDS, SKIN_KINDS, Kind, default_region

# What is known with less confidence than this is not acted on.
TRUSTED = 0.02
# Weaker edits are none.
LEAST = 0.05
_MEASURED = re.compile(r"\d|\bhal(f|ve)|\bpercent|\bmedium|\bmoderate", re.IGNORECASE)


def leaves_open(text: str) -> bool:
    """Whether a message gives no strength in numbers, so that plain words ("soften") mean the
    usual one. Words of degree need no check: they set another strength than plain words do."""
    return not _spelt(text) and _MEASURED.search(text) is None


def _spelt(text: str) -> bool:
    """Whether a number in words says `MILD` ("fifty percent")."""
    try:
        forms = split(text).forms
    except FreckleError:  # longer than the built-in model reads; others read on
        return False
    return any(one.value == MILD and not one.plain for one in find_numbers(forms))


def of_plain_words(wish: Reduce, edit: Edit, usual: Sequence[Preference]) -> Preference | None:
    """What the user likes of an edit asked for in plain words, there or at the closest place
    around; None where the words say how much."""
    if wish.strength != MILD or wish.always:
        return None
    around = [
        (Spot((one.region,), one.side, edit.face), one)
        for one in usual
        if one.polarity == "reduce" and one.kind == edit.what and one.strength
        and (edit.what != "other" or one.phrase == edit.phrase)
    ]  # fmt: skip
    known = [(spot, one) for spot, one in around if inside(spot, edit)]
    return min(known, key=lambda one: len(parts(one[0].where)))[1] if known else None


def of_auto(
    wish: Auto, kind: Kind, face: int, usual: Sequence[Preference]
) -> Iterator[tuple[Edit, str | None]]:
    """A kind at the user's usual strengths and why, the widest place first; mild where nothing is
    remembered, but for a permanent kind and what skin is like all over. The words of `auto` scale
    them."""
    where = tuple(wish.where) if wish.where != ["face"] else (default_region(kind),)
    asked = Spot(where, wish.side, face)
    known = [
        (Spot((one.region,), one.side, face), one)
        for one in usual
        if one.kind == kind and one.polarity == "reduce"
    ]
    known.sort(key=lambda one: -len(parts(one[0].where)))
    around = [one for spot, one in known if inside(spot, asked)]
    # A rule about one mark of a permanent kind is none about the others; and what skin is like all
    # over is left as it is unless somebody wished otherwise.
    everywhere = around or kind not in (*PERMANENT_KINDS, *SKIN_KINDS)
    chosen = [(asked, around[-1] if around else None)] if everywhere else []
    chosen += [(spot, one) for spot, one in known if narrower(spot, asked)]
    for spot, one in chosen:
        strength = MILD if one is None or one.strength is None else one.strength
        scaled = round(min(strength * wish.strength / MILD, 1.0), 4)
        scaled = scaled if scaled >= LEAST else 0.0
        yield Edit(kind, spot.where, scaled, face, spot.side), one.reason if one else None
