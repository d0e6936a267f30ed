"""The parser that ships with the package: no server, no download, one message in a few hundredths
of a second on a processor.

Decoding is a small beam search over what `llm.grammar` allows; a hypothesis pays for every number
of the text that it leaves unused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.special import log_softmax
from tokenizers import Tokenizer
from torch import Tensor

from llm.commands import Command, State, Turn, Unsupported
from llm.encoder import (
    ParserModel,
    Shape,
    Source,
    collate_sources,
    encode_source,
    merge_lora,
    pool_words,
)
from llm.grammar import START, TOKENS, Grammar, Place
from llm.languages import is_foreign
from llm.parser import Parsed, Reading
from llm.sequences import read
from llm.steps import StepDecoder
from llm.words import Message, Speller, split
from vision.errors import FreckleError
from vision.minilm import known_words, load_encoder, load_tokenizer, new_encoder
from vision.settings import Settings, device_of

WEIGHTS = Path(__file__).parent / "weights"
BEAM = 4
# Log-probability that an unused share ("30%") costs; two of them outweigh any doubt seen in tests.
UNUSED_NUMBER = 4.0
# How far below the best, in log-probability, a sequence is followed: more than `UNUSED_NUMBER`.
HOPELESS = 9.0


@dataclass(frozen=True)
class Hypothesis:
    """One sequence under way: its indices, its place in the grammar, its log-probability."""

    indices: tuple[int, ...]
    place: Place
    score: float


class EmbeddedParser:
    """Words to commands by the shipped model. Calls are serialised: safe from any thread."""

    def __init__(
        self, model: ParserModel, tokenizer: Tokenizer, speller: Speller, temperature: float
    ):
        self._model = model.eval()
        self._decoder = StepDecoder(model.decoder)
        self._tokenizer = tokenizer
        self._speller = speller
        self._temperature = temperature

    @classmethod
    def load(cls, settings: Settings | None = None, *, weights: Path = WEIGHTS) -> EmbeddedParser:
        """The parser with its weights on the device of `settings`."""
        settings = settings or Settings()
        if not (weights / "model.safetensors").exists():
            raise FreckleError(
                f"the parser's weights are missing from {weights}; reinstall the package"
            )
        config = json.loads((weights / "config.json").read_text())
        shape = Shape(**config["shape"])
        stored = load_file(weights / "model.safetensors")
        encoder = new_encoder() if shape.encoder == "scratch" else load_encoder()
        merge_lora(encoder, {k: v for k, v in stored.items() if ".lora_" in k}, shape)
        model = ParserModel(encoder, shape)
        whole = {k: v.float() for k, v in stored.items() if ".lora_" not in k}
        part = "" if shape.encoder == "scratch" else "decoder."
        if whole.keys() != {name for name in model.state_dict() if name.startswith(part)}:
            raise FreckleError(
                f"{weights / 'model.safetensors'} is not of the shape in config.json"
            )
        model.load_state_dict(whole, strict=False)
        tokenizer = load_tokenizer()
        speller = Speller((weights / "words.txt").read_text().split(), known_words(tokenizer))
        model.to(device=device_of(settings.device), dtype=getattr(torch, settings.dtype))
        return cls(model, tokenizer, speller, config["temperature"])

    def parse(self, text: str, state: State | None = None) -> Parsed:
        """Understand one message; every text of a message's length gets a valid Turn.

        Raises FreckleError for a longer one.
        """
        message = split(text, self._speller)
        if is_foreign(message, self._speller):
            turn = Turn(commands=[Unsupported(phrase=message.text)])
            return Parsed(turn, 1.0, foreign=True)
        found = _parsing_thread().submit(self._search, message, state).result()
        first, *others = self._readings(found, message, state)
        return Parsed(first.turn, first.confidence, alternatives=tuple(others))

    def _readings(
        self, found: Iterable[Hypothesis], message: Message, state: State | None
    ) -> list[Reading]:
        """What hypotheses say, the most probable first.

        Those that differ in the words they quote alone mean the same: they count together, and the
        best of them, which comes first, tells the words.
        """
        meant: dict[str, list[tuple[Turn, Hypothesis]]] = {}
        for one in found:
            turn = read(one.indices, message, state)
            meant.setdefault(_meaning(turn), []).append((turn, one))

        def worth(same: list[tuple[Turn, Hypothesis]]) -> float:
            return sum(math.exp(_worth(one, message)) for _, one in same)

        return [
            Reading(same[0][0], self._confidence([one for _, one in same]))
            for same in sorted(meant.values(), key=worth, reverse=True)
        ]

    def _confidence(self, same: list[Hypothesis]) -> float:
        return min(1.0, sum(math.exp(one.score) for one in same)) ** (1 / self._temperature)

    def phrase_state(self, text: str, command: Command, state: State | None = None) -> Tensor:
        """The hidden state of what a parsed command of `text` quotes: (384,), float32, on the CPU.

        It is the mean, over the word pieces of the command's `phrase`, of the last layer of the
        tuned encoder, which reads the state and the whole message: the same words have another
        state in another sentence. A command that quotes nothing has the mean of the whole message.
        Raises FreckleError where the text does not hold the phrase, or holds no word.
        """
        message = split(text, self._speller)
        phrase = getattr(command, "phrase", None) or text
        start = text.find(phrase)
        quoted = [
            index
            for index, word in enumerate(message.words)
            if start <= word.start and word.end <= start + len(phrase)
        ]
        if start < 0 or not quoted:
            raise FreckleError(f"no word of {phrase!r} stands in the message {text!r}")
        source = encode_source(self._tokenizer, message, state)
        states = _parsing_thread().submit(self._states, source).result()
        return pool_words(states, source, quoted[0], quoted[-1]).float().cpu()

    @torch.inference_mode()
    def _states(self, source: Source) -> Tensor:
        """The encoder's last layer, (pieces, 384)."""
        sources = collate_sources([source]).to(next(self._model.parameters()).device)
        return self._model.encoder(sources.pieces, sources.segments, sources.padding)[0]

    @torch.inference_mode()
    def _search(self, message: Message, state: State | None) -> list[Hypothesis]:
        """The most probable allowed sequences, the best first, by beam search. It ends when the
        best is sure, so that there may be only one."""
        grammar = Grammar(message, state)
        device = next(self._model.parameters()).device
        sources = collate_sources([encode_source(self._tokenizer, message, state)]).to(device)
        steps = self._decoder.begin(self._model.read(sources))
        beam = [Hypothesis((START,), Place(), 0.0)]
        ended: list[Hypothesis] = []
        # The grammar's longest sequence is shorter than max_tokens: every hypothesis ends.
        for _ in range(self._model.decoder.shape.max_tokens):
            grown = _grow(grammar, beam, steps.next([one.indices[-1] for one in beam]))
            ended += [one for _, one in grown if one.place.ended]
            going = [(row, one) for row, one in grown if not one.place.ended]
            reached = max((_worth(one, message) for one in ended), default=-math.inf)
            if all(one.score <= reached for _, one in going):
                break
            beam = [one for _, one in going]
            steps.follow([row for row, _ in going])
        return sorted(ended, key=lambda one: _worth(one, message), reverse=True)[:BEAM]


