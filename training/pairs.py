"""Before/after pairs: what retouchers did to real photos, of which nobody said what it was.

A folder in the manner of FFHQR: before/NAME and after/NAME, of one size. The change between the
two is the truth, and the normalised difference is the map of "something was there" (LangBRT
eq. 5); which kind it was stays open.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset

from training.painted import HALF_OWNED, SIZE, Batch, place_map
from vision import faces, landmarks
from vision.errors import FreckleError
from vision.regions import segment
from vision.surroundings import skin_tone, to_linear, to_srgb
from vision.vocabulary import NETWORK_KINDS

_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}


class PairCrops(IterableDataset):
    """Endless batches (`Batch` with `kinds_known` false) of crops around what was retouched.

    Args:
        folder: before/ and after/ with equal names.
        side: of a crop, a multiple of 32.
        batch: crops in a batch.
        seed: order and crops are a function of it.

    Raises:
        FreckleError: the folder holds no pairs, or a pair differs in size or shows no face.
    """

    def __init__(self, folder: Path, side: int, batch: int, seed: int):
        self.files = [
            (file, folder / "after" / file.name)
            for file in sorted((folder / "before").glob("*"))
            if file.suffix.lower() in _ENDINGS and (folder / "after" / file.name).is_file()
        ]
        if not self.files:
            raise FreckleError(f"{folder} holds no pairs; give a folder with before/ and after/")
        self.side, self.batch, self.seed = side, batch, seed
        self._aligned: dict[Path, tuple[np.ndarray, ...]] = {}

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            yield _to_batch([self._cut(rng) for _ in range(self.batch)])

    def _cut(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        before, after, skin, tone = self._pair(*self.files[int(rng.integers(len(self.files)))])
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

    def _pair(self, first: Path, second: Path) -> tuple[np.ndarray, ...]:
        """Both aligned, (512, 512, 3) float32 0..1, the skin, and its mean linear colour."""
        if first not in self._aligned:
            before, after = (_read(file) for file in (first, second))
            if before.shape != after.shape:
                raise FreckleError(f"{first} and {second} differ in size; a pair must not")
            found = faces.find(before)
            if not found:
                raise FreckleError(f"no face is found on {first}; take the pair out of the folder")
            alignment = faces.align(found[0].landmarks)
            crop = alignment.crop(before)
            skin = segment(crop, landmarks.predict_landmarks(crop)).skin
            pair = (x.astype(np.float32) / 255 for x in (crop, alignment.crop(after)))
            crops = (*pair, skin)
            self._aligned[first] = (*crops, _tone(crops[0], skin))
        return self._aligned[first]


def _read(file: Path) -> np.ndarray:
    bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FreckleError(f"{file} is not a readable image; take the pair out of the folder")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _tone(crop: np.ndarray, skin: np.ndarray) -> np.ndarray:
    tensors = (torch.tensor(x).permute(2, 0, 1)[None] for x in (crop, skin[..., None]))
    return to_linear(skin_tone(*tensors)).flatten().numpy()


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
    nowhere = torch.zeros_like(parts["skin"])
    return Batch(
        photo=parts["before"], skin=parts["skin"], place=parts["place"], known=nowhere + 1,
        beard=nowhere, marked=nowhere, change=change, owners=owners,
        shares=torch.full_like(owners, 1 / kinds), tone=to_srgb(parts["tone"][:, :, None, None]),
        kinds_known=False,
    )  # fmt: skip
