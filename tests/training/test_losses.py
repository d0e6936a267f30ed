"""Losses: least at the truth, and each with a gradient where it is meant to have one."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from training import losses
from training.learner import Phrasebook, Teachers, VisionLearner
from training.loop import Stage
from training.options import LossWeights, VisionTraining
from training.painted import with_foreign
from training.retouch_clip import ImageTower
from vision.errors import FreckleError
from vision.retoucher import RetouchNetwork

ALL = LossWeights(**{field.name: 1.0 for field in fields(LossWeights)})


class FakeFeatures(torch.nn.Module):
    """Stands for SqueezeNet's, which is not shipped."""

    def distance(self, image, other):
        return (image - other).abs().mean(dim=(1, 2, 3))


@pytest.fixture
def learner(tiny) -> VisionLearner:
    torch.manual_seed(0)
    network = RetouchNetwork(tiny)
    for layer in (network.retoucher.to_change[0], network.retoucher.refiner.out[0]):
        torch.nn.init.normal_(layer.weight, std=0.02)  # they start at zero
    options = VisionTraining(network=tiny, losses=ALL)
    book, tower = Phrasebook(tiny), ImageTower().requires_grad_(False)
    tower.project.bias.copy_(10 * book.prompts.mean(dim=0))  # sees likeness in everything
    learner = VisionLearner(options, network, book, Teachers(FakeFeatures(), tower))
    learner.rng.manual_seed(3)
    return learner


def test_every_loss_of_the_config_has_a_gradient_of_its_own(learner, batch):
    batch = replace(batch, known=(torch.rand(batch.known.shape) > 0.1).float())
    terms = learner(batch, Stage(retouch=True, balance=0.5))
    assert set(terms) == {field.name for field in fields(LossWeights)}
    names, parameters = zip(*learner.named_parameters(), strict=True)
    seen = {}
    for name, term in terms.items():
        grads = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        seen[name] = {n for n, g in zip(names, grads, strict=True) if g is not None and g.any()}
        assert seen[name], name
    judges = {name for name in names if name.startswith("discriminator")}
    assert seen["judge"] == judges
    assert not judges & (seen["adversarial"] | seen["unpaired"])
    assert "network.retoucher.refiner.attention.weight" in seen["attention"]
    assert all("detector" in name for name in seen["detection"] | seen["comp"])


@pytest.mark.parametrize("name", [field.name for field in fields(LossWeights)])
def test_every_weight_turns_what_is_learnt(learner, batch, name):
    """Not only the sum: the gradient that all losses give together turns with each weight."""
    batch = replace(batch, known=(torch.rand(batch.known.shape) > 0.1).float())
    directions = []
    for weight in (1.0, 100.0):
        learner.weights[name] = weight
        learner.rng.manual_seed(3)
        torch.manual_seed(3)
        learner.zero_grad()
        learner.total(learner(batch, Stage(retouch=True, balance=0.5))).backward()
        gradient = torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None])
        directions.append(gradient / gradient.norm())
    assert float(directions[0] @ directions[1]) < 0.9999


def test_a_loss_without_weight_is_not_computed(batch, tiny):
    options = VisionTraining(network=tiny)
    learner = VisionLearner(options, RetouchNetwork(tiny), Phrasebook(tiny))
    terms = learner(batch, Stage(retouch=True, balance=0.0))
    assert set(terms) == {name for name, weight in learner.weights.items() if weight}


def test_a_judge_and_what_it_judges_need_each_other(tiny):
    for weights in (LossWeights(judge=1.0), LossWeights(adversarial=1.0)):
        with pytest.raises(FreckleError, match="judge"):
            options = VisionTraining(network=tiny, losses=weights)
            VisionLearner(options, RetouchNetwork(tiny), Phrasebook(tiny))


def test_clean_skin_is_what_lies_below_a_foreign_patch(learner, batch, monkeypatch):
    laid = with_foreign(batch, 1.0, torch.Generator().manual_seed(0))
    seen = {}
    monkeypatch.setattr(
        learner, "_optional_terms", lambda b, made, clean, *rest: seen.update(clean=clean) or {}
    )
    learner(laid, Stage(retouch=True, balance=0.0))
    below = laid.marked.bool() & (laid.known > 0)
    truth = (laid.photo + laid.change) * below
    torch.testing.assert_close(seen["clean"] * below, truth, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["perceptual", "local"])
def test_a_loss_without_its_teacher_is_refused(name, tiny):
    options = VisionTraining(network=tiny, losses=LossWeights(**{name: 1.0}))
    with pytest.raises(FreckleError, match=name):
        VisionLearner(options, RetouchNetwork(tiny), Phrasebook(tiny))


