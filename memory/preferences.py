"""What a user likes: learned from what was said or accepted, recalled with the reason, forgotten.

An `Observation` is one event ("kept freckles, said outright, on Tuesday"); a `Preference` is what
all observations of one kind at one place add up to. Something said outright beats whatever was
merely accepted, and the newest of it counts. Accepted strengths are averaged, newer ones counting
more. Users never see or touch each other's memory; without a user nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import delete, select

from memory.store import ObservationRow, Store
from vision.errors import FreckleError
from vision.settings import Settings
from vision.vocabulary import Kind, Region, Side, expand_kind

EXPORT_VERSION: Final = 1
# What an accepted observation weighs against the next newer one of the same kind and place.
AGEING = 0.7
MAX_NAME = 200

What = Kind | Literal["everything"]
Polarity = Literal["reduce", "keep"]
Source = Literal["explicit", "accepted"]


class PreferenceError(FreckleError):
    """A user name or an export that cannot be used."""


class Observation(BaseModel):
    """One thing that a user said outright ("explicit") or was happy with ("accepted").

    `strength` (0..1) belongs to `reduce` alone. `phrase`, the user's own words, says what the kind
    "other" stands for. `time` is when it was observed, in UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: What
    region: Region
    side: Side | None = None
    phrase: str | None = None
    polarity: Polarity
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    source: Source
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @model_validator(mode="after")
    def _strength_belongs_to_reduce(self) -> Observation:
        if (self.polarity == "reduce") != (self.strength is not None):
            raise ValueError("a reduce needs a strength, a keep has none")
        if self.polarity == "reduce" and self.kind == "everything":
            raise ValueError("only a keep can be of everything")
        return self

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What the observation is about: observations of one place add up to one preference."""
        phrase = (self.phrase or "").casefold() if self.kind == "other" else ""
        return self.kind, self.region, self.side or "", phrase


class Export(BaseModel):
    """The versioned JSON of `freckle memory export`."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = EXPORT_VERSION
    observations: list[Observation]


@dataclass(frozen=True)
class Preference:
    """What is remembered of one kind at one place, and why.

    `strength` is None for a keep. `count` observations stand behind it, the newest from `time`.
    """

    kind: What
    region: Region
    side: Side | None
    phrase: str | None
    polarity: Polarity
    strength: float | None
    source: Source
    count: int
    time: datetime

    @property
    def reason(self) -> str:
        """Why it is remembered, to be read after "because": "you asked for that on 3 May 2026"."""
        day = f"{self.time.day} {self.time:%B %Y}"
        if self.source == "explicit":
            return f"you asked for that on {day}"
        times = "" if self.count == 1 else f"{self.count} times, last "
        return f"you were happy with it {times}on {day}"


class Preferences:
    """The memory of every user of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def load(cls, settings: Settings | None = None) -> Preferences:
        """The memory that the settings name; nothing is opened or created before it is needed."""
        return cls(Store((settings or Settings()).database_url))

    def learn(self, user: str | None, observations: Iterable[Observation]) -> int:
        """Store observations and return how many; without a user none is."""
        rows = [_row(_named(user), seen) for seen in observations] if user is not None else []
        if rows:
            with self._store.writing() as session:
                session.add_all(rows)
        return len(rows)

    def recall(self, user: str | None) -> tuple[Preference, ...]:
        """What this user's observations add up to, ordered by kind and region."""
        if user is None:
            return ()
        seen = sorted(self._observations(user), key=lambda one: one.place)
        return tuple(
            _weigh(sorted(same, key=lambda one: one.time))
            for _, same in groupby(seen, key=lambda one: one.place)
        )

    def show(self, user: str) -> tuple[Preference, ...]:
        """The same as `recall`, for people: every item tells its `reason`."""
        return self.recall(_named(user))

    def forget(self, user: str, what: What = "everything") -> int:
        """Delete all that is stored about a kind (or about the user), for good; returns how much.

        "everything" is the whole memory of this user, keeps of everything included.
        """
        name = _named(user)
        with self._store.reading() as session:
            if session is None:
                return 0
        rows = ObservationRow.user_name == name
        if what != "everything":
            rows &= ObservationRow.kind.in_({what, *expand_kind(what)})
        with self._store.writing() as session:
            gone = len(
                session.scalars(
                    delete(ObservationRow).where(rows).returning(ObservationRow.id)
                ).all()
            )
        self._store.scrub()
        return gone

    def export(self, user: str) -> dict:
        """All that is stored about a user, as JSON that `import_` reads; without the name."""
        seen = list(self._observations(_named(user)))
        return Export(observations=seen).model_dump(mode="json", exclude_none=True)

    def import_(self, user: str, data: object) -> int:
        """Add the observations of an export that are not there yet; returns how many.

        Raises `PreferenceError` when `data` is not an export of this version.
        """
        if isinstance(data, dict) and data.get("version") not in (None, EXPORT_VERSION):
            raise PreferenceError(
                f"this export has version {data['version']}, but only {EXPORT_VERSION} can be read"
            )
        try:
            export = Export.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            spot = ".".join(str(part) for part in first["loc"]) or "the file"
            raise PreferenceError(
                f"this is not an export of freckle's memory ({spot}: {first['msg']})"
            ) from None
        known = set(self._observations(_named(user)))
        return self.learn(user, [seen for seen in export.observations if seen not in known])

    def _observations(self, user: str) -> Sequence[Observation]:
        query = select(ObservationRow).where(ObservationRow.user_name == user)
        with self._store.reading() as session:
            if session is None:
                return []
            return [_observation(row) for row in session.scalars(query.order_by(ObservationRow.id))]


def _named(user: str) -> str:
    if not user.strip() or len(user) > MAX_NAME:
        raise PreferenceError(f"a user name has 1 to {MAX_NAME} characters, not {len(user)}")
    return user


def _row(user: str, seen: Observation) -> ObservationRow:
    return ObservationRow(user_name=user, **seen.model_dump())


def _observation(row: ObservationRow) -> Observation:
    return Observation.model_validate(
        {name: getattr(row, name) for name in Observation.model_fields}
    )


def _weigh(seen: Sequence[Observation]) -> Preference:
    """One preference from the observations of one place, oldest first."""
    said = [one for one in seen if one.source == "explicit"]
    counted = said[-1:] or list(seen)
    weights = [AGEING**age for age in reversed(range(len(counted)))]
    kept = sum(w for w, one in zip(weights, counted, strict=True) if one.polarity == "keep")
    polarity: Polarity = "keep" if kept * 2 >= sum(weights) else "reduce"
    chosen = [(w, o) for w, o in zip(weights, counted, strict=True) if o.polarity == polarity]
    strength = None
    if polarity == "reduce":
        total = sum(weight * (one.strength or 0.0) for weight, one in chosen)
        strength = round(total / sum(weight for weight, _ in chosen), 3)
    last = chosen[-1][1]
    return Preference(
        kind=last.kind, region=last.region, side=last.side, phrase=last.phrase,
        polarity=polarity, strength=strength, source=last.source, count=len(chosen), time=last.time,
    )  # fmt: skip
