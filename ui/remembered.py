"""A user's memory in words: what, where, how much, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memory.preferences import Preference


def describe(user: str, preferences: Sequence[Preference]) -> Iterator[str]:
    """One line for each preference, or one that says that there is none."""
    if not preferences:
        yield f"Nothing is remembered about {user}."
    for one in preferences:
        what = (one.phrase if one.kind == "other" and one.phrase else one.kind).replace("_", " ")
        where = " ".join(filter(None, (one.side, one.region))).replace("_", " ")
        wish = "keep" if one.strength is None else f"reduce to {one.strength:g}:"
        yield f"{wish} {what} ({where}), because {one.reason}"
