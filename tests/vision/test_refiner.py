"""The second stage: it adds nothing at first, looks where it is told, and repeats itself."""

from __future__ import annotations

import pytest
import torch

from vision.refiner import ModulatedConv, Refiner


@pytest.fixture
def refiner() -> Refiner:
    torch.manual_seed(0)
    return Refiner(8, prompt=6, blemish_aware=True)


def parts():
    torch.manual_seed(1)
    return torch.randn(2, 8, 16, 16), torch.rand(2, 1, 16, 16), torch.randn(2, 6)


def test_it_starts_by_adding_nothing(refiner):
    change, attention = refiner(*parts())
    assert change.shape == (2, 3, 32, 32)
    assert not change.any()
    assert ((attention > 0) & (attention < 1)).all()


def test_it_renders_only_from_what_its_attention_lets_through(refiner):
    torch.nn.init.normal_(refiner.out[0].weight)
    torch.nn.init.zeros_(refiner.attention.weight)
    torch.nn.init.constant_(refiner.attention.bias, -20.0)
    x, mark, prompt = parts()
    shut = refiner(x, mark, prompt).change
    torch.testing.assert_close(shut, refiner(-x, mark, prompt).change, atol=1e-4, rtol=0)
    refiner.blemish_aware = False
    assert not torch.allclose(shut, refiner(x, mark, prompt).change, atol=1e-2)


def test_noise_is_new_in_training_and_always_the_same_in_use(refiner):
    torch.nn.init.normal_(refiner.out[0].weight)
    for convolution in refiner.convolutions:
        torch.nn.init.ones_(convolution.noise)
    seen = parts()
    assert not torch.equal(refiner(*seen).change, refiner(*seen).change)
    refiner.eval()
    assert torch.equal(refiner(*seen).change, refiner(*seen).change)


def test_a_prompt_scales_channels_and_not_the_variance():
    torch.manual_seed(0)
    convolution = ModulatedConv(32, prompt=4)
    torch.nn.init.normal_(convolution.style.weight)
    x, noise = torch.randn(4, 32, 32, 32), torch.zeros(1, 1, 32, 32)
    one, other = (convolution(x, prompt.expand(4, 4), noise) for prompt in torch.randn(2, 4) * 3)
    assert not torch.allclose(one, other, atol=0.1)
    torch.testing.assert_close(one.std(), other.std(), rtol=0.2, atol=0)
