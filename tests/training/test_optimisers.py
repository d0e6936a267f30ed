"""Muon on convolutions, beside AdamW."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.learner import Phrasebook, VisionLearner
from training.optimisers import hidden, optimisers
from training.options import VisionTraining
from vision.retoucher import RetouchNetwork


def test_a_step_of_a_convolution_is_orthogonal_and_as_large_as_adamws():
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 32, 3).to(memory_format=torch.channels_last)
    before = layer.weight.detach().clone()
    movers = optimisers(layer, hidden(layer), rate=1e-2)
    layer(torch.randn(4, 16, 8, 8)).square().sum().backward()
    slope = torch.linalg.svdvals(layer.weight.grad.flatten(1))
    for mover in movers:
        mover.step()
    step = (layer.weight.detach() - before * (1 - 1e-4)).flatten(1)
    values = torch.linalg.svdvals(step)
    assert values.min() > 0.4 * values.max()
    assert slope.min() < 0.2 * slope.max()
    assert 0.5 * 2e-3 < step.square().mean().sqrt() < 2 * 2e-3
    for mover in movers:
        mover.zero_grad()
    assert layer.weight.grad is None and layer.bias.grad is None


def test_every_weight_is_moved_by_one_of_the_two(tiny):
    options = VisionTraining(network=tiny)
    learner = VisionLearner(options, RetouchNetwork(tiny), Phrasebook(tiny))
    learner = learner.to(memory_format=torch.channels_last)
    adamw, muon = optimisers(learner, learner.hidden(), 1e-3)
    moved = [w for mover in (adamw.param_groups, [{"params": muon.weights}]) for g in mover
             for w in g["params"]]  # fmt: skip
    assert sorted(map(id, moved)) == sorted(map(id, learner.parameters()))
    by_muon = {id(weight) for weight in muon.weights}
    network = learner.network
    first, words = network.detector.encoders[1][0].first, network.retoucher.words
    assert id(first.weight) in by_muon and id(words.weight) not in by_muon


def test_weights_that_would_only_be_copied_are_refused():
    layer = nn.Conv2d(16, 32, 3)
    with pytest.raises(ValueError, match="channels-last"):
        optimisers(layer, hidden(layer), rate=1e-2)
