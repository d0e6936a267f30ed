"""Text-prompted detection: who owns each pixel, and how much there is to change.

One encoder sees the aligned crop. Its features, brought back to full resolution, are compared
with each prompt's embedding (LangBRT eq. 1); a softmax over all prompts and a learned "none"
makes kinds compete for every pixel. A second head measures how strong the marks are, so that
severity falls with contrast and not only with area.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers import ChannelNorm, Down, ResidualBlock, Up
from vision.surroundings import colour_of_skin, skin_tone
from vision.vocabulary import NETWORK_KINDS


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network and its mechanisms, each of which can be switched off to see what it
    is worth; every field is used.

    Attributes:
        kinds: pre-defined prompts, in the order of the output channels.
        tower: the text tower that embeds the prompts (`prompts.text_tower`).
        text: length of a prompt embedding (all-MiniLM-L6-v2: 384).
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the crop.
        depths: residual blocks of the encoder at these sizes.
        decoder_depths: of the detector's decoder, at 1/2, 1/4 and 1/8.
        refine_depth: of the retoucher's decoder, at 1/2.
        features: length of the per-pixel features compared with prompts.
        blocks: window blocks of the retoucher (LangBRT uses 7).
        window: side of an attention window at 1/4 resolution.
        heads: attention heads of a block.
        text_prior: prompts are text embeddings; without it, vectors that mean nothing
            (LangBRT "w/o Prior").
        fusion: text and visual features are fused before the maps are predicted (RetouchGPT).
        prompted: every prompt has its own map; without it, one map serves all kinds
            (LangBRT "w/o TBD").
        target_aware: blocks attend from asked places to clean ones and move features only there
            (LangBRT eq. 2-4); without it, they are plain shifted-window blocks.
        prompt_modulation: prompts shift, scale and gate each block (RetouchGPT).
        language_state: what they are then is the hidden state that a language model has of the
            words said for each kind (RetouchGPT's LLM-based embedding), as long as `text`; without
            it, the text tower's embedding of the prompt.
        blemish_aware: supervised maps re-weight the features handed from the encoder to the
            decoder, and from the decoder to the refiner (BPFRe).
        refiner: the second stage (BPFRe).
        surroundings: the retoucher sees the clean skin around every pixel, and may mix it.
        colour: the detector sees colour freed from shading (`surroundings.colour_of_skin`).
    """

    kinds: tuple[str, ...] = NETWORK_KINDS
    tower: str = "minilm"
    text: int = 384
    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    depths: tuple[int, int, int, int] = (2, 3, 3, 3)
    decoder_depths: tuple[int, int, int] = (2, 2, 2)
    refine_depth: int = 4
    features: int = 16
    blocks: int = 7
    window: int = 8
    heads: int = 4
    text_prior: bool = True
    fusion: bool = True
    prompted: bool = True
    target_aware: bool = True
    prompt_modulation: bool = True
    language_state: bool = False
    blemish_aware: bool = True
    refiner: bool = True
    surroundings: bool = True
    colour: bool = True


@dataclass(frozen=True)
class Gate:
    """How readily each kind is given a pixel, and how often it is looked for again.

    Chosen on validation faces after training (`training.calibrate`) and stored with the weights.

    Attributes:
        openness: (K,) added to each kind's logit; positive opens its gate. Empty for all zero.
        passes: (K,) rounds of removal, each on what the last one left. Empty for one each.
    """

    openness: tuple[float, ...] = ()
    passes: tuple[int, ...] = ()

    def owners(self, logits: Tensor) -> Tensor:
        """(B, K + 1, H, W) logits, "none" last -> (B, K, H, W) shares, summing to at most 1."""
        logits = logits.float()
        if self.openness:
            offsets = logits.new_tensor((*self.openness, 0.0))
            logits = logits + offsets[:, None, None]
        return logits.softmax(dim=1)[:, :-1]


def one_map(owners: Tensor, asked: Tensor) -> Tensor:
    """For a network without `prompted`, which knows only that something is there: all of that for
    what is asked, in equal parts, for each kind by itself has one part in K of it.

    owners (B, K, H, W), asked (B, K) above 0 where asked -> (B, K, H, W).
    """
    part = (asked > 0).to(owners.dtype)
    part = part / part.sum(dim=1, keepdim=True).clamp(min=1)
    return owners.sum(dim=1, keepdim=True) * part[:, :, None, None]


