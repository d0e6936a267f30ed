"""What models are told is true, and the schema is the contract: nothing more, nothing less."""

from __future__ import annotations

import json
import re

import pytest
import xgrammar
from jinja2 import TemplateError
from transformers import AutoTokenizer

from llm.commands import State, Turn
from llm.prompt import INSTRUCTIONS, TEMPLATE, answer, conversation, render, turn_schema
from llm.sequences import read
from training.language.corpus.samples import samples
from vision.vocabulary import KINDS, REGIONS


@pytest.fixture(scope="module")
def accepts():
    """accepts(text): whether decoding under the schema could write it."""
    vocabulary = xgrammar.TokenizerInfo([chr(i) for i in range(32, 127)] + ["</s>"])
    compiler = xgrammar.GrammarCompiler(vocabulary)
    grammar = compiler.compile_json_schema(json.dumps(turn_schema()), any_whitespace=False)

    def accept(text: str) -> bool:
        matcher = xgrammar.GrammarMatcher(grammar, terminate_without_stop_token=True)
        return matcher.accept_string(text) and matcher.is_terminated()

    return accept


def test_every_turn_of_the_corpus_can_be_written(accepts):
    for one in samples(0, 300):
        turn = read(one.sequence, one.message, one.state)
        assert accepts(answer(turn)), answer(turn)
        back = Turn.model_validate_json(answer(turn)).to_json()["commands"]
        for written, meant in zip(back, turn.to_json()["commands"], strict=True):
            assert written | {"phrase": ""} == meant | {"phrase": ""}


@pytest.mark.parametrize(
    "commands",
    [
        [],
        [{"do": "chat"}, {"do": "save"}],
        [{"do": "dance"}],
        [{"do": "undo", "steps": 0}],
        [{"do": "reduce", "what": "acne", "where": ["face"], "strength": 1.5}],
        [{"do": "reduce", "what": "acne", "where": [], "strength": 1}],
        [{"do": "reduce", "what": "warts", "where": ["face"], "strength": 1}],
        [{"do": "save", "where": ["face"]}],
    ],
)
def test_what_is_no_turn_cannot_be_written(accepts, commands):
    assert not accepts(json.dumps({"commands": commands}))


def test_words_that_need_escapes_lose_them(accepts):
    turn = Turn(commands=[{"do": "unsupported", "phrase": 'a "new"\n\\ nose ' + "x" * 200}])
    assert accepts(answer(turn))
    assert "a  new  nose" in answer(turn)


def test_the_instructions_keep_to_the_contract():
    told = INSTRUCTIONS.read_text(encoding="utf-8")
    examples = [line for line in told.splitlines() if line.startswith('{"commands": [{')]
    assert len(examples) >= 4
    for example in examples:
        assert answer(Turn.model_validate_json(example)) == example
    verbs = set(re.findall(r'"do": (?:"\w+" \| )?"(\w+)"', told)) | {"undo"}
    assert verbs == {one["properties"]["do"]["const"] for one in command_schemas()}
    assert not [name for name in (*KINDS, *REGIONS) if name not in told]


def command_schemas() -> list[dict]:
    several, chat = turn_schema()["properties"]["commands"]["anyOf"]
    return [*several["items"]["anyOf"], chat["items"]]


def test_a_state_is_told_where_there_is_one():
    state = State(kept=["moles"])
    assert conversation("hi", None, instructed=True) == conversation("hi", State(), instructed=True)
    (user,) = conversation("hi", state, instructed=True)
    assert '"kept": ["moles"]' in user["content"] and user["content"].endswith("message: hi")
    assert len(conversation("hi", state, instructed=False)) == 2


def test_templates_of_all_sorts(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    asked = conversation("hi", None, instructed=False)
    plain = render(tokenizer, asked)
    assert plain.startswith("<s>[system]\n") and plain.endswith("message: hi\n[assistant]\n")
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    tokenizer.chat_template = refusing + TEMPLATE
    folded = render(tokenizer, asked)
    assert folded.startswith("<s>[user]\nYou turn one chat message") and "message: hi" in folded
    tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(TemplateError):
        render(tokenizer, asked)
