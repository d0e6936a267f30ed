"""Who asks for pimples is told of freckles that were left: some of them may be pimples, too."""

from __future__ import annotations

import pytest

ACNE = {"do": "reduce", "what": "acne", "strength": 1.0}
FRECKLES = {"do": "reduce", "what": "freckles", "strength": 1.0}
KEEP = {"do": "keep", "what": "freckles"}
SPOTTY = {"acne": ["chin"], "freckles": ["nose", "cheeks"]}
LEFT_ALONE = "What looks like freckles to me was left alone"


def test_more_marks_of_another_name_are_told_and_left(opened):
    talk = opened(SPOTTY)
    assert LEFT_ALONE in talk.do(ACNE).text
    assert talk.strength("freckles", "nose") == 0
    assert LEFT_ALONE not in talk.do(FRECKLES).text


def test_they_are_told_where_nothing_is_found_under_the_name(opened):
    reply = opened({"freckles": ["nose"]}).do(ACNE)
    assert reply.outcome == "nothing"
    assert "I found no acne" in reply.text and LEFT_ALONE in reply.text


@pytest.mark.parametrize(
    ("marks", "commands"),
    [
        (SPOTTY, [ACNE, FRECKLES]),
        (SPOTTY, [ACNE, KEEP]),
        (SPOTTY, [{**ACNE, "where": ["chin"]}]),
        (SPOTTY, [{**ACNE, "strength": 0.0}]),
        (SPOTTY, [{**ACNE, "what": "shine"}]),
        ({"acne": ["chin", "jaw"], "freckles": ["nose"]}, [ACNE]),
    ],
    ids=["named", "kept", "elsewhere", "of nothing", "unlike", "fewer"],
)
def test_nothing_is_told_where_it_says_nothing_new(opened, marks, commands):
    assert "looks like" not in opened(marks).do(*commands).text
