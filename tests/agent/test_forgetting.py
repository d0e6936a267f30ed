"""What is forgotten, or paused, is so at once, also in a chat that was open meanwhile; and a memory
that cannot be written does not stand in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.chat_log import _nameless
from memory.store import StoreError
from tests.agent.test_memory import AUTO, reduce

FORGET = {"do": "forget", "what": "everything"}


def kinds(memory, user="mia"):
    return [(one.kind, one.polarity, one.source) for one in memory.why(user, "everything")]


@pytest.mark.parametrize("leave", ["save", "accept"])
def test_undo_after_forgetting_teaches_no_remembered_keep(opened, memory, tmp_path, leave):
    opened(user="mia").do({"do": "keep", "what": "freckles", "always": True})
    talk = opened(user="mia", save_to=tmp_path / "out.png")
    talk.do(reduce("wrinkles", 0.5))
    talk.do(FORGET)
    assert kinds(memory) == []
    talk.session.undo()
    talk.do({"do": leave})
    assert "freckles" not in {kind for kind, _, _ in kinds(memory)}
    assert talk.session.proposals() == ()


def test_saving_after_forgetting_teaches_nothing(opened, memory, tmp_path):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.5), reduce("acne", 0.5))
    talk.do({"do": "adjust", "what": "acne", "delta": 0.2})
    talk.do({"do": "accept"})
    talk.do(FORGET)
    talk.session.save(tmp_path / "out.png")
    assert kinds(memory) == []


def test_a_kind_that_is_forgotten_stays_so_when_saved(opened, memory, tmp_path):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.5), reduce("acne", 0.5))
    talk.do({"do": "forget", "what": "acne"})
    talk.session.save(tmp_path / "out.png")
    assert kinds(memory) == [("wrinkles", "reduce", "inferred")]


@pytest.mark.parametrize("deed", ["forget", "pause"])
def test_memory_is_asked_anew_each_turn(opened, memory, deed):
    opened(user="mia").do(reduce("redness", 0.2, always=True))
    talk = opened(user="mia")
    talk.do({"do": "show", "view": "before"})
    getattr(memory, deed)("mia")
    assert "usual" not in talk.do(AUTO).text
    assert talk.strength("redness", "cheeks") == 0.5


def test_a_look_that_is_to_be_remembered_holds_on_this_photo_too(opened):
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do(reduce("redness", 0.2))
    talk.do({"do": "remember"})
    talk.do({"do": "reset"})
    talk.do(AUTO)
    assert talk.strength("redness", "cheeks") == 0.2


def test_feedback_does_not_feed_itself_back_on_the_photo_it_is_about(opened):
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do({"do": "adjust", "what": "redness", "delta": -0.3})
    talk.do({"do": "reset"})
    talk.do(AUTO)
    assert talk.strength("redness", "cheeks") == 0.5


@pytest.fixture
def locked(monkeypatch):
    """Lock a memory that can be read."""

    def lock(memory):
        def refuse(*_):
            raise StoreError("the memory at X cannot be used (locked)")

        monkeypatch.setattr(memory, "learn", refuse)
        monkeypatch.setattr("memory.history.ChatHistory.add_messages", refuse)

    return lock


def test_retouching_goes_on_where_memory_cannot_be_written(opened, memory, locked, tmp_path):
    talk = opened(user="mia", save_to=tmp_path / "out.png")
    talk.do(reduce("wrinkles", 0.5))
    locked(memory)
    told = "Nothing of this is remembered: the memory at X cannot be used (locked)."
    less = talk.do({"do": "adjust", "what": "wrinkles", "delta": -0.2})
    assert less.changed and told in less.text and talk.strength("wrinkles", "nose") == 0.3
    rule = talk.do(reduce("acne", 1.0, always=True))
    assert rule.changed and told in rule.text and "I will remember" not in rule.text
    assert told in talk.do({"do": "remember"}).text
    saved = talk.do({"do": "save"})
    assert f"Saved as {saved.saved}" in saved.text and told in saved.text


def test_a_file_is_saved_where_memory_cannot_be_written(opened, memory, locked, tmp_path, caplog):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.5))
    locked(memory)
    assert talk.session.save(tmp_path / "out.png").exists()
    assert "not remembered: the memory at X" in caplog.text


def test_a_chat_that_cannot_be_stored_is_answered(opened, memory, locked):
    talk = opened(user="mia")
    talk.agent.settings = talk.agent.settings.model_copy(update={"keep_chats": True})
    locked(memory)
    reply = talk.do(reduce("wrinkles", 0.5))
    assert reply.changed and reply.text.endswith("(locked).")
    assert "not stored" in reply.text


@pytest.mark.parametrize(
    "text",
    [
        "open Mia Smith wedding.jpg", "saved as /home/mia/My Photos/b c.retouched.jpg",
        "see IMG_1.heif and x.dng", "save it as “Mia and Ben.tiff”",
    ],
)  # fmt: skip
def test_a_stored_chat_names_no_file(tmp_path, text):
    paths = [tmp_path / "Mia Smith wedding.jpg", Path("/home/mia/My Photos/b c.retouched.jpg")]
    left = _nameless(text, paths)
    assert "a file" in left
    assert not any(name in left for name in ("Mia", "mia", "wedding", "IMG", "dng", "Photos"))


def test_what_a_message_says_before_it_forgets_is_not_learnt(opened, memory):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.5))
    talk.do({"do": "adjust", "what": "wrinkles", "delta": -0.1}, FORGET)
    assert kinds(memory) == []
    freckles = {"do": "keep", "what": "freckles", "always": True}
    forget = {"do": "forget", "what": "freckles"}
    talk.do(freckles, {**freckles, "what": "moles"}, forget)
    assert kinds(memory) == [("moles", "keep", "explicit")]
    talk.do({"do": "adjust", "what": "last", "delta": -0.1}, {"do": "forget", "what": "wrinkles"})
    assert "wrinkles" not in {kind for kind, _, _ in kinds(memory)}
    talk.do(FORGET, freckles)
    assert kinds(memory) == [("freckles", "keep", "explicit")]


def test_forgetting_everything_says_that_the_pause_is_gone(opened, memory):
    memory.pause("mia")
    assert "no longer paused" in opened(user="mia").do(FORGET).text
    assert "paused" not in opened(user="mia").do(FORGET).text
