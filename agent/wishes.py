"""The wishes of one message before they meet the conversation: their order, their names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from agent.places import parts
from llm.commands import Adjust, Allow, Auto, Keep, Reduce, Restore, Tone
from vision import plan
from vision.vocabulary import Kind

Wish = Reduce | Keep | Allow | Adjust | Restore | Tone | Auto


def in_force_order(wishes: Sequence[Wish], last: int) -> list[tuple[int, Wish]]:
    """Keeps first, for they bind the whole message; of neighbouring reduces the wider first, so
    that the more specific is laid over it. Serials tell the user's own order."""
    numbered = list(enumerate(wishes, last + 1))
    ordered = [item for item in numbered if isinstance(item[1], Keep)]
    rest = (item for item in numbered if not isinstance(item[1], Keep))
    for _, run in groupby(rest, key=lambda item: item[1].do):
        ordered += sorted(run, key=_width, reverse=True)
    return ordered


def _width(item: tuple[int, Wish]) -> int:
    """How wide the place of a reduce is; other wishes keep their order."""
    return len(parts(item[1].where)) if isinstance(item[1], Reduce) else 0


def own_words(kind: Kind, phrase: str | None) -> str | None:
    """Only a kind without a name needs the user's words."""
    return phrase if kind == "other" else None


def name(edit: plan.Edit, said: str | None = None) -> str:
    return edit.phrase or said or edit.what


def in_range(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)
