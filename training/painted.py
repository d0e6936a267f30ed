"""Batches of painted crops: what the network sees, and what is true about every pixel of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from training.imperfections.render import STEP
from vision.errors import FreckleError
from vision.vocabulary import LEARNT_KINDS

SIZE = 512
# A pixel belongs to a kind by half when the paint changes it by this much (share of full scale).
HALF_OWNED = 2.5 / 255


@dataclass(frozen=True)
class Batch:
    """Crops and their truth, all float32.

    Attributes:
        photo: (B, 3, H, W) painted sRGB 0..1.
        skin: (B, 1, H, W); place: (B, 2, H, W) position in the aligned face, -1..1.
        known: (B, 1, H, W), 0 where the base has marks of its own that nobody labelled.
        change: (B, 3, H, W), clean - painted.
        owners: (B, K, H, W), each kind's share of the pixel; the rest is nobody's.
        shares: (B, K, H, W), each kind's share of `change`; sums to 1 where there is paint.
    """

    photo: Tensor
    skin: Tensor
    place: Tensor
    known: Tensor
    change: Tensor
    owners: Tensor
    shares: Tensor


def place_map() -> np.ndarray:
    """(2, 512, 512) float32: x and y of every pixel of an aligned crop in -1..1."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / (SIZE / 2) - 1
    return np.stack([x, y])


class PaintedCrops(IterableDataset):
    """Endless crops as raw numpy parts, dense in marks; `to_batch` turns a stack into truth.

    Args:
        folder: samples written by `training.imperfections.render`.
        side: crop side, a multiple of 32.
        seed: order and crops are a function of the seed and of the step.
        crops: crops taken from one sample.
        batch: crops that are yielded together.
    """

    def __init__(self, folder: Path, side: int, seed: int, crops: int = 4, batch: int = 16):
        self.files = sorted(folder.glob("*.npz"))
        if not self.files:
            raise FreckleError(f"{folder} has no painted samples; run: freckle train vision")
        self.side, self.seed, self.crops, self.batch = side, seed, crops, batch
        self.place = place_map()

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            parts = []
            while len(parts) < self.batch:
                file = self.files[int(rng.integers(len(self.files)))]
                with np.load(file) as sample:
                    loaded = {name: sample[name] for name in sample.files}
                parts += [
                    self._cut(loaded, rng) for _ in range(min(self.crops, self.batch - len(parts)))
                ]
            yield {name: torch.from_numpy(np.stack([p[name] for p in parts])) for name in parts[0]}

    def _cut(
        self, sample: dict[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        top, left = self._where(sample, rng)
        window = np.s_[top : top + self.side, left : left + self.side]
        density = np.zeros((len(LEARNT_KINDS), 3, self.side, self.side), np.int8)
        for layer, kind in zip(sample["density"], sample["kinds"], strict=True):
            density[kind] = layer[window].transpose(2, 0, 1)
        parts = {
            "crop": sample["crop"][window].transpose(2, 0, 1),
            "skin": sample["skin"][window][None],
            "own": sample["own"][window][None],
            "place": self.place[(slice(None), *window)],
            "density": density,
            "light": np.float32(
                [rng.uniform(0.75, 1.25), rng.uniform(0.92, 1.08), rng.uniform(0.92, 1.08)]
            ),
            "noise": np.float32([rng.uniform(0, 0.02) * (rng.random() < 0.5)]),
        }
        if rng.random() < 0.5:
            for name in ("crop", "skin", "own", "place", "density"):
                parts[name] = parts[name][..., ::-1]
            parts["place"] = parts["place"] * np.float32([-1, 1])[:, None, None]
        return {name: np.ascontiguousarray(part) for name, part in parts.items()}

    def _where(self, sample, rng) -> tuple[int, int]:
        """Top-left of a crop: on a mark of a random kind three times in four, else on skin."""
        if len(sample["kinds"]) and rng.random() < 0.75:
            layer = np.abs(sample["density"][int(rng.integers(len(sample["kinds"])))]).max(axis=2)
            ys, xs = np.nonzero(layer > 6)
        else:
            ys, xs = np.nonzero(sample["skin"] > 127)
        last = SIZE - self.side
        if not len(ys):
            return int(rng.integers(last + 1)), int(rng.integers(last + 1))
        at = int(rng.integers(len(ys)))
        jitter = rng.integers(-self.side // 3, self.side // 3 + 1, 2)
        top, left = ys[at] - self.side // 2 + jitter[0], xs[at] - self.side // 2 + jitter[1]
        return int(np.clip(top, 0, last)), int(np.clip(left, 0, last))


def to_batch(parts: dict[str, Tensor], generator: torch.Generator | None = None) -> Batch:
    """Paint the crops and derive the truth (see `Batch`); `parts` as PaintedCrops yields them.

    Light and white balance are varied before painting, noise is added after it to the photo;
    the change is measured between paint and base, so it holds for the noisy photo too.
    """
    linear = _to_linear(parts["crop"].float() / 255) * parts["light"][:, :1, None, None]
    linear = (
        linear
        * torch.cat(
            [
                parts["light"][:, 1:2],
                torch.ones_like(parts["light"][:, :1]),
                parts["light"][:, 2:3],
            ],
            1,
        )[:, :, None, None]
    )
    density = parts["density"].float() * STEP
    total = density.sum(dim=1)
    painted, clean = _to_srgb(linear * torch.exp(-total)), _to_srgb(linear)
    change = clean - painted
    amount = density.abs().mean(dim=2)
    shares = amount / amount.sum(dim=1, keepdim=True).clamp(min=1e-4)
    size = change.abs().mean(dim=1, keepdim=True)
    owners = shares * (size / (size + HALF_OWNED))
    noise = torch.randn(painted.shape, generator=generator, device=painted.device)
    photo = (painted + noise * parts["noise"][:, :, None, None]).clamp(0, 1)
    paint = size > 1 / 255
    known = (~parts["own"].bool() | paint).float()
    return Batch(photo, parts["skin"].float() / 255, parts["place"], known, change, owners, shares)


def _to_linear(srgb: Tensor) -> Tensor:
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _to_srgb(linear: Tensor) -> Tensor:
    linear = linear.clamp(1e-6, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
