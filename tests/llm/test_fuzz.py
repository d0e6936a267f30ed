"""No input breaks the parser: a valid turn, or one line that says why not.

`freckle evaluate language --fuzz 20000` tries more.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm.commands import State, Turn
from llm.embedded import EmbeddedParser
from llm.words import MAX_CHARACTERS, MAX_WORDS, find_numbers, split
from training.evaluate.fuzz import MAKERS, check, fuzz
from vision.errors import FreckleError

STATE = State(
    edits=[
        {"what": "moles", "where": ["cheeks"], "strength": 1.0, "side": "left"},
        {"what": "brightness", "where": ["image"], "strength": -0.3},
    ],
    kept=["freckles"],
    last=0,
    faces=3,
)
TEXTS = st.text() | st.text(st.characters(), max_size=60) | st.binary().map(
    lambda data: data.decode("utf-8", "surrogateescape")
)  # fmt: skip


@pytest.fixture(scope="module")
def parser() -> EmbeddedParser:
    return EmbeddedParser.load()


def test_ten_inputs_of_every_sort(parser):
    found = fuzz(parser, 10 * len(MAKERS), seed=7)
    assert not found.broken
    assert found.valid.total() + found.refused.total() == 10 * len(MAKERS)
    assert set(found.valid) | set(found.refused) == set(MAKERS)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, st.sampled_from([None, STATE]))
def test_any_text(parser, text, state):
    check(parser, text, state)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_words_stand_where_they_say(text):
    message = split(text)
    assert len(message.text) == len(text)
    assert all(0 <= word.start < word.end <= len(text) for word in message.words)
    assert all(0 <= number.value <= 1 for number in find_numbers(message.forms))


@pytest.mark.parametrize("text", ["²", "7/²", "³¹ %", "Ⅷ percent", "9" * 1900, "½ / 0", "0/0"])
def test_odd_numbers_are_read_or_left(text):
    assert all(0 <= number.value <= 1 for number in find_numbers(split(text).forms))


@pytest.mark.parametrize("text", ["word " * (MAX_WORDS + 1), "x" * (MAX_CHARACTERS + 1)])
def test_what_is_too_long_is_refused_in_one_line(parser, text):
    with pytest.raises(FreckleError, match="too long.*at most 200 words") as refusal:
        parser.parse(text)
    assert "\n" not in str(refusal.value)


def test_the_longest_message_is_read_to_its_end(parser):
    story = "my sister took this one last summer at the lake and it is the only good one . " * 10
    turn = parser.parse(" ".join(story.split()[:170]) + " . please remove the acne on my chin").turn
    assert any(one.do == "reduce" and one.what == "acne" for one in turn.commands), turn


def test_another_language_is_unsupported_whole(parser):
    text = "  quita las ojeras de mi cara, por favor "
    parsed = parser.parse(text)
    assert parsed.foreign
    assert parsed.turn == Turn(commands=[{"do": "unsupported", "phrase": text}])
    assert not parser.parse("make my nose smaller").foreign
