"""What the field does otherwise, with about as many weights as our network and told as much: the
photo, the skin, the place in the face and the colour beside the person's own; which kinds are asked
for comes in as planes of strength; the change comes out, without a gate.

Written after the published descriptions, at our size: not the authors' code, not their weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import losses
from training.loop import Learner, Stage
from training.painted import Batch
from vision.detector import NetworkConfig
from vision.layers import ChannelNorm, Down, ResidualBlock, Up, from_windows, to_windows
from vision.refiner import Refiner

# Widths beside ours, that make as many weights.
WIDER = 1.75


class SwinBlock(nn.Module):
    """Shifted-window self-attention with softmax, then a feed-forward branch (Liu et al. 2021)."""

    def __init__(self, channels: int, heads: int, window: int, shifted: bool):
        super().__init__()
        self.window, self.shift = window, window // 2 if shifted else 0
        self.heads = heads
        self.norm_attention, self.norm_feed = ChannelNorm(channels), ChannelNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.position = nn.Parameter(torch.zeros(heads, window**2, window**2))
        self.out = nn.Linear(channels, channels)
        self.feed = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), sides multiples of the window."""
        shifted = torch.roll(self.norm_attention(x), (-self.shift, -self.shift), (2, 3))
        parts = self.query_key_value(to_windows(shifted, self.window)).chunk(3, dim=-1)
        split = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        bias = self.position.to(x.dtype)
        mixed = F.scaled_dot_product_attention(*split, attn_mask=bias).transpose(1, 2).flatten(2)
        moved = from_windows(self.out(mixed), self.window, x.shape)
        x = x + torch.roll(moved, (self.shift, self.shift), (2, 3))
        return x + self.feed(self.norm_feed(x))


class Sight(NamedTuple):
    """What a network is shown: photo (B, 3, H, W) sRGB 0..1, skin (B, 1, H, W), place (B, 2, H, W)
    -1..1 and the person's tone (B, 3, 1, 1), as our detector is."""

    photo: Tensor
    skin: Tensor
    place: Tensor
    tone: Tensor


def wider(config: NetworkConfig) -> tuple[int, int, int]:
    """Channels at 1/2, 1/4 and 1/8, each a multiple of the heads."""
    sizes = (round(WIDER * width / config.heads) * config.heads for width in config.widths[:3])
    half, quarter, eighth = sizes
    return half, quarter, eighth


class Frame(nn.Module):
    """What both have in common: the way down to 1/8 and back, one skip, and the change."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        half, quarter, eighth = wider(config)
        planes = 4 * (3 + 1 + 2 + 3 + len(config.kinds))
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(planes, half, 3, padding=1))
        self.encoder = nn.Sequential(ResidualBlock(half), ResidualBlock(half))
        self.down, self.deeper = Down(half, quarter), Down(quarter, eighth)
        self.back, self.up = Up(eighth, quarter), Up(quarter, half)
        self.decoder = nn.Sequential(
            nn.Conv2d(2 * half, half, 1), ResidualBlock(half), ResidualBlock(half)
        )
        self.to_change = nn.Sequential(nn.Conv2d(half, 12, 3, padding=1), nn.PixelShuffle(2))
        nn.init.zeros_(self.to_change[0].weight)
        nn.init.zeros_(self.to_change[0].bias)


class SwinStyle(Frame):
    """U-Net with shifted-window blocks at 1/4, in the manner of SwinIR and RetouchFormer."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        _, quarter, eighth = wider(config)
        self.bottom = nn.Sequential(ResidualBlock(eighth), ResidualBlock(eighth, 2))
        self.blocks = nn.Sequential(
            *(
                SwinBlock(quarter, config.heads, config.window, index % 2 == 1)
                for index in range(config.blocks)
            )
        )

    def forward(self, sight: Sight, asked: Tensor) -> dict[str, Tensor]:
        """asked (B, K) strengths -> "change" (B, 3, H, W)."""
        first = self.encoder(self.stem(_told(sight, asked)))
        x = self.down(first)
        x = self.blocks(x + self.back(self.bottom(self.deeper(x))))
        decoded = self.decoder(torch.cat([self.up(x), first], dim=1))
        return {"change": self.to_change(decoded).float()}


class BpfreStyle(Frame):
    """Encoder and decoder, a refiner, and a blemish-aware attention before each (BPFRe)."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        half, quarter, eighth = wider(config)
        self.middle = nn.Sequential(*(ResidualBlock(quarter) for _ in range(3)))
        self.bottom = nn.Sequential(*(ResidualBlock(eighth, 2) for _ in range(3)))
        self.attention = nn.Conv2d(2 * half, 1, 3, padding=1)
        self.style = nn.Linear(len(config.kinds), 2 * quarter)
        self.refiner = Refiner(half, 2 * quarter, blemish_aware=True)

    def forward(self, sight: Sight, asked: Tensor) -> dict[str, Tensor]:
        """As `SwinStyle`; also the "coarse" change, the attention "to the decoder" and the one
        "to the refiner", (B, 1, H/2, W/2) in 0..1."""
        first = self.encoder(self.stem(_told(sight, asked)))
        x = self.down(first)
        x = self.middle(x + self.back(self.bottom(self.deeper(x))))
        up = self.up(x)
        attention = torch.sigmoid(self.attention(torch.cat([up, first], dim=1)))
        decoded = self.decoder(torch.cat([up, first * attention], dim=1))
        coarse = self.to_change(decoded).float()
        finer = self.refiner(decoded, attention, F.silu(self.style(asked.to(decoded.dtype))))
        return {
            "change": coarse + finer.change,
            "coarse": coarse,
            "to the decoder": attention,
            "to the refiner": finer.attention,
        }


BASELINES: dict[str, type[nn.Module]] = {"Swin-style": SwinStyle, "BPFRe-style": BpfreStyle}


class BaselineLearner(Learner):
    """A baseline with the losses that are not about ownership."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.weights = {
            "change": 1.0, "gradient": 0.3, "coarse": 0.3, "to the decoder": 0.1,
            "to the refiner": 0.1,
        }  # fmt: skip

    def forward(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Losses by name; every step teaches all of it, whatever the stage."""
        strengths = losses.asked_strengths(batch, self.rng)
        known = batch.known * (1 - batch.marked) * losses.dimness(batch.tone)
        truth = batch.without(strengths) * known
        inside = losses.asked_away(truth)
        made = self.network(Sight(batch.photo, batch.skin, batch.place, batch.tone), strengths)
        change = made["change"] * known
        terms = {
            "change": losses.change_loss(change, truth, inside),
            "gradient": losses.gradient_loss(change, truth),
        }
        if "coarse" in made:
            coarse = made["coarse"] * known
            terms["coarse"] = losses.change_loss(coarse, truth, inside)
            nothing = torch.zeros_like(truth)  # the first attention looks for the whole difference
            terms["to the decoder"] = losses.attention_loss(made["to the decoder"], nothing, truth)
            terms["to the refiner"] = losses.attention_loss(made["to the refiner"], coarse, truth)
        return terms


def _told(sight: Sight, asked: Tensor) -> Tensor:
    photo, skin, place, tone = sight
    planes = asked[:, :, None, None].expand(-1, -1, *photo.shape[-2:])
    seen = [2 * photo - 1, skin, place, 4 * (photo - tone), planes]
    return torch.cat([one.to(photo.dtype) for one in seen], dim=1)
