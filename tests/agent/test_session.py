"""Questions, faces, answers, saving and reports of a conversation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent import RetouchAgent
from agent.progress import Stopped
from agent.questions import ASK_BELOW
from llm.commands import Turn, Unsupported
from llm.parser import Parsed
from memory.store import StoreError
from vision import photo as photos
from vision.errors import FreckleError
from vision.settings import Settings

ACNE = {"do": "reduce", "what": "acne", "strength": 1.0}
LEFT = {"acne": ["chin"], "freckles": ["nose"]}
RIGHT = {"acne": ["chin"]}


def test_the_face_in_focus_is_the_only_one(opened):
    report = opened().do(ACNE).report
    assert [(face.box, face.in_focus) for face in report.faces] == [((0, 0, 100, 100), True)]


def test_several_faces_are_asked_about_once_and_the_answer_is_remembered(opened):
    talk = opened(LEFT, RIGHT)
    asked = talk.do(ACNE)
    assert (asked.outcome, asked.exit_code) == ("asked", 3)
    assert "which one" in asked.text
    assert talk.session.say("the one on the right, please").changed
    assert talk.strength("acne", "chin", face=1) == 1.0
    assert talk.strength("acne", "chin", face=0) == 0
    reply = talk.do({**ACNE, "strength": 0.4})
    assert reply.changed
    assert [face.in_focus for face in reply.report.faces] == [False, True]
    assert [edit.who for edit in reply.report.edits] == [2]


@pytest.mark.parametrize(
    ("answer", "faces"),
    [
        ("everyone", {0, 1, 2}), ("both of them", {0, 1, 2}), ("the left one", {0}), ("2", {1}),
        ("number 3", {2}), ("the first and the third person", {0, 2}), ("the middle one", {1}),
        ("the second from the left", {1}), ("third person from the right", {0}),
    ],
)  # fmt: skip
def test_answers_to_which_face(opened, answer, faces):
    talk = opened(RIGHT, RIGHT, RIGHT)
    talk.do(ACNE)
    talk.session.say(answer)
    assert {face for face in range(3) if talk.strength("acne", "chin", face)} == faces


def test_a_new_wish_is_no_answer_and_nobody_is_asked_twice(opened):
    talk = opened(RIGHT, LEFT, sizes=[100, 120])
    talk.do(ACNE)
    reply = talk.do({**ACNE, "strength": 0.5}, text="heal the left cheek")
    assert reply.changed
    assert talk.strength("acne", "chin", face=1) == 0.5


def test_nobody_is_asked_where_only_one_face_fits(opened):
    talk = opened(LEFT, RIGHT)
    talk.do({"do": "reduce", "what": "freckles", "strength": 1.0})
    assert talk.strength("freckles", "nose", face=0) == 1.0


def test_nobody_is_asked_where_one_face_is_far_larger(opened):
    talk = opened(RIGHT, RIGHT, sizes=[50, 200])
    talk.do(ACNE)
    assert talk.strength("acne", "chin", face=1) == 1.0
    assert talk.strength("acne", "chin", face=0) == 0


def test_without_anybody_to_ask_the_largest_is_meant(opened):
    talk = opened(RIGHT, RIGHT, sizes=[110, 100], ask=False)
    assert talk.do(ACNE).changed
    assert talk.strength("acne", "chin", face=0) == 1.0


def test_a_named_face_is_in_focus_from_then_on(opened):
    talk = opened({**LEFT, "wrinkles": ["face"]}, {**RIGHT, "wrinkles": ["face"]})
    talk.do({**ACNE, "who": "photo_right"})
    talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5})
    assert talk.strength("wrinkles", "nose", face=1) == 0.5
    assert talk.strength("wrinkles", "nose", face=0) == 0
    talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5, "who": "everyone"})
    talk.do({"do": "adjust", "what": "last", "delta": -0.2})
    assert talk.strength("wrinkles", "nose", 0) == talk.strength("wrinkles", "nose", 1) == 0.3
    assert talk.script.told[-1].edits[-1].who == "everyone"


def test_a_face_named_later_in_a_message_leaves_what_came_before_to_the_one_chosen(opened):
    talk = opened({**LEFT, "wrinkles": ["face"]}, {**RIGHT, "wrinkles": ["face"]})
    wrinkles = {"do": "reduce", "what": "wrinkles", "strength": 0.5}
    talk.do({**wrinkles, "who": 1})
    talk.do({**wrinkles, "strength": 0.8}, {**ACNE, "who": 2})
    assert [talk.strength("wrinkles", "nose", face) for face in (0, 1)] == [0.8, 0]
    assert talk.strength("acne", "chin", face=1) == 1.0
    talk.do({**wrinkles, "strength": 0.3})
    assert [talk.strength("wrinkles", "nose", face) for face in (0, 1)] == [0.8, 0.3]


def test_a_keep_that_names_nobody_holds_for_all(opened):
    talk = opened(RIGHT, RIGHT)
    talk.do({"do": "keep", "what": "acne"})
    talk.do({"do": "auto", "strength": 1.0, "who": "everyone"})
    assert talk.strength("acne", "chin", 0) == talk.strength("acne", "chin", 1) == 0


def test_leaving_somebody_alone_does_not_choose_them(opened):
    talk = opened(RIGHT, RIGHT, sizes=[100, 300])
    talk.do(ACNE, {"do": "keep", "what": "everything", "who": "photo_left"})
    assert talk.strength("acne", "chin", 1) == 1.0
    assert talk.strength("acne", "chin", 0) == 0


def test_everyone_but_somebody(opened):
    talk = opened(RIGHT, RIGHT)
    spare = {"do": "keep", "what": "everything", "who": "photo_left"}
    talk.do({**ACNE, "who": "everyone"}, spare)
    assert talk.strength("acne", "chin", 1) == 1.0
    assert talk.strength("acne", "chin", 0) == 0


def test_a_turn_that_fails_did_not_happen(opened, monkeypatch):
    talk = opened()
    talk.do(ACNE)

    def broken(analysis, plan, rendering):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(talk.studio, "measure", broken)
        with pytest.raises(MemoryError):
            talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5})
    assert talk.strength("wrinkles", "nose") == 0
    assert [edit.what for edit in talk.do({"do": "explain"}).report.edits] == ["acne"]


def test_a_face_that_is_not_there(opened):
    reply = opened(RIGHT, RIGHT).do({**ACNE, "who": 3})
    assert reply.outcome == "nothing"
    assert "not that many faces" in reply.text


def test_no_face_no_change(nobody):
    reply = nobody().do(ACNE)
    assert (reply.outcome, reply.exit_code) == ("nothing", 3)
    assert "no face" in reply.text


def test_feedback_on_a_part_of_a_face_that_is_not_there(nobody):
    talk = nobody()
    talk.do({"do": "tone", "attribute": "brightness", "amount": 0.3, "where": ["image"]})
    less = {"do": "adjust", "what": "last", "delta": -0.1}
    reply = talk.do(less | {"where": ["forehead"]})
    assert reply.outcome == "nothing" and "no face" in reply.text
    assert talk.do(less).changed


def test_a_doubtful_reading_is_asked_about_first(opened):
    talk = opened()
    asked = talk.do(ACNE, text="mumble", confidence=ASK_BELOW - 0.01)
    assert asked.outcome == "asked"
    assert "did you mean to reduce the acne by 100%?" in asked.text
    assert talk.strength("acne", "chin") == 0
    assert talk.session.say("yes, please").changed
    assert talk.strength("acne", "chin") == 1.0


def test_no_leaves_everything_and_other_words_are_a_new_message(opened):
    talk = opened()
    talk.do(ACNE, text="mumble", confidence=0.0)
    assert talk.session.say("no").outcome == "answered"
    talk.do(ACNE, text="mumble", confidence=0.0)
    assert talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5}).changed
    assert talk.strength("acne", "chin") == 0


def test_what_changes_nothing_needs_no_confidence(opened):
    assert opened().do({"do": "help"}, confidence=0.0).outcome == "answered"


def test_what_cannot_be_done_is_told_and_the_rest_is_done(opened):
    talk = opened()
    reply = talk.do(
        {"do": "reduce", "what": "other", "strength": 1.0, "phrase": "the sports car"},
        {"do": "unsupported", "phrase": "slim the nose"},
        ACNE,
    )
    assert reply.changed
    assert "cannot recognise the sports car yet" in reply.text
    assert "“slim the nose” is outside" in reply.text
    assert talk.strength("acne", "chin") == 1.0


def test_not_found_is_told(opened):
    reply = opened().do({"do": "reduce", "what": "shine", "strength": 1.0, "where": ["nose"]})
    assert (reply.outcome, reply.exit_code) == ("nothing", 3)
    assert "found no shine on the nose" in reply.text


def test_the_reply_tells_what_was_measured_not_what_was_wished(opened, monkeypatch):
    talk = opened()
    honest = talk.studio.measure

    def half(analysis, plan, rendering):
        measurement = honest(analysis, plan, rendering)
        for edit in measurement.edits:
            edit.reduction /= 2
        return measurement

    monkeypatch.setattr(talk.studio, "measure", half)
    assert "acne is 50% weaker" in talk.do(ACNE).text


def test_a_broken_promise_would_be_told(opened, monkeypatch):
    talk = opened()
    honest = talk.studio.measure

    def broken(analysis, plan, rendering):
        measurement = honest(analysis, plan, rendering)
        for keep in measurement.kept:
            keep.max_change = 7
        return measurement

    monkeypatch.setattr(talk.studio, "measure", broken)
    reply = talk.do(ACNE, {"do": "keep", "what": "freckles"})
    assert "freckles changed by 7 levels, against your wish" in reply.text


def test_show_and_explain_change_nothing(opened):
    talk = opened()
    talk.do(ACNE)
    reply = talk.do({"do": "show", "view": "mask"})
    assert (reply.view, reply.outcome) == ("mask", "answered")
    assert talk.session.mask().sum() == 2  # a chin has two sides
    assert "acne (strength 100%, measured 100% weaker)" in talk.do({"do": "explain"}).text


def test_the_mask_of_a_kind_is_where_it_is_found(opened):
    talk = opened()
    talk.do(ACNE)
    reply = talk.do({"do": "show", "view": "mask", "what": "moles"})
    assert (reply.view, reply.shown, reply.outcome) == ("mask", ("moles",), "answered")
    assert "I find the moles" in reply.text
    for unseen in ("stubble", "scars"):  # there is none; it was never learnt
        reply = talk.do({"do": "show", "view": "mask", "what": unseen})
        assert (reply.view, reply.shown) == (None, ()) and unseen in reply.text
    everything = talk.do({"do": "show", "view": "mask", "what": "everything"})
    assert (everything.view, everything.shown) == ("mask", ())


def test_the_report_is_what_the_contract_writes(opened):
    report = opened().do(ACNE, {"do": "keep", "what": "freckles"}).report.to_json()
    assert list(report) == [
        "commands", "faces", "edits", "kept", "outside_max_change", "reply", "seconds",
    ]  # fmt: skip
    assert set(report["edits"][0]) == {
        "what", "where", "strength", "found", "severity_before", "severity_after", "reduction",
    }  # fmt: skip
    assert set(report["kept"][0]) == {"what", "where", "found", "max_change"}
    assert set(report["seconds"]) == {"parse", "analyse", "render"}
    turn = Turn.model_validate({"commands": report["commands"]})
    assert [command.do for command in turn.commands] == ["reduce", "keep"]


def test_the_image_is_the_photo_at_full_size(opened):
    talk = opened()
    reply = talk.do(ACNE)
    assert np.array_equal(np.asarray(reply.image), talk.session.result.pixels)
    assert talk.session.image.size == reply.image.size


def test_an_empty_message_is_refused(opened):
    with pytest.raises(FreckleError, match="empty"):
        opened().session.say("  ")


@pytest.fixture
def filed(opened, tmp_path):
    """A talk about a photo that lies in a file."""
    talk = opened()
    path = tmp_path / "me.png"
    photos.save(talk.session.photo, path)
    talk.session = talk.agent.open(path)
    return talk, path


def test_save_it_writes_beside_the_photo_and_again_over_its_own_file(filed):
    talk, path = filed
    before = path.read_bytes()
    reply = talk.do(ACNE, {"do": "save"})
    assert reply.saved == path.with_name("me.retouched.png")
    assert np.array_equal(photos.load(reply.saved).pixels, talk.session.result.pixels)
    again = talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5}, {"do": "save"})
    assert np.array_equal(photos.load(again.saved).pixels, talk.session.result.pixels)
    assert path.read_bytes() == before


def test_save_it_replaces_nobody_elses_file(filed):
    talk, path = filed
    other = path.with_name("me.retouched.png")
    other.write_bytes(b"not yours")
    reply = talk.do({"do": "save"})
    assert reply.saved is None
    assert "already exists" in reply.text
    assert other.read_bytes() == b"not yours"


def test_the_input_is_never_replaced(filed):
    talk, path = filed
    with pytest.raises(FreckleError):
        talk.session.save(path, overwrite=True)


def test_a_photo_without_a_file_needs_a_name(opened, tmp_path):
    assert opened().do({"do": "save"}).saved is None
    named = opened(save_to=tmp_path / "out.png")
    assert named.do({"do": "save"}).saved == tmp_path / "out.png"


def test_a_memory_that_cannot_be_read_is_told_when_the_photo_is_opened(opened, tmp_path):
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"no database" * 100)
    settings = Settings(database_url=f"sqlite:///{bad}")
    agent = RetouchAgent.load(settings=settings, studio=(talk := opened()).studio)
    with pytest.raises(StoreError):
        agent.open(talk.studio.photo(), user="mia")


def test_the_reply_says_who_read_the_message_where_the_chosen_model_failed(opened):
    talk = opened()
    wish = {"do": "reduce", "what": "acne", "where": ["face"], "strength": 1}
    text = talk.script.learn("zap it", wish)
    talk.script.lines[text] = replace(talk.script.lines[text], trouble="qwen3 cannot be reached")
    reply = talk.session.say(text)
    assert reply.text.endswith(" Read by the built-in model, since qwen3 cannot be reached.")
    assert reply.report.reply == reply.text and reply.changed
    assert "qwen3" not in talk.session.undo().text
    # A question that is asked back says it, too.
    talk.script.lines[text] = replace(talk.script.lines[text], confidence=0.1)
    assert talk.session.say(text).text.endswith("since qwen3 cannot be reached.")


def test_another_language_is_answered_with_what_it_needs(opened):
    talk = opened()
    turn = Turn(commands=[Unsupported(phrase="quita las ojeras")])
    talk.script.lines["quita las ojeras"] = Parsed(turn, 1.0, foreign=True)
    reply = talk.session.say("quita las ojeras")
    assert (reply.outcome, reply.exit_code) == ("nothing", 3)
    assert "only understand English" in reply.text and "larger language model" in reply.text
    assert "outside of what I do" not in reply.text
    assert reply.report.commands == tuple(turn.commands)


def test_what_is_asked_after_starting_over_is_told(opened):
    talk = opened()
    talk.do({"do": "reduce", "what": "wrinkles", "strength": 0.5})
    reply = talk.do({"do": "reset"}, ACNE)
    assert reply.text.startswith("Started over: the acne is no longer to be found.")
    assert talk.do({"do": "reset"}).text == "This is the untouched photo again."
    assert "untouched" not in talk.do({"do": "reset"}, ACNE).text
    assert "untouched photo already" in opened().do({"do": "reset"}).text


def test_a_stopped_turn_leaves_focus_and_question_as_they_were(opened):
    def stop(stage):
        if stage == "retouching":
            raise Stopped

    talk = opened(RIGHT, RIGHT, sizes=[120, 100])
    text = talk.script.learn("the second", {**ACNE, "who": 2})
    with pytest.raises(Stopped):
        talk.session.say(text, stop)
    assert talk.session.focus == (0,)
    assert talk.do(ACNE).outcome == "asked"
    with pytest.raises(Stopped):
        talk.session.say("2", stop)
    assert talk.session.question is not None
    assert talk.session.say("2").changed and talk.strength("acne", "chin", face=1) == 1.0


def test_what_is_so_already_is_said(opened):
    talk = opened()
    keep = {"do": "keep", "what": "freckles"}
    talk.do(keep)
    again = talk.do(keep)
    assert (again.text, again.exit_code) == ("The freckles are kept already.", 3)
    nothing = talk.do({"do": "restore", "what": "everything"})
    assert nothing.text == "Nothing has been changed yet."