class Detection(NamedTuple):
    """What the detector says about a batch of crops.

    Attributes:
        logits: (B, K + 1, H, W), one channel a prompt and "none" last.
        amplitude: (B, 1, H, W), predicted distance to clean skin, in 0..1 of full scale
            (mean absolute change of the sRGB channels).
        features: encoder and decoder features at 1/2 and 1/4, for the retoucher.
        crop, skin, tone: what was looked at, as given to the detector.
    """

    logits: Tensor
    amplitude: Tensor
    features: tuple[Tensor, Tensor]
    crop: Tensor
    skin: Tensor
    tone: Tensor

    @property
    def owners(self) -> Tensor:
        """(B, K, H, W): the share of each pixel owned by each prompt; "none" is left out."""
        return Gate().owners(self.logits)


def local_contrast(crop: Tensor) -> Tensor:
    """What stands out from its surroundings: (B, 3, H, W) sRGB -> the same shape, about -1..1.

    Marks differ from their neighbourhood by a twentieth of full scale; beside place and mean
    colour they would hardly be seen (measured: 500 steps did not find a mole without this).
    """
    rows = F.avg_pool2d(crop, (17, 1), stride=1, padding=(8, 0), count_include_pad=False)
    around = F.avg_pool2d(rows, (1, 17), stride=1, padding=(0, 8), count_include_pad=False)
    return 8 * (crop - around)


class InstructionFusion(nn.Module):
    """What a prompt says of each place (RetouchGPT's instruction-driven prediction):
    alpha(x) . g([V; T]) + beta(x), where g reads the visual features V and the prompt T together.
    The paper takes the sigmoid of it; here it is a part of the logits of the softmax over prompts.

    Args:
        channels: of the visual features.
        text: length of a prompt embedding.
    """

    def __init__(self, channels: int, text: int, width: int = 32):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.seen, self.said = nn.Conv2d(channels, width, 1), nn.Linear(text, width)
        self.alpha, self.beta = nn.Conv2d(channels, width, 1), nn.Conv2d(channels, 1, 1)
        for last in (self.alpha, self.beta):
            nn.init.normal_(last.weight, std=0.01)  # grown into a network, it changes little yet
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, prompts: Tensor) -> Tensor:
        """x (B, C, h, w), prompts (B, K, text) -> (B, K, h, w)."""
        x = self.norm(x)
        together = F.gelu(self.seen(x)[:, None] + self.said(prompts)[..., None, None])
        return torch.einsum("bchw,bkchw->bkhw", self.alpha(x), together) + self.beta(x)


