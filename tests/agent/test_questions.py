"""What is asked back, and how the answer is understood."""

from __future__ import annotations

import pytest

from agent.questions import DidYouMean
from llm.commands import Turn
from llm.parser import Parsed, Reading

ACNE = {"do": "reduce", "what": "acne", "strength": 1.0}
KEEP = {"do": "keep", "what": "acne"}
LIGHT = {"do": "tone", "attribute": "brightness", "where": ["image"], "amount": -0.3}


def turn(*commands):
    return Turn.model_validate({"commands": list(commands)})


def parsed(first, *others, confidence=0.25):
    """A doubtful reading, and others with their confidence."""
    rest = tuple(Reading(turn(command), sure) for command, sure in others)
    return Parsed(turn(first), confidence, alternatives=rest)


@pytest.fixture
def asked(opened):
    """A conversation that was just asked which of three readings was meant."""
    talk = opened()
    talk.script.lines["mumble"] = parsed(ACNE, (KEEP, 0.2), (LIGHT, 0.1))
    reply = talk.session.say("mumble")
    assert reply.outcome == "asked"
    assert reply.text == (
        "I am not sure I understood: did you mean to (1) reduce the acne by 100%, (2) keep the "
        "acne or (3) lower the brightness by 30%? Say a number, or put it another way."
    )
    return talk


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("yes", ACNE), ("1", ACNE), ("the first one", ACNE), ("one", ACNE), ("reduce it", ACNE),
        ("number 2, please", KEEP), ("(2)", KEEP), ("the second", KEEP), ("Keep the acne.", KEEP),
        ("option three", LIGHT), ("Lower the brightness by 30%", LIGHT), ("the brightness", LIGHT),
    ],
)  # fmt: skip
def test_one_of_several_readings_is_chosen(asked, answer, meant):
    reply = asked.session.say(answer)
    assert reply.report.commands == tuple(turn(meant).commands)
    assert asked.session.question is None


def test_right_may_be_a_side(opened):
    sides = [
        {"do": "reduce", "what": "redness", "where": ["cheeks"], "side": side, "strength": 1.0}
        for side in ("left", "right")
    ]
    answers = {
        "right": 1, "the right one": 1, "yes, the right one": 1, "left": 0, "yes": 0, "2": 1,
    }  # fmt: skip
    for answer, meant in answers.items():
        talk = opened()
        talk.script.lines["mumble"] = parsed(sides[0], (sides[1], 0.2))
        assert talk.session.say("mumble").outcome == "asked"
        assert talk.session.say(answer).report.commands == tuple(turn(sides[meant]).commands)


@pytest.mark.parametrize("answer", ["no", "neither", "none of these", "none of them"])
def test_neither_leaves_everything(asked, answer):
    reply = asked.session.say(answer)
    assert reply.outcome == "answered" and not asked.session.mask().any()
    assert asked.session.question is None


@pytest.mark.parametrize("answer", ["acne", "reduce the wrinkles", "4", "reduce the acne by 10%"])
def test_what_chooses_none_or_several_is_a_new_message(asked, answer):
    reply = asked.do({"do": "reduce", "what": "wrinkles", "strength": 0.5}, text=answer)
    assert reply.changed and asked.strength("wrinkles", "nose") == 0.5
    assert asked.strength("acne", "chin") == 0


def test_readings_are_distinct_likely_and_change_something():
    question = DidYouMean.of(
        parsed(
            ACNE,
            ({**ACNE, "phrase": "zits"}, 0.2),
            ({"do": "chat"}, 0.2),
            (KEEP, 0.15),
            (LIGHT, 0.01),
        )
    )
    assert question.choices == ("reduce the acne by 100%", "keep the acne")
    many = [({**ACNE, "strength": step}, 0.2) for step in (0.1, 0.2, 0.3, 0.4)]
    assert len(DidYouMean.of(parsed(ACNE, *many)).readings) == 3
    assert question.readings[0].commands == turn(ACNE).commands


