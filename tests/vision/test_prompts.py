"""Prompts: phrases, and the towers that embed them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vision.errors import FreckleError
from vision.prompts import PHRASES, text_tower, understood
from vision.vocabulary import NETWORK_KINDS


def test_every_kind_has_phrases_of_its_own():
    assert tuple(PHRASES) == NETWORK_KINDS
    every = [phrase for phrases in PHRASES.values() for phrase in phrases]
    assert len(every) == len(set(every)) > 40 * len(NETWORK_KINDS)


def test_the_nearest_kind_is_that_of_the_nearest_phrases_together():
    likeness = np.concatenate([np.full(len(phrases), 0.1) for phrases in PHRASES.values()])
    scars = sum(len(PHRASES[kind]) for kind in NETWORK_KINDS[: NETWORK_KINDS.index("scars")])
    likeness[0] = 0.9  # one phrase for acne
    likeness[scars : scars + 3] = 0.6
    known = np.eye(len(likeness), dtype=np.float32)
    words = known[-1]
    found = understood(words, known, likeness)
    assert (found.kind, found.likeness) == ("scars", pytest.approx(0.6))
    assert found.embedding @ words == pytest.approx(0.5)  # leans as much to each of the three
    assert known[scars : scars + 4] @ found.embedding == pytest.approx([0.5, 0.5, 0.5, 0])
    likeness[scars] = -2  # has no say
    assert understood(words, known, likeness).kind == "scars"
    likeness[scars + 1] = 0.1
    assert understood(words, known, likeness).kind == "acne"


@pytest.fixture
def tiny_clip(tmp_path):
    """A CLIP of open_clip's, as small as it gets, with random weights, saved in its format."""
    open_clip = pytest.importorskip("open_clip")
    from safetensors.torch import save_file

    sight = {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 8}
    text = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": sight, "text_cfg": text}
    model = open_clip.CLIP(**config)
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def test_a_clip_from_a_folder_embeds_prompts(tiny_clip):
    tower = text_tower(str(tiny_clip))
    embedded = tower(["freckles", "a mole", "freckles"])
    assert embedded.shape == (3, tower.size) == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embedded[0], embedded[2])
    assert not np.allclose(embedded[0], embedded[1])


def test_a_clip_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FreckleError, match="no CLIP is to be had as ViT-of-nobody:x"):
        text_tower("ViT-of-nobody:x")
    with pytest.raises(FreckleError, match="NAME:WEIGHTS or a folder"):
        text_tower(str(tmp_path))
