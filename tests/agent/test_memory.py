"""What the agent learns, brings to the next photo with its reason, and forgets."""

from __future__ import annotations

AUTO = {"do": "auto", "strength": 0.5}


def reduce(what, strength=1.0, **more):
    return {"do": "reduce", "what": what, "strength": strength, **more}


def test_a_standing_keep_holds_on_the_next_photo_and_says_why(opened):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    talk = opened(user="mia")
    reply = talk.do(reduce("wrinkles", 0.5), AUTO)
    assert talk.strength("redness", "cheeks") == 0
    assert "redness was left untouched because you asked for that on" in reply.text
    assert "redness" in {kept.what for kept in reply.report.kept}


def test_naming_the_kind_lifts_a_remembered_keep_for_this_photo_only(opened):
    opened(user="mia").do({"do": "keep", "what": "freckles", "always": True})
    talk = opened(user="mia")
    reply = talk.do(reduce("freckles"))
    assert talk.strength("freckles", "nose") == 1.0
    assert "had been kept (you asked for that on" in reply.text
    third = opened(user="mia")
    third.do(AUTO)
    assert third.script.told[-1].kept == ["freckles"]


def test_accepted_strengths_come_back_with_auto(opened):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2), reduce("acne", 0.9))
    reply = talk.do({"do": "accept"})
    assert reply.outcome == "answered"
    assert "wrinkles at strength 20%" in reply.text
    after = opened(user="mia")
    reply = after.do(AUTO)
    assert after.strength("wrinkles", "nose") == 0.2
    assert after.strength("acne", "chin") == 0.9
    assert after.strength("redness", "cheeks") == 0.5
    assert "usual strength, because you were happy with it" in reply.text


def test_the_words_of_auto_scale_the_usual_strengths(opened):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.4))
    talk.do({"do": "accept"})
    after = opened(user="mia")
    after.do({"do": "auto", "strength": 0.25})
    assert after.strength("wrinkles", "nose") == 0.2
    assert after.strength("acne", "chin") == 0.25


def test_memory_never_overrides_what_is_said(opened):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2, always=True))
    after = opened(user="mia")
    after.do(reduce("wrinkles", 0.7))
    assert after.strength("wrinkles", "nose") == 0.7


def test_an_accepted_permanent_mark_is_not_named_for_the_next_photo(opened):
    talk = opened(user="mia")
    talk.do(reduce("moles"))
    talk.do({"do": "accept"})
    after = opened(user="mia")
    after.do(AUTO)
    assert after.strength("moles", "chin") == 0
    after.do(reduce("moles", 1.0, always=True))
    third = opened(user="mia")
    third.do(AUTO)
    assert third.strength("moles", "chin") == 1.0


def test_the_same_result_is_accepted_once(opened, memory):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2))
    talk.do({"do": "accept"})
    talk.do({"do": "accept"})
    assert [one.count for one in memory.recall("mia")] == [1]


def test_remember_is_said_outright(opened, memory):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2), {"do": "keep", "what": "freckles"})
    talk.do({"do": "remember"})
    kept = {(one.kind, one.polarity, one.source) for one in memory.recall("mia")}
    assert kept == {("wrinkles", "reduce", "explicit"), ("freckles", "keep", "explicit")}


def test_memory_and_policy_are_not_learnt_again(opened, memory):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do({"do": "accept"})
    learnt = {one.kind: one.source for one in memory.recall("mia")}
    assert learnt["redness"] == "explicit"
    assert "freckles" not in learnt and "moles" not in learnt


def test_users_are_apart_and_nobody_is_remembered(opened, memory):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    for user in ("ben", None):
        talk = opened(user=user)
        talk.do(AUTO)
        assert talk.strength("redness", "cheeks") == 0.5
    reply = talk.do({"do": "keep", "what": "acne", "always": True})
    assert "only remember things for a named user" in reply.text
    assert len(memory.recall("mia")) == 1


def test_forgetting_is_immediate_and_undo_still_shows_what_it_showed(opened, memory):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    talk = opened(user="mia")
    talk.do(AUTO)
    before = talk.session.result.pixels.tobytes()
    reply = talk.do({"do": "forget", "what": "redness"})
    assert "forgotten all I knew about the redness" in reply.text
    assert memory.recall("mia") == ()
    talk.do(AUTO)
    assert talk.strength("redness", "cheeks") == 0.5
    talk.session.undo(2)
    assert talk.session.result.pixels.tobytes() == before
    assert "May" not in (explained := talk.do({"do": "explain"}).text)
    assert "redness (you asked for that)" in explained


def test_nothing_to_forget(opened):
    talk = opened(user="mia")
    assert "remember nothing" in talk.do({"do": "forget", "what": "everything"}).text


def test_a_standing_rule_about_a_place_holds_there(opened):
    opened(user="mia").do({"do": "keep", "what": "everything", "where": ["nose"], "always": True})
    talk = opened(user="mia")
    talk.do(reduce("wrinkles"), reduce("freckles"))
    assert talk.strength("wrinkles", "nose") == talk.strength("freckles", "nose") == 0
    assert talk.strength("wrinkles", "chin") == 1.0
