"""What observations add up to for the photo at hand: preferences, with their evidence.

What was chosen before, weighted by source (`SOURCES`) and by recency (`AGEING` per newer choice of
the same place), is turned into a foretelling by `memory.habits`. The strength proposed is the one
most probably called right; where there may be no habit at all it gives way to the middling default.

What was said outright is not averaged: the newest that speaks about this kind of photo counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

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


def weigh(seen: Iterable[Observation], scene: PhotoScene | None) -> tuple[Preference, ...]:
    """All preferences of one user for a photo of this scene, ordered by kind and place.

    Without a scene every photo counts alike.
    """
    ordered = sorted(seen, key=lambda one: (one.place, one.time))
    runs = [list(run) for _, run in groupby(ordered, key=lambda one: one.place)]
    if not runs:
        return ()
    photos = {one: at for at, one in enumerate(dict.fromkeys(one.scene for one in ordered))}
    known = _habits(runs, photos, scene)
    return tuple(
        _preference(same, at, known, known.same[[photos[one.scene] for one in same]], scene)
        for at, same in enumerate(runs)
    )


def _habits(
    runs: Sequence[Sequence[Observation]], photos: dict[PhotoScene | None, int],
    scene: PhotoScene | None,
) -> Habits:  # fmt: skip
    """What the choices of all places foretell; what was said outright is none."""
    counted = [[one for one in run if one.source != "explicit"][-NEWEST:] for run in runs]
    places = np.repeat(np.arange(len(runs)), [len(run) for run in counted])
    flat = [one for run in counted for one in run]
    weight = np.concatenate([_base(run) for run in counted])
    at = np.array([photos[one.scene] for one in flat], int)
    chosen = Choices(places, at, np.array([one.value for one in flat]), weight)
    if scene is None:
        return habits(chosen, len(runs), undivided(len(photos)), 0.0)
    blank = (np.nan,) * len(FEATURES)
    vectors = np.array([blank if one is None else one.vector for one in photos])
    settings = np.array([(one.setting if one else None) or "" for one in photos])
    here = np.array(scene.vector)
    stranger = 1 - float(likeness(vectors, here)[at].max(initial=0.0))
    return habits(chosen, len(runs), divide(vectors, settings, here, scene.setting), stranger)


def _preference(
    same: Sequence[Observation], place: int, known: Habits, near: NDArray[np.float64],
    scene: PhotoScene | None,
) -> Preference:  # fmt: skip
    """One preference from the observations of one place, oldest first; `near`: how probably each
    was of the same kind of photo."""
    for one, speaks in zip(reversed(same), near[::-1] >= SPEAKS, strict=True):
        if one.source == "explicit" and (one.scene is None or speaks):
            return _told(one, one.polarity, one.value, [one], [one], 1.0, scene)
    base = _base(same)
    weight = np.maximum(near, COMMON) * base
    kept = np.array([one.polarity == "keep" for one in same])
    polarity: Polarity = "keep" if weight @ kept >= weight.sum() / 2 else _moved(same)
    meant = [one for one in same if (one.polarity == "keep") == (polarity == "keep")]
    chosen, right = known.likeliest(place, -1.0 if polarity == "shift" else 0.0)
    default = MILD if polarity == "reduce" else 0.0
    value = default + (1 - known.none[place]) * (chosen - default)
    confidence = (1 - known.none[place]) * right * base.sum() / (base.sum() + 1)
    return _told(meant[-1], polarity, float(value), meant, same, float(confidence), scene)


def _moved(same: Sequence[Observation]) -> Polarity:
    return "shift" if same[-1].polarity == "shift" else "reduce"


def _told(
    one: Observation, polarity: Polarity, value: float, alike: Sequence[Observation],
    same: Sequence[Observation], confidence: float, scene: PhotoScene | None,
) -> Preference:  # fmt: skip
    """The preference with the evidence that can be counted: photos framed like this one, if any."""
    framing = scene.framing if scene else None
    if not any(_framed(seen, framing) for seen in alike):
        framing = None
    among = [seen for seen in same if framing is None or _framed(seen, framing)]
    behind = [seen for seen in alike if framing is None or _framed(seen, framing)]
    near = [seen for seen in behind if polarity == "keep" or abs(seen.value - value) <= ABOUT]
    source = one.source
    if confidence < 1:
        source = Counter(seen.source for seen in behind).most_common(1)[0][0]
    return Preference(
        kind=one.kind, region=one.region, side=one.side, phrase=one.phrase, polarity=polarity,
        strength=round(value, 2) if polarity == "reduce" else None,
        amount=round(value, 2) if polarity == "shift" else None,
        source=source, count=len(near), among=len(among), framing=framing, time=behind[-1].time,
        confidence=round(float(confidence), 3),
    )  # fmt: skip


def _framed(seen: Observation, framing: str | None) -> bool:
    return seen.scene is not None and seen.scene.framing == framing


def _base(same: Sequence[Observation]) -> NDArray[np.float64]:
    """(n,) weight by source and recency of observations of one place, oldest first."""
    sources = np.array([SOURCES[one.source] for one in same])
    return sources * AGEING ** np.arange(len(same))[::-1]