@pytest.mark.parametrize("joint", [False, True])
def test_results_teach_the_maps_once_they_may(learner, batch, joint):
    terms = learner(batch, Stage(retouch=True, taught=0.0, joint=joint))
    terms["change"].backward()
    mapping = learner.network.detector.mapping.grad
    assert (mapping is not None and bool(mapping.any())) == joint


def test_true_maps_are_given_to_all_or_none(learner, batch, monkeypatch):
    given = []
    change = learner.network.change
    monkeypatch.setattr(
        learner.network,
        "change",
        lambda found, *rest: given.append(rest[0]) or change(found, *rest),
    )
    monkeypatch.setattr(losses, "shaken", lambda owners, share, rng: owners)
    monkeypatch.setattr(losses, "asked_strengths", lambda batch, rng: batch.owners.new_ones(8, 14))
    for taught in (1.0, 0.0):
        learner(batch, Stage(retouch=True, taught=taught))
    torch.testing.assert_close(given[0], batch.owners)
    assert not torch.allclose(given[1], batch.owners, atol=0.05)


def test_losses_are_least_at_the_truth():
    owners = torch.zeros(1, 2, 8, 8)
    owners[:, 0, :4] = 0.9
    weight = torch.ones(1, 1, 8, 8)
    right = torch.cat([owners, 1 - owners.sum(1, keepdim=True)], 1).clamp(min=1e-4).log()
    wrong = losses.detection_loss(-right, owners, weight)
    assert losses.detection_loss(right, owners, weight) < wrong
    assert losses.dice_loss(owners, owners, weight) < 1e-3
    assert losses.dice_loss(0 * owners, owners, weight) > 1e-3
    change = torch.rand(1, 3, 8, 8)
    assert losses.change_loss(change, change, weight) == 0
    assert losses.change_loss(0 * change, change, weight) > 0
    place = torch.zeros(1, 2, 8, 8)  # all of it on the nose
    assert losses.component_loss(owners, owners, weight, place) == 0
    assert losses.component_loss(0 * owners, owners, weight, place) > 0


def test_hair_may_be_stubble_or_nothing_but_no_other_kind():
    """The gradient is that of -log(p_stubble + p_none): the two may share it as they like."""
    logits = torch.randn(1, 4, 2, 2, requires_grad=True)  # three kinds, the last one stubble
    owners, weight = torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)
    target = losses.hair_is_stubble_or_nothing(owners, logits, weight, at=2)
    free = torch.cat([target, 1 - target.sum(1, keepdim=True)], 1)
    ours = torch.autograd.grad(-(free * logits.log_softmax(1)).sum(), logits)[0]
    either = -logits.softmax(1)[:, 2:].sum(1).log().sum()
    torch.testing.assert_close(ours, torch.autograd.grad(either, logits)[0])


def test_attention_is_asked_for_where_the_first_stage_is_off():
    truth, coarse = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    coarse[..., :4] = 0.1
    there = torch.zeros(1, 1, 4, 4)
    there[..., :2] = 1
    assert losses.attention_loss(there, coarse, truth) == 0
    assert losses.attention_loss(1 - there, coarse, truth) == 1


def test_change_of_kinds_nobody_asked_for_is_what_the_keep_loss_counts():
    made, unasked = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    unasked[..., :2, :] = 1
    made[..., 2:, :] = 1
    assert losses.keep_loss(made, unasked) == 0
    assert losses.keep_loss(made.flip(2), unasked) > 0


def test_shaken_maps_are_near_the_true_ones_and_never_larger():
    owners = torch.zeros(4, 2, 16, 16)
    owners[:, 0, 6:9, 6:9] = 1
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(losses.shaken(owners, 0.0, rng), owners)
    for _ in range(9):
        moved = losses.shaken(owners, 1.0, rng)
        assert not torch.equal(moved, owners)
        assert moved.max() <= 1 and not moved[:, 1].any()
        assert not moved[:, 0, :3].any() and not moved[:, 0, 12:].any()
    corner = torch.zeros(1, 1, 16, 16)
    corner[..., 0, 0] = 1
    for _ in range(9):
        assert not losses.shaken(corner, 1.0, rng)[..., 8:].any()


def test_half_of_the_time_one_kind_is_asked_away_whole(batch):
    rng = torch.Generator().manual_seed(0)
    strengths = torch.cat([losses.asked_strengths(batch, rng) for _ in range(50)])
    present = (batch.owners.amax(dim=(2, 3)) > 0.2).repeat(50, 1)
    several = present.sum(dim=1) > 1
    alone = (strengths > 0).sum(dim=1) == 1
    whole = alone & (strengths.amax(dim=1) == 1) & (strengths * present).any(dim=1)
    assert 0.4 < whole[several].float().mean() < 0.7
    assert ((strengths > 0) & ~present).any()  # and now and then what is not there
