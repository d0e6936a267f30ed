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