def test_whose_face_is_part_of_a_reading():
    question = DidYouMean.of(parsed({**ACNE, "who": 1}, ({**ACNE, "who": "photo_right"}, 0.2)))
    assert question.choices == (
        "reduce the acne by 100% (face 1)", "reduce the acne by 100% (photo right)",
    )  # fmt: skip


def test_the_two_of_them_are_both_and_a_face_that_is_not_there_is_asked_about_again(opened):
    talk = opened({"acne": ["chin"]}, {"acne": ["chin"]})
    talk.do(ACNE)
    again = talk.session.say("3")
    assert again.outcome == "asked" and again.text.startswith("There are only 2 faces. That fits")
    assert talk.session.say("the two of them").changed
    assert talk.strength("acne", "chin", 0) == talk.strength("acne", "chin", 1) == 1.0


@pytest.mark.parametrize(
    ("answer", "faces"), [("2nd", {1}), ("the last one", {2}), ("the 1st and the 3rd", {0, 2})]
)
def test_faces_are_named_in_many_ways(opened, answer, faces):
    talk = opened(*[{"acne": ["chin"]}] * 3)
    assert talk.do(ACNE).outcome == "asked"
    assert talk.session.say(answer).changed
    assert {face for face in range(3) if talk.strength("acne", "chin", face)} == faces


@pytest.mark.parametrize("confidence", [1.0, 0.1])
def test_an_answer_that_is_not_understood_is_asked_for_once_more(opened, confidence):
    talk = opened(*[{"acne": ["chin"]}] * 3)
    talk.do(ACNE)
    nothing = {"do": "chat"} if confidence == 1.0 else {"do": "accept"}
    again = talk.do(nothing, text="me", confidence=confidence)
    assert again.outcome == "asked" and "I did not understand which." in again.text
    assert talk.session.say("2").changed and talk.strength("acne", "chin", 1) == 1.0
    other = opened(*[{"acne": ["chin"]}] * 3)
    other.do(ACNE)
    for _ in range(2):
        reply = other.do({"do": "chat"}, text="me")
    assert reply.outcome == "answered"


@pytest.mark.parametrize(
    ("answer", "faces"),
    [
        ("1 to 3", {0, 1, 2}), ("faces 2-4", {1, 2, 3}), ("1, 3", {0, 2}), ("1 3", {0, 2}),
        ("the left and the second", {0, 1}), ("all four", {0, 1, 2, 3}), ("1st 2nd", {0, 1}),
        ("the woman on the left and the one on the right", {0, 3}),
    ],
)  # fmt: skip
def test_several_faces_are_named_as_a_list_or_a_reach(opened, answer, faces):
    talk = opened(*[{"acne": ["chin"]}] * 4)
    assert talk.do(ACNE).outcome == "asked"
    assert talk.session.say(answer).changed
    assert {face for face in range(4) if talk.strength("acne", "chin", face)} == faces


@pytest.mark.parametrize(
    "answer",
    [
        "the last two",
        "second to last",
        "face 1 of 4",
        "number 2 on the right",
        "them",
        "1 through 99999999999",
    ],
)
def test_one_name_of_several_words_is_not_taken_for_several_faces(opened, answer):
    talk = opened(*[{"acne": ["chin"]}] * 4)
    talk.do(ACNE)
    assert talk.do({"do": "chat"}, text=answer).outcome == "asked"
    assert not talk.session.mask().any()


def test_never_mind_ends_the_question_which_face(opened):
    talk = opened(*[{"acne": ["chin"]}] * 3)
    talk.do(ACNE)
    reply = talk.session.say("never mind, thanks")
    assert reply.outcome == "answered" and talk.session.question is None


@pytest.mark.parametrize("answer", ["yes, thanks", "go ahead", "absolutely", "yes please"])
def test_one_may_agree_politely(asked, answer):
    assert asked.session.say(answer).report.commands == tuple(turn(ACNE).commands)


@pytest.mark.parametrize("answer", ["no thanks", "please don't"])
def test_one_may_decline_politely(asked, answer):
    assert asked.session.say(answer).outcome == "answered" and not asked.session.mask().any()
