"""A language model small enough to be made here: a random Llama with a tokenizer of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from llm.prompt import answer
from llm.sequences import read
from training.language.corpus.samples import samples


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained Llama of two layers, with SentencePiece pieces of the corpus."""
    folder = tmp_path_factory.mktemp("tiny")
    lines = []
    for one in samples(0, 200):
        turn = read(one.sequence, one.message, one.state)
        lines += [one.text.replace("\n", " "), answer(turn)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=700,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=8192,
        initializer_range=0.2,  # what is frozen in tuning has to pass on what LoRA learns
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def scrambled() -> Callable[[torch.nn.Module, int], None]:
    """scrambled(model, seed): other random weights, larger than those that training begins with,
    so that what the model writes depends on what it reads."""

    def scramble(model: torch.nn.Module, seed: int) -> None:
        torch.manual_seed(seed)
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.1 * (1 + seed))

    return scramble
