"""Edits, feedback on them, and walking the history, read off the image."""

from __future__ import annotations

import pytest

WRINKLES = {"do": "reduce", "what": "wrinkles", "strength": 0.5}


def less(what="last", delta=-0.1, **place):
    return {"do": "adjust", "what": what, "delta": delta, **place}


def restore(what, **place):
    return {"do": "restore", "what": what, **place}


@pytest.fixture
def talk(opened):
    talk = opened()
    talk.do(WRINKLES)
    return talk


def test_a_reduce_sets_the_strength(talk):
    talk.do({**WRINKLES, "strength": 0.8})
    talk.do({**WRINKLES, "strength": 0.3})
    assert talk.strength("wrinkles", "chin") == 0.3


def test_feedback_on_a_part_makes_the_part_its_own_edit(talk):
    reply = talk.do(less(where=["forehead"]))
    assert talk.strength("wrinkles", "forehead") == 0.4
    assert talk.strength("wrinkles", "nose") == 0.5
    assert [(e.where, e.strength) for e in reply.report.edits] == [
        (("face",), 0.5),
        (("forehead",), 0.4),
    ]


def test_feedback_goes_on_where_it_was(talk):
    talk.do(less(where=["forehead"]))
    talk.do(less())
    assert talk.strength("wrinkles", "forehead") == 0.3
    assert talk.strength("wrinkles", "nose") == 0.5


def test_feedback_on_a_kind_reaches_all_its_edits(talk):
    talk.do(less(where=["forehead"]))
    talk.do(less("wrinkles", 0.2))
    assert talk.strength("wrinkles", "forehead") == 0.6
    assert talk.strength("wrinkles", "nose") == 0.7


def test_feedback_on_several_regions(talk):
    talk.do(less(where=["forehead"]))
    talk.do(less("wrinkles", 0.2, where=["forehead", "chin"]))
    assert talk.strength("wrinkles", "forehead") == 0.6
    assert talk.strength("wrinkles", "chin") == 0.7
    assert talk.strength("wrinkles", "nose") == 0.5


def test_feedback_on_a_wider_place_reaches_the_narrower_edits_inside(talk):
    talk.do({**WRINKLES, "where": ["nose"], "strength": 0.2})
    talk.do(less("wrinkles", 0.3, where=["t_zone"]))
    assert talk.strength("wrinkles", "nose") == 0.5
    assert talk.strength("wrinkles", "forehead") == 0.8
    assert talk.strength("wrinkles", "cheeks") == 0.5


def test_feedback_on_everything(talk):
    talk.do({"do": "reduce", "what": "acne", "strength": 1.0})
    talk.do(less("everything", -0.2))
    assert talk.strength("wrinkles", "nose") == 0.3
    assert talk.strength("acne", "chin") == 0.8


def test_a_group_stays_a_group_for_feedback_and_parser(talk):
    talk.do({"do": "reduce", "what": "blemishes", "strength": 0.5})
    talk.do(less())
    assert talk.strength("acne", "chin") == talk.strength("redness", "cheeks") == 0.4
    assert talk.strength("wrinkles", "nose") == 0.5
    told = talk.script.told[-1]
    assert [edit.what for edit in told.edits] == ["wrinkles", "blemishes"]
    assert told.last == 1


def test_strengths_stop_at_the_ends(talk):
    talk.do(less(delta=0.9))
    reply = talk.do(less(delta=0.4))
    assert talk.strength("wrinkles", "nose") == 1.0
    assert not reply.changed
    assert "as far as it goes" in reply.text


def test_more_of_what_was_never_edited_starts_at_nothing(talk):
    talk.do(less("acne", 0.2))
    assert talk.strength("acne", "chin") == 0.2


def test_feedback_on_nothing_says_so(opened):
    reply = opened().do(less())
    assert reply.outcome == "nothing"
    assert "nothing has been changed yet" in reply.text.lower()


def test_restore_of_a_part_and_of_all(talk):
    talk.do(restore("wrinkles", where=["nose"]))
    assert talk.strength("wrinkles", "nose") == 0
    assert talk.strength("wrinkles", "chin") == 0.5
    reply = talk.do(restore("everything"))
    assert talk.strength("wrinkles", "chin") == 0
    assert reply.report.edits == ()


