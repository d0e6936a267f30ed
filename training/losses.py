"""Losses of the vision network; each takes tensors and gives one number."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.painted import Batch
from vision.refiner import FULLY_OFF

_ALONE = 0.5  # share of the crops of which one kind alone is asked away


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

    Outside, any change is a false edit and counts fully: `inside` (B, 1, H, W) only adds weight,
    and not much: where a mark is doubtful, the weight decides how likely it must be to be taken.
    """
    # The absolute error alone would ask for the median, which at a doubtful mark is "leave it".
    away = (change - truth).abs()
    error = (away + 15 * away**2).mean(dim=1, keepdim=True)
    return (error * (1 + 2 * inside)).mean() * 10


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


def attention_loss(attention: Tensor, coarse: Tensor, truth: Tensor) -> Tensor:
    """L_blem of the second stage (BPFRe): the attention is to say how far the coarse change is
    off, (B, 1, H/2, W/2) against |coarse - truth| of (B, 3, H, W)."""
    off = (coarse - truth).abs().mean(dim=1, keepdim=True).detach()
    wanted = (F.avg_pool2d(off, 2) / FULLY_OFF).clamp(max=1)
    return (attention.float() - wanted).abs().mean()


def hair_is_stubble_or_nothing(owners: Tensor, logits: Tensor, beard: Tensor, at: int) -> Tensor:
    """True shares where a base has hair: what nobody owns is divided between stubble (channel
    `at`) and nobody as the network believes, so that its loss says "either of the two".

    The gradient is that of -log(p_stubble + p_none), for these targets are its responsibilities.
    """
    believed = logits.detach().float().softmax(dim=1)
    stubble, none = believed[:, at : at + 1], believed[:, -1:]
    free = (1 - owners.sum(dim=1, keepdim=True)).clamp(0, 1)
    claimed = beard * free * stubble / (stubble + none).clamp(min=1e-6)
    return owners + claimed * F.one_hot(torch.tensor(at), owners.shape[1]).to(owners)[:, None, None]


# Rough parts of an aligned face as (left, top, right, bottom) of `place`, -1..1.
_PARTS = {
    "forehead": (-0.5, -0.75, 0.5, -0.3),
    "image-left eye": (-0.5, -0.3, 0.0, 0.0),
    "image-right eye": (0.0, -0.3, 0.5, 0.0),
    "nose": (-0.15, -0.2, 0.15, 0.2),
    "image-left cheek": (-0.6, 0.0, -0.1, 0.5),
    "image-right cheek": (0.1, 0.0, 0.6, 0.5),
    "chin": (-0.35, 0.4, 0.35, 0.85),
}


def component_loss(predicted: Tensor, owners: Tensor, weight: Tensor, place: Tensor) -> Tensor:
    """L_comp (LangBRT eq. 6): L1 of the maps within each rough part of the face, every part with
    the same say.

    Shares of pixels, (B, K, H, W); `weight` (B, 1, H, W); `place` (B, 2, H, W) in -1..1.
    """
    error = (predicted - owners).abs().sum(dim=1, keepdim=True) * weight
    x, y = place[:, :1], place[:, 1:]
    means = []
    for left, top, right, bottom in _PARTS.values():
        within = ((x > left) & (x < right) & (y > top) & (y < bottom)) * weight
        means.append((error * within).sum() / within.sum().clamp(min=64))
    return torch.stack(means).mean()


def keep_loss(made: Tensor, unasked: Tensor) -> Tensor:
    """Mean change (B, 3, H, W) where kinds are that nobody asked for, (B, 1, H, W) in 0..1."""
    size = made.abs().mean(dim=1, keepdim=True)
    return (size * unasked).sum() / unasked.sum().clamp(min=1) * 10


def local_loss(
    tower: nn.Module, result: Tensor, owners: Tensor, strengths: Tensor, prompts: Tensor
) -> Tensor:
    """L_local (LangBRT eq. 10, its sign turned): how much the result below the mask of what was
    asked away still looks like the words for it, as a cosine above 0.

    Args:
        tower: `retouch_clip.ImageTower`, frozen.
        result: (B, 3, H, W) sRGB 0..1.
        owners: (B, K, H, W) true shares; strengths (B, K) what was asked.
        prompts: (B, K, text) the words.
    """
    asked = owners.sum(dim=(2, 3)) * strengths
    kind = asked.argmax(dim=1)
    rows = torch.arange(len(kind), device=kind.device)
    mask = (owners[rows, kind] > 0.3)[:, None].to(result.dtype)
    seen = tower(result.float(), mask.float())
    cosine = (seen * F.normalize(prompts[rows, kind].float(), dim=1)).sum(dim=1)
    there = (asked[rows, kind] > 4).float() * strengths[rows, kind]
    return (F.relu(cosine) * there).sum() / there.sum().clamp(min=1)


def dimness(tone: Tensor) -> Tensor:
    """How much more a change on dark skin (B, 3, 1, 1) sRGB counts, (B, 1, 1, 1): the same mark
    differs less from it, and would be learnt last."""
    return (0.6 / tone.mean(dim=1, keepdim=True).clamp(min=1e-3)).clamp(1, 3)


def asked_away(truth: Tensor) -> Tensor:
    """(B, 1, H, W) 0..1, where a true change (B, 3, H, W) takes something away."""
    return (truth.abs().mean(dim=1, keepdim=True) / 0.02).clamp(max=1)


def shaken(owners: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Maps (B, K, H, W) of which a share is moved by up to two pixels and blurred."""
    reach = 2
    dy, dx = (int(torch.randint(-reach, reach + 1, (1,), generator=rng)) for _ in range(2))
    moved = owners.roll((dy, dx), dims=(2, 3))
    for dim, step in ((2, dy), (3, dx)):  # what came in from the other side was never there
        if step:
            edge = slice(0, step) if step > 0 else slice(step, None)
            moved[(slice(None),) * dim + (edge,)] = 0
    blurred = F.avg_pool2d(moved, 3, stride=1, padding=1, count_include_pad=False)
    chosen = torch.rand(len(owners), 1, 1, 1, generator=rng) < share
    return torch.where(chosen.to(owners.device), blurred, owners)


def asked_strengths(batch: Batch, rng: torch.Generator) -> Tensor:
    """(B, K) what is asked: half of the time one kind that is there, whole, as people mostly ask;
    else most kinds that are there, some that are not, at all strengths."""
    if not batch.kinds_known:  # all that there is, together
        strength = torch.rand(len(batch.owners), 1, generator=rng).clamp(min=0.15)
        return strength.expand(batch.owners.shape[:2]).to(batch.photo.device)
    present = batch.owners.amax(dim=(2, 3)).cpu() > 0.2
    asked = torch.rand(present.shape, generator=rng) < torch.where(present, 0.7, 0.25)
    strengths = torch.rand(present.shape, generator=rng).clamp(min=0.15)
    strengths = torch.where(torch.rand(present.shape, generator=rng) < 0.4, 1.0, strengths) * asked
    drawn = torch.rand(present.shape, generator=rng) * present
    alone = F.one_hot(drawn.argmax(dim=1), present.shape[1]) * present
    chosen = (torch.rand(len(present), 1, generator=rng) < _ALONE) & present.any(dim=1)[:, None]
    return torch.where(chosen, alone.float(), strengths).to(batch.photo.device)
