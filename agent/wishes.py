"""The wishes of one message before they meet the conversation: their order, their names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from llm.commands import Adjust, Allow, Auto, Keep, Reduce, Restore, Tone
from vision import plan
from vision.places import parts
from vision.vocabulary import Kind

Wish = Reduce | Keep | Allow | Adjust | Restore | Tone | Auto


def in_force_order(wishes: Sequence[Wish], last: int) -> list[tuple[int, Wish]]:
    """Keeps first, for they bind the whole message; of reduces the wider first, so that the more
    specific is laid over it, unless feedback between them is about what was done so far. Serials
    tell the user's own order."""
    numbered = list(enumerate(wishes, last + 1))
    ordered = [item for item in numbered if isinstance(item[1], Keep)]
    rest = (item for item in numbered if not isinstance(item[1], Keep))
    for _, run in groupby(rest, key=lambda item: isinstance(item[1], Adjust | Restore)):
        some = list(run)
        reduces = (item for item in some if isinstance(item[1], Reduce))
        wider = iter(sorted(reduces, key=_width, reverse=True))
        ordered += [next(wider) if isinstance(item[1], Reduce) else item for item in some]
    return ordered


def _width(item: tuple[int, Wish]) -> int:
    return len(parts(item[1].where))


def own_words(kind: Kind, phrase: str | None) -> str | None:
    """Only a kind without a name needs the user's words."""
    return phrase if kind == "other" else None


def name(edit: plan.Edit, said: str | None = None) -> str:
    return edit.phrase or said or edit.what


def in_range(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)
