"""The report of one turn, exactly as the surface contract writes it (surface.md, "Report").

Edits and keeps are all that are in force after the turn, measured against the untouched photo.
`side`, and `who` as a number from the left where there are several faces, appear only where set.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from llm.commands import Command
from vision.vocabulary import Region, Side


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FaceReport(_Model):
    """A face of the photo, from the left; `box` is x, y, width, height in upright pixels."""

    box: tuple[int, int, int, int]
    in_focus: bool


class EditReport(_Model):
    """One edit: shares of the face area and severities, all in 0..1."""

    what: str
    where: tuple[Region, ...]
    side: Side | None = None
    who: int | None = None
    strength: float
    found: float
    severity_before: float
    severity_after: float
    reduction: float


class KeepReport(_Model):
    """One keep; `max_change` is the largest change of a channel value inside it: promised 0."""

    what: str
    where: tuple[Region, ...]
    side: Side | None = None
    who: int | None = None
    found: float
    max_change: int


class Seconds(_Model):
    """Time spent in this turn; `render` includes measuring."""

    parse: float = 0.0
    analyse: float = 0.0
    render: float = 0.0


class Report(_Model):
    """What one turn asked for, what it did, measured."""

    commands: tuple[Command, ...]
    faces: tuple[FaceReport, ...]
    edits: tuple[EditReport, ...]
    kept: tuple[KeepReport, ...]
    outside_max_change: int
    reply: str
    seconds: Seconds

    def to_json(self) -> dict[str, Any]:
        """The report as the contract writes it: fields that say nothing are left out."""
        return self.model_dump(mode="json", exclude_none=True)
