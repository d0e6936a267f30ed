"""Places said in words: what counts as found, on a real face and by the parser that ships."""

from __future__ import annotations

import json

import pytest

from llm.parser import load_parser
from training.evaluate import places
from vision.settings import Settings
from vision.vocabulary import KINDS, REGIONS, SIDES


@pytest.fixture(scope="module")
def parser():
    return load_parser(Settings())


def phrase(text: str, *meant: tuple[list[str], str | None], what: str = "freckles"):
    found = tuple(places.Place(frozenset(where), side) for where, side in meant)
    return places.Phrase(text, what, found)


def test_a_place_that_is_understood_is_reached_in_full(parser, base):
    said = phrase("the freckles on my left cheek", (["cheeks"], "left"))
    assert places.hear(said, parser, [base.regions]) == places.Heard(True, True, 1.0, 1.0)


def test_of_places_that_can_be_meant_the_closest_counts(parser, base):
    said = phrase("the freckles on my nose", (["chin"], None), (["nose"], None))
    assert places.hear(said, parser, [base.regions]).exact
    wrong = places.hear(phrase("the freckles on my nose", (["chin"], None)), parser, [base.regions])
    assert wrong == places.Heard(True, False, 0.0, 0.0)


def test_a_half_of_what_was_meant_is_half_reached(parser, base):
    said = phrase("moles on my right cheek", (["cheeks"], None), what="moles")
    heard = places.hear(said, parser, [base.regions])
    assert not heard.exact and 0.2 < heard.reached < 0.8 and heard.overlap == heard.reached


def test_what_asks_for_nothing_finds_no_place(parser, base):
    heard = places.hear(phrase("hello there", (["nose"], None)), parser, [base.regions])
    assert heard == places.Heard(False, False, 0.0, 0.0)


def test_the_phrases_keep_to_the_contract():
    entries = json.loads(places.FILE.read_text(encoding="utf-8"))
    assert len({entry["text"] for entry in entries}) == len(entries) >= 60
    for one in places.phrases():
        assert one.what in KINDS
        for place in one.places:
            assert place.where and place.where <= set(REGIONS)
            assert place.side is None or place.side in SIDES
