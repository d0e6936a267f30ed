"""What observations add up to for the photo at hand: pure numbers, no database.

A preference is a mean of what was observed, weighted by source (`SOURCES`), by recency (`AGEING`
per newer observation of the same place) and by how alike the photos are. What makes photos alike
differs between people: one softens close-ups, another everything black and white. So several
notions of likeness (`NOTIONS`: no scene at all, each feature of it alone, groups of features, all
together; then the best features in pairs) each make their own estimate, and the estimates are mixed
by how well each notion would have foretold the observations there are, each from all others
(leave-one-out predictive likelihood: Geisser and Eddy 1979; mixing: Yao et al. 2018, "pseudo-BMA").
One notion is that this user has no habits at all and the middling default is as good: tastes that
nothing foretells are not learnt.

What was said outright is not averaged: the newest that speaks about this kind of photo counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory.observation import Observation, Place, Polarity, Preference
from memory.scene import FEATURES, Feature, PhotoScene

SOURCES = {"explicit": 4.0, "accepted": 1.0, "corrected": 0.7, "inferred": 0.4}
AGEING = 0.95
# What is done where nothing is remembered: a strength, and the amount of a tone.
MILD = 0.5
# Features that differ by this are as good as different (a standard deviation of likeness).
NEAR: dict[Feature, float] = {
    "faces": 0.12, "size": 0.1, "key": 0.1, "contrast": 0.12, "warmth": 0.08, "side": 0.08,
    "above": 0.08, "flash": 0.25, "colour": 0.08, "softness": 0.12, "sharpness": 0.12,
    "noise": 0.12,
}  # fmt: skip
GROUPS: tuple[tuple[Feature, ...], ...] = (
    ("faces", "size"),
    ("key", "contrast", "warmth", "side", "above", "flash"),
    ("softness", "sharpness", "noise"),
    FEATURES,
)
# No habits; all photos alike; each feature; each group; the setting. Pairs of features come last.
NOTIONS = 2 + len(FEATURES) + len(GROUPS) + 1
WHOLE = NOTIONS - 2
# Of so many features that foretell best every two are tried together.
PAIRED = 4
# The first photo says little about another that is quite unlike it: mostly the middling default.
STRANGE = 0.6
# How likely somebody without habits is, before anything is known, against one with some.
HABITLESS = 1.0
# Any two photos have at least this in common, so that new kinds of photos find what is usual.
COMMON = 0.01
# Standard deviation at which an observation misses a right foretelling.
MISS = 0.28
# What people call about the same strength.
ABOUT = 0.2
# Only that many of the newest observations say which notion holds: enough to tell, quick to weigh.
TELLING = 300
# Said outright in another kind of photo, it does not speak about this one.
SPEAKS = 0.5


class Weights(NamedTuple):
    """How alike photos are and how far each notion is to be trusted.

    alike: (notions, n) likeness of each observation's photo to the one at hand, 0..1.
    trust: (notions,) adding up to 1; the first is "no habits".
    """

    alike: NDArray[np.float64]
    trust: NDArray[np.float64]


def weigh(seen: Iterable[Observation], scene: PhotoScene | None) -> tuple[Preference, ...]:
    """All preferences of one user for a photo of this scene, ordered by kind and place.

    Without a scene every photo counts alike.
    """
    ordered = sorted(seen, key=lambda one: (one.place, one.time))
    if not ordered:
        return ()
    weights = _weights(ordered, scene)
    found, at = [], 0
    for _, run in groupby(ordered, key=lambda one: one.place):
        same = list(run)
        own = Weights(weights.alike[:, at : at + len(same)], weights.trust)
        found.append(_preference(same, own, scene))
        at += len(same)
    return tuple(found)


def _preference(
    same: Sequence[Observation], weights: Weights, scene: PhotoScene | None
) -> Preference:
    """One preference from the observations of one place, oldest first."""
    said = _said_outright(same, weights)
    if said is not None:
        return _told(said, said.polarity, said.value, [said], [said], 1.0, scene)
    base = _base(same)
    values = np.array([one.value for one in same])
    kept = np.array([one.polarity == "keep" for one in same], float)
    mass = weights.alike[1:] * base
    trust = weights.trust[1:] / max(weights.trust[1:].sum(), 1e-9)
    polarity: Polarity = "keep" if trust @ _means(mass, kept) >= 0.5 else _moved(same)
    meant = (kept > 0) == (polarity == "keep")
    default = MILD if polarity == "reduce" else 0.0
    habit = float(trust @ _means(mass[:, meant], values[meant]))
    value = float(weights.trust[0] * default + (1 - weights.trust[0]) * habit)
    amount = float(trust @ mass.sum(1))
    spread = float(np.sqrt(trust @ _means(mass[:, meant], (values[meant] - habit) ** 2)))
    agreed = float(trust @ _means(mass, meant.astype(float)))
    confidence = (1 - weights.trust[0]) * amount / (amount + 1) * agreed * max(0.0, 1 - spread)
    alike = [one for one, near in zip(same, meant, strict=True) if near]
    return _told(alike[-1], polarity, value, alike, same, confidence, scene)


def _said_outright(same: Sequence[Observation], weights: Weights) -> Observation | None:
    """The newest thing said outright that speaks about this kind of photo, a rule about any."""
    trust = weights.trust[1:] / max(weights.trust[1:].sum(), 1e-9)
    likeness = trust @ weights.alike[1:]
    for one, near in zip(reversed(same), reversed(likeness), strict=True):
        if one.source == "explicit" and (one.scene is None or near >= SPEAKS):
            return one
    return None


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


def _means(mass: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(notions,) weighted means of values (n,) under masses (notions, n)."""
    return (mass @ values) / np.maximum(mass.sum(1), 1e-9)


