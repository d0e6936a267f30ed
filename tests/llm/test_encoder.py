"""What the encoder is given to read."""

from __future__ import annotations

from llm.commands import State, StateEdit
from llm.encoder import describe, encode_source
from llm.words import split
from vision.minilm import load_tokenizer


def test_of_a_long_conversation_the_end_is_read():
    many = [StateEdit(what="acne", where=["cheeks", "nose"], strength=0.5)] * 60
    state = State(edits=many, kept=["moles"], last=59, faces=3)
    tokenizer = load_tokenizer()
    source = encode_source(tokenizer, split("a bit less"), state)
    assert describe(state)[-2:] == ["3", "faces"]
    assert tokenizer.decode(source.pieces).endswith("kept moles ; 3 faces a bit less")
