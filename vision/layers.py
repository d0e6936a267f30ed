"""Small parts shared by the detector and the retoucher.

Norms are per pixel over channels, so that a 128-px training crop and a whole face are treated
alike (batch and group norms would see other statistics on each).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelNorm(nn.Module):
    """Layer norm over the channels of every pixel of (B, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).to(x.dtype)


class ResidualBlock(nn.Module):
    """x + scale * conv(act(conv(norm(x)))), scale small at initialisation."""

    def __init__(self, channels: int, dilation: int = 1):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        change = self.second(F.gelu(self.first(self.norm(x))))
        return x + self.scale.to(change.dtype) * change


class Down(nn.Sequential):
    """Half the size, `out` channels, by pixel-unshuffle and a 1x1 convolution."""

    def __init__(self, channels: int, out: int):
        super().__init__(nn.PixelUnshuffle(2), nn.Conv2d(channels * 4, out, 1))


class Up(nn.Sequential):
    """Twice the size, `out` channels, by a 1x1 convolution and pixel-shuffle."""

    def __init__(self, channels: int, out: int):
        super().__init__(nn.Conv2d(channels, out * 4, 1), nn.PixelShuffle(2))


class ModulationOut(NamedTuple):
    """What a prompt does to one branch of a block, each (B, C, 1, 1)."""

    shift: Tensor
    scale: Tensor
    gate: Tensor


class Modulation(nn.Module):
    """Prompt vector -> shift, scale and gate of a block's two branches, whatever the prompt at
    first: no shift, no scale, gates of one."""

    def __init__(self, prompt: int, channels: int):
        super().__init__()
        self.project = nn.Linear(prompt, channels * 6)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        with torch.no_grad():
            # Gates of zero would stop the gradient of the block behind them; the block's own last
            # layer starts small enough.
            self.project.bias.view(6, channels)[[2, 5]] = 1.0

    def forward(self, prompt: Tensor) -> tuple[ModulationOut, ModulationOut]:
        parts = self.project(prompt)[:, :, None, None].chunk(6, dim=1)
        return ModulationOut(*parts[:3]), ModulationOut(*parts[3:])


def to_windows(x: Tensor, size: int) -> Tensor:
    """(B, C, H, W) -> (B * windows, size * size, C); H and W are multiples of `size`."""
    b, c, h, w = x.shape
    x = x.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, size * size, c)


def from_windows(windows: Tensor, size: int, shape: torch.Size) -> Tensor:
    """Inverse of `to_windows` for a feature map of `shape` (B, C, H, W)."""
    b, c, h, w = shape
    x = windows.reshape(b, h // size, w // size, size, size, c)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