def _grow(
    grammar: Grammar, beam: list[Hypothesis], scores: NDArray[np.float32]
) -> list[tuple[int, Hypothesis]]:
    """The best continuations of a beam, each with the row that it continues."""
    allowed = np.stack([grammar.mask(one.place) for one in beam])
    chances = log_softmax(np.where(allowed, scores[:, : grammar.size], -np.inf), axis=1)
    reached = chances + np.array([[one.score] for one in beam])
    grown = []
    for at in np.argsort(-reached, axis=None)[:BEAM].tolist():
        row, index = divmod(at, grammar.size)
        score = float(reached[row, index])
        if score > reached.max() - HOPELESS:
            one = beam[row]
            place = grammar.step(one.place, index)
            grown.append((row, Hypothesis((*one.indices, index), place, score)))
    return grown


@cache
def _parsing_thread() -> ThreadPoolExecutor:
    """The one thread that parses, on one core: steps this small gain nothing from more, and wait
    for each other on a busy machine. All other threads keep theirs."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(1, "parser", initializer=_alone)
    pool.submit(int).result()
    torch.set_num_threads(threads)  # a new thread's number is the process's, too, until it is asked
    return pool


def _alone() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # binds this thread to its number before the process gets its own back


def _meaning(turn: Turn) -> str:
    """What a turn says, without the words it quotes."""
    return repr([command.to_json() | {"phrase": None} for command in turn.commands])


def _worth(one: Hypothesis, message: Message) -> float:
    """Score of a whole hypothesis, less what its unused numbers cost."""
    used: set[int] = set()
    opened: int | None = None
    for index in one.indices:
        word = index - len(TOKENS)
        if word < 0:
            opened = None
            continue
        # The second pointer in a row closes a quotation: numbers inside are quoted.
        used.update(range(word if opened is None else opened, word + 1))
        opened = word
    shares = [at for at, number in message.numbers.items() if not number.plain]
    return one.score - UNUSED_NUMBER * sum(at not in used for at in shares)
