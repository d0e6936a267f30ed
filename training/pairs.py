"""Before/after pairs: what retouchers did to real photos, of which nobody said what it was.

A folder in the manner of FFHQR: before/NAME and after/NAME, of one size. The change between the
two is the truth, and the normalised difference is the map of "something was there" (LangBRT
eq. 5); which kind it was stays open. Pairs are aligned once, into files that crops are cut from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset

from training.painted import HALF_OWNED, SIZE, Batch, place_map
from vision import pipeline
from vision.errors import FreckleError
from vision.photo import load
from vision.surroundings import skin_tone, to_linear, to_srgb
from vision.vocabulary import NETWORK_KINDS

_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}


def align_pairs(folder: Path, out: Path) -> str:
    """Write the largest face of every pair into `out`, a file each; finished files are kept.

    A file holds `before` and `after` (512, 512, 3) uint8, `skin` (512, 512) uint8 and `tone` (3,),
    its mean linear colour.

    Returns:
        How many pairs there are, and how many were left out and why.

    Raises:
        FreckleError: the folder holds no pairs, or none that can be used.
    """
    files = [
        (file, folder / "after" / file.name)
        for file in sorted((folder / "before").glob("*"))
        if file.suffix.lower() in _ENDINGS and (folder / "after" / file.name).is_file()
    ]
    if not files:
        raise FreckleError(f"{folder} holds no pairs; give a folder with before/ and after/")
    out.mkdir(parents=True, exist_ok=True)
    left_out = []
    for first, second in files:
        file = out / f"{first.name}.npz"
        if file.exists():
            continue
        try:
            aligned = _aligned(first, second)
        except FreckleError as error:
            left_out.append(str(error))
            continue
        part = file.with_suffix(".part")
        with part.open("wb") as stored:
            np.savez_compressed(stored, **aligned)
        part.rename(file)
    if len(left_out) == len(files):
        raise FreckleError(f"none of the {len(files)} pairs can be used: {left_out[0]}")
    why = f", the first because {left_out[0]}" if left_out else ""
    return f"{len(files) - len(left_out)} pairs, {len(left_out)} left out{why}"


def _aligned(first: Path, second: Path) -> dict[str, np.ndarray]:
    before, after = load(first), load(second)
    if before.pixels.shape != after.pixels.shape:
        raise FreckleError(f"{first} and {second} differ in size")
    faces = pipeline.analyse(before).faces
    if not faces:
        raise FreckleError(f"no face is found on {first}")
    face = max(faces, key=lambda one: one.face.area)
    tensors = (face.crop.astype(np.float32) / 255, face.skin[..., None])
    crop, skin = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in tensors)
    return {
        "before": face.crop,
        "after": face.alignment.crop(after.srgb8()),
        "skin": np.round(face.skin * 255).astype(np.uint8),
        "tone": to_linear(skin_tone(crop, skin)).flatten().numpy(),
    }


class PairCrops(IterableDataset):
    """Endless batches (`Batch` with `kinds_known` false) of crops around what was retouched.

    Args:
        folder: what `align_pairs` wrote.
        side: of a crop, a multiple of 32.
        batch: crops in a batch.
        seed: order and crops are a function of it.
    """

    def __init__(self, folder: Path, side: int, batch: int, seed: int):
        self.files = sorted(folder.glob("*.npz"))
        self.side, self.batch, self.seed = side, batch, seed

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            yield _to_batch([self._cut(rng) for _ in range(self.batch)])

    def _cut(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        with np.load(self.files[int(rng.integers(len(self.files)))]) as stored:
            before, after, skin = (
                stored[name].astype(np.float32) / 255 for name in ("before", "after", "skin")
            )
            tone = stored["tone"]
        retouched = np.abs(after - before).mean(axis=2) * (skin > 0.5) > 2 / 255
        ys, xs = np.nonzero(retouched if retouched.sum() > 50 else skin > 0.5)
        at, last = int(rng.integers(len(ys))), SIZE - self.side
        top, left = (int(np.clip(v[at] - self.side // 2, 0, last)) for v in (ys, xs))
        window = np.s_[top : top + self.side, left : left + self.side]
        return {
            "before": before[window].transpose(2, 0, 1),
            "after": after[window].transpose(2, 0, 1),
            "skin": skin[window][None],
            "place": place_map()[(slice(None), *window)],
            "tone": tone,
        }


def _to_batch(cuts: list[dict[str, np.ndarray]]) -> Batch:
    parts = {
        name: torch.from_numpy(np.ascontiguousarray(np.stack([cut[name] for cut in cuts]))).float()
        for name in cuts[0]
    }
    change = parts["after"] - parts["before"]
    size = change.abs().mean(dim=1, keepdim=True)
    kinds = len(NETWORK_KINDS)
    # Equal shares of every kind: what was asked is "all there is".
    owners = (size / (size + HALF_OWNED)).expand(-1, kinds, -1, -1) / kinds
    effects = (change / kinds)[:, None].expand(-1, kinds, -1, -1, -1)
    nowhere = torch.zeros_like(parts["skin"])
    return Batch(
        photo=parts["before"], skin=parts["skin"], place=parts["place"], known=nowhere + 1,
        beard=nowhere, marked=nowhere, change=change, owners=owners,
        effects=effects, tone=to_srgb(parts["tone"][:, :, None, None]), kinds_known=False,
    )  # fmt: skip
