"""Teaches `vision.identity` what makes two pictures the same person.

The teacher is MobileFaceNet, which recognises people; the pupil learns to give each picture the
same 128 numbers, and each two pictures the same likeness. Pictures are `use=train` portraits, also
blended into people who do not exist, and bent, smoothed and lit otherwise, as a bad retouch would.

    python -m training.identity --data DATA --teacher mobilefacenet_128d.onnx
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from safetensors.torch import load_file
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import landmark_data
from training.evaluate.identity import SIDE, TEMPLATE_112, Recogniser
from training.landmark_data import STORE_SCALE, STORE_SIZE
from training.precision import bf16_is_fast
from vision import landmarks
from vision.faces import CROP_SIZE, TEMPLATE, similarity
from vision.identity import WEIGHTS, IdentityNet, save
from vision.landmarks import INPUT_SIZE

BATCH = 48  # faces of a step, each looked at twice


@dataclass(frozen=True)
class Looks:
    """Pictures as the pupil (n, 3, 128, 128) and the teacher (n, 3, 112, 112) see them, 0..1."""

    pupil: Tensor
    teacher: Tensor


def pictures(data: Path, split: str) -> Tensor:
    """(n, 3, 288, 288) uint8, aligned with a margin (`landmark_data.load`)."""
    stored = np.stack([sample.picture for sample in landmark_data.load(data, split)])
    return torch.from_numpy(stored).permute(0, 3, 1, 2)


def _grid(side: int, to_crop: np.ndarray) -> Tensor:
    """(side, side, 2): where each pixel of a view lies in a stored picture, -1..1; `to_crop` (2, 3)
    leads from the view to the aligned crop."""
    y, x = np.mgrid[:side, :side]
    at = np.stack([x, y], axis=-1) @ to_crop[:, :2].T + to_crop[:, 2]
    at = at * STORE_SCALE + (STORE_SIZE - STORE_SCALE * CROP_SIZE) / 2
    return torch.from_numpy((2 * at + 1) / STORE_SIZE - 1).float()


def _pupil_grid() -> Tensor:
    scale = CROP_SIZE / INPUT_SIZE
    return _grid(INPUT_SIZE, np.array([(scale, 0, (scale - 1) / 2), (0, scale, (scale - 1) / 2)]))


def _teacher_grid() -> Tensor:
    return _grid(SIDE, cv2.invertAffineTransform(similarity(TEMPLATE, TEMPLATE_112)))


GRIDS = _pupil_grid(), _teacher_grid()


def look(stored: Tensor, rng: torch.Generator, harm: float) -> Looks:
    """One look at each picture (n, 3, 288, 288) 0..1: framed and lit a little otherwise, and bent
    and smoothed by up to `harm` (0: not at all, 1: beyond recognition)."""
    count = len(stored)

    def chance(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=rng) * 2 - 1

    turn, zoom = 0.05 * chance(1), 1 + 0.04 * chance(1)
    cos, sin = (zoom * turn.cos())[..., None], (zoom * turn.sin())[..., None]
    rotate = torch.cat([torch.cat([cos, -sin], 2), torch.cat([sin, cos], 2)], 1)
    shift = 0.02 * chance(1, 1, 2)
    bend = F.interpolate(chance(2, 5, 5), size=33, mode="bicubic", align_corners=True)
    bend = 0.08 * harm * torch.rand(count, 1, 1, 1, generator=rng) ** 2 * bend
    smooth = harm * torch.rand(count, 1, 1, 1, generator=rng) ** 2
    coarse = F.interpolate(stored, size=STORE_SIZE // 8, mode="area")
    blurred = F.interpolate(coarse, size=STORE_SIZE, mode="bilinear")
    smoothed = torch.lerp(stored, blurred, smooth)
    light = torch.exp(0.06 * chance(3, 1, 1) + 0.25 * chance(1, 1, 1))
    contrast, views = torch.exp(0.2 * chance(1, 1, 1)), []
    for grid in GRIDS:
        at = grid.expand(count, -1, -1, -1)
        at = at + F.grid_sample(bend, at, align_corners=False).permute(0, 2, 3, 1)
        at = (at.flatten(1, 2) @ rotate).view(at.shape) + shift
        view = F.grid_sample(smoothed, at, padding_mode="border", align_corners=False)
        views.append((view * light).clamp(0, 1) ** contrast)
    noise = torch.randn(views[0].shape, generator=rng) * 0.02 * torch.rand(1, generator=rng)
    return Looks((views[0] + noise).clamp(0, 1), views[1])


def drawn(stored: Tensor, rng: torch.Generator) -> Looks:
    """Two looks at each of `BATCH` faces, a third of which are blends of two."""
    pick = torch.randint(len(stored), (2, BATCH), generator=rng)
    one, other = (stored[index].float() / 255 for index in pick)
    mirrored = torch.rand(BATCH, 1, 1, 1, generator=rng) < 0.5
    one = torch.where(mirrored, one.flip(3), one)
    share = torch.rand(2, BATCH, 1, 1, 1, generator=rng) * 1.5 - 1
    first, second = (one + s.clamp(min=0) * (other - one) for s in share)
    a, b = look(first, rng, harm=0.3), look(second, rng, harm=1.0)
    return Looks(torch.cat([a.pupil, b.pupil]), torch.cat([a.teacher, b.teacher]))


def loss_of(given: Tensor, wanted: Tensor) -> Tensor:
    """How far embeddings (n, 128) of unit length point elsewhere, and how far their likenesses to
    each other are off."""
    apart = 1 - (given * wanted).sum(dim=1).mean()
    return apart + 4 * (given @ given.T - wanted @ wanted.T).square().mean()


def train(
    data: Path, teacher: Path, out: Path, minutes: float, threads: int = 2, seed: int = 0
) -> IdentityNet:
    """Train for `minutes` of wall clock; writes the averaged network into `out`."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    recognise, stored = Recogniser(teacher, threads), pictures(data, "train")
    network = IdentityNet()
    # What sees the shape of a face is a good start.
    shapes = load_file(landmarks.WEIGHTS / "model.safetensors")
    network.features.load_state_dict(
        {
            name.removeprefix("features."): value.float()
            for name, value in shapes.items()
            if name.removeprefix("features.") in network.features.state_dict()
        }
    )
    network = network.to(memory_format=torch.channels_last).train()
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.02)
    step, begun = 0, time.monotonic()
    while (done := (time.monotonic() - begun) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 50) * (1 + math.cos(math.pi * done)) / 2
        looks = drawn(stored, rng)
        wanted = torch.from_numpy(recognise.views(looks.teacher.numpy()))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_is_fast()):
            given = network(looks.pupil.contiguous(memory_format=torch.channels_last))
        loss = loss_of(given, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(network)
        step += 1
        if step % 50 == 0:
            print(f"step {step} at {done:.0%}: {loss.item():.3f}", flush=True)
    best = average.module.eval()
    print(f"{step} steps of {2 * BATCH} pictures; {agreement(best, recognise, data)}", flush=True)
    save(best, out)
    return best


@torch.inference_mode()
def agreement(network: IdentityNet, recognise: Recogniser, data: Path) -> str:
    """How well the pupil tells, on people it never saw, what the teacher tells: the likeness of a
    face to itself after more or less harm, and to the next face."""
    stored = torch.cat([pictures(data, split) for split in ("val", "test")]).float() / 255
    rng = torch.Generator().manual_seed(1)
    clean = look(stored, rng, 0.0)
    others = [look(stored, rng, harm) for harm in (0.0, 0.3, 0.6, 1.0)]
    pairs = []
    for views, embedded in (
        (lambda one: one.teacher, lambda x: torch.from_numpy(recognise.views(x.numpy()))),
        (lambda one: one.pupil, lambda x: torch.cat([network(part) for part in x.split(64)])),
    ):
        base = embedded(views(clean))
        same = [(base * embedded(views(other))).sum(dim=1) for other in others]
        pairs.append((torch.stack(same), (base * base.roll(1, 0)).sum(dim=1)))
    (taught, strangers), (learnt, new) = pairs
    off = (taught - learnt).abs().mean().item()
    rank = spearmanr(taught.flatten(), learnt.flatten()).statistic
    return (
        f"{len(stored)} people: likeness off by {off:.3f} on average, rank correlation {rank:.2f};"
        f" of strangers {strangers.mean():.2f} (teacher) {new.mean():.2f} (pupil), at most"
        f" {strangers.max():.2f} {new.max():.2f}; least of the same, hardly changed,"
        f" {taught[0].min():.2f} {learnt[0].min():.2f}"
    )


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    teacher: Annotated[Path, typer.Option(help="MobileFaceNet as ONNX")],
    out: Annotated[Path, typer.Option(help="where model.safetensors goes")] = WEIGHTS,
    minutes: Annotated[float, typer.Option(help="wall clock")] = 15.0,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
    seed: Annotated[int, typer.Option(help="of weights and pictures")] = 0,
) -> None:
    train(data, teacher, out, minutes, threads, seed)


if __name__ == "__main__":
    typer.run(main)
