"""The benchmark of whole conversations, on the astronaut."""

from __future__ import annotations

import json

import pytest

from llm.parser import load_parser
from training.evaluate.agent import SCRIPTS, Album, _fits, converse
from vision.errors import FreckleError
from vision.settings import Settings

SHORT = {
    "name": "short", "photo": "astronaut", "user": "mia",
    "turns": [
        ["soften the wrinkles but keep the freckles", "changed",
         {"edits": ["wrinkles face 0.5"], "kept": ["freckles face"], "focus": [1]}],
        ["undo", "changed", {"edits": [], "kept": []}],
        {"photo": "astronaut"},
        ["show me the original", "answered", {"view": "before"}],
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def parser():
    return load_parser(Settings())


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    return Album(tmp_path_factory.mktemp("data"), {"gone": "gone.jpg"})


def test_a_conversation_is_judged_turn_by_turn(album, parser):
    judged = converse(SHORT, album, parser)
    assert (judged.turns, judged.right, judged.wrong, judged.changed) == (3, 3, "", 0)
    assert judged.commands == {"reduce", "keep", "undo", "show"}


def test_the_first_turn_that_is_not_as_expected_is_told(album, parser):
    script = SHORT | {"turns": [["hello", "answered", {}], ["undo", "changed", {"tones": ["x"]}]]}
    judged = converse(script, album, parser)
    assert (judged.turns, judged.right) == (2, 1)
    assert judged.wrong.startswith("2. “undo”: outcome is nothing, not changed; tones are []")


@pytest.mark.parametrize(
    ("wish", "there", "fits"),
    [("acne face 0.5", "acne face 0.5", True), ("acne face 0.5", "acne face 0.6", False),
     ("acne face 0.5~0.1", "acne face 0.6", True), ("acne face|skin 1", "acne skin 1", True),
     ("acne face 1", "acne face #2 1", False), ("auto * 0.5|1", "auto * 1", True)],
)  # fmt: skip
def test_the_notation_of_expectations(wish, there, fits):
    assert _fits(wish, there) is fits


def test_a_photo_that_is_missing_is_named(album):
    with pytest.raises(FreckleError, match="gone.jpg is missing"):
        album.open("gone")


def test_several_photos_are_set_side_by_side(album):
    assert album.open("astronaut+astronaut").shape == (512, 1024, 3)


def test_scripts_name_known_photos_and_are_long_enough():
    scripts = json.loads(SCRIPTS.read_text(encoding="utf-8"))
    assert len(scripts["conversations"]) >= 15
    for script in scripts["conversations"]:
        photos = [script["photo"], *(t["photo"] for t in script["turns"] if isinstance(t, dict))]
        named = {part for photo in photos for part in photo.split("+")}
        assert named <= {"astronaut", *scripts["photos"]}
        assert 5 <= sum(isinstance(turn, list) for turn in script["turns"]) <= 12
