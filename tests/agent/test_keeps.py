"""A keep is a hard constraint; what lifts it, and what does not."""

from __future__ import annotations

import pytest

PEOPLE = ({"moles": ["chin"]}, {"moles": ["chin"]})


def reduce(what, strength=1.0, **place):
    return {"do": "reduce", "what": what, "strength": strength, **place}


def keep(what, **place):
    return {"do": "keep", "what": what, **place}


def test_a_keep_is_reported_and_untouched(opened):
    talk = opened()
    reply = talk.do(reduce("wrinkles", 0.5), keep("freckles"))
    (kept,) = reply.report.kept
    assert (kept.what, kept.max_change) == ("freckles", 0)
    assert reply.report.outside_max_change == 0
    assert "freckles were left untouched" in reply.text


def test_a_keep_said_later_brings_the_original_back(opened):
    talk = opened()
    talk.do(reduce("freckles"))
    reply = talk.do(keep("freckles"))
    assert reply.changed
    assert talk.session.result.pixels.tobytes() == talk.session.photo.pixels.tobytes()


def test_a_keep_said_later_covers_narrower_edits_too(opened):
    talk = opened()
    talk.do(reduce("moles", where=["chin"]))
    talk.do(keep("moles"))
    assert talk.strength("moles", "chin") == 0


def test_a_keep_of_a_place_holds_whatever_comes(opened):
    talk = opened()
    talk.do(keep("everything", where=["nose"]))
    talk.do(reduce("wrinkles"), reduce("freckles"), {"do": "auto", "strength": 1.0})
    assert talk.strength("wrinkles", "nose") == talk.strength("freckles", "nose") == 0
    assert talk.strength("wrinkles", "chin") == 1.0


def test_keeping_everything_changes_nothing(opened):
    talk = opened()
    reply = talk.do(keep("everything"), {"do": "auto", "strength": 1.0})
    assert not reply.changed
    assert talk.session.result.pixels.tobytes() == talk.session.photo.pixels.tobytes()


def test_a_later_reduce_of_the_kept_kind_lifts_the_keep_and_says_so(opened):
    talk = opened()
    talk.do(keep("freckles"))
    reply = talk.do(reduce("freckles"))
    assert talk.strength("freckles", "nose") == 1.0
    assert "had been kept" in reply.text
    assert reply.report.kept == ()


def test_in_one_message_the_keep_wins_over_the_same_reduce(opened):
    talk = opened()
    reply = talk.do(reduce("freckles"), keep("freckles"))
    assert not reply.changed
    assert "stayed untouched" in reply.text


def test_in_one_message_the_narrower_reduce_wins(opened):
    talk = opened()
    talk.do(keep("moles"), reduce("moles", where=["chin"]))
    assert talk.strength("moles", "chin") == 1.0
    assert talk.strength("moles", "cheeks") == 0


def test_a_later_narrower_reduce_leaves_the_rest_kept(opened):
    talk = opened()
    talk.do(keep("moles"))
    talk.do(reduce("moles", where=["chin"]))
    assert talk.strength("moles", "chin") == 1.0
    reply = talk.do({"do": "explain"})
    assert "Kept: moles" in reply.text


def test_a_later_wider_reduce_spares_what_was_kept_at_a_narrower_place(opened):
    talk = opened()
    talk.do(keep("moles", where=["chin"]))
    reply = talk.do(reduce("moles"))
    assert talk.strength("moles", "chin") == 0
    assert talk.strength("moles", "cheeks") == 1.0
    assert "on the chin stayed untouched" in reply.text


def test_everything_but_one_thing(opened):
    talk = opened()
    talk.do(keep("everything"), reduce("wrinkles", where=["forehead"]))
    assert talk.strength("wrinkles", "forehead") == 1.0
    talk.do(reduce("acne"))
    assert talk.strength("acne", "chin") == 1.0
    talk.do({"do": "auto", "strength": 1.0})
    assert talk.strength("redness", "cheeks") == 0


