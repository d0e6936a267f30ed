"""A user's memory in words: what, where, how much, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vision.errors import FreckleError
from vision.vocabulary import default_region

if TYPE_CHECKING:
    from memory.observation import Observation, Preference


def describe(user: str, preferences: Sequence[Preference]) -> Iterator[str]:
    """One line for each preference, or one that says that there is none."""
    if not preferences:
        yield f"Nothing is remembered about {user}."
    for one in preferences:
        what = (one.phrase if one.kind == "other" and one.phrase else one.kind).replace("_", " ")
        where = " ".join(filter(None, (one.side, one.region))).replace("_", " ")
        where += f" in {one.photos}" if one.framing else ""
        if one.polarity == "shift":
            wish = f"shift by {one.amount:+g}:"
        else:
            wish = "keep" if one.strength is None else f"reduce to {one.strength:g}:"
        yield f"{wish} {what} ({where}), because {one.reason}"


def list_events(user: str, seen: Sequence[Observation]) -> Iterator[str]:
    """One line for each event behind what is remembered, the newest first."""
    if not seen:
        yield f"Nothing of that is remembered about {user}."
    for one in seen:
        where = " ".join(filter(None, (one.side, one.region))).replace("_", " ")
        number = "" if one.polarity == "keep" else f" {one.value:g}"
        photo = ", ".join(one.scene.tags) if one.scene else "any photo"
        yield (
            f"{one.time:%Y-%m-%d} {one.source}: {one.polarity}{number} {one.phrase or one.kind}"
            + (f" ({where}) in: {photo}")
        )


def rule(what: str, where: str | None, strength: float | None, keep: bool) -> Observation:
    """What a user says outright on the command line; raises `FreckleError` where it is no rule."""
    from pydantic import ValidationError

    from memory.observation import Observation
    from ui.messages import explain

    if keep == (strength is not None):
        raise FreckleError("give either --strength or --keep")
    wish = {"polarity": "keep"} if keep else {"polarity": "reduce", "strength": strength}
    place = {"kind": what, "region": where or default_region(what)}
    try:
        return Observation.model_validate(place | wish | {"source": "explicit"})
    except ValidationError as error:
        raise FreckleError(f"this is no rule: {explain(error)}") from None
