"""Blocks told by what the language model makes of people's words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training import sayings as module
from training.learner import Phrasebook, VisionLearner
from training.loop import Stage
from training.options import VisionTraining
from training.sayings import sayings
from vision.errors import FreckleError
from vision.retoucher import RetouchNetwork
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import load_network, save_network

KINDS = ("wrinkles", "acne", "freckles")


def test_ways_to_ask_for_a_kind_are_nearer_to_each_other_than_to_another_kind():
    states = sayings(KINDS, each=32)
    assert [one.shape for one in states] == [(32, 384)] * 3
    means = torch.stack([one[16:].mean(dim=0) for one in states])
    held_out = torch.stack([one[:16].mean(dim=0) for one in states])
    nearest = torch.cdist(held_out, means).argmin(dim=1)
    assert nearest.tolist() == [0, 1, 2]


def test_what_nobody_asks_for_is_told(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)
    with pytest.raises(FreckleError, match="hardly anybody asks for"):
        sayings(KINDS, each=5)


@pytest.fixture
def told(tiny, monkeypatch) -> VisionLearner:
    """A learner whose blocks hear three states of each kind."""
    some = tuple(torch.randn(3, tiny.text) for _ in NETWORK_KINDS)
    monkeypatch.setattr(module, "sayings", lambda kinds: some)
    torch.manual_seed(0)
    config = replace(tiny, language_state=True)
    options = VisionTraining(minutes=0, network=config)
    return VisionLearner(options, RetouchNetwork(config), Phrasebook(config))


def test_blocks_hear_the_words_and_the_mean_where_nobody_spoke(told, batch, tmp_path):
    network = told.network
    for block in network.retoucher.blocks:  # modulation starts at nothing, and so does change
        torch.nn.init.normal_(block.modulation.project.weight, std=0.1)
    torch.nn.init.normal_(network.retoucher.to_change[0].weight, std=0.1)
    told.rng.manual_seed(0)
    told.total(told(batch, Stage(retouch=True))).backward()
    assert network.retoucher.words.weight.grad.abs().sum() > 0
    torch.testing.assert_close(network.retoucher.states, told.book.states)
    save_network(network, told.book.prompts, tmp_path)
    network, prompts = load_network(tmp_path)
    found = network.detect(batch.photo, batch.skin, batch.place, prompts)

    def change(prompts, states=None):
        with torch.no_grad():
            return network.change(found, found.owners, prompts, None, states).refined

    means = network.retoucher.states.expand(len(batch.photo), -1, -1)
    assert torch.equal(change(prompts), change(-prompts))
    torch.testing.assert_close(change(prompts), change(prompts, means))
    assert not torch.equal(change(prompts), change(prompts, -means))
