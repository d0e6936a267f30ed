"""The shipped parser on its shipped weights: plain sentences, the demo, every kind of odd text."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from llm.commands import State, Turn, Unsupported
from llm.embedded import EmbeddedParser
from llm.words import split
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
    turn = parser.parse("soften the wrinkles but keep freckles").turn
    assert turn.to_json()["commands"] == [
        {
            "do": "reduce",
            "what": "wrinkles",
            "where": ["face"],
            "strength": 0.5,
            "phrase": "the wrinkles",
        },
        {"do": "keep", "what": "freckles", "where": ["face"], "phrase": "freckles"},
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


def test_the_state_of_a_phrase_is_the_mean_of_its_pieces_in_the_message(parser):
    text, seen = "soften the wrinkles but keep freckles", []
    encoder = parser._model.encoder
    hook = encoder.register_forward_hook(lambda _, __, out: seen.append(out[0]))
    first, second = parser.parse(text).turn.commands
    state = parser.phrase_state(text, second)
    hook.remove()
    assert state.shape == (384,) and state.dtype == torch.float32
    pieces = parser._tokenizer.encode(text).tokens
    at = pieces.index("keep") + 1
    torch.testing.assert_close(state, seen[-1][at:-1].float().mean(0))
    assert pieces[at].startswith("fr") and second.phrase == "freckles"
    assert not torch.allclose(state, parser.phrase_state(text, first), atol=0.05)


def test_the_state_of_a_phrase_depends_on_its_sentence(parser):
    def of(text: str) -> torch.Tensor:
        return parser.phrase_state(text, Unsupported(phrase="the lines"))

    def near(one: str, other: str) -> float:
        return float(torch.cosine_similarity(of(one), of(other), dim=0))

    assert not torch.allclose(of("soften the lines"), of("soften the lines on my forehead"))
    brow = "soften the lines on my forehead"
    assert near(brow, "fade the lines on my forehead") > near(brow, "lose the lines by my mouth")


def test_a_command_that_quotes_nothing_has_the_state_of_the_message(parser):
    undo = parser.parse("undo it").turn.commands[0]
    whole = parser.phrase_state("undo it", Unsupported(phrase="undo it"))
    assert torch.equal(parser.phrase_state("undo it", undo), whole)
    assert not torch.equal(parser.phrase_state("undo it", undo, WRINKLES), whole)
    for text, phrase in (("undo it", "acne"), ("", "acne"), (" ", "")):
        with pytest.raises(FreckleError, match="no word of"):
            parser.phrase_state(text, Unsupported(phrase=phrase))


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "🙃🙃", "%%%", "ß" * 500, "acne 30% " * 60, "\ud800"]
)
def test_every_text_has_an_answer(parser, text):
    parsed = parser.parse(text, WRINKLES)
    assert Turn.model_validate(parsed.turn.to_json()) == parsed.turn
    assert 0 <= parsed.confidence <= 1


def test_other_readings_are_handed_out_each_once(parser):
    found = [parser.parse(text) for text in ("zap stuff", "hmm spots or not", "smooth", "mouth")]
    assert any(one.alternatives for one in found)
    for one in found:
        turns = [one.turn, *(other.turn for other in one.alternatives)]
        assert all(turn not in turns[:at] for at, turn in enumerate(turns))
        assert all(0 < other.confidence <= one.confidence for other in one.alternatives)


def test_readings_that_differ_in_the_quoted_words_alone_count_together(parser):
    text = "please get rid of that weird shiny bump thing"
    message = split(text, parser._speller)
    found = parser._search(message, None)
    readings = parser._readings(found, message, None)
    meanings = [[c.to_json() | {"phrase": ""} for c in one.turn.commands] for one in readings]
    assert all(one not in meanings[:at] for at, one in enumerate(meanings))
    assert len(readings) < len(found)
    assert readings[0].confidence > max(math.exp(one.score) for one in found)


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


def test_parsing_leaves_other_threads_their_cores(parser):
    """Torch's number of threads belongs to a thread and to the process at once."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with ThreadPoolExecutor(1) as busy:
            parsing = busy.submit(lambda: [parser.parse("soften the lines") for _ in range(5)])
            seen = []
            while not parsing.done():
                with ThreadPoolExecutor(1) as fresh:
                    seen.append(fresh.submit(torch.get_num_threads).result())
        assert seen and set(seen) == {3}
    finally:
        torch.set_num_threads(before)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FreckleError, match="weights are missing"):
        EmbeddedParser.load(weights=tmp_path)


def test_a_foreign_encoder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"not the encoder")
    monkeypatch.setattr("vision.minilm.folder", lambda: tmp_path)
    with pytest.raises(FreckleError, match="not the official"):
        EmbeddedParser.load()
