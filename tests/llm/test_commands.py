"""The contract's models: what they accept, fill in and refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from llm.commands import State, Turn
from llm.sequences import read, write
from llm.words import split


def turn(*commands: dict) -> Turn:
    return Turn(commands=list(commands))


def test_the_example_of_the_contract_survives_a_round_trip():
    commands = [
        {
            "do": "reduce",
            "what": "wrinkles",
            "where": ["face"],
            "strength": 0.5,
            "phrase": "the wrinkles",
        },
        {"do": "keep", "what": "freckles", "where": ["face"], "phrase": "freckles"},
    ]
    assert Turn(commands=commands).to_json() == {"commands": commands}


@pytest.mark.parametrize(
    ("command", "region"),
    [
        ({"do": "reduce", "what": "dark_circles", "strength": 1}, "under_eyes"),
        ({"do": "keep", "what": "yellow_teeth"}, "teeth"),
        ({"do": "restore", "what": "last"}, "face"),
        ({"do": "tone", "attribute": "contrast", "amount": 0.3}, "image"),
        ({"do": "auto", "strength": 0.5}, "face"),
    ],
)
def test_a_place_that_was_not_said_is_filled_in(command, region):
    assert turn(command).to_json()["commands"][0]["where"] == [region]


@pytest.mark.parametrize(
    "command",
    [
        {"do": "reduce", "what": "wrinkles", "strength": 1.2},
        {"do": "reduce", "what": "last", "strength": 0.5},
        {"do": "reduce", "what": "warts", "strength": 0.5},
        {"do": "adjust", "what": "last", "delta": -1.5},
        {"do": "keep", "what": "moles", "where": ["knee"]},
        {"do": "keep", "what": "moles", "always": False},
        {"do": "undo", "steps": 0},
        {"do": "show", "view": "upside_down"},
        {"do": "unsupported"},
        {"do": "save", "path": "a.png"},
        {"do": "slim"},
    ],
)
def test_what_the_contract_does_not_know_is_refused(command):
    with pytest.raises(ValidationError):
        turn(command)


def test_a_turn_is_never_empty_and_chat_stands_alone():
    with pytest.raises(ValidationError):
        turn()
    with pytest.raises(ValidationError):
        turn({"do": "chat"}, {"do": "save"})
    assert turn({"do": "chat"}).commands[0].do == "chat"


def test_last_must_be_an_edit_of_the_state():
    with pytest.raises(ValidationError):
        State(edits=[{"what": "acne", "where": ["face"], "strength": 1.0}], last=1)


def test_only_who_is_counted_from_the_right_is_renumbered():
    text = "remove the acne of the first person from the left and of the second from the right"
    drafts = [{"do": "reduce", "what": "acne", "who": who, "strength": 1.0} for who in (1, 2)]
    message = split(text)
    turn = read(write(drafts, message), message, State(faces=4))
    assert [command.who for command in turn.commands] == [1, 3]


def test_a_repetition_after_a_step_back_is_none():
    message = split("keep freckles, undo, keep freckles")
    keep = {"do": "keep", "what": "freckles"}
    turn = read(write([keep, {"do": "undo"}, keep], message), message)
    assert [command.do for command in turn.commands] == ["keep", "undo", "keep"]


def test_half_of_what_is_there_is_another_change_at_each_place():
    message = split("halve the wrinkles")
    edits = [
        {"what": "wrinkles", "where": ["forehead"], "strength": 0.8},
        {"what": "wrinkles", "where": ["crows_feet"], "strength": 0.2},
    ]
    draft = {"do": "adjust", "what": "wrinkles", "delta": "half"}
    turn = read(write([draft], message), message, State(edits=edits, last=1))
    changes = [(command.where, command.delta) for command in turn.commands]
    assert changes == [(["forehead"], -0.4), (["crows_feet"], -0.1)]
    nested = [*edits, {"what": "wrinkles", "where": ["face"], "strength": 0.4}]
    (all_of_it,) = read(write([draft], message), message, State(edits=nested, last=2)).commands
    assert all_of_it.where == ["face"]
    one = read(write([draft], message), message, State(edits=edits[:1], last=0))
    assert [(command.where, command.delta) for command in one.commands] == [(["forehead"], -0.4)]
