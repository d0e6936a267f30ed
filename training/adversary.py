"""Adversarial losses, weighted by the map of what was asked (LangBRT eq. 7 and 8, BPFRe).

The discriminator looks at pixels rather than pictures: only where something was taken away is
there anything to judge. Marks that photos brought along have no clean counterpart; there the
result must pass all the same (BPFRe's unpaired data).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from training.painted import Batch
from vision.layers import ChannelNorm


class PixelDiscriminator(nn.Module):
    """(B, 3, H, W) sRGB 0..1 -> (B, 1, H/2, W/2) logits, positive for untouched clean skin."""

    def __init__(self, channels: int = 32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, channels, 3, padding=1),
            nn.GELU(),
            ChannelNorm(channels),
            nn.Conv2d(channels, channels, 3, padding=2, dilation=2),
            nn.GELU(),
            ChannelNorm(channels),
            nn.Conv2d(channels, channels, 3, padding=2, dilation=2),
            nn.GELU(),
            nn.Conv2d(channels, 1, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(4 * (image - 0.5)).float()


def adversarial_terms(
    discriminator: PixelDiscriminator, batch: Batch, result: Tensor, clean: Tensor, gate: Tensor
) -> dict[str, Tensor]:
    """`judge` teaches the discriminator alone, `adversarial` and `unpaired` the network alone.

    Args:
        discriminator: of pixels.
        batch: what the result was made from.
        result: (B, 3, H, W) retouched crops.
        clean: (B, 3, H, W) what they should be.
        gate: (B, 1, H, W) 0..1, the map M that weights every pixel.
    """
    weight = F.avg_pool2d(gate.detach().clamp(0, 1), 2)
    known = F.avg_pool2d(batch.known, 2)
    frozen = {name: value.detach() for name, value in discriminator.named_parameters()}
    fooled = _is(functional_call(discriminator, frozen, (result,)), real=True)
    judge = (
        _is(discriminator(clean), real=True)
        + _is(discriminator(result.detach()), real=False)
        + _is(discriminator(batch.photo), real=False)
    )
    return {
        "judge": _mean(judge, weight * known),
        "adversarial": _mean(fooled, weight * known),
        "unpaired": _mean(fooled, weight * (1 - known)),
    }


def _is(logits: Tensor, real: bool) -> Tensor:
    """Cross-entropy of each pixel against "this is untouched"."""
    return F.softplus(-logits if real else logits)


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    return (loss * weight).sum() / weight.sum().clamp(min=1)
