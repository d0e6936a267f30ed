"""Chats and preferences, as langchain-core knows them."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from memory.history import ChatHistory, PreferenceStore
from memory.preferences import Observation, PreferenceError

KEEP = Observation(kind="freckles", region="face", polarity="keep", source="explicit")


def test_messages_come_back_in_order_and_conversations_are_apart(memory):
    chat = ChatHistory(memory.store, "mia", "one")
    assert chat.messages == []
    chat.add_messages([HumanMessage("soften the wrinkles"), AIMessage("done")])
    chat.add_user_message("a bit less")
    ChatHistory(memory.store, "mia", "two").add_ai_message("hello")
    ChatHistory(memory.store, "ben", "one").add_ai_message("good day")
    assert [m.content for m in chat.messages] == ["soften the wrinkles", "done", "a bit less"]
    assert isinstance(chat.messages[1], AIMessage)
    chat.clear()
    assert chat.messages == []
    assert len(ChatHistory(memory.store, "mia", "two").messages) == 1


def test_forgetting_everything_forgets_chats_of_this_user(memory):
    for user in ("mia", "ben"):
        ChatHistory(memory.store, user, "one").add_user_message("hello")
    memory.forget("mia")
    assert ChatHistory(memory.store, "mia", "one").messages == []
    assert len(ChatHistory(memory.store, "ben", "one").messages) == 1


def test_clearing_what_never_was_creates_nothing(memory, file):
    ChatHistory(memory.store, "mia", "one").clear()
    assert not file.exists()


def test_preferences_are_a_store_of_values_with_reasons(memory):
    memory.learn("mia", [KEEP])
    store = PreferenceStore(memory, "mia")
    wrinkles = {"polarity": "reduce", "strength": 0.3}
    bruise = {"polarity": "keep"}
    store.mset([("wrinkles/face", wrinkles), ("other/face//bruise", bruise)])
    assert sorted(store.yield_keys()) == ["freckles/face", "other/face//bruise", "wrinkles/face"]
    assert list(store.yield_keys(prefix="wr")) == ["wrinkles/face"]
    found, nothing = store.mget(["wrinkles/face", "acne/face"])
    assert (found["strength"], nothing) == (0.3, None)
    assert found["reason"].startswith("you asked for that on")
    store.mset([("wrinkles/face", {"polarity": "reduce", "strength": 0.6})])
    assert store.mget(["wrinkles/face"])[0]["strength"] == 0.6
    assert len(memory.why("mia", "wrinkles")) == 1
    store.mdelete(["wrinkles/face", "other/face//bruise"])
    assert list(store.yield_keys()) == ["freckles/face"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("hats/face", {"polarity": "keep"}), ("acne/face", {"polarity": "reduce"}), ("acne", {})],
)
def test_a_value_that_makes_no_sense_is_refused_in_one_line(memory, key, value):
    with pytest.raises(PreferenceError, match=key) as error:
        PreferenceStore(memory, "mia").mset([(key, value)])
    assert "\n" not in str(error.value)
    assert memory.why("mia", "everything") == ()
