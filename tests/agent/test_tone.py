"""Light and colour in a conversation: amounts add up, are corrected, kept out, undone, replayed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from agent.recipe import Recipe, RecipeError, apply
from vision.measure import EditMeasure

ACNE = {"do": "reduce", "what": "acne", "strength": 1.0}


def tone(amount, *where, attribute="brightness", **more):
    wish = {"do": "tone", "attribute": attribute, "amount": amount, **more}
    return wish | ({"where": list(where)} if where else {})


@pytest.fixture
def talk(opened):
    return opened()


def test_several_tones_in_one_message(talk):
    reply = talk.do(tone(0.3, "background"), tone(0.15, "face", attribute="temperature"), ACNE)
    assert reply.changed
    assert talk.light("background") == 0.3
    assert talk.light("nose") == 0.15
    assert talk.light("hair") == 0
    assert talk.strength("acne", "chin") == 1.0
    assert "The background is brighter (mean lightness 50.0 → 80.0)" in reply.text
    assert "the face is warmer" in reply.text


def test_amounts_add_up_per_attribute_and_place_and_stop_at_the_ends(talk):
    talk.do(tone(0.3, "background"))
    talk.do(tone(0.3, "background"))
    assert talk.light("background") == 0.6
    report = talk.do(tone(-0.1, "background", attribute="contrast")).report
    assert [(e.what, e.strength) for e in report.edits] == [("brightness", 0.6), ("contrast", -0.1)]
    talk.do(tone(0.9, "background"))
    reply = talk.do(tone(0.2, "background"))
    assert (reply.outcome, talk.light("background")) == ("nothing", 0.9)
    assert "as far as it goes" in reply.text


def test_the_whole_photo_and_a_part_add_up(talk):
    talk.do(tone(0.2), tone(0.1, "face"))
    assert talk.light("background") == 0.2
    assert talk.light("nose") == pytest.approx(0.3)


def test_places_that_share_a_name_but_no_light_are_all_lit(talk):
    """By its light, the eye is what is between the lids."""
    talk.do(tone(0.3, "eyes", "under_eyes"))
    talk.do(tone(0.2, "skin", "teeth"))
    places = [(t.where, t.strength) for t in talk.do({"do": "explain"}).report.edits]
    assert places == [
        (("eyes",), 0.3), (("under_eyes",), 0.3), (("skin",), 0.2), (("teeth",), 0.2),
    ]  # fmt: skip
    talk.do(tone(0.1, "face", "nose", attribute="contrast"))
    assert [t.tone.where for t in talk.session.conversation.tones][-1] == "face"


def test_a_tone_and_its_opposite_leave_the_photo(talk):
    talk.do(tone(0.3))
    reply = talk.do(tone(-0.3))
    assert reply.changed
    assert talk.session.result.pixels.tobytes() == talk.session.photo.pixels.tobytes()
    assert reply.report.edits == ()
    assert "brightness of the whole photo is no longer changed" in reply.text


def test_feedback_on_the_last_is_on_the_tone(talk):
    talk.do(ACNE)
    talk.do(tone(-0.4, "face", "hair"))
    talk.do({"do": "adjust", "what": "last", "delta": -0.1})
    assert talk.light("nose") == talk.light("hair") == -0.3
    assert talk.strength("acne", "chin") == 1.0
    talk.do({"do": "adjust", "what": "last", "delta": -0.9})
    assert talk.light("nose") == 0


def test_feedback_at_a_part_changes_that_part(talk):
    talk.do(tone(0.4, "face"))
    talk.do({"do": "adjust", "what": "last", "where": ["nose"], "delta": -0.1})
    assert talk.light("nose") == pytest.approx(0.3)
    assert talk.light("chin") == 0.4
    talk.do({"do": "restore", "what": "everything", "where": ["cheeks"]})
    assert talk.light("cheeks") == 0
    assert talk.light("chin") == 0.4


def test_restoring_everything_takes_tones_and_edits_back(talk):
    talk.do(ACNE, tone(0.4, "background"))
    talk.do({"do": "restore", "what": "everything"})
    assert talk.session.result.pixels.tobytes() == talk.session.photo.pixels.tobytes()


def test_restoring_a_kind_leaves_tones(talk):
    talk.do(ACNE, tone(0.4))
    talk.do({"do": "restore", "what": "acne"})
    assert talk.strength("acne", "chin") == 0
    assert talk.light("background") == 0.4


def test_undo_redo_and_reset(talk):
    talk.do(tone(0.3))
    talk.do(tone(0.3))
    talk.session.undo()
    assert talk.light("hair") == 0.3
    talk.session.redo()
    assert talk.light("hair") == 0.6
    assert "untouched photo" in talk.session.reset().text
    assert talk.light("hair") == 0


def test_a_keep_holds_against_tones_whenever_it_was_said(talk):
    talk.do(tone(0.3))
    reply = talk.do({"do": "keep", "what": "everything", "where": ["lips"]})
    assert talk.light("lips") == 0
    talk.do(tone(0.3))
    assert (talk.light("lips"), talk.light("hair")) == (0, 0.6)
    assert {keep.max_change for keep in reply.report.kept} == {0}
    talk.do({"do": "allow", "what": "everything", "where": ["lips"]}, tone(0.3, "lips"))
    assert talk.light("lips") == pytest.approx(0.9)


def keep(*where, **more):
    return {"do": "keep", "what": "everything", "where": list(where), **more}


def test_naming_a_kept_place_later_lifts_its_keep_and_says_so(talk):
    talk.do(keep("background"))
    reply = talk.do(tone(0.3, "background"))
    assert talk.light("background") == 0.3
    assert "The background had been kept; since you asked for light" in reply.text
    assert reply.report.kept == ()
    talk.session.undo()
    assert talk.do(tone(0.3)).changed
    assert talk.light("background") == 0


def test_in_one_message_the_keep_wins_over_the_tone_of_its_place(talk):
    for message in ([keep("lips"), tone(0.3, "lips")], [tone(0.3, "lips"), keep("lips")]):
        reply = talk.do(*message)
        assert (reply.outcome, talk.light("lips")) == ("nothing", 0)
        assert "kept whole" in reply.text


def test_a_tone_of_the_whole_photo_lifts_no_keep_of_a_part(talk):
    talk.do(keep("background"), keep("lips"))
    reply = talk.do(tone(0.3), tone(0.2, "face"))
    assert talk.light("background") == talk.light("lips") == 0
    assert talk.light("nose") == 0.5
    assert "lifted" not in reply.text


def test_a_part_of_a_kept_place_is_opened_for_light_alone(talk):
    talk.do(keep("face"))
    reply = talk.do(tone(0.3, "nose"), tone(0.1))
    assert talk.light("nose") == 0.4
    assert talk.light("chin") == 0
    assert talk.light("hair") == 0.1
    assert "The nose had been kept" in reply.text
    talk.do({"do": "auto", "strength": 1.0})
    assert talk.strength("wrinkles", "nose") == 0
    assert "lifted" not in talk.do(tone(0.1, "nose")).text
    assert talk.light("nose") == 0.5
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    replayed = apply(talk.session.photo, recipe, talk.studio)
    assert replayed.pixels.tobytes() == talk.session.result.pixels.tobytes()
    talk.do(keep("face"))
    assert talk.light("nose") == 0


def test_in_one_message_light_of_a_narrower_place_wins(talk):
    reply = talk.do(keep("face"), tone(0.3, "nose"))
    assert (talk.light("nose"), talk.light("chin")) == (0.3, 0)
    assert "lifted" not in reply.text


def test_one_place_of_a_keep_is_lifted_alone(talk):
    talk.do(keep("lips", "hair"))
    talk.do(tone(0.3, "hair"), tone(0.2))
    assert (talk.light("hair"), talk.light("lips")) == (0.5, 0)


def test_one_side_lifts_no_keep_of_the_other(talk):
    talk.do(keep("cheeks", side="left"))
    assert "lifted" not in talk.do(tone(0.3, "cheeks", side="right")).text
    assert "lifted" not in talk.do(tone(0.3, "cheeks")).text
    assert "lifted" in talk.do(tone(0.3, "cheeks", side="left")).text


def test_keeps_of_the_whole_photo_open_for_one_face(opened):
    talk = opened({"acne": ["chin"]}, {"acne": ["chin"]})
    talk.do(keep("image"))
    talk.do(tone(0.3, "nose", who=2))
    assert (talk.light("nose", 0), talk.light("nose", 1), talk.light("chin", 1)) == (0, 0.3, 0)


def test_a_face_left_alone_by_name_is_left_alone(opened):
    talk = opened({"acne": ["chin"]}, {"acne": ["chin"]})
    talk.do(keep("face", who=1), tone(0.3, "nose", who="everyone"))
    assert (talk.light("nose", 0), talk.light("nose", 1)) == (0, 0.3)


def test_the_parser_is_told_of_tones(talk):
    talk.do(ACNE)
    talk.do(tone(0.3, "face", "hair"))
    talk.do({"do": "explain"})
    told = talk.script.told[-1]
    assert [(e.what, e.where, e.strength) for e in told.edits] == [
        ("acne", ["face"], 1.0),
        ("brightness", ["face", "hair"], 0.3),
    ]
    assert told.last == 1


def test_explain_says_amount_and_measurement(talk):
    talk.do(tone(0.3, "background"))
    text = talk.do({"do": "explain"}).text
    assert "the brightness of the background (amount +0.30, measured mean lightness 50.0" in text


def test_several_faces_are_asked_about_only_where_a_face_is_meant(opened):
    talk = opened({"acne": ["chin"]}, {"acne": ["chin"]})
    assert talk.do(tone(0.3, "background")).changed
    assert talk.do(tone(0.3, "face")).outcome == "asked"
    reply = talk.session.say("the one on the right")
    assert reply.changed
    assert (talk.light("nose", 0), talk.light("nose", 1)) == (0, 0.3)
    assert [edit.who for edit in reply.report.edits] == [None, 2]
    talk.do(tone(0.2, "hair", who="everyone"))
    assert (talk.light("hair", 0), talk.light("hair", 1)) == (0.2, 0.2)


def test_without_a_face_the_whole_photo_has_a_tone_and_nothing_else(nobody):
    talk = nobody()
    both = talk.do(
        {"do": "tone", "attribute": "brightness", "where": ["image"], "amount": 0.1},
        {"do": "reduce", "what": "acne", "strength": 1.0},
    )
    assert both.changed and "nothing was changed" not in both.text
    talk.session.reset()
    assert talk.do(tone(0.3)).changed
    talk.do({"do": "adjust", "what": "last", "delta": 0.1})
    assert talk.light("hair") == 0.4
    reply = talk.do(tone(0.3, "face"))
    assert (reply.outcome, "no face" in reply.text) == ("nothing", True)


def test_a_recipe_replays_tones(talk):
    talk.do(ACNE, tone(0.3, "background"), tone(0.15, "face", attribute="temperature"))
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    replayed = apply(talk.session.photo, recipe, talk.studio)
    assert replayed.pixels.tobytes() == talk.session.result.pixels.tobytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [({"amount": 2}, "amount"), ({"where": "sky"}, "where"), ({"face": 4}, "face"),
     ({"face": None}, "face")],
)  # fmt: skip
def test_a_wrong_tone_in_a_recipe_is_refused(talk, change, told):
    talk.do(tone(0.3, "face"))
    written = json.loads(talk.session.recipe().to_json())
    written["tones"][0] |= change
    with pytest.raises(RecipeError, match=told):
        Recipe.from_json(json.dumps(written))


def test_the_report_has_the_numbers(talk):
    report = talk.do(tone(0.3, "background", side="left")).report.to_json()
    assert report["edits"] == [
        {"what": "brightness", "where": ["background"], "side": "left", "strength": 0.3,
         "found": report["edits"][0]["found"], "before": 50.0, "after": 80.0}
    ]  # fmt: skip


def test_marks_are_judged_before_the_photo_is_toned(talk):
    """A detector sees other marks on a darker face, but the wish was about the photo as it is."""
    healed = talk.do(ACNE).report.edits
    measure = talk.studio.measure

    def fooled(analysis, plan, rendering):
        if not plan.tones:
            return measure(analysis, plan, rendering)
        unseen = EditMeasure(0.5, 1.0, 1.0, 0.0)
        edits = (unseen,) * len(plan.edits)
        return replace(measure(analysis, plan, rendering), edits=edits)

    talk.studio.measure = fooled
    report = talk.do(tone(-0.5, "face")).report
    assert report.edits[: len(healed)] == healed
    assert len(report.edits) == len(healed) + 1


def test_a_tone_taken_back_inside_another_is_not_told_to_be_gone(opened):
    talk = opened()
    whole = {"do": "tone", "attribute": "brightness", "where": ["image"], "amount": 0.3}
    talk.do(whole)
    talk.do(whole | {"where": ["face"], "amount": 0.2})
    told = talk.do({"do": "undo"}).text
    assert "what was changed of the brightness of the face by itself is taken back" in told.lower()
    assert "brightness of the whole photo is no longer changed" in talk.do({"do": "undo"}).text


def test_feedback_at_a_place_goes_on_in_its_own_direction(talk):
    talk.do(tone(0.6, "face"))
    for light in (0.5, 0.4):
        talk.do({"do": "adjust", "what": "last", "delta": -0.1, "where": ["forehead"]})
        assert talk.light("forehead") == pytest.approx(light)
    talk.do({"do": "adjust", "what": "last", "delta": -0.1})
    assert talk.light("forehead") == pytest.approx(0.3)
    assert talk.light("nose") == pytest.approx(0.6)
    talk.do({"do": "adjust", "what": "everything", "delta": 0.1})
    assert talk.light("nose") == pytest.approx(0.7)
    assert talk.light("forehead") == pytest.approx(0.4)


def test_a_darker_face_in_a_brighter_photo_becomes_less_dark(talk):
    talk.do(tone(0.6, "image"))
    talk.do(tone(-0.3, "face"))
    talk.do({"do": "adjust", "what": "last", "delta": -0.1})
    assert talk.light("nose") == pytest.approx(0.4)


def test_put_back_everything_is_as_it_was_whatever_feedback_there_was(talk):
    for back in ({"what": "everything"}, {"what": "everything", "where": ["forehead"]}):
        talk.do(tone(0.6, "face"))
        talk.do({"do": "adjust", "what": "last", "delta": -0.1, "where": ["forehead"]})
        talk.do({"do": "restore", **back})
        assert talk.light("forehead") == 0
        talk.do({"do": "reset"})
    talk.do(tone(0.2, "face"))
    talk.do({"do": "adjust", "what": "last", "delta": -0.2, "where": ["forehead"]})
    assert talk.light("forehead") == 0
    talk.do({"do": "adjust", "what": "last", "delta": 0.2})
    assert talk.light("forehead") == pytest.approx(0.2)
