"""Kinds, places and wishes in plain English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from llm import commands as say
from vision.vocabulary import TONE_ATTRIBUTES, Region, Side, default_region

_PLACES: dict[Region, str] = {
    "face": "on the face", "skin": "on the skin", "forehead": "on the forehead",
    "between_brows": "between the brows", "temples": "on the temples", "eyes": "around the eyes",
    "under_eyes": "under the eyes", "crows_feet": "at the corners of the eyes",
    "nose": "on the nose", "cheeks": "on the cheeks", "smile_lines": "along the smile lines",
    "upper_lip": "on the upper lip", "lips": "on the lips", "mouth": "around the mouth",
    "chin": "on the chin", "jaw": "along the jaw", "ears": "on the ears", "neck": "on the neck",
    "teeth": "on the teeth", "hair": "in the hair", "t_zone": "in the T-zone",
    "background": "in the background", "image": "in the whole photo",
}  # fmt: skip
_NOUNS: dict[Region, str] = {
    "between_brows": "the skin between the brows", "under_eyes": "the skin under the eyes",
    "crows_feet": "the skin at the corners of the eyes", "mouth": "the skin around the mouth",
    "t_zone": "the T-zone", "image": "the whole photo",
}  # fmt: skip
_PLURAL: set[Region] = {"temples", "eyes", "cheeks", "smile_lines", "lips", "ears", "teeth"}
_SIDES: dict[Side, str] = {
    "left": "the subject's left", "right": "the subject's right",
    "photo_left": "left in the photo", "photo_right": "right in the photo",
}  # fmt: skip
_SINGULAR = {"acne", "redness", "shine", "uneven_tone", "stubble", "everything", "last"}


def noun(what: str) -> str:
    """ "the dark circles", "everything"; a phrase in the user's own words is quoted."""
    if what in ("everything", "last"):
        return {"everything": "everything", "last": "the last edit"}[what]
    return f"the {bare(what)}"


def plain(what: str) -> str:
    """ "dark circles": a kind without an article, or what the user called it."""
    return what.replace("_", " ")


def bare(what: str) -> str:
    """The same without the user's own article, to be read after "no" or "the"."""
    return re.sub(r"^(the|an?|any|some) ", "", plain(what), flags=re.IGNORECASE)


def are(what: str) -> str:
    return "is" if what in _SINGULAR else "are"


def were(what: str) -> str:
    return "was" if what in _SINGULAR else "were"


def place(what: str, where: Sequence[Region], side: Side | None = None) -> str:
    """ " on the forehead (the subject's left)": empty where it goes without saying."""
    usual = "image" if what in TONE_ATTRIBUTES else default_region(what)
    if not where or (tuple(where) == (usual,) and side is None):
        return ""
    named = listed(_PLACES[region] for region in where)
    return f" {named}" + (f" ({_SIDES[side]})" if side else "")


def spot_noun(region: Region, side: Side | None = None) -> tuple[str, bool]:
    """ "the background", "the cheeks (the subject's left)", and whether that is a plural."""
    named = _NOUNS.get(region, f"the {plain(region)}")
    return named + (f" ({_SIDES[side]})" if side else ""), region in _PLURAL


def listed(items: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"; an item said twice is said once."""
    *most, last = dict.fromkeys(items)
    return f"{', '.join(most)} and {last}" if most else last


def percent(share: float) -> str:
    return f"{share:.0%}"


def sentence(text: str) -> str:
    """The text with a capital letter in front and a full stop, question mark or so behind."""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")


def wish(command: say.Command) -> str:
    """What a command asks for, to be read after "Did you mean to"."""
    who = getattr(command, "who", None)
    if who is None:
        return _wish(command)
    return f"{_wish(command)} ({f'face {who}' if isinstance(who, int) else plain(who)})"


def _wish(command: say.Command) -> str:
    match command:
        case say.Reduce():
            what = noun(command.phrase or command.what if command.what == "other" else command.what)
            spot = place(command.what, command.where, command.side)
            return f"reduce {what}{spot} by {percent(command.strength)}"
        case say.Keep() | say.Allow() | say.Restore():
            verb = {"keep": "keep", "allow": "let me change", "restore": "bring back"}[command.do]
            spot = place(command.what, command.where, command.side)
            return f"{verb} {noun(command.what)}{spot}"
        case say.Adjust():
            spot = place(command.what, command.where, command.side)
            more = "strengthen" if command.delta > 0 else "weaken"
            return f"{more} the edit of {noun(command.what)}{spot} by {percent(abs(command.delta))}"
        case say.Tone():
            spot = place(command.attribute, command.where, command.side)
            more = "raise" if command.amount > 0 else "lower"
            return f"{more} the {command.attribute}{spot} by {percent(abs(command.amount))}"
        case say.Auto():
            return "retouch whatever I find"
        case say.Forget():
            return f"forget what I remember about {noun(command.what)}"
        case say.Unsupported():
            return f"do “{command.phrase}”"
        case _:
            return {"chat": "just talk", "help": "get help"}.get(command.do, command.do)
