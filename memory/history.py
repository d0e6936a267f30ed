"""Conversations and preferences of one user, as langchain-core knows such things.

Both live in the database of `memory.store` and are gone after "forget everything".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langchain_core.stores import BaseStore
from sqlalchemy import delete, select

from memory.observation import Preference
from memory.preferences import Observation, PreferenceError, Preferences, named
from memory.scene import PhotoScene
from memory.store import MessageRow, Store


class ChatHistory(BaseChatMessageHistory):
    """The messages of one conversation (`visit`, any name) of one user, oldest first.

    Every message is stored as it is handed over: keep file names out of them.
    """

    def __init__(self, store: Store, user: str, visit: str) -> None:
        self._store, self._user, self._visit = store, named(user), visit

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        query = select(MessageRow.message).where(self._mine).order_by(MessageRow.id)
        with self._store.reading() as session:
            return [] if session is None else messages_from_dict(list(session.scalars(query)))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store some messages at once: all of them, or none."""
        with self._store.writing() as session:
            session.add_all(
                MessageRow(
                    user_name=self._user, visit=self._visit, message=message_to_dict(message)
                )
                for message in messages
            )

    def clear(self) -> None:
        """Delete this conversation for good."""
        with self._store.reading() as session:
            if session is None:
                return
        with self._store.writing() as session:
            session.execute(delete(MessageRow).where(self._mine))
        self._store.scrub()

    @property
    def _mine(self) -> Any:
        return (MessageRow.user_name == self._user) & (MessageRow.visit == self._visit)


class PreferenceStore(BaseStore[str, dict[str, Any]]):
    """The preferences of one user as a key-value store.

    Keys are "kind/region", with "/side" and "/phrase" where there are any ("wrinkles/face",
    "redness/cheeks/left", "other/face//bruise"). Values have `polarity`, `strength` or `amount`,
    `reason` and `confidence`. Setting a value is saying it outright; only `polarity`, `strength`
    and `amount` of it are read. With a `scene` the values are those for such a photo.
    """

    def __init__(
        self, preferences: Preferences, user: str, scene: PhotoScene | None = None
    ) -> None:
        self._preferences, self._user, self._scene = preferences, named(user), scene

    def mget(self, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        known = self._known()
        return [_value(known[key]) if key in known else None for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Learn rules, replacing what was known there; raises `PreferenceError` for a wrong one."""
        rules = [_rule(key, value) for key, value in key_value_pairs]
        known = self._known()
        for (key, _), rule in zip(key_value_pairs, rules, strict=True):
            if key in known:
                self._preferences.edit(self._user, rule)
            else:
                self._preferences.learn(self._user, [rule])

    def mdelete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._preferences.forget_place(self._user, _parts(key))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        yield from (key for key in self._known() if key.startswith(prefix or ""))

    def _known(self) -> dict[str, Preference]:
        return {_key(one): one for one in self._preferences.recall(self._user, self._scene)}


def _key(one: Preference) -> str:
    phrase = (one.phrase or "").casefold() if one.kind == "other" else ""
    return "/".join((one.kind, one.region, one.side or "", phrase)).rstrip("/")


def _parts(key: str) -> tuple[str, str, str, str]:
    kind, region, side, phrase = (*key.split("/", 3), "", "", "")[:4]
    return kind, region, side, phrase


def _value(one: Preference) -> dict[str, Any]:
    names = ("polarity", "strength", "amount", "reason", "confidence")
    told = {name: getattr(one, name) for name in names}
    return {name: value for name, value in told.items() if value is not None}


def _rule(key: str, value: dict[str, Any]) -> Observation:
    kind, region, side, phrase = _parts(key)
    numbers = {name: value.get(name) for name in ("polarity", "strength", "amount")}
    rule = {"kind": kind, "region": region, "side": side or None, "phrase": phrase or None}
    try:
        return Observation.model_validate(rule | numbers | {"source": "explicit"})
    except ValueError as error:
        raise PreferenceError(
            f"{key} cannot be set: {str(error).splitlines()[2].strip()}"
        ) from None
