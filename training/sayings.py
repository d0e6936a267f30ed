"""What the language model makes of the words that people say for each kind (RetouchGPT's LLM-based
embedding): hidden states to condition the retoucher on, from the messages that the parser learns
from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from llm.commands import Reduce
from llm.embedded import EmbeddedParser
from llm.sequences import read
from training.language.corpus.samples import samples
from vision.errors import FreckleError
from vision.vocabulary import Kind

_MOST = 20_000  # messages that are looked through


@lru_cache(maxsize=2)
def sayings(kinds: Sequence[Kind], each: int = 32, seed: int = 0) -> tuple[Tensor, ...]:
    """For each kind (each, 384), of unit length as prompts are: hidden states of the words by which
    `each` composed messages ask for it (`EmbeddedParser.phrase_state`).

    Raises:
        FreckleError: a kind is asked for too seldom.
    """
    parser = EmbeddedParser.load()
    states: dict[str, list[Tensor]] = {kind: [] for kind in kinds}
    for one in samples(seed * _MOST, _MOST):
        for command in read(one.sequence, one.message, one.state).commands:
            if isinstance(command, Reduce) and len(states.get(command.what, [None] * each)) < each:
                states[command.what].append(parser.phrase_state(one.text, command, one.state))
        if all(len(found) == each for found in states.values()):
            return tuple(F.normalize(torch.stack(states[kind]), dim=1) for kind in kinds)
    rare = ", ".join(kind for kind, found in states.items() if len(found) < each)
    raise FreckleError(f"in {_MOST} messages hardly anybody asks for {rare}; take fewer of each")
