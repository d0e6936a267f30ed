"""The retoucher: rewrites asked marks from the clean skin around them, nothing else.

Two stages (BPFRe): a coarse change, and what a refiner adds to it. Seven shifted-window blocks move
features only where something was asked (LangBRT eq. 2-4); each is modulated by the prompt
(RetouchGPT). The output is a change d toward clean skin; the photo becomes  y = x + g d,  with the
gate g = sum over kinds of strength * ownership <= 1 (`blend`), so a strength of zero, an empty
plan and a kept kind are exact identities.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.detector import Detection, Detector, NetworkConfig
from vision.layers import (
    ChannelNorm,
    Modulation,
    ModulationOut,
    ResidualBlock,
    Up,
    from_windows,
    to_windows,
)
from vision.refiner import Refiner
from vision.surroundings import VIEWS, clean_skin

# Marks differ from clean skin by a twentieth of full scale: this brings them to the order of 1.
_CONTRAST = 8


class Change(NamedTuple):
    """What the retoucher would do, full resolution, float32.

    Attributes:
        refined: (B, 3, H, W) change of the sRGB values toward clean skin; meaningful where
            something was asked.
        coarse: (B, 3, H, W) the same after the first stage.
        attention: (B, 1, H/2, W/2) where the second stage looks (`Refiner`), None without it.
    """

    refined: Tensor
    coarse: Tensor
    attention: Tensor | None


class TargetAwareBlock(nn.Module):
    """Windowed sigmoid attention from asked places to clean skin, then a feed-forward branch.

    Queries see the features with the asked imperfection suppressed, F (1 - m) (LangBRT eq. 2);
    keys and values are weighted toward clean tokens, x + x (1 - m) (RetouchGPT), so imperfect
    places are rewritten from clean ones. Features move only where asked, which is our own:
    F <- F + m * gate * branch(F).
    """

    def __init__(self, config: NetworkConfig, channels: int, prompt: int, shifted: bool):
        super().__init__()
        self.heads, self.window = heads, window = config.heads, config.window
        self.target_aware = config.target_aware
        self.shift = window // 2 if shifted else 0
        self.norm_attention, self.norm_feed = ChannelNorm(channels), ChannelNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.scale = nn.Parameter(torch.full((heads, 1, 1), (channels // heads) ** -0.5))
        self.position = nn.Parameter(torch.zeros(heads, window**2, window**2))
        self.feed = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1)
        )
        self.modulation = Modulation(prompt, channels)
        for last in (self.out, self.feed[2]):
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, asked: Tensor, prompt: Tensor) -> Tensor:
        """x (B, C, H, W), asked (B, 1, H, W) in 0..1, prompt (B, P) -> (B, C, H, W)."""
        if not self.target_aware:
            asked = torch.ones_like(asked)
        attention, feed = self.modulation(prompt)
        move = self._attend(_modulated(self.norm_attention(x), attention), asked)
        x = x + asked * attention.gate * move
        return x + asked * feed.gate * self.feed(_modulated(self.norm_feed(x), feed))

    def _attend(self, x: Tensor, asked: Tensor) -> Tensor:
        if self.shift:
            x, asked = (torch.roll(t, (-self.shift, -self.shift), (2, 3)) for t in (x, asked))
        clean = 1 - asked if self.target_aware else asked
        queries = self.query(to_windows(x * clean, self.window))
        keys, values = self.key_value(to_windows(x + x * clean, self.window)).chunk(2, dim=-1)
        queries, keys, values = (self._split(t) for t in (queries, keys, values))
        # Sigmoid instead of softmax (LangBRT eq. 4): a token may find nothing to copy. Shifted
        # down by log(tokens) it starts with the mean of the window, as softmax does.
        bias = (self.position - 2 * math.log(self.window)).to(queries.dtype)
        scores = (queries * self.scale.to(queries.dtype)) @ keys.transpose(-1, -2) + bias
        weights = torch.sigmoid(scores)
        merged = (weights @ values).transpose(1, 2).flatten(2)
        moved = from_windows(self.out(merged), self.window, x.shape)
        return torch.roll(moved, (self.shift, self.shift), (2, 3)) if self.shift else moved

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, T, C) -> (N, heads, T, C / heads)."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _modulated(x: Tensor, modulation: ModulationOut) -> Tensor:
    return x * (1 + modulation.scale) + modulation.shift


class Retoucher(nn.Module):
    """Window blocks at 1/4 resolution and a decoder to the full-resolution change d."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        half, quarter = config.widths[:2]
        prompt = 2 * quarter
        self.config = config
        self.enter = nn.Conv2d(quarter + 1 + 3 * VIEWS, quarter, 1)
        self.no_prompt = nn.Parameter(torch.zeros(config.text))
        self.words = nn.Linear(config.text, prompt)
        self.sight = nn.Linear(quarter, prompt)
        self.blocks = nn.ModuleList(
            TargetAwareBlock(config, quarter, prompt, shifted=index % 2 == 1)
            for index in range(config.blocks)
        )
        self.up = Up(quarter, half)
        if config.blemish_aware:
            self.skip_gate = nn.Conv2d(1, half, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(2 * half + 1 + 3 * (3 + VIEWS), half, 3, padding=1),
            *(ResidualBlock(half) for _ in range(config.refine_depth)),
        )
        # Full resolution: the change itself in three channels, and a share of each view.
        self.to_change = nn.Sequential(
            nn.Conv2d(half, 4 * (3 + VIEWS), 3, padding=1), nn.PixelShuffle(2)
        )
        nn.init.zeros_(self.to_change[0].weight)
        nn.init.zeros_(self.to_change[0].bias)
        if config.refiner:
            self.refiner = Refiner(half, prompt, config.blemish_aware)
        if config.language_state:  # means over many ways to say it, for when nobody spoke
            self.register_buffer("states", torch.zeros(len(config.kinds), config.text))

    def forward(
        self,
        found: Detection,
        asked: Tensor,
        prompts: Tensor,
        marked: Tensor | None = None,
        states: Tensor | None = None,
    ) -> Change:
        """Change toward clean skin: shares of the clean skin around, and what they do not give.

        Args:
            found: the detector's answer.
            asked: (B, K, H, W) ownership of the asked kinds, zero for the others.
            prompts: (K, text) or (B, K, text) prompt embeddings.
            marked: (B, 1, H, W) 0..1, what is to be filled with skin whatever it is.
            states: (B, K, text) hidden states of the words said for each kind; taken instead of
                `prompts` by a network with `language_state`, which has means of its own.
        """
        if self.config.language_state:
            prompts = self.states if states is None else states
        skip, x = found.features
        mark = asked.sum(dim=1, keepdim=True).clamp(0, 1)
        if marked is not None:
            mark = torch.maximum(mark, marked)
        views = clean_skin(found.crop, found.skin, mark, found.tone)
        if not self.config.surroundings:
            views = torch.zeros_like(views)
        contrast = _CONTRAST * views.flatten(1, 2).to(x.dtype)
        mark = mark.to(x.dtype)
        half, quarter = F.max_pool2d(mark, 2), F.max_pool2d(mark, 4)
        prompt = self._prompt(x, quarter, asked, prompts)
        x = self.enter(torch.cat([x, quarter, F.avg_pool2d(contrast, 4)], dim=1))
        x = self._in_windows(x, quarter, prompt)
        # Blemish-aware skip (BPFRe): the supervised map re-weights what the decoder may copy.
        if self.config.blemish_aware:
            skip = skip * torch.sigmoid(2 + self.skip_gate(half))
        near = F.pixel_unshuffle(contrast[:, :3], 2)
        seen = [self.up(x), skip, half, near, F.avg_pool2d(contrast[:, 3:], 2)]
        decoded = self.refine(torch.cat(seen, dim=1))
        out = self.to_change(decoded).float()
        coarse = out[:, :3] + (out[:, 3:, None] * views).sum(dim=1)
        if not self.config.refiner:
            return Change(coarse, coarse, None)
        finer = self.refiner(decoded, half, prompt)
        return Change(coarse + finer.change, coarse, finer.attention)

    def _prompt(self, x: Tensor, quarter: Tensor, asked: Tensor, prompts: Tensor) -> Tensor:
        """Words of what was asked, fused with the look of the places they point at: (B, P)."""
        if not self.config.prompt_modulation:
            return torch.zeros_like(self.sight(x.mean(dim=(2, 3))))
        amount = asked.mean(dim=(2, 3))
        share = (amount / (amount.sum(dim=1, keepdim=True) + 1e-6)).to(x.dtype)
        words = (share[..., None] * prompts.to(x.dtype)).sum(dim=1)
        words = words + (1 - share.sum(dim=1, keepdim=True)) * self.no_prompt
        look = (x * quarter).sum(dim=(2, 3)) / (quarter.sum(dim=(2, 3)) + 1e-3)
        return F.silu(self.words(words) + self.sight(look))

    def _in_windows(self, x: Tensor, quarter: Tensor, prompt: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        window = self.config.window
        if height % window or width % window:
            raise ValueError(
                f"crop at 1/4 is {width}x{height}, which is no multiple of the window"
                f" {window}: give crops with sides divisible by {4 * window}"
            )
        for block in self.blocks:
            x = block(x, quarter, prompt)
        return x


class RetouchNetwork(nn.Module):
    """Detector and retoucher over one encoder."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.detector = Detector(config)
        self.retoucher = Retoucher(config)

    def detect(self, crop, skin, place, prompts, own_words=None, tone=None) -> Detection:
        """See `Detector.forward`."""
        return self.detector(crop, skin, place, prompts, own_words, tone)

    def change(self, detection, asked, prompts, marked=None, states=None) -> Change:
        """See `Retoucher.forward`."""
        return self.retoucher(detection, asked, prompts, marked, states)


def blend(photo: Tensor, owners: Tensor, strengths: Tensor, change: Tensor) -> Tensor:
    """y = x + g d with g = sum_k s_k q_k: one pass, as it is trained (`RetouchEngine.heal` makes
    several and keeps the kinds apart).

    Args:
        photo: (B, 3, H, W).
        owners: (B, K, H, W), summing to at most 1 at every pixel.
        strengths: (B, K) in 0..1; zero for kinds not asked or kept.
        change: (B, 3, H, W).
    """
    gate = (owners * strengths[:, :, None, None]).sum(dim=1, keepdim=True)
    return photo + gate * change
