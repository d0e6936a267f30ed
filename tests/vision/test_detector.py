"""The network's promises that hold whatever its weights are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vision.detector import NetworkConfig, one_map
from vision.retoucher import RetouchNetwork, blend

SMALL = NetworkConfig(
    kinds=("acne", "moles", "redness"), text=12, widths=(8, 16, 16, 16), blocks=2, heads=2
)


@pytest.fixture
def network() -> RetouchNetwork:
    torch.manual_seed(0)
    return RetouchNetwork(SMALL)


def inputs(batch: int = 2, side: int = 64):
    torch.manual_seed(1)
    crop = torch.rand(batch, 3, side, side)
    return crop, torch.ones(batch, 1, side, side), torch.zeros(batch, 2, side, side)


def test_ownership_is_shared_out_at_full_resolution(network):
    found = network.detect(*inputs(), torch.randn(3, 12))
    assert found.owners.shape == (2, 3, 64, 64)
    assert (found.owners >= 0).all()
    assert (found.owners.sum(dim=1) <= 1 + 1e-5).all()


def test_kinds_compete_for_a_pixel(network):
    """More evidence for one prompt takes ownership from the others."""
    prompts = torch.randn(3, 12)
    before = network.detect(*inputs(), prompts).owners
    network.detector.bias.data[0] += 5
    after = network.detect(*inputs(), prompts).owners
    assert (after[:, 0] > before[:, 0]).all()
    assert (after[:, 1:] < before[:, 1:]).all()


def test_own_words_go_through_the_shared_mapping(network):
    prompts, own = torch.randn(3, 12), torch.tensor([False, True, False])
    plain = network.detect(*inputs(), prompts).logits
    worded = network.detect(*inputs(), prompts, own).logits
    assert torch.equal(plain[:, [0, 2, 3]], worded[:, [0, 2, 3]])
    assert not torch.allclose(plain[:, 1], worded[:, 1])


def test_prompts_decide_what_is_detected(network):
    prompts = torch.randn(3, 12)
    one = network.detect(*inputs(), prompts).logits
    other = network.detect(*inputs(), -prompts).logits
    assert not torch.allclose(one[:, :3], other[:, :3])


def test_no_strength_is_the_identity_and_strength_is_monotone():
    photo, change = torch.rand(1, 3, 8, 8), torch.randn(1, 3, 8, 8)
    owners = torch.rand(1, 2, 8, 8) / 2
    assert torch.equal(blend(photo, owners, torch.zeros(1, 2), change), photo)
    half, full = (blend(photo, owners, torch.tensor([[s, 0.0]]), change) for s in (0.5, 1.0))
    assert ((full - photo).abs() >= (half - photo).abs()).all()
    torch.testing.assert_close(full - photo, 2 * (half - photo))


def test_a_kind_that_is_not_asked_changes_nothing():
    photo, change = torch.rand(1, 3, 8, 8), torch.randn(1, 3, 8, 8)
    owners = torch.zeros(1, 2, 8, 8)
    owners[:, 0, :4], owners[:, 1, 4:] = 1, 1
    out = blend(photo, owners, torch.tensor([[1.0, 0.0]]), change)
    assert torch.equal(out[:, :, 4:], photo[:, :, 4:])
    assert not torch.equal(out[:, :, :4], photo[:, :, :4])


def test_window_blocks_move_features_only_where_asked(network):
    block, x = network.retoucher.blocks[1], torch.randn(1, 16, 16, 16)
    asked = torch.zeros(1, 1, 16, 16)
    asked[..., 4:8, 4:8] = 1
    moved = block(x, asked, torch.randn(1, 32)) - x
    assert moved[..., 4:8, 4:8].abs().max() > 0
    assert moved.masked_fill(asked.bool(), 0).abs().max() == 0


def test_every_parameter_learns(network):
    found = network.detect(*inputs(), torch.randn(3, 12), torch.tensor([False, True, False]))
    for block in network.retoucher.blocks:  # these start at zero, and hide what is behind them
        torch.nn.init.normal_(block.modulation.project.weight)
    torch.nn.init.normal_(network.retoucher.to_change[0].weight)
    torch.nn.init.normal_(network.retoucher.refiner.out[0].weight)
    for convolution in network.retoucher.refiner.convolutions:
        torch.nn.init.normal_(convolution.style.weight)
    change = network.change(found, found.owners, torch.randn(3, 12)).refined
    (change.pow(2).mean() + found.logits.pow(2).mean() + found.amplitude.mean()).backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # The shares of the asked kinds sum to one here, so "no prompt" may have nothing to say.
    assert set(still) <= {"retoucher.no_prompt"}


def test_a_crop_that_does_not_fit_the_windows_is_refused(network):
    found = network.detect(*inputs(side=48), torch.randn(3, 12))
    with pytest.raises(ValueError, match="12x12.*divisible by 32"):
        network.change(found, found.owners, torch.randn(3, 12))


@pytest.mark.parametrize(
    "mechanism",
    [
        "fusion", "prompted", "target_aware", "prompt_modulation", "blemish_aware", "refiner",
        "surroundings",
    ],
)  # fmt: skip
def test_each_mechanism_can_be_switched_off_and_makes_a_difference(mechanism):
    torch.manual_seed(0)
    whole = RetouchNetwork(SMALL)
    state = {name: torch.randn_like(value) * 0.2 for name, value in whole.state_dict().items()}
    outputs = []
    for config in (SMALL, replace(SMALL, **{mechanism: False})):
        network = RetouchNetwork(config)
        known = network.state_dict().keys()
        network.load_state_dict({name: state[name] for name in known})  # the same weights
        network.eval()
        found = network.detect(*inputs(), torch.randn(3, 12, generator=torch.manual_seed(2)))
        change = network.change(found, found.owners, torch.ones(3, 12)).refined
        assert torch.isfinite(change).all()
        outputs.append((found.logits, change))
    (logits, change), (other_logits, other_change) = outputs
    assert not (torch.equal(logits, other_logits) and torch.equal(change, other_change))


def test_without_prompts_all_kinds_have_one_map():
    network = RetouchNetwork(replace(SMALL, prompted=False))
    owners = network.detect(*inputs(), torch.randn(3, 12)).owners
    torch.testing.assert_close(owners[:, 0], owners[:, 1])
    torch.testing.assert_close(owners[:, 0], owners[:, 2])
    asked = torch.tensor([[0.0, 0.5, 0.0], [1.0, 0.2, 0.0]])
    given = one_map(owners, asked)
    torch.testing.assert_close(given[0, 1], owners[0].sum(dim=0))  # all there is, for the one asked
    torch.testing.assert_close(given[1].sum(dim=0), owners[1].sum(dim=0))
    assert not given[0, 0].any() and not given[:, 2].any()


def test_what_a_user_marks_is_changed_though_nothing_was_found(network):
    torch.nn.init.normal_(network.retoucher.to_change[0].weight)
    found, prompts = network.detect(*inputs(), torch.randn(3, 12)), torch.randn(3, 12)
    nothing = torch.zeros_like(found.owners)
    marked = torch.zeros(2, 1, 64, 64)
    marked[..., 20:40, 20:40] = 1
    with_mark = network.change(found, nothing, prompts, marked).refined
    assert not torch.allclose(with_mark, network.change(found, nothing, prompts).refined)
