"""What a user likes: learnt from what was said or accepted, recalled with the reason, forgotten.

`memory.observation` says what is stored, `memory.recall` what it adds up to. Users never see or
touch each other's memory; without a user, and while a user has paused it, nothing is learnt or
recalled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import ColumnElement, RowMapping, and_, delete, exists, func, or_, select, true
from sqlalchemy.orm import Session

from memory.observation import Observation, Place, Preference, What
from memory.recall import overview, weigh
from memory.scene import PhotoScene
from memory.store import MessageRow, ObservationRow, PausedRow, Store
from vision.errors import FreckleError
from vision.settings import Settings
from vision.vocabulary import expand_kind

__all__ = ["Again", "Observation", "Preference", "PreferenceError", "Preferences", "What"]

EXPORT_VERSION: Final = 2
MAX_NAME = 200

Weigh = Callable[[Iterable[Observation], PhotoScene | None], tuple[Preference, ...]]
_COLUMNS = [getattr(ObservationRow, name) for name in Observation.model_fields]


class PreferenceError(FreckleError):
    """A user name or an export that cannot be used, or a preference that is not there."""


class Export(BaseModel):
    """The versioned JSON of `freckle memory export`. Version 1 knew no scenes, tones or visits."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1, 2] = EXPORT_VERSION
    observations: list[Observation]


@dataclass(frozen=True)
class Again:
    """What a visit says anew: all about some kinds, or about everything (`kinds` None)."""

    visit: str
    kinds: frozenset[str] | None = None

    def said_before(self) -> ColumnElement[bool]:
        """Rows of this, but what was said outright."""
        about = ObservationRow
        kinds = true() if self.kinds is None else about.kind.in_(self.kinds)
        return and_(about.visit == self.visit, about.source != "explicit", kinds)


class Preferences:
    """The memory of every user of one database; `weigh` makes preferences of observations."""

    def __init__(self, store: Store, weigh: Weigh = weigh) -> None:
        self.store = store
        self._weigh = weigh

    @classmethod
    def load(cls, settings: Settings | None = None) -> Preferences:
        """The memory that the settings name; nothing is opened or created before it is needed."""
        return cls(Store((settings or Settings()).database_url))

    def learn(
        self, user: str | None, observations: Iterable[Observation], again: Again | None = None
    ) -> int:
        """Store observations and return how many; without a user, or while paused, none is.

        What one visit says of a place replaces what it said of it before; what it says `again`
        replaces all of that, even where nothing is left to be said.
        """
        rows = [_row(named(user), seen) for seen in observations] if user is not None else []
        if not rows and (again is None or user is None or self._blank()):
            return 0
        with self.store.writing() as session:
            if session.get(PausedRow, user) is not None:
                return 0
            outdated = [_same_visit(row) for row in rows if row.visit is not None]
            outdated += [again.said_before()] if again else []
            if outdated:
                session.execute(
                    delete(ObservationRow).where(ObservationRow.user_name == user, or_(*outdated))
                )
            session.add_all(rows)
        return len(rows)

    def _blank(self) -> bool:
        with self.store.reading() as session:
            return session is None

    def recall(
        self, user: str | None, scene: PhotoScene | None = None, visit: str | None = None
    ) -> tuple[Preference, ...]:
        """What this user's observations add up to for such a photo, ordered by kind and region.

        Without a scene every photo counts alike. Of the `visit` at hand only what was said outright
        counts: its feedback is about what was just proposed, and must not feed itself back. While
        memory is paused nothing is recalled. Raises `PreferenceError` for what is no name.
        """
        if user is None:
            return ()
        seen = self._observations(named(user), unless_paused=True)
        if visit is not None:
            seen = [one for one in seen if one.visit != visit or one.source == "explicit"]
        return self._weigh(seen, scene)

    def show(self, user: str) -> tuple[Preference, ...]:
        """All that is remembered, for people, paused or not: every item tells its `reason`, and the
        `framing` of the photos it is of where those of others are told apart."""
        return tuple(overview(self._observations(named(user))))

    def why(self, user: str, what: What) -> tuple[Observation, ...]:
        """Every observation of a kind (or of all kinds, "everything"), the newest first."""
        kinds = _kinds(what)
        seen = [one for one in self._observations(named(user)) if not kinds or one.kind in kinds]
        return tuple(sorted(seen, key=lambda one: one.time, reverse=True))

    def edit(self, user: str, rule: Observation) -> int:
        """Put one rule in place of all that is remembered of its kind at its place.

        Returns how many observations it replaced. Raises `PreferenceError` where there are none.
        """
        with self.store.reading() as session:
            if session is None:
                raise _nothing(rule)
        with self.store.writing() as session:
            gone = _delete_place(session, named(user), rule.place)
            if not gone:
                raise _nothing(rule)
            session.add(_row(user, rule))
        return gone

    def forget(self, user: str, what: What = "everything") -> int:
        """Delete all observations of a kind (or of the user), for good; returns how many.

        "everything" is all there is of this user: keeps of everything, chats, a pause. A kind may
        still be spoken of in chats, where those are kept.
        """
        name = named(user)
        with self.store.reading() as session:
            if session is None:
                return 0
        rows = ObservationRow.user_name == name
        if kinds := _kinds(what):
            rows &= ObservationRow.kind.in_(kinds)
        with self.store.writing() as session:
            gone = session.scalars(delete(ObservationRow).where(rows).returning(ObservationRow.id))
            count = len(gone.all())
            if not kinds:
                session.execute(delete(PausedRow).where(PausedRow.user_name == name))
                session.execute(delete(MessageRow).where(MessageRow.user_name == name))
        self.store.scrub()
        return count

    def forget_place(self, user: str, place: Place) -> int:
        """Delete what is remembered of one kind at one place alone; returns how much."""
        with self.store.reading() as session:
            if session is None:
                return 0
        with self.store.writing() as session:
            gone = _delete_place(session, named(user), place)
        self.store.scrub()
        return gone

    def messages(self, user: str) -> int:
        """How many messages of this user's chats are kept (`memory.history.ChatHistory`)."""
        query = select(func.count()).where(MessageRow.user_name == named(user))
        with self.store.reading() as session:
            return 0 if session is None else session.scalar(query) or 0

    def pause(self, user: str) -> None:
        """From now on learn and recall nothing of this user, until `resume`; nothing is deleted."""
        with self.store.writing() as session:
            session.merge(PausedRow(user_name=named(user)))

    def resume(self, user: str) -> None:
        """Learn and recall again."""
        if self.paused(named(user)):
            with self.store.writing() as session:
                session.execute(delete(PausedRow).where(PausedRow.user_name == user))

    def paused(self, user: str | None) -> bool:
        """Whether this user's memory is paused."""
        if user is None:
            return False
        with self.store.reading() as session:
            return session is not None and session.get(PausedRow, named(user)) is not None

    def export(self, user: str) -> dict:
        """All that is stored about a user, as JSON that `import_` reads; without the name."""
        seen = list(self._observations(named(user)))
        return Export(observations=seen).model_dump(mode="json", exclude_none=True)

    def import_(self, user: str, data: object) -> int:
        """Add the observations of an export that are not there yet; returns how many.

        Raises `PreferenceError` when `data` is not an export of a known version.
        """
        version = data.get("version") if isinstance(data, dict) else None
        if isinstance(version, int) and version > EXPORT_VERSION:
            raise PreferenceError(
                f"this export has version {version}, but only versions up to {EXPORT_VERSION} can "
                "be read: update freckle"
            )
        try:
            export = Export.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            spot = ".".join(str(part) for part in first["loc"]) or "the file"
            raise PreferenceError(
                f"this is not an export of freckle's memory ({spot}: {first['msg']}); name a file "
                "that `memory export` wrote"
            ) from None
        known = set(self._observations(named(user)))
        rows = [_row(user, seen) for seen in export.observations if seen not in known]
        if rows:
            with self.store.writing() as session:
                session.add_all(rows)
        return len(rows)

    def _observations(self, user: str, unless_paused: bool = False) -> Sequence[Observation]:
        query = select(*_COLUMNS).where(ObservationRow.user_name == user)
        if unless_paused:
            query = query.where(~exists().where(PausedRow.user_name == user))
        with self.store.reading() as session:
            if session is None:
                return []
            rows = session.execute(query.order_by(ObservationRow.id)).mappings()
            return [_observation(row) for row in rows]


