"""Losses of the vision network; each takes tensors and gives one number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def detection_loss(logits: Tensor, owners: Tensor, weight: Tensor, balance: float = 0.0) -> Tensor:
    """Soft cross-entropy of pixel ownership.

    Args:
        logits: (B, K + 1, H, W), "none" last.
        owners: (B, K, H, W) true shares, summing to at most 1.
        weight: (B, 1, H, W), zero where the truth is not known.
        balance: 1 gives a kind that covers few pixels as much say as a broad one, 0 counts
            pixels (calibrated shares).
    """
    target = torch.cat([owners, 1 - owners.sum(dim=1, keepdim=True)], dim=1).clamp(0, 1)
    cross = -(target * logits.float().log_softmax(dim=1)).sum(dim=1, keepdim=True)
    # Focal weight on how far the prediction is off, and the mean over that weight: marks are less
    # than one pixel in a hundred, and would drown in the sea of clean skin.
    with torch.no_grad():
        off = (target - logits.float().softmax(dim=1)).abs().sum(dim=1, keepdim=True) / 2
        rarity = (0.05 / owners.mean(dim=(0, 2, 3)).clamp(min=1e-4)).clamp(1, 25) ** balance
        say = 1 + (owners * (rarity - 1)[:, None, None]).sum(dim=1, keepdim=True)
        weight = weight * (0.06 + off) * say
    return (cross * weight).sum() / weight.sum().clamp(min=1)


def dice_loss(predicted: Tensor, owners: Tensor, weight: Tensor) -> Tensor:
    """1 - soft Dice of each kind over the batch, averaged over the kinds that are there.

    Shares of pixels, (B, K, H, W); `weight` (B, 1, H, W).
    """
    overlap = (2 * predicted * owners * weight).sum(dim=(0, 2, 3))
    total = ((predicted**2 + owners**2) * weight).sum(dim=(0, 2, 3))
    present = (owners.sum(dim=(0, 2, 3)) > 1).float()
    dice = (overlap + 1) / (total + 1)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def change_loss(change: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """L_cons (LangBRT): error of the change made, weighted up where marks were asked away.

    Outside, any change is a false edit and counts fully: `inside` (B, 1, H, W) only adds weight.
    """
    # The absolute error alone would ask for the median, which at a doubtful mark is "leave it".
    away = (change - truth).abs()
    error = (away + 15 * away**2).mean(dim=1, keepdim=True)
    return (error * (1 + 6 * inside)).mean() * 10


def gradient_loss(change: Tensor, truth: Tensor) -> Tensor:
    """L1 of horizontal and vertical differences: borders of healed marks leave no ring."""
    loss = change.new_zeros(())
    for dim in (2, 3):
        loss = loss + (change.diff(dim=dim) - truth.diff(dim=dim)).abs().mean()
    return loss * 10


def amplitude_loss(amplitude: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """L1 of the distance to clean skin, weighted up where there is something."""
    error = (amplitude - truth).abs() * (1 + 20 * truth.clamp(max=0.2) / 0.2)
    return F.relu(error * weight).mean() * 10