class Detector(nn.Module):
    """Encoder, feature pyramid and prompt heads.

    Args:
        config: sizes.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        w, kinds = config.widths, len(config.kinds)
        seen = 17 if config.colour else 12
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(seen * 4, w[0], 3, padding=1))
        self.encoders = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(c, dilation if i else 1) for i in range(depth)))
            for c, depth, dilation in zip(w, config.depths, (1, 1, 2, 2), strict=True)
        )
        self.downs = nn.ModuleList(Down(a, b) for a, b in zip(w[:-1], w[1:], strict=True))
        self.ups = nn.ModuleList(Up(b, a) for a, b in zip(w[:-1], w[1:], strict=True))
        self.decoders = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * c, c, 1), *(ResidualBlock(c) for _ in range(depth)))
            for c, depth in zip(w[:-1], config.decoder_depths, strict=True)
        )
        self.fine = nn.Sequential(ChannelNorm(w[0]), Up(w[0], config.features))
        self.coarse = nn.Sequential(ChannelNorm(w[2]), nn.Conv2d(w[2], config.features, 1))
        if config.fusion:
            self.fusion = InstructionFusion(w[2], config.text)
        self.amplitude = nn.Conv2d(config.features, 1, 1)
        # One mapping a pre-defined prompt, one shared by all prompts in the user's own words,
        # each giving a vector for the fine features, one for the coarse and a bias.
        self.mapping = nn.Parameter(torch.randn(kinds, config.text, self._mapped(config)) * 0.2)
        self.user_mapping = nn.Parameter(torch.randn(config.text, self._mapped(config)) * 0.2)
        self.bias = nn.Parameter(torch.full((kinds,), -1.0))
        self.none = nn.Parameter(torch.zeros(self._mapped(config)))
        self.config = config

    @staticmethod
    def _mapped(config: NetworkConfig) -> int:
        return 2 * config.features

    def forward(
        self,
        crop: Tensor,
        skin: Tensor,
        place: Tensor,
        prompts: Tensor,
        own_words: Tensor | None = None,
        tone: Tensor | None = None,
    ) -> Detection:
        """Compare every pixel with every prompt.

        Args:
            crop: (B, 3, H, W) sRGB in 0..1, H and W multiples of 32.
            skin: (B, 1, H, W) in 0..1.
            place: (B, 2, H, W) position in the aligned face, -1..1.
            prompts: (K, text) or (B, K, text) embeddings, one for each pre-defined kind.
            own_words: (K,) or (B, K) bool, True where the prompt is the user's own words and
                goes through the shared mapping.
            tone: (B, 3, 1, 1) the person's skin tone (`surroundings.skin_tone`): redness and
                shine are such only beside it. Taken from the crop where it shows the whole face.
        """
        tone = skin_tone(crop, skin) if tone is None else tone
        seen = [2 * crop - 1, local_contrast(crop), skin, place, 4 * (crop - tone)]
        if self.config.colour:
            seen.append(colour_of_skin(crop, skin, tone))
        x = self.stem(torch.cat(seen, dim=1))
        levels = []
        for index, encoder in enumerate(self.encoders):
            x = encoder(x if index == 0 else self.downs[index - 1](x))
            levels.append(x)
        decoded: dict[int, Tensor] = {}
        for index in reversed(range(3)):
            x = torch.cat([self.ups[index](x), levels[index]], dim=1)
            x = decoded[index] = self.decoders[index](x)
        fine = self.fine(decoded[0])
        if prompts.dim() == 2:
            prompts = prompts.expand(len(fine), -1, -1)
        logits = self._compare(fine, self.coarse(decoded[2]), prompts, own_words)
        if self.config.fusion:
            logits = logits + self._fused(decoded[2], prompts, fine.shape[-2:])
        amplitude = F.softplus(self.amplitude(fine).float() - 3.0)
        return Detection(logits, amplitude, (decoded[0], decoded[1]), crop, skin, tone)

    def _compare(
        self, fine: Tensor, coarse: Tensor, prompts: Tensor, own_words: Tensor | None
    ) -> Tensor:
        """Logits (B, K + 1, H, W): the dot products of the fine features with each prompt's mapped
        embedding (LangBRT eq. 1), those of the coarse features with another mapping of it, for
        what can only be told from farther away, and a bias for each kind.
        """
        mapped = torch.einsum("bkt,ktm->bkm", prompts, self.mapping)
        if own_words is not None:
            shared = prompts @ self.user_mapping
            mapped = torch.where(own_words.expand(prompts.shape[:2])[..., None], shared, mapped)
        if not self.config.prompted:
            mapped = mapped.mean(dim=1, keepdim=True).expand_as(mapped)
        none = self.none.expand(len(fine), 1, -1)
        at_fine, at_coarse = torch.cat([mapped, none], dim=1).split(self.config.features, dim=2)
        logits = torch.einsum("bfhw,bkf->bkhw", fine, at_fine.to(fine.dtype)).float()
        context = torch.einsum("bfhw,bkf->bkhw", coarse, at_coarse.to(coarse.dtype)).float()
        context = F.interpolate(context, size=fine.shape[-2:], mode="bilinear")
        own_bias = self.bias if self.config.prompted else self.bias.mean().expand_as(self.bias)
        bias = torch.cat([own_bias, self.bias.new_zeros(1)])
        return logits + context + bias[:, None, None]

    def _fused(self, x: Tensor, prompts: Tensor, size: torch.Size) -> Tensor:
        """(B, K + 1, H, W), nothing for "none"."""
        fused = self.fusion(x, prompts).float()
        if not self.config.prompted:
            fused = fused.mean(dim=1, keepdim=True).expand_as(fused)
        fused = F.interpolate(fused, size=size, mode="bilinear")
        return F.pad(fused, (0, 0, 0, 0, 0, 1))
