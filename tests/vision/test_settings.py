"""Settings that cannot be had, and weights that do not fit, are named in one line."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from vision import engine, photo, pipeline
from vision.detector import NetworkConfig
from vision.errors import FreckleError
from vision.retoucher import RetouchNetwork
from vision.settings import Settings, device_of
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import load_calibration, load_network, save_calibration, save_network

TINY = {"widths": (8, 16, 16, 16), "features": 8, "blocks": 2, "heads": 2}


@pytest.mark.parametrize("name", ["nonsense", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(FreckleError, match=f"no device {name} on this machine; use --device cpu"):
        device_of(name)
    assert device_of("cpu") == torch.device("cpu")


def test_a_settings_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    file = tmp_path / "mine.toml"
    monkeypatch.setenv("FRECKLE_CONFIG", str(file))
    with pytest.raises(FreckleError, match="mine.toml: no such file"):
        Settings()
    file.write_text("device = cpu")
    with pytest.raises(FreckleError, match="mine.toml cannot be read as TOML"):
        Settings()
    file.write_text("dtype = 'bfloat16'")
    assert Settings().dtype == "bfloat16"


def test_faces_are_looked_at_where_the_settings_say(monkeypatch):
    asked = []
    monkeypatch.setattr(engine, "_shipped", lambda device, dtype: asked.append((device, dtype)))
    face = pipeline.FaceAnalysis(
        photo.load(np.zeros((8, 8, 3), np.uint8)), None, Settings(device="cuda", dtype="bfloat16")
    )
    assert face.network is None
    assert asked == [("cuda", "bfloat16")]


@pytest.fixture
def weights(tmp_path):
    """A folder with weights of the smallest network."""
    return save(NetworkConfig(**TINY), tmp_path)


def save(config, folder):
    save_network(RetouchNetwork(config), torch.zeros(len(NETWORK_KINDS), config.text), folder)
    return folder


@pytest.mark.parametrize("change", [{"layers": 7}, {"blocks": 3}, {"heads": "many"}], ids=str)
def test_weights_of_another_version_are_named(weights, change):
    stored = json.loads((weights / "config.json").read_text())
    stored["network"] |= change
    (weights / "config.json").write_text(json.dumps(stored))
    with pytest.raises(FreckleError, match="weights of another version"):
        load_network(weights)


def test_damaged_weights_are_named(weights):
    (weights / "model.safetensors").write_bytes(b"short")
    with pytest.raises(FreckleError, match="weights of another version"):
        load_network(weights)


def test_which_words_are_believed_goes_with_the_weights(weights):
    gate, least = load_calibration(weights)
    assert least == pytest.approx(0.585)  # of the tower that ships
    save_calibration(gate, 0.9, weights)
    assert load_calibration(weights) == (gate, 0.9)
    save(NetworkConfig(tower="ViT-B-32:x", **TINY), weights)
    assert load_calibration(weights)[1] == math.inf  # of another tower nothing is known yet
    assert not list(weights.glob("*.part"))