def test_restoring_a_narrow_edit_does_not_bare_the_wider_one(talk):
    talk.do(less(where=["forehead"]))
    talk.do(restore("last"))
    assert talk.strength("wrinkles", "forehead") == 0
    assert talk.strength("wrinkles", "nose") == 0.5


def test_a_later_wider_reduce_swallows_narrower_ones(talk):
    talk.do({**WRINKLES, "where": ["nose"], "strength": 0.2})
    reply = talk.do({**WRINKLES, "strength": 1.0})
    assert talk.strength("wrinkles", "nose") == 1.0
    assert len(reply.report.edits) == 1


def test_in_one_message_the_more_specific_strength_wins(opened):
    talk = opened()
    nose = {**WRINKLES, "where": ["nose"], "strength": 0.2}
    talk.do(nose, {**WRINKLES, "strength": 1.0})
    assert talk.strength("wrinkles", "nose") == 0.2
    assert talk.strength("wrinkles", "chin") == 1.0


def test_the_photo_is_analysed_once(talk):
    talk.do(less())
    talk.do({"do": "undo"})
    assert talk.studio.calls.count("analyse") == 1
    assert talk.session.reports[-1].seconds.analyse < 0.1


def test_undo_redo_and_reset_give_the_same_bytes(talk):
    seen = [talk.session.photo.pixels.tobytes(), talk.session.result.pixels.tobytes()]
    talk.do(less(where=["forehead"]))
    seen.append(talk.session.result.pixels.tobytes())
    assert len(set(seen)) == 3
    session = talk.session
    for walk, state in [
        (session.undo, 1),
        (session.redo, 2),
        (lambda: session.undo(2), 0),
        (lambda: session.redo(5), 2),
        (session.reset, 0),
        (session.undo, 2),
    ]:
        assert walk().changed
        assert talk.session.result.pixels.tobytes() == seen[state]


def test_a_turn_that_changes_nothing_makes_no_state(talk):
    before = talk.session.result.pixels.tobytes()
    for command in [
        {"do": "reduce", "what": "shine", "strength": 1.0},
        {"do": "tone", "attribute": "brightness", "amount": 0.0},
        {"do": "reduce", "what": "other", "strength": 1.0, "phrase": "the hat"},
        {"do": "unsupported", "phrase": "slim the nose"},
        {"do": "show", "view": "before"},
        WRINKLES,
    ]:
        assert not talk.do(command).changed
    assert talk.session.result.pixels.tobytes() == before
    talk.session.undo()
    assert not talk.session.can_undo


def test_a_new_wish_after_undo_cuts_what_was_ahead(talk):
    talk.do(less())
    talk.session.undo()
    assert talk.session.can_redo
    talk.do(less(delta=0.2))
    assert not talk.session.can_redo
    assert talk.session.redo().outcome == "nothing"


def test_undo_within_a_message(talk):
    talk.do({"do": "undo"}, {"do": "reduce", "what": "acne", "strength": 1.0})
    assert talk.strength("wrinkles", "nose") == 0
    assert talk.strength("acne", "chin") == 1.0


def test_a_number_for_what_the_user_named_is_about_the_same_words(talk):
    """The parser knows of an edit of `other` no more than that (commands.md, state)."""
    talk.do({"do": "reduce", "what": "other", "strength": 1.0, "phrase": "my tattoo"})
    reply = talk.do({"do": "reduce", "what": "other", "where": ["face"], "strength": 0.4})
    *_, edit = reply.report.edits
    assert (edit.what, edit.strength) == ("other", 0.4)
    assert "tattoo" in reply.text


def test_a_side_alone_is_a_side_of_what_was_done(opened):
    """ "A bit more on the left" of a forehead is its left half, and no new edit of the face."""
    talk = opened()
    talk.do({**WRINKLES, "strength": 0.5, "where": ["forehead"]})
    talk.do(less(delta=0.1, side="left"))
    assert talk.strength("wrinkles", "forehead", side="left") == 0.6
    assert talk.strength("wrinkles", "forehead", side="right") == 0.5
    assert talk.strength("wrinkles", "chin") == 0


def test_feedback_on_a_place_that_crosses_changes_what_both_share(opened):
    talk = opened()
    talk.do({**WRINKLES, "strength": 0.5, "where": ["forehead", "crows_feet"]})
    talk.do(less("wrinkles", 0.2, where=["eyes"]))
    assert talk.strength("wrinkles", "crows_feet") == 0.7
    assert talk.strength("wrinkles", "forehead") == 0.5


