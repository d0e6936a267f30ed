"""The second stage (BPFRe): from a coarse change to a refined one, where it is still needed.

Features of the coarse stage pass a supervised attention that says where the coarse result is
still off, and are rendered by convolutions that the prompt modulates, with a noise input for
texture no neighbour can tell.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Refinement(NamedTuple):
    """(B, 3, H, W) what is added to the coarse change, and the attention (B, 1, H/2, W/2) 0..1:
    how far off the coarse stage is believed to be, as a share of `FULLY_OFF`."""

    change: Tensor
    attention: Tensor


# An error of the coarse stage, as a share of full scale, that the attention calls 1.
FULLY_OFF = 0.04


class ModulatedConv(nn.Module):
    """3x3 convolution whose input channels a prompt scales and whose output keeps unit variance
    (weight demodulation of StyleGAN2, Karras et al. 2020, eq. 1 to 3)."""

    def __init__(self, channels: int, prompt: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.noise = nn.Parameter(torch.zeros(channels, 1, 1))
        self.style = nn.Linear(prompt, channels)
        nn.init.zeros_(self.style.weight)
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, prompt: Tensor, noise: Tensor) -> Tensor:
        """x (B, C, H, W), prompt (B, P), noise (1, 1, H, W) -> (B, C, H, W)."""
        style = self.style(prompt).float()
        energy = self.weight.float().square().sum(dim=(2, 3)) @ style.square().T  # (out, B)
        demodulate = (energy.T + 1e-6).rsqrt()[:, :, None, None].to(x.dtype)
        x = F.conv2d(x * style[:, :, None, None].to(x.dtype), self.weight.to(x.dtype), padding=1)
        return F.gelu(x * demodulate + (self.bias + self.noise * noise).to(x.dtype))


class Refiner(nn.Module):
    """Coarse features at half resolution -> what the coarse change still lacks."""

    def __init__(self, channels: int, prompt: int, blemish_aware: bool):
        super().__init__()
        self.blemish_aware = blemish_aware
        self.attention = nn.Conv2d(channels + 1, 1, 3, padding=1)
        self.convolutions = nn.ModuleList(ModulatedConv(channels, prompt) for _ in range(2))
        self.out = nn.Sequential(nn.Conv2d(channels, 12, 3, padding=1), nn.PixelShuffle(2))
        nn.init.zeros_(self.out[0].weight)
        nn.init.zeros_(self.out[0].bias)

    def forward(self, x: Tensor, mark: Tensor, prompt: Tensor) -> Refinement:
        """x (B, C, H, W) and mark (B, 1, H, W) at half resolution, prompt (B, P)."""
        attention = torch.sigmoid(self.attention(torch.cat([x, mark], dim=1)))
        if self.blemish_aware:
            x = x * attention  # between the stages (BPFRe, M^D2G)
        noise = self._noise(x)
        for convolution in self.convolutions:
            x = x + convolution(x, prompt, noise)
        return Refinement(self.out(x).float(), attention)

    def _noise(self, x: Tensor) -> Tensor:
        """(1, 1, H, W), new at every training step, always the same in use: a recipe replayed
        gives the same pixels."""
        seeded = None if self.training else torch.Generator().manual_seed(0)
        return torch.randn(1, 1, *x.shape[-2:], generator=seeded).to(x)
