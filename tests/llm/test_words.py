"""Words, spelling and numbers of a message."""

from __future__ import annotations

import pytest

from llm.words import Speller, find_numbers, split


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("down by 37%", [0.37]),
        ("acne 80, shine 0.4 and redness .25", [0.8, 0.4, 0.25]),
        ("forty five percent, then twenty-five per cent", [0.45, 0.25]),
        ("by half, or three quarters, or a third", [0.5, 0.75, 0.33]),
        ("a hundred percent, one hundred", [1.0, 1.0]),
        ("3/10, 7 out of 10", [0.3, 0.7]),
        ("by one fifth, four fifths and three tenths", [0.2, 0.8, 0.3]),
        ("by two-thirds, three-quarters, three fourths", [0.67, 0.75, 0.75]),
        ("twenty-five percent, ½ and ¾", [0.25, 0.5, 0.75]),
        ("the fifth person from the left", []),
        ("make me 250% prettier", []),
    ],
)
def test_numbers_are_shares_of_one(text, shares):
    assert [number.value for number in find_numbers(split(text).forms)] == shares


def test_small_bare_numbers_may_count_something_else():
    assert [number.plain for number in find_numbers(["undo", "2", "steps", "to", "20", "%"])] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("1. acne 50\n2. lines: soften\n3. moles", [0.5]),
        ("1) acne 50 2) redness 30", [0.5, 0.3]),
        ("acne to 1. redness 2) 40", [1.0, 0.02, 0.4]),
    ],
)
def test_numbers_of_a_list_are_no_shares(text, shares):
    assert [number.value for number in split(text).numbers.values()] == shares


def test_quotes_are_the_users_own_letters():
    message = split("Zap THE  Frekles, pls!", Speller(["freckles"], ["zap", "the"]))
    assert message.forms == ["zap", "the", "freckles", ",", "pls", "!"]
    assert message.quote(1, 2) == "THE  Frekles"


@pytest.mark.parametrize("typo", ["wrinkels", "wrnkles", "wrinklles", "wrimkles", "wriinkels"])
def test_typos_are_mended(typo):
    assert Speller(["wrinkles", "freckles"], []).mend(typo) == "wrinkles"


def test_known_and_short_words_are_left_alone():
    speller = Speller(["mole", "chin"], ["mold"])
    assert [speller.mend(word) for word in ("mold", "chi", "zebra", "m0le")] == [
        "mold", "chi", "zebra", "m0le",
    ]  # fmt: skip


def test_real_words_are_no_typos():
    speller = Speller(["wants", "guys", "weak", "conceal", "parched"], known=())
    for word in ("warts", "gums", "tweak", "concealer"):
        assert speller.mend(word) == word


def test_emoji_are_read_by_name():
    assert split("ok 👍").forms == ["ok", "thumbs up sign"]
