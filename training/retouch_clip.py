"""RetouchCLIP: an image tower with an alpha channel beside the frozen text tower of the prompts.

No CLIP that knows imperfections is to be had, so a small one is trained on painted faces: crops
with a mask in a fourth channel (Alpha-CLIP, Sun et al. 2024) against phrases for the kind below
the mask, the text tower locked (LiT, Zhai et al. 2022). It is a teacher only (LangBRT eq. 10) and
is not shipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.imperfections.render import render
from training.loop import Batches, Learner, Schedule, Stage, run
from training.painted import Batch, to_batch
from vision.errors import FreckleError
from vision.layers import Down, ResidualBlock
from vision.prompts import PHRASES
from vision.vocabulary import NETWORK_KINDS

_SHOWN = 0.3  # ownership from which a pixel is under the mask
_CLEAN = "clean healthy skin"


class ImageTower(nn.Module):
    """(B, 4, H, W) sRGB and mask, 0..1, sides multiples of 16 -> (B, text) unit vectors."""

    def __init__(self, text: int = 384, width: int = 32):
        super().__init__()
        self.sizes = {"text": text, "width": width}
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(16, width, 3, padding=1))
        self.stages = nn.Sequential(
            ResidualBlock(width),
            Down(width, 2 * width),
            ResidualBlock(2 * width),
            Down(2 * width, 4 * width),
            ResidualBlock(4 * width),
        )
        self.project = nn.Linear(8 * width, text)

    def forward(self, crop: Tensor, mask: Tensor) -> Tensor:
        x = self.stages(self.stem(torch.cat([2 * crop - 1, mask], dim=1)))
        weight = F.adaptive_avg_pool2d(mask, x.shape[-2:])
        below = (x * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3)).clamp(min=1e-3)
        seen = self.project(torch.cat([below, x.mean(dim=(2, 3))], dim=1))
        return F.normalize(seen.float(), dim=1)


class ClipLearner(Learner):
    """Contrast of masked crops and phrases, by open_clip's own loss."""

    def __init__(self, tower: ImageTower, phrases: list[Tensor]):
        super().__init__()
        from open_clip import ClipLoss

        self.tower, self.weights = tower, {"contrast": 1.0}
        self.logit_scale = nn.Parameter(torch.tensor(2.7))
        self.contrast = ClipLoss()
        for at, embedded in enumerate(phrases):
            self.register_buffer(f"phrases{at}", embedded, persistent=False)

    def forward(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """One kind of each crop, or its clean skin."""
        amount = (batch.owners * batch.known > _SHOWN).float().sum(dim=(2, 3))
        weight = torch.cat([amount.sqrt(), amount.new_full((len(amount), 1), 3.0)], dim=1)
        kind = torch.multinomial(weight.cpu(), 1, generator=self.rng)[:, 0]
        masks = torch.cat([batch.owners, batch.skin * (1 - batch.owners.sum(1, keepdim=True))], 1)
        mask = (masks[torch.arange(len(kind)), kind.to(masks.device)] > _SHOWN)[:, None]
        words = torch.stack([self._say(int(k)) for k in kind])
        seen = self.tower(batch.photo, mask.to(batch.photo.dtype))
        return {"contrast": self.contrast(seen, words.to(seen), self.logit_scale.exp())}

    def _say(self, kind: int) -> Tensor:
        phrases = getattr(self, f"phrases{kind}")
        return phrases[int(torch.randint(len(phrases), (1,), generator=self.rng))]


def load_image_tower(folder: Path) -> ImageTower:
    """The tower written by `train_clip`, frozen.

    Raises:
        FreckleError: the folder holds none.
    """
    file, config = folder / "image_tower.safetensors", folder / "image_tower.json"
    if not (file.is_file() and config.is_file()):
        raise FreckleError(f"{folder} holds no image tower; train one: training.retouch_clip")
    tower = ImageTower(**json.loads(config.read_text()))
    tower.load_state_dict(load_file(file))
    return tower.eval().requires_grad_(False)


def save_image_tower(tower: ImageTower, folder: Path) -> None:
    """Write image_tower.safetensors and image_tower.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in tower.state_dict().items()}
    save_file(tensors, folder / "image_tower.safetensors")
    (folder / "image_tower.json").write_text(json.dumps(tower.sizes))


def new_learner() -> ClipLearner:
    """One that knows nothing yet, with the phrases of every kind and of clean skin."""
    from vision.prompts import text_tower

    tower = text_tower()
    texts = [torch.from_numpy(tower(list(PHRASES[kind]))) for kind in NETWORK_KINDS]
    return ClipLearner(ImageTower(tower.size), [*texts, torch.from_numpy(tower([_CLEAN]))])


def train_clip(
    data: Path,
    folder: Path,
    minutes: float,
    steps: int | None = None,
    variants: int = 2,
    seed: int = 0,
) -> Path:
    """Train the image tower on the painted faces of `folder` (painted if need be)."""
    from training.vision import painted_crops

    render(data, folder / "painted", variants=variants, seed=seed)
    learner = new_learner()

    def batches(begin: int) -> Batches:
        crops = painted_crops(folder / "painted", 64, 64, seed + begin)

        def draw(step: int, progress: float, device: torch.device) -> tuple[Batch, Stage]:
            parts = {name: part.to(device) for name, part in next(crops).items()}
            return to_batch(parts), Stage(retouch=False)

        return draw

    schedule = Schedule(minutes, steps, 1e-3, seed)
    out = folder / "clip"
    run(learner, batches, schedule, out, lambda average: save_image_tower(average.tower, out))
    return out


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    folder: Annotated[Path, typer.Option("--run", help="painted samples; the tower goes to clip/")],
    minutes: Annotated[float, typer.Option(help="wall clock of all sessions together")] = 10,
) -> None:
    """Train RetouchCLIP's image tower on painted faces."""
    print(f"wrote {train_clip(data, folder, minutes)}")


if __name__ == "__main__":
    typer.run(main)
