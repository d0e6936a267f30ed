"""Steps by onnxruntime say what the decoder says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from llm.encoder import ParserModel, Shape, collate_sources, encode_source
from llm.grammar import START, TOKENS
from llm.steps import StepDecoder, Steps
from llm.words import split
from vision.minilm import load_tokenizer, new_encoder

BEGUN = [START, 7, 30, 41]  # any tokens will do
WORD = len(TOKENS) + 2


@pytest.fixture(scope="module")
def model() -> ParserModel:
    torch.manual_seed(3)
    return ParserModel(new_encoder(), Shape()).eval()


@pytest.fixture(scope="module")
def memory(model):
    message = split("soften the wrinkles but keep freckles", None)
    with torch.inference_mode():
        return model.read(collate_sources([encode_source(load_tokenizer(), message, None)]))


@pytest.fixture
def steps(model, memory) -> Steps:
    return StepDecoder(model.decoder).begin(memory)


def whole(model, memory, sequence: list[int]) -> np.ndarray:
    """Scores after each of a sequence, at once."""
    with torch.inference_mode():
        return model.decoder(torch.tensor([sequence]), memory)[0].numpy()


def test_every_step_says_what_the_decoder_says(model, memory, steps):
    sequence = [*BEGUN, WORD, WORD + 1]
    said = np.concatenate([steps.next([index]) for index in sequence])
    np.testing.assert_allclose(said, whole(model, memory, sequence), atol=1e-4)


def test_hypotheses_go_their_own_ways(model, memory, steps):
    steps.next([START])
    steps.follow([0, 0, 0])
    steps.next([7, 8, WORD])
    steps.follow([2, 1])  # the first is dropped, the others change places
    said = steps.next([30, 31])
    np.testing.assert_allclose(said[0], whole(model, memory, [START, WORD, 30])[-1], atol=1e-4)
    np.testing.assert_allclose(said[1], whole(model, memory, [START, 8, 31])[-1], atol=1e-4)