def named(user: str) -> str:
    """The name, if it is one; raises `PreferenceError` otherwise."""
    if not user.strip() or len(user) > MAX_NAME:
        raise PreferenceError(f"a user name has 1 to {MAX_NAME} characters, not {len(user)}")
    try:
        user.encode()
    except UnicodeEncodeError:
        raise PreferenceError(f"the user name {user!r} is no text: write it in UTF-8") from None
    return user


def _kinds(what: What) -> tuple[str, ...]:
    """The kinds meant; none where everything is."""
    return () if what == "everything" else tuple({what, *expand_kind(what)})  # type: ignore


def _row(user: str, seen: Observation) -> ObservationRow:
    scene = None if seen.scene is None else seen.scene.model_dump(mode="json", exclude_none=True)
    return ObservationRow(user_name=user, **seen.model_dump() | {"scene": scene})


def _delete_place(session: Session, user: str, place: Place) -> int:
    about = ObservationRow
    query = select(about.id, *_COLUMNS).where(about.user_name == user, about.kind == place[0])
    ids = [
        row["id"] for row in session.execute(query).mappings() if _observation(row).place == place
    ]
    session.execute(delete(about).where(about.id.in_(ids)))
    return len(ids)


def _observation(row: RowMapping) -> Observation:
    return Observation.model_validate({name: row[name] for name in Observation.model_fields})


def _same_visit(row: ObservationRow) -> ColumnElement[bool]:
    """What this visit said before of the same place; what was said outright gives way to its like
    alone."""
    about = ObservationRow
    return and_(
        true() if row.source == "explicit" else about.source != "explicit",
        about.visit == row.visit,
        about.kind == row.kind,
        about.region == row.region,
        about.side == row.side,
        about.phrase == row.phrase,
    )


def _nothing(rule: Observation) -> PreferenceError:
    return PreferenceError(
        f"nothing is remembered about {rule.phrase or rule.kind} there (region {rule.region}): "
        "look at what is shown, or say it in a message with “always”"
    )
