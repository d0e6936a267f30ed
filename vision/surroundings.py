"""What clean skin looks like: over the whole face, and around every pixel.

Telling a flush from a shadow means comparing colours with those of the person's skin. Healing a
mark by hand means taking colour from clean skin beside it. The network is given just that, as
inputs and as something to mix from, so that it has to learn where and how much rather than how to
average.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Sides, in pixels of the crop, of the cells over which skin is averaged, near to far; the tone of
# the whole face is one step farther.
CELLS = (8, 16, 32)
VIEWS = len(CELLS) + 1
_DARK = 0.02  # light added before the logarithm: noise in shadows is no colour


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB-encoded values 0..1 -> linear light 0..1 (IEC 61966-2-1)."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light 0..1 -> sRGB-encoded values 0..1 (IEC 61966-2-1)."""
    linear = linear.clamp(1e-6, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def colour_of_skin(crop: Tensor, skin: Tensor, tone: Tensor) -> Tensor:
    """What shading does not explain: (B, 5, H, W), of the order of 1.

    Marks of blood or pigment change the ratios of linear light, which shading hardly does (Tsumura
    et al. 2003): red to green and green to blue, in logarithms, beside those of the person's tone.
    Then, in three channels, the distance to the skin within three of the widest `CELLS`: patches
    and flushes are as wide as a cheek.

    Args:
        crop, skin, tone: as for `clean_skin`.
    """
    light, person = (torch.log(to_linear(x.clamp(0, 1)) + _DARK) for x in (crop, tone))
    ratios = (light - person).diff(dim=1)
    cell = CELLS[-1]
    lit, amount = (_spread(F.avg_pool2d(x, cell)) for x in (crop * skin, skin))
    around = (lit + 0.03 * tone) / (amount + 0.03)
    far = F.interpolate(around, size=crop.shape[-2:], mode="bilinear") - crop
    return torch.cat([4 * ratios, 8 * far], dim=1)


def skin_tone(crop: Tensor, skin: Tensor) -> Tensor:
    """Mean colour of the skin, averaged in linear light: (B, 3, 1, 1) sRGB 0..1.

    Args:
        crop: (B, 3, H, W) sRGB 0..1.
        skin: (B, 1, H, W) 0..1; where there is none at all, the tone is nearly black.
    """
    light = (to_linear(crop) * skin).sum(dim=(2, 3), keepdim=True)
    return to_srgb(light / skin.sum(dim=(2, 3), keepdim=True).clamp(min=1))


def clean_skin(crop: Tensor, skin: Tensor, mark: Tensor, tone: Tensor) -> Tensor:
    """How far each pixel is from the clean skin around it, near to far.

    Means over clean skin only (normalised convolution, Knutsson and Westin 1993), on a pyramid
    whose empty cells take the value of the coarser one above them.

    Args:
        crop: (B, 3, H, W) sRGB 0..1, H and W multiples of the largest of `CELLS`.
        skin: (B, 1, H, W) 0..1.
        mark: (B, 1, H, W) 0..1, what is to be taken away and must not be averaged in.
        tone: (B, 3, 1, 1), see `skin_tone`.

    Returns:
        (B, VIEWS, 3, H, W) mean of clean skin minus the crop.
    """
    clean = skin * (1 - mark) ** 2
    light, amount = crop * clean, clean
    side, levels = 1, []
    for cell in CELLS:
        light, amount = (F.avg_pool2d(x, cell // side) for x in (light, amount))
        levels.append((_spread(light), _spread(amount)))
        side = cell
    far = tone.expand_as(levels[-1][0])
    means = [tone.expand_as(crop)]
    for light, amount in reversed(levels):
        above = F.interpolate(far, size=light.shape[-2:], mode="bilinear")
        far = (light + 0.03 * above) / (amount + 0.03)
        means.append(F.interpolate(far, size=crop.shape[-2:], mode="bilinear"))
    return torch.stack(means[::-1], dim=1) - crop[:, None]


def _spread(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
