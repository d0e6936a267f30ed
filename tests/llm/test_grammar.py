"""The command language: any path through the automaton is a valid Turn, and references resolve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm.commands import State, Turn
from llm.grammar import END, START, TOKENS, Grammar, Place, pointer, token
from llm.sequences import Spoken, read, write
from llm.words import split

STATES = (
    None,
    State(
        edits=[
            {"what": "wrinkles", "where": ["forehead"], "strength": 0.5},
            {"what": "acne", "where": ["cheeks"], "side": "left", "strength": 1.0},
        ],
        kept=["moles"],
        last=1,
    ),
    State(edits=[{"what": "brightness", "where": ["face"], "strength": -0.3}], last=0, faces=3),
)
TEXTS = (
    "",
    "?",
    "soften the lines on my left cheek by 37% or 2",
    "everyone: half of it, the other side too, 250 and 0.4",
    "a " * 200,
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(TEXTS), st.sampled_from(STATES), st.floats(0, 8))
def test_every_path_of_random_scores_is_a_valid_turn(seed, text, state, shyness_of_the_end):
    rng = np.random.default_rng(seed)
    message = split(text)
    grammar, place, sequence = Grammar(message, state), Place(), [START]
    while not place.ended:
        scores = rng.gumbel(size=grammar.size)
        scores[END] -= shyness_of_the_end
        sequence.append(int(np.where(grammar.mask(place), scores, -np.inf).argmax()))
        place = grammar.step(place, sequence[-1])
        assert len(sequence) <= 160
    turn = read(sequence, message, state)
    assert Turn.model_validate(turn.to_json()) == turn
    assert 1 <= len(turn.commands) <= 10


def test_a_forbidden_step_is_refused():
    with pytest.raises(ValueError, match="cannot follow"):
        Grammar(split("hello")).step(Place(), END)


def test_sides_and_faces_need_words_or_a_state():
    def allows(text: str, state: State | None = None) -> tuple[bool, bool]:
        grammar = Grammar(split(text), state)
        place = Place()
        for index in (token("do", "keep"), token("what", "moles"), token("where", "here")):
            place = grammar.step(place, index)
        mask = grammar.mask(place)
        return bool(mask[token("side", "left")]), bool(mask[token("who", 2)])

    assert allows("keep the moles") == (False, False)
    assert allows("keep the moles on the left") == (True, False)
    assert allows("keep the second person's moles") == (False, True)
    assert allows("keep the moles", STATES[2]) == (False, True)


def spoken(text: str, *drafts: dict, state: State | None = None) -> list[dict]:
    """Commands that drafts become after a way through writing, grammar and reading."""
    message = split(text)
    sequence = write(drafts, message)
    grammar, place = Grammar(message, state), Place()
    for index in sequence[1:]:
        assert grammar.mask(place)[index]
        place = grammar.step(place, index)
    return read(sequence, message, state).to_json()["commands"]


def test_numbers_and_phrases_are_copied_from_the_text():
    draft = {"do": "reduce", "what": "other", "strength": Spoken(0.37), "span": (1, 3)}
    assert spoken("fade THE Cold sore, 37%", draft) == [
        {
            "do": "reduce",
            "what": "other",
            "where": ["face"],
            "strength": 0.37,
            "phrase": "THE Cold sore",
        }
    ]


def test_a_number_in_the_text_is_written_as_a_pointer():
    message = split("freckles 37 %")
    assert pointer(1) in write(
        [{"do": "reduce", "what": "freckles", "strength": Spoken(0.37)}], message
    )
    with pytest.raises(ValueError, match="0.38"):
        write([{"do": "reduce", "what": "freckles", "strength": Spoken(0.38)}], message)


def test_feedback_on_a_kind_is_about_its_place():
    assert spoken("x", {"do": "adjust", "what": "wrinkles", "delta": -0.1}, state=STATES[1]) == [
        {"do": "adjust", "what": "wrinkles", "where": ["forehead"], "delta": -0.1}
    ]


def test_feedback_on_a_kind_edited_at_several_places_is_about_all_of_them():
    edits = [{"what": "wrinkles", "where": [place], "strength": 0.5} for place in ("face", "chin")]
    state = State.model_validate({"edits": edits, "last": 1})
    (back,) = spoken("x", {"do": "restore", "what": "wrinkles"}, state=state)
    assert back["where"] == ["face"]
    (last,) = spoken("x", {"do": "reduce", "what": "last", "strength": 0.8}, state=state)
    assert last["where"] == ["chin"]


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("remove the acne of the second woman from the right", 3),
        ("the 2nd from right: no acne", 3),
        ("remove the acne of the second from the left", 2),
        ("remove the acne of the second man from the right cheek", 2),
    ],
)
def test_faces_may_be_counted_from_the_right(text, who):
    draft = {"do": "reduce", "what": "acne", "who": 2, "strength": 1.0}
    assert spoken(text, draft, state=State(faces=4))[0]["who"] == who


def test_the_other_side():
    drafts = (
        {"do": "restore", "what": "last"},
        {"do": "reduce", "what": "last", "side": "opposite", "strength": "same"},
    )
    assert spoken("no, the other cheek", *drafts, state=STATES[1]) == [
        {"do": "restore", "what": "last", "where": ["face"]},
        {"do": "reduce", "what": "acne", "where": ["cheeks"], "side": "right", "strength": 1.0},
    ]


@pytest.mark.parametrize(("change", "delta"), [("half", -0.25), ("double", 0.5), ("full", 0.5)])
def test_halves_and_doubles_are_differences(change, delta):
    draft = {"do": "adjust", "what": "wrinkles", "delta": change}
    assert spoken("x", draft, state=STATES[1])[0]["delta"] == delta


def test_tone_feedback_stays_in_its_place():
    draft = {"do": "tone", "attribute": "brightness", "where": ["there"], "amount": 0.15}
    assert spoken("too dark", draft, state=STATES[2])[0]["where"] == ["face"]


def test_equal_commands_are_merged():
    chin = {"do": "reduce", "what": "acne", "where": ["chin"], "strength": 1.0}
    nose = {**chin, "where": ["nose"]}
    soft = {**chin, "strength": 0.3}
    assert spoken("x", chin, chin, nose, soft) == [{**chin, "where": ["chin", "nose"]}, soft]


def test_tokens_are_distinct():
    assert len(set(TOKENS)) == len(TOKENS)


def test_every_undo_is_a_step():
    one, two = {"do": "undo", "steps": 1}, {"do": "undo", "steps": 2}
    assert spoken("undo undo undo twice", one, one, two) == [{"do": "undo", "steps": 4}]
