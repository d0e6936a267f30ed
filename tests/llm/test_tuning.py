"""Training learns, and a killed run ends like an unbroken one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from llm.commands import Turn
from llm.embedded import EmbeddedParser
from llm.encoder import Shape
from training.language import tuning
from vision.errors import FreckleError
from vision.minilm import load_encoder

SHAPE = Shape(layers=1, inner=64, lora_rank=2)
PLAN = tuning.Plan(steps=24, batch=6, rate=3e-3, warmup=1, lexicon=100, workers=0, log_every=1)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, so that two runs can be equal to the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)["weights"]


def test_the_loss_falls_and_the_export_parses(tmp_path):
    tuning.train(tmp_path / "run", PLAN, SHAPE)
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in log]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])
    tuning.export(tmp_path / "run", tmp_path / "weights")
    parsed = EmbeddedParser.load(weights=tmp_path / "weights").parse("remove the acne")
    assert isinstance(parsed.turn, Turn)


def test_a_killed_run_goes_on_to_the_same_result(tmp_path, monkeypatch):
    plan = replace(PLAN, steps=4, checkpoint_every=0)
    tuning.train(tmp_path / "whole", plan, SHAPE)
    loss_of, calls = tuning.loss_of, iter(range(100))

    def killed(model, batch):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return loss_of(model, batch)

    monkeypatch.setattr(tuning, "loss_of", killed)
    with pytest.raises(KeyboardInterrupt):
        tuning.train(tmp_path / "broken", plan, SHAPE)
    monkeypatch.setattr(tuning, "loss_of", loss_of)
    tuning.train(tmp_path / "broken", plan, SHAPE)
    whole, broken = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_a_run_may_begin_with_earlier_weights(tmp_path):
    tuning.train(tmp_path / "first", replace(PLAN, steps=2), SHAPE)
    tuning.export(tmp_path / "first", tmp_path / "weights")
    again = replace(PLAN, seed=2, steps=1, rate=0.0)
    tuning.train(tmp_path / "second", again, SHAPE, start=tmp_path / "weights")
    first, second = weights_of(tmp_path / "first"), weights_of(tmp_path / "second")
    assert all(torch.allclose(first[name], second[name], rtol=1e-3, atol=1e-4) for name in first)


@pytest.mark.parametrize(("encoder", "stored"), [("frozen", False), ("scratch", True)])
def test_the_ablations_train_and_load(tmp_path, encoder, stored):
    shape = replace(SHAPE, encoder=encoder)
    tuning.train(tmp_path / "run", replace(PLAN, steps=2), shape)
    weights = weights_of(tmp_path / "run")
    assert not any(".lora_" in name for name in weights)
    assert any(name.startswith("encoder.") for name in weights) == stored
    tuning.export(tmp_path / "run", tmp_path / "weights")
    parser = EmbeddedParser.load(weights=tmp_path / "weights")
    now = parser._model.state_dict()
    assert all(
        torch.allclose(now[name], value, rtol=1e-3, atol=1e-4) for name, value in weights.items()
    )
    untouched = torch.equal(
        now["encoder.embeddings.word_embeddings.weight"],
        load_encoder().embeddings["word_embeddings"].weight,
    )
    assert untouched != stored
    assert isinstance(parser.parse("remove the acne").turn, Turn)


def test_a_run_of_another_shape_is_not_gone_on_with(tmp_path):
    tuning.train(tmp_path, replace(PLAN, steps=1), SHAPE)
    with pytest.raises(FreckleError, match="another shape"):
        tuning.train(tmp_path, replace(PLAN, steps=2), replace(SHAPE, encoder="frozen"))


def test_weights_that_do_not_fit_their_shape_are_refused(tmp_path):
    tuning.train(tmp_path / "run", replace(PLAN, steps=1), SHAPE)
    tuning.export(tmp_path / "run", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["shape"]["encoder"] = "scratch"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(FreckleError, match="not of the shape"):
        EmbeddedParser.load(weights=tmp_path)