def test_less_on_one_side_never_makes_a_place_stronger(opened):
    talk = opened()
    talk.do({**WRINKLES, "strength": 0.8}, {**WRINKLES, "strength": 0.4, "where": ["forehead"]})
    talk.do(less("wrinkles", where=["face"], side="left"))
    assert talk.strength("wrinkles", "forehead", side="left") == 0.3
    assert talk.strength("wrinkles", "forehead", side="right") == 0.4
    assert talk.strength("wrinkles", "chin", side="left") == 0.7
    assert talk.strength("wrinkles", "chin", side="right") == 0.8


def test_a_side_of_a_tone_is_its_own_place(opened):
    talk = opened()
    talk.do({"do": "tone", "attribute": "brightness", "where": ["cheeks"], "amount": 0.3})
    talk.do(less(side="left"))
    tones = talk.session._chat.history.present.tones
    assert {one.tone.side: one.tone.amount for one in tones} == {None: 0.3, "left": -0.1}


def test_a_reply_says_of_no_place_that_it_is_both_weaker_and_as_it_was(opened):
    talk = opened({"wrinkles": ["forehead", "smile_lines"]})
    both = {"where": ["forehead", "smile_lines"]}
    talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5} | both)
    less = {"do": "adjust", "what": "last", "delta": -0.1, "where": ["forehead"]}
    assert "original again" not in talk.do(less).text
    back = talk.do({"do": "restore", "what": "wrinkles", "where": ["forehead"]})
    assert "wrinkles on the forehead are as in the original again" in back.text


def test_who_brings_marks_back_and_keeps_them_hears_nothing_untrue(opened):
    talk = opened({"freckles": ["nose"]})
    talk.do({"do": "reduce", "what": "freckles", "strength": 1.0})
    reply = talk.do({"do": "restore", "what": "freckles"}, {"do": "keep", "what": "freckles"})
    assert talk.strength("freckles", "nose") == 0 and "Nothing has been done" not in reply.text


def test_feedback_on_two_faces_of_three_reaches_both(opened):
    talk = opened(*[{"wrinkles": ["forehead"]}] * 3)
    talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5})  # which?
    talk.session.say("1 and 2")
    (told,) = talk.session.conversation.told(3).edits
    assert told.who is None
    talk.do({"do": "adjust", "what": "wrinkles", "delta": 0.2})
    assert [talk.strength("wrinkles", "forehead", face) for face in range(3)] == [0.7, 0.7, 0]


def test_feedback_on_what_a_keep_of_the_same_message_took_reaches_nothing_older(talk):
    talk.do({"do": "reduce", "what": "moles", "strength": 1.0})
    talk.do(restore("last"), {"do": "keep", "what": "moles"})
    assert talk.strength("moles", "chin") == 0
    assert talk.strength("wrinkles", "nose") == 0.5
    reply = talk.do(less(), {"do": "keep", "what": "everything"})
    assert "nothing has been changed" not in reply.text


def test_less_never_makes_a_place_stronger_that_lies_on_a_wider_one(opened):
    talk = opened({"redness": ["face"]})
    red = {"do": "reduce", "what": "redness"}
    for where, strength in ((["cheeks"], 0.5), (["t_zone"], 0.8), (["nose"], 0.5)):
        talk.do({**red, "where": where, "strength": strength})
    talk.do(less("redness"))
    places = {place: talk.strength("redness", place) for place in ("cheeks", "forehead", "nose")}
    assert places == {"cheeks": 0.4, "forehead": 0.7, "nose": 0.4}


def test_what_was_put_back_at_a_place_stays_so_when_the_rest_becomes_stronger(talk):
    talk.do(restore("wrinkles", where=["forehead"]))
    talk.do(less("wrinkles", 0.1))
    assert talk.strength("wrinkles", "nose") == 0.6
    assert talk.strength("wrinkles", "forehead") == 0
    talk.do(less("wrinkles", 0.2, where=["forehead"]))
    assert talk.strength("wrinkles", "forehead") == 0.2


def test_another_word_before_a_name_names_the_same_thing(opened):
    talk = opened()
    talk.do({"do": "keep", "what": "other", "phrase": "my tattoo"})
    reply = talk.do({"do": "reduce", "what": "other", "phrase": "the tattoo", "strength": 1.0})
    assert not reply.report.kept and "had been kept" in reply.text
