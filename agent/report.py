"""The report of one turn, exactly as the surface contract writes it (surface.md, "Report").

Edits and keeps are all that are in force after the turn, measured against the untouched photo.
`side`, and `who` as a number from the left where there are several faces, appear only where set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from agent.scene import Box
from llm.commands import Command
from vision.vocabulary import Region, Side, ToneAttribute

if TYPE_CHECKING:
    from agent.desk import Result
    from vision.measure import EditMeasure, Measurement
    from vision.plan import Plan


# What a fill is called: it has no kind and no words of its own.
MARKED_AREA = "marked area"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FaceReport(_Model):
    """A face of the photo, from the left; `box` is x, y, width, height in upright pixels."""

    box: tuple[int, int, int, int]
    in_focus: bool


class EditReport(_Model):
    """One edit: shares of the face area and severities, all in 0..1.

    `phrase` is what one that is "other" is called. Of a marked area the severities are distances
    to the person's skin, as shares of full scale, not the detector's (`vision.measure`).
    """

    what: str
    phrase: str | None = None
    where: tuple[Region, ...]
    side: Side | None = None
    who: int | None = None
    strength: float
    found: float
    severity_before: float
    severity_after: float
    reduction: float


class ToneReport(_Model):
    """One tone: `strength` is its amount in -1..1, `found` its place's share of the photo, and its
    attribute there in the photo and in the result, in the units of `vision.tone`."""

    what: ToneAttribute
    where: tuple[Region, ...]
    side: Side | None = None
    who: int | None = None
    strength: float
    found: float
    before: float
    after: float


class KeepReport(_Model):
    """One keep; `max_change` is the largest change of a channel value inside it: promised 0. One
    that the user marked is of "everything" in the "marked area" that `phrase` names."""

    what: str
    phrase: str | None = None
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
    edits: tuple[EditReport | ToneReport, ...]
    kept: tuple[KeepReport, ...]
    outside_max_change: int
    reply: str
    seconds: Seconds

    def to_json(self) -> dict[str, Any]:
        """The report as the contract writes it: fields that say nothing are left out."""
        return self.model_dump(mode="json", exclude_none=True)


def turn_report(
    commands: Sequence[Command],
    faces: Sequence[Box],
    focus: Sequence[int],
    result: Result,
    text: str,
    parse: float,
    spent: Mapping[str, float],
) -> Report:
    """The report of a turn that ended with a result, answered in a text; `parse` and `spent` are
    seconds."""
    several = len(faces) > 1
    plan, measured = result.plan, result.measurement
    return Report(
        commands=tuple(commands),
        faces=tuple(
            FaceReport(box=_whole(box), in_focus=index in focus) for index, box in enumerate(faces)
        ),
        edits=(*edit_reports(plan, measured, several), *tone_reports(plan, measured, several)),
        kept=keep_reports(plan, measured, several),
        outside_max_change=measured.outside_max_change,
        reply=text,
        seconds=Seconds(parse=round(parse, 4), **rounded(spent, 4)),
    )


def edit_reports(plan: Plan, measured: Measurement, several: bool) -> tuple[EditReport, ...]:
    """What is edited, then what is filled; `several`: there is more than one face."""
    edits = [
        EditReport(
            what=edit.what, phrase=edit.phrase, where=edit.where, side=edit.side,
            who=edit.face + 1 if several else None, strength=edit.strength,
            **_numbers(measure),
        )
        for edit, measure in zip(plan.edits, measured.edits, strict=True)
        if edit.strength > 0
    ]  # fmt: skip
    fills = [
        EditReport(
            what="other", phrase=MARKED_AREA, where=("image",),
            who=fill.face + 1 if several else None, strength=1.0,
            **_numbers(measure),
        )
        for fill, measure in zip(plan.fills, measured.fills, strict=True)
    ]  # fmt: skip
    return (*edits, *fills)


def tone_reports(plan: Plan, measured: Measurement, several: bool) -> tuple[ToneReport, ...]:
    """Light and colour."""
    return tuple(
        ToneReport(
            what=tone.attribute, where=(tone.where,), side=tone.side,
            who=tone.face + 1 if several and tone.face is not None else None,
            strength=tone.amount, **rounded(vars(measure)),
        )
        for tone, measure in zip(plan.tones, measured.tones, strict=True)
    )  # fmt: skip


def keep_reports(plan: Plan, measured: Measurement, several: bool) -> tuple[KeepReport, ...]:
    """What is kept."""
    return tuple(
        KeepReport(
            what=keep.what, phrase=keep.phrase or (MARKED_AREA if keep.mask is not None else None),
            where=keep.where or ("image",), side=keep.side,
            who=keep.face + 1 if several else None,
            found=round(measure.found, 5), max_change=measure.max_change,
        )
        for keep, measure in zip(plan.keeps, measured.kept, strict=True)
    )  # fmt: skip


def _numbers(measure: EditMeasure) -> dict[str, float]:
    names = ("found", "severity_before", "severity_after", "reduction")
    return rounded({name: getattr(measure, name) for name in names})


def rounded(values: Mapping[str, float], digits: int = 5) -> dict[str, float]:
    """The numbers with so many digits after the point."""
    return {name: round(value, digits) for name, value in values.items()}


def _whole(box: Box) -> tuple[int, int, int, int]:
    x, y, width, height = (round(value) for value in box)
    return x, y, width, height
