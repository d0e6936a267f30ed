"""478 facial landmarks (MediaPipe face-mesh topology) by a compact network of our own.

A residual convolutional network sees the aligned crop at 128 pixels and regresses the points
through a shape basis: the last layer starts as the principal components of the training shapes, so
even an unsure answer is a face. Inference looks twice: the first shape re-aligns the crop (head
turn and size are then those of the whole mesh, not of five points), and the second look averages
the picture and its mirror image. Always on the CPU in float64, which takes a hundredth of a second:
in float32 the points would depend, by a thousandth of a pixel, on the number of threads, and with
them the crop and every pixel that is made of it.
"""

from __future__ import annotations

import json
import threading
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from vision.faces import CROP_SIZE, resample, similarity

POINTS = 478
INPUT_SIZE = 128
WEIGHTS = Path(__file__).parent / "weights" / "landmarks"
_LOCK = threading.Lock()


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(width, width, 1), nn.ReLU(inplace=True),
                                  _convolution(width, width, 1))  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
    )


def encoder(widths: tuple[int, ...]) -> nn.Sequential:
    """(n, 3, 128, 128) centred on 0 -> (n, widths[-1], s, s): half the side a width."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip((3, *widths[:-1]), widths, strict=True):
        layers += [_convolution(inputs, outputs, 2), nn.ReLU(inplace=True)]
        if inputs != 3:
            layers.append(_Residual(outputs))
    return nn.Sequential(*layers)


class LandmarkNet(nn.Module, PyTorchModelHubMixin):
    """(n, 3, 128, 128) sRGB in 0..1 -> (n, 478, 2) points in crop pixels (of the 512 crop).

    `widths`: channels at 64, 32, 16, 8 and 4 pixels; `modes`: size of the shape basis. The buffer
    `mirror` (478,) holds, for each point, the index of its mirror partner.
    """

    mirror: Tensor

    def __init__(
        self, widths: tuple[int, ...] = (16, 32, 64, 128, 192), hidden: int = 256, modes: int = 64
    ) -> None:
        super().__init__()
        side = INPUT_SIZE >> len(widths)
        self.features = nn.Sequential(*encoder(widths), nn.Conv2d(widths[-1], 64, 1), nn.Flatten())
        self.modes = nn.Sequential(
            nn.Linear(64 * side * side, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, modes)
        )
        self.shape = nn.Linear(modes, POINTS * 2)
        self.register_buffer("mirror", torch.arange(POINTS))

    def forward(self, images: Tensor) -> Tensor:
        modes = self.modes(self.features(images - 0.5))
        # Points in units of the crop's side, which keeps the last layer's numbers near 1.
        return self.shape(modes).unflatten(-1, (POINTS, 2)) * CROP_SIZE

    def mean_shape(self) -> NDArray[np.float64]:
        """(478, 2) crop pixels: the shape from which all predictions depart."""
        points = self.shape.bias.detach().double().cpu().numpy()
        return points.reshape(POINTS, 2) * CROP_SIZE


def to_input(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(512, 512, 3) uint8 -> (3, 128, 128) float32 in 0..1, averaged down."""
    small = cv2.resize(crop, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA)
    return small.transpose(2, 0, 1).astype(np.float32) / 255


@torch.inference_mode()
def predict_landmarks(
    crop: NDArray[Any], *, network: LandmarkNet | None = None
) -> NDArray[np.float32]:
    """Landmarks (478, 2), crop pixels, of an aligned crop (512, 512, 3) uint8.

    Points may lie outside of the crop, where the face does. Ten per face are iris points: centres
    468 and 473. `network` replaces the shipped one.
    """
    if crop.shape != (CROP_SIZE, CROP_SIZE, 3) or crop.dtype != np.uint8:
        raise ValueError(f"need a (512, 512, 3) uint8 crop, got {crop.shape} {crop.dtype}")
    network = network or _shipped()
    device = network.shape.bias.device

    def look(views: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        batch = torch.from_numpy(np.stack(views)).to(device, network.shape.bias.dtype)
        return network(batch).double().cpu().numpy()

    first = look([to_input(crop)])[0]
    to_mean = similarity(first, network.mean_shape())
    from_mean = cv2.invertAffineTransform(to_mean)
    view = to_input(
        resample(crop, from_mean, (CROP_SIZE, CROP_SIZE), cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    )
    seen, flipped = look([view, view[:, :, ::-1]])
    flipped = flipped[network.mirror.cpu().numpy()]
    flipped[:, 0] = CROP_SIZE - 1 - flipped[:, 0]
    points = (seen + flipped) / 2
    return (points @ from_mean[:, :2].T + from_mean[:, 2]).astype(np.float32)


def _shipped() -> LandmarkNet:
    """The network that comes with Freckle, loaded once per process."""
    with _LOCK:
        return _load()


@cache
def _load() -> LandmarkNet:
    # Not by `from_pretrained`, which prints to stdout.
    config = json.loads((WEIGHTS / "config.json").read_text())
    network = LandmarkNet(tuple(config["widths"]), config["hidden"], config["modes"])
    network.load_state_dict(load_file(WEIGHTS / "model.safetensors"))
    return network.double().eval()
