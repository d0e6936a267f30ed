"""Batches of painted crops: what the network sees, and what is true about every pixel of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from training.imperfections import base
from training.imperfections.render import found_file, samples
from vision.errors import FreckleError
from vision.surroundings import to_linear, to_srgb
from vision.vocabulary import FINE_KINDS, NETWORK_KINDS

SIZE = 512
# A pixel belongs to a kind by half when the paint changes it by this much (share of full scale).
HALF_OWNED = 2.5 / 255
# Kinds that are a property of an area, not of single dots: their owners are averaged over one.
TEXTURES = ("pores", "stubble", "uneven_tone")
AREA = 13  # pixels, the side of it
_TAPS = (1, 4, 6, 4, 1)
# Pits are few and shallow among the skin between them: by what they change over their area, which
# is a 255th or two on most faces, nobody would own pores, and everybody sees them.
SALIENCE = {"pores": 2.0}
_TEXTURES = [NETWORK_KINDS.index(kind) for kind in TEXTURES]
_SALIENCE = torch.tensor([SALIENCE.get(kind, 1.0) for kind in NETWORK_KINDS])
_MARKS = [NETWORK_KINDS.index(kind) for kind in FINE_KINDS if kind not in TEXTURES]


@dataclass(frozen=True)
class Batch:
    """Crops and their truth, all float32.

    Attributes:
        photo: (B, 3, H, W) painted sRGB 0..1.
        skin: (B, 1, H, W); place: (B, 2, H, W) position in the aligned face, -1..1.
        known: (B, 1, H, W), 0 where the base has marks of its own that nobody labelled.
        beard: (B, 1, H, W), 1 where the base has hair: it may be called stubble, or nothing.
        marked: (B, 1, H, W), 1 where something foreign lies on the face, to be filled with skin
            (`with_foreign`); 0 everywhere as painted.
        change: (B, 3, H, W), clean - painted.
        owners: (B, K, H, W), each kind's share of the pixel; the rest is nobody's.
        effects: (B, K, 3, H, W), what taking each kind alone away would change; sums to `change`.
            Kinds that lie on each other may cancel: a sheen on a flush hides it.
        tone: (B, 3, 1, 1), mean sRGB colour of the skin of the whole painted face.
        kinds_known: whether the truth says which kind a mark is, or only that one was there.
    """

    photo: Tensor
    skin: Tensor
    place: Tensor
    known: Tensor
    beard: Tensor
    marked: Tensor
    change: Tensor
    owners: Tensor
    effects: Tensor
    tone: Tensor
    kinds_known: bool = True

    def without(self, strengths: Tensor) -> Tensor:
        """(B, 3, H, W), the true change where kinds are asked away by (B, K) strengths."""
        return torch.einsum("bkchw,bk->bchw", self.effects, strengths)

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        moved = {n: v.to(device) if isinstance(v, Tensor) else v for n, v in parts.items()}
        return Batch(**moved)


def face_light(sample: dict[str, np.ndarray]) -> np.ndarray:
    """(3,) float32 mean linear light of the painted skin; every fourth pixel is enough."""
    every = np.s_[::4, ::4]
    density = sample["density"][(slice(None), *every)].astype(np.float32).sum(axis=0) * base.STEP
    linear = base.to_linear(sample["crop"][every].astype(np.float32) / 255) * np.exp(-density)
    skin = sample["skin"][every].astype(np.float32)[..., None]
    return (linear * skin).sum(axis=(0, 1)) / max(float(skin.sum()), 1.0)


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
        found: marks of the bases that an earlier network found (`render.look`), if any.
        share: of the faces that are used, 0..1, always the same ones.
        swapped: share of the faces that are shown with the marks of another one (PerTouch's
            replacement); faces are aligned, so they land where they belong, but not exactly.
    """

    def __init__(
        self,
        folder: Path,
        side: int,
        seed: int,
        crops: int = 4,
        batch: int = 16,
        found: Path | None = None,
        share: float = 1.0,
        swapped: float = 0.0,
    ):
        self.files = [file for file in samples(folder) if _drawn(file, share)]
        if not self.files:
            raise FreckleError(f"{folder} has no painted samples; run: freckle train vision")
        self.side, self.seed, self.crops, self.batch = side, seed, crops, batch
        self.place = place_map()
        self.found, self.swapped = found, swapped

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        before = None
        while True:
            parts = []
            while len(parts) < self.batch:
                file = self.files[int(rng.integers(len(self.files)))]
                with np.load(file) as sample:
                    loaded = {name: sample[name] for name in sample.files}
                if self.found:
                    loaded["own"] = loaded["own"] | np.load(found_file(self.found, file))
                if before and rng.random() < self.swapped:
                    loaded |= _marks_of(before, loaded["skin"])
                before = loaded
                loaded["tone"] = face_light(loaded)
                parts += [
                    self._cut(loaded, rng) for _ in range(min(self.crops, self.batch - len(parts)))
                ]
            yield {name: torch.from_numpy(np.stack([p[name] for p in parts])) for name in parts[0]}

    def _cut(
        self, sample: dict[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        top, left = self._where(sample, rng)
        window = np.s_[top : top + self.side, left : left + self.side]
        density = np.zeros((len(NETWORK_KINDS), 3, self.side, self.side), np.int8)
        for layer, kind in zip(sample["density"], sample["kinds"], strict=True):
            density[kind] = layer[window].transpose(2, 0, 1)
        parts = {
            "crop": sample["crop"][window].transpose(2, 0, 1),
            "skin": sample["skin"][window][None],
            "own": sample["own"][window][None],
            "beard": sample["beard"][window][None],
            "place": self.place[(slice(None), *window)],
            "density": density,
            "tone": sample["tone"].astype(np.float32),
            "light": np.float32([_exposure(rng), rng.uniform(0.92, 1.08), rng.uniform(0.92, 1.08)]),
            "noise": np.float32([rng.uniform(0, 0.02) * (rng.random() < 0.5)]),
            "blur": np.float32([rng.uniform(0, 1) * (rng.random() < 0.4)]),
            "tint": _tint(rng),
            "camera": _camera(rng),
        }
        if rng.random() < 0.5:
            for name in ("crop", "skin", "own", "beard", "place", "density"):
                parts[name] = parts[name][..., ::-1]
            parts["place"] = parts["place"] * np.float32([-1, 1])[:, None, None]
        return {name: np.ascontiguousarray(part) for name, part in parts.items()}

    def _where(self, sample, rng) -> tuple[int, int]:
        """Top-left of a crop: on a mark of a random kind three times in four, else on skin."""
        if len(sample["kinds"]) and rng.random() < 0.75:
            layer = np.abs(sample["density"][int(rng.integers(len(sample["kinds"])))]).max(axis=2)
            ys, xs = np.nonzero(layer > 6)
        else:
            ys = xs = np.zeros(0, int)
        if not len(ys):
            ys, xs = np.nonzero(sample["skin"] > 127)
        last = SIZE - self.side
        if not len(ys):
            return int(rng.integers(last + 1)), int(rng.integers(last + 1))
        at = int(rng.integers(len(ys)))
        jitter = rng.integers(-self.side // 3, self.side // 3 + 1, 2)
        top, left = ys[at] - self.side // 2 + jitter[0], xs[at] - self.side // 2 + jitter[1]
        return int(np.clip(top, 0, last)), int(np.clip(left, 0, last))


def _exposure(rng: np.random.Generator) -> float:
    """Factor on linear light: half of the crops near the photo's own, half far down, where marks
    differ from skin as little as they do on dark skin."""
    reach = (0.75, 1.25) if rng.random() < 0.5 else (0.3, 1.0)
    return float(np.exp(rng.uniform(*np.log(reach))))


def _tint(rng: np.random.Generator) -> np.ndarray:
    """(K, 3) float32 factors on each kind's density: a stored painting is weaker or stronger, and
    of a slightly other hue, each time it is seen."""
    kinds = len(NETWORK_KINDS)
    return np.float32(rng.uniform(0.6, 1.4, (kinds, 1)) * rng.uniform(0.85, 1.15, (kinds, 3)))


def _camera(rng: np.random.Generator) -> np.ndarray:
    """(2,) float32: how much of green's density a photo shows in red, and a factor on blue's.

    Blood alone hardly takes red, but the colours of cameras and lamps overlap: spots on seven
    photos of acne take from a third to two thirds as much red as green, most of them more blue than
    either. This alone hardly keeps a network from taking them for freckles: of the small marks on
    28 such photos it called 14 % acne after 65 minutes of training so, 12 % before.
    """
    bleed = rng.uniform(0, 0.4) * (rng.random() < 0.65)
    return np.float32([bleed, np.exp(rng.uniform(*np.log((0.9, 1.35))))])


def _marks_of(other: dict[str, np.ndarray], skin: np.ndarray) -> dict[str, np.ndarray]:
    """Kinds and densities of another sample, kept on this one's skin, (512, 512) 0..255; teeth
    seldom lie alike, so their stains stay behind."""
    on_skin = other["kinds"] != NETWORK_KINDS.index("yellow_teeth")
    density = other["density"][on_skin] * (skin[..., None] / np.float32(255))
    return {"kinds": other["kinds"][on_skin], "density": np.round(density).astype(np.int8)}


def _drawn(file: Path, share: float) -> bool:
    """Whether a face, with all its samples, is in a share of the faces."""
    face = file.stem.rpartition("-")[2]
    return int(hashlib.sha256(face.encode()).hexdigest()[:8], 16) < share * 16**8


def to_batch(parts: dict[str, Tensor], generator: torch.Generator | None = None) -> Batch:
    """Paint the crops and derive the truth (see `Batch`); `parts` as PaintedCrops yields them.

    Light and white balance are varied before painting, sharpness after it on both sides; noise is
    added to the photo, but the change is that between paint and base, so it holds for it too.
    """
    light = parts["light"][:, :1] * torch.stack(
        [parts["light"][:, 1], torch.ones_like(parts["light"][:, 0]), parts["light"][:, 2]], dim=1
    )
    light = light[:, :, None, None]
    linear = to_linear(parts["crop"].float() / 255) * light
    tone = to_srgb(parts["tone"][:, :, None, None] * light)
    layers = _Layers.of(parts)
    blur = parts["blur"][:, 0]
    exposed = torch.stack([linear * torch.exp(-layers.summed(layers.density)), linear], dim=1)
    painted, clean = _soften(to_srgb(exposed).flatten(1, 2), blur).split(3, dim=1)
    change = clean - painted
    effects = _effects(exposed[:, 0], layers, blur, painted, change)
    sizes = effects.abs().mean(dim=1, keepdim=True)
    noise = torch.randn(painted.shape, generator=generator, device=painted.device)
    photo = (painted + noise * parts["noise"][:, :, None, None]).clamp(0, 1)
    # A mark painted over the base's own hides it; a flush, a sheen or a texture does not.
    marks = layers.are(_MARKS)[:, None, None, None]
    known = (~parts["own"].bool() | (layers.summed(sizes * marks) > 1 / 255)).float()
    skin = parts["skin"].float() / 255
    beard = parts["beard"].float()
    return Batch(
        photo, skin, parts["place"], known, beard, torch.zeros_like(known), change,
        layers.by_kind(_shares(sizes, layers))[:, :, 0], layers.by_kind(effects), tone,
    )  # fmt: skip


@dataclass(frozen=True)
class _Layers:
    """What is painted on a batch, without the kinds that a crop does not have, mostly ten of 14.

    Attributes:
        crops, kinds: (N,) which crop each layer lies on, and of what kind it is.
        density: (N, 3, H, W), as this face and this camera show it.
        shape: of (B, K), crops and kinds.
    """

    crops: Tensor
    kinds: Tensor
    density: Tensor
    shape: torch.Size

    @classmethod
    def of(cls, parts: dict[str, Tensor]) -> _Layers:
        """Those of a batch as PaintedCrops yields it."""
        stored = parts["density"]
        crops, kinds = stored.flatten(2).any(dim=2).nonzero().T
        scale = base.STEP * parts["tint"][crops, kinds]
        density = stored[crops, kinds].float().mul_(scale[:, :, None, None])
        bleed, blue = parts["camera"][crops].T[:, :, None, None]
        red, green = density[:, 0], density[:, 1]
        red.lerp_(green, bleed.expand_as(red))
        density[:, 2].mul_(blue)
        return cls(crops, kinds, density, stored.shape[:2])

    def summed(self, values: Tensor) -> Tensor:
        """(N, C, H, W) of each layer -> (B, C, H, W) of each crop."""
        sums = values.new_zeros(self.shape[0], *values.shape[1:])
        return sums.index_add_(0, self.crops, values)

    def by_kind(self, values: Tensor) -> Tensor:
        """(N, C, H, W) of each layer -> (B, K, C, H, W), zero for kinds that are not there."""
        spread = values.new_zeros(*self.shape, *values.shape[1:])
        spread[self.crops, self.kinds] = values
        return spread

    def are(self, kinds: list[int]) -> Tensor:
        """(N,) bool, which of the layers are of these kinds."""
        return torch.isin(self.kinds, torch.tensor(kinds, device=self.kinds.device))


def _effects(
    exposed: Tensor, layers: _Layers, blur: Tensor, painted: Tensor, change: Tensor
) -> Tensor:
    """(N, 3, H, W), the photo without each layer less the photo, as far as they add up to
    `change`; the little that they do not, where layers overlap, is shared out by size.

    `exposed` (B, 3, H, W) is the painted photo's linear light.
    """
    crops = layers.crops
    alone = to_srgb(exposed[crops] * torch.exp(layers.density))
    effects = _soften(alone, blur[crops]) - painted[crops]
    sizes = effects.abs().mean(dim=1, keepdim=True)
    left = (change - layers.summed(effects)) / layers.summed(sizes).clamp(min=1e-6)
    return effects + left[crops] * sizes


def _shares(sizes: Tensor, layers: _Layers) -> Tensor:
    """Shares of the pixel from the size of what each layer changes there, both (N, 1, H, W)."""
    texture = layers.are(_TEXTURES)
    area = sizes[texture] ** 2
    for side, padding in (((AREA, 1), (AREA // 2, 0)), ((1, AREA), (0, AREA // 2))):
        area = F.avg_pool2d(area, side, stride=1, padding=padding, count_include_pad=False)
    salience = _SALIENCE.to(area)[layers.kinds[texture]]
    sizes = sizes.clone()
    sizes[texture] = area.sqrt() * salience[:, None, None, None]
    return sizes / (layers.summed(sizes) + HALF_OWNED)[layers.crops]


def with_foreign(batch: Batch, share: float, rng: torch.Generator) -> Batch:
    """Lay foreign patches on the skin of a share of the crops, as a user would mark them: a piece
    of another picture or a flat colour, more or less opaque, in blobs of 4 px and up to half the
    crop."""
    size, side = len(batch.photo), batch.photo.shape[-1]
    cells = max(2, side >> int(torch.randint(2, 7, (1,), generator=rng)))
    rough = torch.randn(size, 1, cells, cells, generator=rng)
    blobs = F.interpolate(rough, size=(side, side), mode="bicubic") > 1.1
    chosen = torch.rand(size, 1, 1, 1, generator=rng) < share
    marked = (blobs & chosen).to(batch.photo.device) & (batch.skin > 0.5)
    flat = torch.rand(size, 3, 1, 1, generator=rng)
    patch = torch.where(
        torch.rand(size, 1, 1, 1, generator=rng).to(flat) < 0.5,
        flat,
        batch.photo.roll(1, dims=0).flip(-2).cpu(),
    )
    if not marked.any():
        return batch
    opaque = 0.4 + 0.6 * torch.rand(size, 1, 1, 1, generator=rng)
    mask = marked.to(batch.photo.dtype)
    added = mask * (opaque * (patch - batch.photo.cpu())).to(batch.photo.device)
    return replace(
        batch,
        photo=batch.photo + added,
        marked=mask,
        change=batch.change - added,
        owners=batch.owners * (1 - mask),
    )


def _soften(image: Tensor, share: Tensor) -> Tensor:
    """(B, C, H, W), by a share (B,) from its own sharpness to a blur of 1.2 px, in place."""
    rows = share.nonzero()[:, 0]
    if len(rows):
        sharp = image[rows]
        image[rows] = sharp.lerp(_blurred(sharp), share[rows, None, None, None].expand_as(sharp))
    return image


def _blurred(image: Tensor) -> Tensor:
    """(B, C, H, W), by a blur of 1.2 px (five taps a line; a convolution of every channel alone
    took three times as long on a CPU)."""
    for dim, sides in ((2, (0, 0, 2, 2)), (3, (2, 2, 0, 0))):
        padded, size = F.pad(image, sides, mode="replicate"), image.shape[dim]
        taps = (padded.narrow(dim, at, size) * (tap / 16) for at, tap in enumerate(_TAPS))
        image = torch.stack(tuple(taps)).sum(dim=0)
    return image
