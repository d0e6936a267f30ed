"""Keeps and edits that share a part of a place: the more specific one has it, and no more."""

from __future__ import annotations

from tests.agent.test_keeps import keep, reduce


def allow(what, **place):
    return {"do": "allow", "what": what, **place}


def test_a_named_face_does_not_overrule_a_narrower_keep_beside_it(opened):
    both = {"moles": ["cheeks", "chin"]}
    talk = opened(both, both)
    talk.do(reduce("moles", who=1), keep("moles", where=["cheeks"]))
    assert talk.strength("moles", "cheeks") == 0
    assert talk.strength("moles", "chin") == 1.0


def test_one_kind_allowed_at_one_of_several_kept_places_frees_nothing_else(opened):
    marks = {"freckles": ["nose", "cheeks"], "acne": ["nose", "cheeks"]}
    talk = opened(marks)
    talk.do(keep("everything", where=["nose", "cheeks"]))
    talk.do(allow("freckles", where=["nose"]))
    talk.do(reduce("freckles"), {"do": "auto", "strength": 0.5})
    assert talk.strength("freckles", "nose") == 1.0
    assert talk.strength("acne", "nose") == talk.strength("acne", "cheeks") == 0
    assert talk.strength("freckles", "cheeks") == 0


def test_blemishes_open_no_keep_that_they_only_cross(opened):
    talk = opened({"redness": ["cheeks", "chin", "nose"]})
    talk.do(keep("redness", where=["cheeks", "chin"]))
    reply = talk.do(reduce("blemishes", where=["nose", "chin"]))
    assert talk.strength("redness", "nose") == 1.0
    assert talk.strength("redness", "chin") == 0
    assert "stayed untouched" in reply.text


def test_what_is_named_inside_a_keep_goes_also_beside_what_lies_outside(opened):
    talk = opened({"freckles": ["nose", "cheeks", "neck"]})
    talk.do(keep("freckles"), reduce("freckles", where=["nose", "neck"]))
    assert talk.strength("freckles", "nose") == talk.strength("freckles", "neck") == 1.0
    assert talk.strength("freckles", "cheeks") == 0


def test_allowed_but_not_there(opened):
    talk = opened()
    talk.do(keep("freckles"))
    talk.do(allow("freckles"), keep("freckles", where=["nose"]))
    talk.do(reduce("freckles"))
    assert talk.strength("freckles", "nose") == 0
    assert talk.strength("freckles", "cheeks") == 1.0


def test_allowing_a_place_leaves_what_lies_outside_of_it_kept(opened):
    talk = opened({"redness": ["nose", "chin", "cheeks"]})
    talk.do(keep("redness", where=["nose", "chin"]))
    talk.do(allow("redness", where=["cheeks", "nose"]))
    talk.do({"do": "auto", "strength": 1.0})
    assert talk.strength("redness", "nose") == 1.0
    assert talk.strength("redness", "chin") == 0


def test_doing_ones_thing_again_beside_what_was_asked_is_no_step(opened):
    talk = opened({"wrinkles": ["face"], "acne": ["chin"]})
    talk.do(reduce("wrinkles", 0.5))
    talk.do(reduce("acne"))
    steps = talk.session.steps
    reply = talk.do({"do": "auto", "strength": 0.5})
    assert not reply.changed
    assert talk.session.steps == steps
