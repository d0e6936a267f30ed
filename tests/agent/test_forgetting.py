"""What is forgotten, or paused, is so at once: in this chat, and in one that was open meanwhile."""

from __future__ import annotations

import pytest

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
