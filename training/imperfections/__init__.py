"""Painted imperfections with exact masks: what no public data set has.

`painters` holds one painter a kind; `mixture` draws a life-like set of them for one face. Some
kinds may also come from other faces (`lifted`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from training.imperfections import acne, colour, hair, lines, pigment, surface
from training.imperfections.base import Base, Layer
from training.imperfections.lifted import Bank
from vision.vocabulary import NETWORK_KINDS, Kind

painters = {
    "acne": acne.acne,
    "scars": surface.scars,
    "wrinkles": lines.wrinkles,
    "dark_circles": colour.dark_circles,
    "eye_bags": surface.eye_bags,
    "freckles": pigment.freckles,
    "moles": pigment.moles,
    "dark_spots": pigment.dark_spots,
    "redness": colour.redness,
    "shine": colour.shine,
    "pores": surface.pores,
    "uneven_tone": colour.uneven_tone,
    "stubble": hair.stubble,
    "yellow_teeth": colour.yellow_teeth,
}

# How often a kind is there at all, and what tends to come with what.
_CHANCE = {
    "acne": 0.32, "freckles": 0.3, "moles": 0.42, "dark_spots": 0.28, "wrinkles": 0.42,
    "dark_circles": 0.38, "redness": 0.3, "shine": 0.3, "scars": 0.2, "eye_bags": 0.25,
    "pores": 0.25, "uneven_tone": 0.2, "stubble": 0.2, "yellow_teeth": 0.6,
}  # fmt: skip
_TOGETHER = {
    ("acne", "redness"): 1.7, ("acne", "shine"): 1.4, ("dark_spots", "wrinkles"): 1.6,
    ("acne", "scars"): 1.8, ("dark_circles", "eye_bags"): 1.6, ("pores", "shine"): 1.5,
}  # fmt: skip
_CLEAN_FACES = 0.12
_LIFTED = 0.6  # of the layers of a kind that can be lifted off other faces


def mixture(
    base: Base,
    rng: np.random.Generator,
    kinds: tuple[Kind, ...] = NETWORK_KINDS,
    bank: Bank | None = None,
) -> list[Layer]:
    """Layers of a random, correlated set out of `kinds`, in their order; may be empty."""
    if rng.random() < _CLEAN_FACES:
        return []
    present: list[str] = []
    for kind in rng.permutation(kinds).tolist():
        chance = _CHANCE[kind]
        for pair, factor in _TOGETHER.items():
            if kind in pair and any(other in present for other in pair):
                chance *= factor
        if rng.random() < chance:
            present.append(kind)
    return [
        _painter(kind, rng, bank)(base, rng, float(rng.beta(1.3, 1.6)))
        for kind in kinds
        if kind in present
    ]


def _painter(
    kind: Kind, rng: np.random.Generator, bank: Bank | None
) -> Callable[[Base, np.random.Generator, float], Layer]:
    if bank is not None and bank.has(kind) and rng.random() < _LIFTED:
        return partial(bank.lay, kind)
    return painters[kind]
