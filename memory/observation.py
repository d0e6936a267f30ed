"""The two words of memory: an `Observation` is one event, a `Preference` what events add up to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from memory.scene import PhotoScene
from vision.vocabulary import TONE_ATTRIBUTES, Kind, Region, Side, ToneAttribute

What = Kind | ToneAttribute | Literal["everything"]
Polarity = Literal["reduce", "keep", "shift"]
# From what weighs most to what weighs least: said outright; the result was called good; the
# strength that feedback ended at; the result was saved without a word.
Source = Literal["explicit", "accepted", "corrected", "inferred"]
Place = tuple[str, str, str, str]
_PHOTOS = {"close-up": "close-ups", "portrait": "portraits", "group": "group photos"}


class Observation(BaseModel):
    """One thing that a user said or was content with.

    `strength` (0..1; 0: left as it is) belongs to `reduce`, `amount` (-1..1) to `shift`, a tone.
    `phrase`, the user's own words, says what the kind "other" stands for. `scene` is the kind of
    photo, None for a rule that holds everywhere. Observations of one photo share the random word
    `visit`. `time` is when it was observed, in UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: What
    region: Region
    side: Side | None = None
    phrase: str | None = None
    polarity: Polarity
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    amount: Annotated[float, Field(ge=-1, le=1)] | None = None
    source: Source
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))
    scene: PhotoScene | None = None
    visit: Annotated[str, Field(max_length=32)] | None = None

    @field_validator("time")
    @classmethod
    def _in_utc(cls, time: datetime) -> datetime:
        """A moment without a zone is taken for one of UTC, as it is stored."""
        if time.tzinfo is None:
            return time.replace(tzinfo=UTC)
        try:
            return time.astimezone(UTC)
        except OverflowError:
            raise ValueError("there is no such moment") from None

    @model_validator(mode="after")
    def _numbers_fit_the_polarity(self) -> Observation:
        if (self.polarity == "reduce") != (self.strength is not None):
            raise ValueError("a reduce needs a strength, nothing else has one")
        if (self.polarity == "shift") != (self.amount is not None):
            raise ValueError("a shift needs an amount, nothing else has one")
        if (self.polarity == "shift") != (self.kind in TONE_ATTRIBUTES):
            raise ValueError("light and colour are shifted, imperfections are reduced or kept")
        if self.polarity == "reduce" and self.kind == "everything":
            raise ValueError("only a keep can be of everything")
        return self

    @property
    def place(self) -> Place:
        """What the observation is about: observations of one place add up to one preference."""
        phrase = (self.phrase or "").casefold() if self.kind == "other" else ""
        return self.kind, self.region, self.side or "", phrase

    @property
    def value(self) -> float:
        """Strength or amount as a number; a keep is a strength of 0."""
        return self.strength or self.amount or 0.0


@dataclass(frozen=True)
class Preference:
    """What is remembered of one kind at one place for one kind of photo, and why.

    `strength` belongs to a reduce, `amount` to a shift. `count` of `among` observations stand
    behind it, all of photos framed as `framing` (None: of any); the newest is from `time`.
    `confidence` is in 0..1: little where few photos, none like this one, or contradictory ones
    speak.
    """

    kind: What
    region: Region
    side: Side | None
    phrase: str | None
    polarity: Polarity
    strength: float | None
    amount: float | None
    source: Source
    count: int
    among: int
    framing: str | None
    time: datetime
    confidence: float

    @property
    def photos(self) -> str:
        """The photos that it is of: "close-ups", or just "photos"."""
        return _PHOTOS.get(self.framing or "", "photos")

    @property
    def reason(self) -> str:
        """Why it is remembered, to be read after "because": "you asked for that on 3 May 2026",
        "you were happy with about that in 5 of 6 close-ups"."""
        day = f"{self.time.day} {self.time:%B %Y}"
        if self.source == "explicit" and self.count:
            return f"you asked for that on {day}"
        did = {
            "explicit": "asked for that",
            "accepted": "asked for that"
            if self.polarity == "keep"
            else "were happy with about that",
            "corrected": "left it alone"
            if self.polarity == "keep"
            else "corrected it to about that",
            "inferred": "saved it so" if self.polarity == "keep" else "saved it about like that",
        }[self.source]
        photos = self.photos
        if not self.count:
            many = (
                f"one of your {photos} suggests"
                if self.among == 1
                else (f"your choices in {self.among} {photos} suggest")
            )
            return f"that is what {many}"
        if self.among == 1:
            return f"you {did} on {day}"
        return f"you {did} in {self.count} of {self.among} {photos}"