def test_allow_lifts_a_keep(opened):
    talk = opened()
    talk.do(keep("redness"))
    talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("redness", "cheeks") == 0
    talk.do({"do": "allow", "what": "redness"})
    talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("redness", "cheeks") == 0.5


def test_allow_of_one_kind_where_everything_is_kept(opened):
    talk = opened()
    talk.do(keep("everything"))
    talk.do({"do": "allow", "what": "acne"})
    talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("acne", "chin") == 0.5
    assert talk.strength("wrinkles", "chin") == 0


def test_allow_of_what_is_not_kept_says_so(opened):
    assert "not being kept" in opened().do({"do": "allow", "what": "acne"}).text


def test_undo_takes_a_keep_back_and_reset_does_not(opened):
    talk = opened()
    talk.do(reduce("wrinkles", 0.5))
    talk.do(keep("redness"))
    talk.session.reset()
    assert talk.script.told[-1].kept == []
    talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("redness", "cheeks") == 0
    talk.session.undo(3)
    talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("redness", "cheeks") == 0.5


def test_a_kind_that_cannot_be_seen_cannot_be_guarded_and_that_is_said(opened):
    talk = opened()
    reply = talk.do({**keep("other"), "phrase": "my hat"}, reduce("acne"))
    assert "cannot recognise my hat" in reply.text
    assert talk.strength("acne", "chin") == 1.0
    assert talk.script.told == [talk.script.told[0]]
    talk.do({"do": "help"})
    assert talk.script.told[-1].kept == ["other"]


def test_nothing_to_keep_is_said(opened):
    wish = keep("dark_spots", phrase="the dark spots")
    assert "found no dark spots to keep" in opened().do(wish).text


def test_auto_spares_permanent_marks_unless_they_were_named(opened):
    talk = opened()
    reply = talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("freckles", "nose") == talk.strength("moles", "chin") == 0
    assert {kept.what for kept in reply.report.kept} == {"freckles", "moles"}
    assert talk.strength("wrinkles", "nose") == 0.5
    other = opened()
    other.do({"do": "auto", "strength": 0.5}, reduce("moles", 0.8))
    assert other.strength("moles", "chin") == 0.8
    assert other.strength("freckles", "nose") == 0


def test_auto_leaves_alone_what_was_said_outright(opened):
    talk = opened()
    talk.do(reduce("wrinkles", 0.2))
    talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("wrinkles", "nose") == 0.2
    assert talk.strength("acne", "chin") == 0.5


def test_a_keep_stays_beside_a_wider_one_that_is_lifted(opened):
    for first, second in ((["chin"], ["face"]), (["face"], ["chin"])):
        talk = opened()
        talk.do(keep("moles", where=first))
        talk.do(keep("moles", where=second))
        talk.do(reduce("moles"))
        assert talk.strength("moles", "chin") == 0
        assert talk.strength("moles", "cheeks") == 1.0


def test_a_keep_said_twice_is_one(opened):
    talk = opened()
    talk.do(keep("moles"))
    assert len(talk.do(keep("moles")).report.kept) == 1
    talk.do({"do": "auto", "strength": 0.5})
    assert len(talk.do(keep("freckles")).report.kept) == 2


@pytest.mark.parametrize(
    ("kept", "asked", "free", "held"),
    [
        ({"where": ["face"], "side": "left"}, {"where": ["cheeks"]}, "cheeks", "forehead"),
        ({"where": ["t_zone"]}, {"where": ["nose", "cheeks"]}, "nose", "chin"),
        ({"where": ["cheeks"]}, {"where": ["face"], "side": "left"}, "cheeks", None),
    ],
)
def test_a_keep_that_is_said_to_be_lifted_is(opened, kept, asked, free, held):
    talk = opened()
    talk.do(keep("wrinkles", **kept))
    reply = talk.do(reduce("wrinkles", **asked))
    assert "that is lifted for this photo" in reply.text and "as far as" not in reply.text
    assert talk.strength("wrinkles", free) == 1.0
    assert held is None or talk.strength("wrinkles", held) == 0
    assert talk.do(keep("wrinkles")).changed and talk.strength("wrinkles", free) == 0


