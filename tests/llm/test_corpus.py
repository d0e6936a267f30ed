"""The composed corpus: a function of the seed, inside the grammar, and free of test sentences."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm.commands import State, StateEdit
from llm.sequences import read
from training.language.corpus import discourse, fragments, messages, talk
from training.language.corpus.samples import _finished, sample
from training.language.corpus.speaker import Speaker
from vision.vocabulary import KINDS, REGIONS

DATA = Path(__file__).parent / "data"
COUNT = 4000


@pytest.fixture(scope="module")
def drawn():
    return [sample(seed) for seed in range(COUNT)]


def plain(text: str) -> str:
    """A text as far as sentences are told apart: its letters and digits."""
    return " ".join(re.findall(r"\w+", text.lower()))


def held_out() -> list[str]:
    files = sorted(DATA.glob("sentences_*.jsonl"))
    return [json.loads(line)["text"] for file in files for line in file.read_text().splitlines()]


def strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


def test_a_sample_depends_on_its_seed_alone():
    assert [sample(seed) for seed in (7, 8, 9)] == [sample(seed) for seed in (7, 8, 9)]


def test_samples_mean_valid_turns_of_every_sort(drawn):
    turns = [read(one.sequence, one.message, one.state) for one in drawn]
    done = Counter(command.do for turn in turns for command in turn.commands)
    assert min(done.values()) >= 5 and len(done) == 19
    long = sum(len(turn.commands) >= 3 for turn in turns) / COUNT
    assert 0.25 < long < 0.4


def test_fragments_name_every_kind_and_region():
    data = fragments.load()
    assert set(data["kinds"]) == set(KINDS)
    assert set(data["regions"]) == set(REGIONS)


def test_every_written_message_can_be_spoken():
    """Slots are filled, and the commands name what filled them."""
    for index, frame in enumerate(messages.load()):
        spoken = None
        for seed in range(12):
            try:
                spoken = messages.spoken(Speaker(random.Random(12 * index + seed)), frame)
            except messages.Unfit:
                continue
            break
        assert spoken is not None, frame["t"]
        assert not re.search(r"\{|\[\[", spoken.text), spoken.text
        assert [draft["do"] for draft in spoken.drafts] == [c["do"] for c in frame["c"]]


def test_a_slot_means_the_same_in_the_text_and_in_the_command():
    frame = {
        "t": "{a=freckles} {on p} to {n}, but keep {b=moles} for {w}",
        "c": [
            {"do": "reduce", "what": "a", "where": ["p"], "strength": "n"},
            {"do": "keep", "what": "b", "who": "w"},
        ],
    }
    for seed in range(30):
        said = messages.spoken(Speaker(random.Random(seed)), frame)
        reduce, keep = said.drafts
        assert (reduce["what"], keep["what"]) == ("freckles", "moles")
        assert reduce["where"][0] in REGIONS and 0 <= reduce["strength"] <= 1
        assert reduce["mark"] != keep["mark"] and keep["who"] is not None


def test_no_long_test_sentence_is_a_fragment_or_a_sample(drawn):
    """Sentences of five words and more; shorter ones ("undo that") are what anybody says."""
    sentences = {plain(text) for text in held_out() if len(plain(text).split()) >= 5}
    assert len(sentences) > 100
    known = {plain(text) for text in strings(fragments.load())} | {plain(s.text) for s in drawn}
    assert not sentences & known


def made_by(sentence: str, parts: list[str]) -> bool:
    """Whether a frame's fixed words stand in a sentence in their order, at its ends where the frame
    begins and ends with them."""
    at = 0
    for index, part in enumerate(parts):
        found = sentence.find(part, at) if part else at
        if found < 0 or (index == 0 and part and found):
            return False
        at = found + len(part)
    return not parts[-1] or sentence.endswith(parts[-1])


def test_no_frame_makes_a_test_sentence():
    """Frames of five fixed words and more that are half of the sentence; less is everyday speech
    ("keep the ... but remove the ...")."""
    files = sorted(DATA.glob("sentences_test*.jsonl"))
    sentences = [
        plain(json.loads(line)["text"]) for file in files for line in file.read_text().splitlines()
    ]
    assert len(sentences) > 400
    makers = []
    for frame in messages.load():
        fixed = re.sub(r"\[\[(.+?)\]\]", r"\1", frame["t"])
        parts = [plain(part) for part in re.split(r"\{[^}]*\}", fixed)]
        words = sum(len(part.split()) for part in parts)
        if words >= 5 and any(
            made_by(sentence, parts) and words >= len(sentence.split()) / 2
            for sentence in sentences
        ):
            makers.append(frame["t"])
    assert makers == []


def test_a_slot_said_twice_is_the_same_thing():
    frame = {
        "t": "{a}? no, not {a}",
        "c": [{"do": "reduce", "what": "a", "strength": 1.0}],
    }
    said = messages.spoken(Speaker(random.Random(5)), frame).text
    first, second = re.sub("[\ue000-\ue3ff]", "", said).split("? no, not ")
    assert first == second


def test_what_only_speaks_of_marks_is_taught_as_talk():
    for seed in range(40):
        s = Speaker(random.Random(seed))
        assert [d["do"] for d in talk.statement(s).drafts] == ["chat"]
        assert [d["do"] for d in talk.opinion(s).drafts] == ["help"]
        assert [d["do"] for d in talk.thing(s).drafts] == ["unsupported"]


def test_an_edit_named_by_its_turn_is_the_one_made_then():
    done = [StateEdit(what=kind, where=["face"], strength=0.5) for kind in ("acne", "shine")]
    for seed in range(40):
        s = Speaker(random.Random(seed))
        s.state = State(edits=done, last=1)
        said = discourse.ordinal(s)
        first = bool(re.search(r"\bfirst|\b1\b", said.text))
        assert said.drafts[0]["what"] == ("acne" if first else "last"), said.text


def test_every_wish_outside_of_retouching_is_taught():
    frame = {
        "t": "[[make me taller]], {u} and [[a thinner waist]]",
        "c": [{"do": "unsupported", "phrase": name} for name in ("1", "u", "2")],
    }
    said = messages.spoken(Speaker(random.Random(3)), frame)
    one = _finished(said, Speaker(random.Random(3)), None, 0.0)
    commands = read(one.sequence, one.message).commands
    assert [command.do for command in commands] == ["unsupported"] * 3
    assert [commands[0].phrase, commands[2].phrase] == ["make me taller", "a thinner waist"]


def test_saving_again_after_undo_is_taught():
    frame = {"t": "save, undo, save again", "c": [{"do": "save"}, {"do": "undo"}, {"do": "save"}]}
    one = _finished(
        messages.spoken(Speaker(random.Random(3)), frame), Speaker(random.Random(3)), None, 0.0
    )
    assert [c.do for c in read(one.sequence, one.message).commands] == ["save", "undo", "save"]