# -- what makes photos alike ------------------------------------------------------------------


def _weights(ordered: Sequence[Observation], scene: PhotoScene | None) -> Weights:
    here = _alike(*_arrays([scene]), *_arrays([one.scene for one in ordered]))[:, 0]
    told = [one.source != "explicit" for one in ordered]
    stranger = 1 - float(here[WHOLE][told].max(initial=0.0))
    past = [one for one, counts in zip(ordered, told, strict=True) if counts]
    prior = np.full(NOTIONS, 0.5 / (NOTIONS - 2))
    prior[:2] = 0.0, 0.5
    past = sorted(past, key=lambda one: one.time)[-TELLING:]
    runs = [run for run in _runs(past) if len(run) > 1]
    if not runs:
        prior *= 1 - STRANGE * stranger
        prior[0] = STRANGE * stranger
        return Weights(here, prior)
    prior[0] = HABITLESS * stranger
    photos = {scene: at for at, scene in enumerate(dict.fromkeys(one.scene for one in past))}
    scenes = _arrays(list(photos))
    alike = _alike(*scenes, *scenes)
    missed = _missed(alike, photos, runs)
    missed[0] = sum(float(((_values(run) - _default(run)) ** 2).sum()) for run in runs)
    both = _pairs(missed)
    here = np.concatenate([here, here[both[:, 0]] * here[both[:, 1]]])
    paired = alike[both[:, 0]] * alike[both[:, 1]]
    missed = np.append(missed, _missed(paired, photos, runs))
    prior = np.append(prior, np.full(len(both), 0.25 / len(both)))
    scores = np.log(np.maximum(prior, 1e-9)) - missed / (2 * MISS**2)
    trust = np.exp(scores - scores.max())
    return Weights(here, trust / trust.sum())


def _pairs(missed: NDArray[np.float64]) -> NDArray[np.intp]:
    """(pairs, 2) notions: every two of the features that foretell best."""
    best = 2 + np.argsort(missed[2 : 2 + len(FEATURES)], kind="stable")[:PAIRED]
    return np.array(list(combinations(best, 2)))


def _arrays(scenes: Sequence[PhotoScene | None]) -> tuple[NDArray, NDArray]:
    """Features (n, 12), NaN where there is no scene, and settings (n,), "" where unknown."""
    blank = (np.nan,) * len(FEATURES)
    vectors = np.array([blank if one is None else one.vector for one in scenes], float)
    settings = np.array([(one.setting if one else None) or "" for one in scenes])
    return vectors, settings


def _alike(one: NDArray, where: NDArray, other: NDArray, there: NDArray) -> NDArray[np.float64]:
    """(notions, n, m) likeness, 0..1, of photos (n, 12) and (m, 12): of standing rules 1."""
    scale = np.array([NEAR[name] for name in FEATURES])
    apart = ((one[:, None] - other[None]) / scale) ** 2
    apart = np.moveaxis(np.nan_to_num(apart, nan=0.0), 2, 0)
    groups = [apart[[FEATURES.index(name) for name in group]].mean(0) * 2 for group in GROUPS]
    moved = (where[:, None] != there[None]) & (where[:, None] != "") & (there[None] != "")
    every = np.zeros((2, *moved.shape))
    distance = np.concatenate([every, apart, np.stack(groups), moved[None] * 4.0])
    return COMMON + (1 - COMMON) * np.exp(-distance / 2)


def _runs(past: Iterable[Observation]) -> list[list[Observation]]:
    """The observations of each place, in their order."""
    places: dict[Place, list[Observation]] = defaultdict(list)
    for one in past:
        places[one.place].append(one)
    return list(places.values())


def _values(run: Sequence[Observation]) -> NDArray[np.float64]:
    return np.array([one.value for one in run])


def _default(run: Sequence[Observation]) -> float:
    return 0.0 if run[-1].polarity == "shift" else MILD


def _missed(
    alike: NDArray[np.float64],
    photos: Mapping[PhotoScene | None, int],
    runs: Iterable[Sequence[Observation]],
) -> NDArray[np.float64]:
    """(notions,) squared error of foretelling each observation from all others of its place.

    `alike` (notions, m, m) is the likeness of the photos, which `photos` numbers.
    """
    missed = np.zeros(len(alike))
    for run in runs:
        rank = np.arange(len(run))
        base = AGEING ** np.abs(rank[:, None] - rank[None])
        base *= np.array([SOURCES[one.source] for one in run])
        np.fill_diagonal(base, 0)
        at, values = [photos[one.scene] for one in run], _values(run)
        mass = alike[:, at][:, :, at] * base
        foretold = (mass @ values) / np.maximum(mass.sum(2), 1e-9)
        missed += ((foretold - values) ** 2).sum(1)
    return missed
