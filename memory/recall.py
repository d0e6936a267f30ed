"""What observations add up to for the photo at hand: preferences, with their evidence.

What was chosen before, weighted by source (`SOURCES`) and by recency (`AGEING` per newer choice of
the same place), is turned into a foretelling by `memory.habits`. The strength proposed is the one
most probably called right; where there may be no habit at all it gives way to the middling default.

What was said outright is not averaged: the newest that speaks about this kind of photo counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory.habits import Choices, Habits, divide, habits, likeness, undivided
from memory.observation import Observation, Polarity, Preference
from memory.scene import FEATURES, PhotoScene

SOURCES = {"explicit": 4.0, "accepted": 1.0, "corrected": 0.9, "inferred": 0.5}
AGEING = 0.97
# Only that many of the newest choices of one place count: enough to tell, quick to weigh.
NEWEST = 50
# What is done where nothing is remembered: a strength, and the amount of a tone.
MILD = 0.5
# What people call about the same strength.
ABOUT = 0.2
# Any two photos have at least this in common: new kinds of photos find what is usually kept.
COMMON = 0.01
# Said outright in another kind of photo, it does not speak about this one.
SPEAKS = 0.5


class _Place(NamedTuple):
    """What was observed of one place, oldest first; (n,) each: the number of the photo, whether it
    is framed like the one at hand."""

    seen: Sequence[Observation]
    photo: NDArray[np.intp]
    framed: NDArray[np.bool_]


def weigh(seen: Iterable[Observation], scene: PhotoScene | None) -> tuple[Preference, ...]:
    """All preferences of one user for a photo of this scene, ordered by kind and place.

    Without a scene every photo counts alike.
    """
    ordered = sorted(seen, key=lambda one: (one.place, one.time))
    if not ordered:
        return ()
    numbers: dict[PhotoScene | None, int] = {}
    photo = np.array([numbers.setdefault(one.scene, len(numbers)) for one in ordered])
    framing = scene.framing if scene else None
    framed = np.array([one is not None and one.framing == framing for one in numbers])[photo]
    places, at = [], 0
    for _, run in groupby(ordered, key=lambda one: one.place):
        same = list(run)
        part = slice(at, at + len(same))
        places.append(_Place(same, photo[part], framed[part]))
        at += len(same)
    known = _habits(places, list(numbers), scene)
    return tuple(_preference(place, at, known, framing) for at, place in enumerate(places))


def overview(seen: Iterable[Observation]) -> Iterator[Preference]:
    """All preferences of one user, for people: where those of differently framed photos differ, one
    for each in place of their mean, which would be acted on in none of them."""
    seen = list(seen)
    rules = [one for one in seen if one.scene is None]
    framed = [(one.scene.framing, one) for one in seen if one.scene is not None]
    parts: dict[str | None, list[Observation]] = {None: rules}
    for framing, one in framed:
        parts.setdefault(framing, list(rules)).append(one)
    known = {
        framing: {_place_of(one): one for one in weigh(part, None)}
        for framing, part in parts.items()
    }
    for mean in weigh(seen, None):
        own = [
            replace(there[_place_of(mean)], framing=framing)
            for framing, there in known.items()
            if _place_of(mean) in there
        ]
        yield from [mean] if all(_alike(mean, other) for other in own) else own


def _place_of(one: Preference) -> tuple[object, ...]:
    return one.kind, one.region, one.side, (one.phrase or "").casefold()


def _alike(one: Preference, other: Preference) -> bool:
    numbers = ((x.strength if x.strength is not None else x.amount or 0.0) for x in (one, other))
    return one.polarity == other.polarity and abs(next(numbers) - next(numbers)) <= ABOUT


def _habits(
    places: Sequence[_Place], photos: Sequence[PhotoScene | None], scene: PhotoScene | None
) -> Habits:
    """What the choices of all places foretell; a rule that holds everywhere is none."""
    chosen = _choices(places)
    if scene is None:
        return habits(chosen, len(places), undivided(len(photos)), 0.0)
    blank = (np.nan,) * len(FEATURES)
    vectors = np.array([blank if one is None else one.vector for one in photos])
    settings = np.array([(one.setting if one else None) or "" for one in photos])
    here = np.array(scene.vector)
    stranger = 1 - float(likeness(vectors, here)[chosen.photo].max(initial=0.0))
    return habits(chosen, len(places), divide(vectors, settings, here, scene.setting), stranger)


def _choices(places: Sequence[_Place]) -> Choices:
    flat = []
    for at, place in enumerate(places):
        newest = [n for n, one in enumerate(place.seen) if not _rule(one)][-NEWEST:]
        values = np.array([_share(place.seen[n]) for n in newest])
        weight = _base([place.seen[n] for n in newest])
        flat.append((np.full(len(newest), at), place.photo[newest], values, weight))
    return Choices(*(np.concatenate(parts) for parts in zip(*flat, strict=True)))


def _preference(place: _Place, at: int, known: Habits, framing: str | None) -> Preference:
    same, near = place.seen, known.same[place.photo]
    for one, speaks in zip(reversed(same), near[::-1] >= SPEAKS, strict=True):
        if _rule(one) or (one.source == "explicit" and speaks):
            return _explicit(one, framing)
    base = _base(same)
    weight = np.maximum(near, COMMON) * base
    kept = np.array([one.polarity == "keep" for one in same])
    polarity: Polarity = "keep" if weight @ kept >= weight.sum() / 2 else _moved(same)
    meant = kept if polarity == "keep" else ~kept
    chosen, right = known.likeliest(at)
    if polarity == "shift":
        chosen = 2 * chosen - 1
    default = MILD if polarity == "reduce" else 0.0
    value = default + (1 - known.none[at]) * (chosen - default)
    confidence = (1 - known.none[at]) * right * base.sum() / (base.sum() + 1)
    return _told(place, polarity, float(value), meant, framing, float(confidence))


def _share(one: Observation) -> float:
    """The value as a share of its range: an amount is in -1..1."""
    return (one.value + 1) / 2 if one.polarity == "shift" else one.value


def _rule(one: Observation) -> bool:
    return one.source == "explicit" and one.scene is None


def _moved(same: Sequence[Observation]) -> Polarity:
    return "shift" if same[-1].polarity == "shift" else "reduce"


def _explicit(one: Observation, framing: str | None) -> Preference:
    """What was said outright, which nothing else bears upon."""
    alone = one.scene is not None and one.scene.framing == framing
    place = _Place([one], np.zeros(1, int), np.array([alone]))
    return _told(place, one.polarity, one.value, np.ones(1, bool), framing, 1.0)


def _told(
    place: _Place, polarity: Polarity, value: float, meant: NDArray[np.bool_],
    framing: str | None, confidence: float,
) -> Preference:  # fmt: skip
    """The preference with the evidence that can be counted: photos framed like this one, if any."""
    counted = place.framed
    if not (meant & counted).any():
        framing, counted = None, np.ones(len(meant), bool)
    behind = [one for one, so in zip(place.seen, meant & counted, strict=True) if so]
    near = [seen for seen in behind if polarity == "keep" or abs(seen.value - value) <= ABOUT]
    one = behind[-1]
    return Preference(
        kind=one.kind, region=one.region, side=one.side, phrase=one.phrase, polarity=polarity,
        strength=round(value, 2) if polarity == "reduce" else None,
        amount=round(value, 2) if polarity == "shift" else None,
        source=Counter(seen.source for seen in near or behind).most_common(1)[0][0],
        count=len(near), among=int(counted.sum()), framing=framing, time=(near or behind)[-1].time,
        confidence=round(confidence, 3),
    )  # fmt: skip


def _base(same: Sequence[Observation]) -> NDArray[np.float64]:
    """(n,) weight by source and recency of observations of one place, oldest first."""
    sources = np.array([SOURCES[one.source] for one in same])
    return sources * AGEING ** np.arange(len(same))[::-1]
