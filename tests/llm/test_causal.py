"""Any causal model learns the contract, survives a kill, and its adapter answers as it did."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from llm.chat_model import LocalChatModel
from llm.commands import Turn
from llm.parser import load_parser
from llm.prompt import TEMPLATE, conversation
from training.language import causal
from training.language.corpus.samples import sample
from vision.errors import FreckleError
from vision.settings import Settings

PLAN = causal.Plan(steps=20, batch=4, rate=2e-2, warmup=1, workers=0, log_every=1)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, so that two runs can be equal to the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights_of(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["weights"]


def test_only_answers_are_learnt(tiny):
    _, tokenizer = causal.load_base(str(tiny), torch.float32)
    one = sample(3)
    question, wanted = causal.tokens_of(tokenizer, one)
    batch = causal.collate([(question, wanted), (question, wanted + wanted)])
    learnt = batch.labels[0][batch.labels[0] != causal.IGNORED]
    assert learnt.tolist() == wanted and wanted[-1] == tokenizer.eos_token_id
    assert batch.real.sum(1).tolist() == [len(question + wanted), len(question + wanted * 2)]
    assert Turn.model_validate_json(tokenizer.decode(wanted, skip_special_tokens=True))
    assert tokenizer.decode(question).count("<s>") == 1  # the template's own, and no other


def test_the_loss_falls_and_the_adapter_answers_alike_after_reload(tiny, tmp_path, monkeypatch):
    kept = {}
    monkeypatch.setattr(
        causal,
        "save_adapter",
        lambda folder, model, *rest, save=causal.save_adapter: (
            kept.update(model=model, tokenizer=rest[0]),
            save(folder, model, *rest),
        ),
    )
    causal.train(tmp_path, str(tiny), PLAN)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in log]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])

    adapter = str(tmp_path / "adapter")
    again = LocalChatModel.load(adapter)
    before = LocalChatModel(model=kept["model"].eval(), tokenizer=kept["tokenizer"])
    untuned = LocalChatModel.load(str(tiny))
    differ = 0
    for text in ("soften the wrinkles", "undo", "keep the moles on my nose"):
        asked = conversation(text, None, instructed=True)
        raws = [
            model.with_structured_output(Turn, include_raw=True).invoke(asked)["raw"]
            for model in (before, again, untuned)
        ]
        assert raws[0].content == raws[1].content
        one, same, other = (raw.response_metadata["logprob"] for raw in raws)
        assert same == pytest.approx(one, rel=1e-5)  # sums are not always taken in the same order
        differ += abs(other - one) > 1e-3 * abs(one)
    assert differ == 3
    # The product asks an adapter as it was tuned: without instructions.
    parsed = load_parser(Settings(model=adapter)).parse("undo")
    asked = conversation("undo", None, instructed=True)
    assert parsed.turn == again.with_structured_output(Turn).invoke(asked)


def test_a_killed_run_goes_on_to_the_same_result(tiny, tmp_path, monkeypatch):
    plan = replace(PLAN, steps=4, checkpoint_every=0)
    causal.train(tmp_path / "whole", str(tiny), plan)
    loss_of, calls = causal.loss_of, iter(range(100))

    def killed(model, batch):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return loss_of(model, batch)

    monkeypatch.setattr(causal, "loss_of", killed)
    with pytest.raises(KeyboardInterrupt):
        causal.train(tmp_path / "broken", str(tiny), plan)
    monkeypatch.setattr(causal, "loss_of", loss_of)
    causal.train(tmp_path / "broken", str(tiny), plan)
    whole, broken = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_the_command_tunes_and_hands_over_the_adapter(tiny, tmp_path, monkeypatch, capsys):
    from training.language import tuning

    monkeypatch.setattr(causal, "Plan", lambda **given: replace(PLAN, **given))
    tuning.main(tmp_path / "run", steps=2, base=str(tiny), weights=tmp_path / "mine")
    assert "the adapter is in" in capsys.readouterr().out
    facts = json.loads((tmp_path / "mine/freckle.json").read_text())
    assert facts["steps"] == 2 and facts["base"] == str(tiny)
    template = LocalChatModel.load(str(tmp_path / "mine")).tokenizer.chat_template
    assert template == TEMPLATE
    other = shutil.copytree(tiny, tmp_path / "other")
    with pytest.raises(FreckleError, match="holds a run with another base"):
        causal.train(tmp_path / "run", str(other), replace(PLAN, steps=3))


def test_a_base_that_is_none(tmp_path):
    with pytest.raises(FreckleError, match="cannot load --base"):
        causal.load_base(str(tmp_path), torch.float32)