def test_feedback_opens_no_keep(opened):
    """ "A bit less under the eyes" of a face whose wrinkles around the eyes are kept."""
    talk = opened()
    talk.do({"do": "auto", "strength": 0.5}, keep("wrinkles", where=["eyes"]))
    reply = talk.do({"do": "adjust", "what": "last", "where": ["under_eyes"], "delta": -0.1})
    assert talk.strength("wrinkles", "under_eyes") == 0
    assert talk.strength("dark_circles", "under_eyes") == 0.4
    assert "wrinkles" in reply.text
    talk = opened()
    talk.do(keep("moles", where=["cheeks"]), reduce("moles", where=["chin"]))
    talk.do({"do": "adjust", "what": "last", "where": ["cheeks"], "side": "left", "delta": 0.1})
    assert talk.strength("moles", "cheeks") == 0


def test_a_kept_kind_stays_where_blemishes_go(opened):
    """The word names no kind; what was kept by name is more specific."""
    talk = opened()
    talk.do(keep("redness"))
    reply = talk.do(reduce("blemishes"))
    assert talk.strength("redness", "cheeks") == 0
    assert talk.strength("acne", "chin") == 1.0
    assert "redness" in reply.text


@pytest.mark.parametrize("crowd", [{}, {"who": "everyone"}])
def test_a_face_that_is_named_is_more_specific_than_everyones_keep(opened, crowd):
    talk = opened(*PEOPLE)
    talk.do(keep("moles", **crowd), reduce("moles", who=1))
    assert [talk.strength("moles", "chin", face) for face in (0, 1)] == [1.0, 0]


def test_a_keep_of_a_whole_place_stays_when_a_kind_is_allowed_anywhere(opened):
    talk = opened()
    talk.do(keep("everything", where=["lips"]), keep("freckles"))
    talk.do({"do": "allow", "what": "freckles"})
    talk.do({"do": "tone", "attribute": "brightness", "where": ["image"], "amount": 0.3})
    assert talk.light("lips") == 0 and talk.light("chin") == 0.3
    talk.do(reduce("freckles"))
    assert talk.strength("freckles", "nose") == 1.0


def test_one_of_two_kept_places_can_be_allowed(opened):
    talk = opened()
    talk.do(keep("freckles", where=["nose", "cheeks"]))
    talk.do({"do": "allow", "what": "freckles", "where": ["nose"]})
    talk.do({"do": "auto", "strength": 0.5})
    talk.do(reduce("freckles", where=["t_zone"]))
    assert talk.strength("freckles", "nose") == 1.0
    assert talk.strength("freckles", "cheeks") == 0


def test_what_is_not_in_a_kept_place_does_not_overrule_it(opened):
    """The nose is smaller than half a face, and no part of it."""
    talk = opened()
    talk.do(reduce("freckles", where=["nose"]))
    talk.do(keep("freckles", side="left"))
    assert talk.strength("freckles", "nose", side="left") == 0
    assert talk.strength("freckles", "nose", side="right") == 1.0


def test_auto_goes_beyond_a_place_that_was_named(opened):
    talk = opened()
    talk.do(reduce("wrinkles", 1.0, where=["chin"]))
    talk.do({"do": "auto", "strength": 0.5})
    assert talk.strength("wrinkles", "chin") == 1.0
    assert talk.strength("wrinkles", "nose") == 0.5


def test_the_more_specific_wish_wins_across_other_wishes(opened):
    talk = opened()
    light = {"do": "tone", "attribute": "brightness", "where": ["eyes"], "amount": 0.1}
    talk.do(reduce("wrinkles", 0.3, where=["forehead"]), light, reduce("wrinkles", 1.0))
    assert talk.strength("wrinkles", "forehead") == 0.3
    assert talk.strength("wrinkles", "chin") == 1.0
