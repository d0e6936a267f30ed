"""Whether a retouched face is still the same person's, as far as a small network can tell.

It was taught by one that recognises people what two pictures of a face have in common (see
`training.identity`), and compares a face with what became of it. Nothing that it computes is kept:
128 numbers a face live as long as the photo is open.
"""

from __future__ import annotations

import json
import threading
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from vision.landmarks import INPUT_SIZE, encoder, to_input

WEIGHTS = Path(__file__).parent / "weights" / "identity"
_LOCK = threading.Lock()


class IdentityNet(nn.Module):
    """(n, 3, 128, 128) sRGB in 0..1, aligned -> (n, size) of unit length.

    `widths`: channels at 64, 32, 16, 8 and 4 pixels.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 128, 192), size: int = 128) -> None:
        super().__init__()
        self.widths, self.size = widths, size
        side = INPUT_SIZE >> len(widths)
        self.features = encoder(widths)
        self.embed = nn.Sequential(
            nn.Conv2d(widths[-1], 96, 1), nn.Flatten(), nn.Linear(96 * side * side, size)
        )

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.embed(self.features(images - 0.5)).float(), dim=1)


@torch.inference_mode()
def embed(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(128,) of unit length, of an aligned crop (512, 512, 3) uint8 sRGB."""
    image = torch.from_numpy(to_input(crop))[None]
    return _shipped()(image)[0].numpy()


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Cosine of what `embed` says of two faces: 1 for the same picture, about 0 for strangers."""
    return float(np.clip(one @ other, -1, 1))


def save(network: IdentityNet, folder: Path) -> None:
    """Write model.safetensors (fp16) and config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in network.half().state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    config = {
        "widths": network.widths, "size": network.size, "license": "Apache-2.0",
        "source": "trained in this project: training/identity.py",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load(folder: Path = WEIGHTS) -> IdentityNet:
    """The network in evaluation mode, float32."""
    config = json.loads((folder / "config.json").read_text())
    network = IdentityNet(tuple(config["widths"]), config["size"])
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network.float().eval()


def _shipped() -> IdentityNet:
    """The network that comes with Freckle, loaded once per process."""
    with _LOCK:
        return _load()


@cache
def _load() -> IdentityNet:
    return load()
