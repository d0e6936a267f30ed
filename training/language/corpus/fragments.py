"""Fragments written by people: phrases by kind, region, side, strength and intent.

Every `author_*.json` of ../fragments has the same keys; lists of several authors are joined.
`frames.json` holds the sentence frames of this package's own modules. What a kind's
phrase says about a place ("crow's feet", "the bags under my eyes") is found by `implied_region`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from llm.sequences import Spoken
from llm.words import find_numbers, split
from vision.vocabulary import Region

FOLDER = Path(__file__).parents[1] / "fragments"

# Kinds of line that name a region too (commands.md, "what").
_LINES: tuple[tuple[str, Region], ...] = (
    (r"crow'?s[ -]?f|outer (eye )?corner|beside (my|the|her|his) eyes|canthal", "crows_feet"),
    (r"frown|glabel|\beleven|\b11s|between (my|the|her|his) (eye)?brows", "between_brows"),
    (r"smile|laugh|nasolab|parenthes", "smile_lines"),
    (r"forehead|brow line", "forehead"),
    (r"smoker|lip line|barcode|above (my|the) lip", "upper_lip"),
    (r"marionette", "mouth"),
    (r"bunny", "nose"),
    (r"\bneck|tech[- ]neck|turkey", "neck"),
)
_PLACES: tuple[tuple[str, Region], ...] = (
    (r"\bforehead", "forehead"),
    (r"\bnose\b|nostril", "nose"),
    (r"\bcheek", "cheeks"),
    (r"\bchin\b", "chin"),
    (r"\bneck\b", "neck"),
    (r"\bjaw", "jaw"),
    (r"t[ -]?zone", "t_zone"),
    (r"\blips?\b", "lips"),
    (r"\btemple", "temples"),
    (r"\bears?\b", "ears"),
)
_PREPOSITIONS = re.compile(
    r" (on|under|from|in|beneath|below|around|along|between|across|of|at|near|above|with) "
)


@cache
def load() -> dict[str, Any]:
    """All authors' fragments as one tree of lists, in the order of the files' names."""
    merged: dict[str, Any] = {}
    for file in sorted(FOLDER.glob("*.json")):
        _join(merged, json.loads(file.read_text()))
    return merged


def _join(into: dict[str, Any], tree: dict[str, Any]) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            _join(into.setdefault(key, {}), value)
        else:
            into.setdefault(key, []).extend(value)


@cache
def implied_region(kind: str, phrase: str) -> Region | None:
    """The region that a kind's own phrase names, if it names one that is not the kind's default."""
    if kind in ("dark_circles", "eye_bags", "yellow_teeth", "other"):
        return None
    rules = (*_LINES, *_PLACES) if kind == "wrinkles" else _PLACES
    for pattern, region in rules:
        if re.search(pattern, phrase.lower()):
            return region
    if re.search(r"under[- ]?(my |the |her |his )?eye", phrase.lower()):
        return "under_eyes"
    return None


@cache
def takes_place(kind: str, phrase: str) -> bool:
    """Whether "on the nose" may follow: not after phrases that hold a place already."""
    return implied_region(kind, phrase) is None and not _PREPOSITIONS.search(phrase)


DETERMINER = re.compile(
    r"^(the|my|his|her|their|our|those|these|that|this|all those|all the|all of my|all my|some|"
    r"any|a|an) (?=\w)",
    re.IGNORECASE,
)


@cache
def said(template: str, value: float) -> float:
    """`value`, as a spoken number where the template itself speaks it ("10% less")."""
    numbers = find_numbers(split(template).forms)
    spoken = any(abs(number.value - abs(value)) < 5e-3 for number in numbers)
    return Spoken(value) if spoken else value


@cache
def bare(phrase: str) -> str:
    """A noun phrase without its determiner: "the big spot" is "big spot"."""
    return DETERMINER.sub("", phrase)
