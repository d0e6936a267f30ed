"""The shipped parser on its shipped weights: plain sentences, the demo, every kind of odd text."""

from __future__ import annotations

import threading

import pytest

from llm.commands import State, Turn
from llm.embedded import EmbeddedParser
from vision.errors import FreckleError


@pytest.fixture(scope="module")
def parser() -> EmbeddedParser:
    return EmbeddedParser.load()


WRINKLES = State(edits=[{"what": "wrinkles", "where": ["face"], "strength": 0.5}], last=0)


def commands(parser: EmbeddedParser, text: str, state: State | None = None) -> list[dict]:
    """What a text means, without the words quoted."""
    found = parser.parse(text, state).turn.to_json()["commands"]
    return [{name: value for name, value in one.items() if name != "phrase"} for one in found]


def test_the_demo(parser):
    assert commands(parser, "soften the wrinkles but keep freckles") == [
        {"do": "reduce", "what": "wrinkles", "where": ["face"], "strength": 0.5},
        {"do": "keep", "what": "freckles", "where": ["face"]},
    ]
    (adjust,) = commands(parser, "a bit less on the forehead", WRINKLES)
    assert adjust.pop("what") in ("last", "wrinkles")
    assert adjust == {"do": "adjust", "where": ["forehead"], "delta": -0.1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "remove the pimple on my chin",
            [{"do": "reduce", "what": "acne", "where": ["chin"], "strength": 1.0}],
        ),
        (
            "reduce the redness by 37%",
            [{"do": "reduce", "what": "redness", "where": ["face"], "strength": 0.37}],
        ),
        ("don't touch my moles", [{"do": "keep", "what": "moles", "where": ["face"]}]),
        ("undo", [{"do": "undo", "steps": 1}]),
        ("start over", [{"do": "reset"}]),
        ("save it", [{"do": "save"}]),
        ("hello", [{"do": "chat"}]),
        ("what did you change?", [{"do": "explain"}]),
        ("show me the original", [{"do": "show", "view": "before"}]),
        (
            "make it a bit warmer",
            [{"do": "tone", "attribute": "temperature", "where": ["image"], "amount": 0.15}],
        ),
    ],
)
def test_plain_sentences(parser, text, expected):
    assert commands(parser, text) == expected


def test_what_cannot_be_done_is_quoted(parser):
    (command,) = parser.parse("make my nose smaller").turn.to_json()["commands"]
    assert command["do"] == "unsupported"
    assert command["phrase"] in "make my nose smaller"


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "🙃🙃", "%%%", "ß" * 500, "acne 30% " * 300, "\ud800"]
)
def test_every_text_has_an_answer(parser, text):
    parsed = parser.parse(text, WRINKLES)
    assert Turn.model_validate(parsed.turn.to_json()) == parsed.turn
    assert 0 <= parsed.confidence <= 1


def test_threads_get_the_answers_of_one_thread(parser):
    texts = ["zap the zit on my nose", "keep the scar", "too much", "brighter please"]
    alone = {text: parser.parse(text) for text in texts}
    together: dict[str, object] = {}
    threads = [
        threading.Thread(target=lambda text=text: together.__setitem__(text, parser.parse(text)))
        for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FreckleError, match="weights are missing"):
        EmbeddedParser.load(weights=tmp_path)


def test_a_foreign_encoder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"not the encoder")
    monkeypatch.setattr("vision.minilm.folder", lambda: tmp_path)
    with pytest.raises(FreckleError, match="not the official"):
        EmbeddedParser.load()
