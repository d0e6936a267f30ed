"""What was measured of light and colour, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.state import Conversation, Toned
from agent.toning import shared
from agent.words import spot_noun
from vision.vocabulary import ToneAttribute

if TYPE_CHECKING:
    from vision.measure import ToneMeasure

# What more and less of an attribute is called, and what is measured.
_MORE: dict[ToneAttribute, tuple[str, str]] = {
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "poorer in contrast"),
    "temperature": ("warmer", "cooler"),
    "colorfulness": ("more colourful", "less colourful"),
}
_MEASURE: dict[ToneAttribute, str] = {
    "brightness": "mean lightness",
    "contrast": "spread of lightness",
    "temperature": "yellow over blue",
    "colorfulness": "colourfulness",
}
# A difference below this is said to be hardly any; all four measures reach about a hundred.
_NOTICEABLE = 0.3


def tone_changes(
    before: Conversation, tones: Sequence[tuple[Toned, ToneMeasure]], several: bool
) -> list[str]:
    """What is different of tones from before the turn, by measurement against the photo."""
    old = {toned.tone for toned in before.tones}
    new = {_key(toned) for toned, _ in tones}
    said = [_changed(toned, found, several) for toned, found in tones if toned.tone not in old]
    gone = [toned for toned in before.tones if _key(toned) not in new]
    left = [toned for toned, _ in tones]
    return said + [_gone(toned, left, several) for toned in gone]


def _gone(toned: Toned, left: Sequence[Toned], several: bool) -> str:
    what = f"the {toned.tone.attribute} of {_spot(toned, several)[0]}"
    if shared(left, toned.tone):
        return f"what was changed of {what} by itself is taken back"
    return f"{what} is no longer changed"


def tone_listing(tones: Sequence[tuple[Toned, ToneMeasure]], several: bool) -> list[str]:
    """Every tone in force, to be read after "I changed"."""
    return [
        f"the {toned.tone.attribute} of {_spot(toned, several)[0]} (amount "
        f"{toned.tone.amount:+.2f}, measured {_numbers(toned, found)}"
        + (f", your usual because {toned.reason})" if toned.reason else ")")
        for toned, found in tones
    ]


def _changed(toned: Toned, found: ToneMeasure, several: bool) -> str:
    place, plural = _spot(toned, several)
    if found.found == 0:
        return f"{place} cannot be made out in this photo, so nothing was changed there"
    if abs(found.after - found.before) < _NOTICEABLE:
        return f"the {toned.tone.attribute} of {place} has hardly changed"
    more, less = _MORE[toned.tone.attribute]
    word = more if found.after > found.before else less
    return f"{place} {'are' if plural else 'is'} {word} ({_numbers(toned, found)})"


def _numbers(toned: Toned, found: ToneMeasure) -> str:
    return f"{_MEASURE[toned.tone.attribute]} {found.before:.1f} → {found.after:.1f}"


def _spot(toned: Toned, several: bool) -> tuple[str, bool]:
    """A tone's place in words, and whether that is a plural."""
    tone = toned.tone
    named, plural = spot_noun(tone.where, tone.side)
    face = f" of face {tone.face + 1}" if several and tone.face is not None else ""
    return named + face, plural


def _key(toned: Toned) -> tuple:
    tone = toned.tone
    return tone.attribute, tone.where, tone.face, tone.side
