"""Trains the landmark network: `python -m training.regions --data ../shared/data`.

Scheduled by wall clock, not by steps, since machines differ; resumable: the same call goes on from
its checkpoint. Ends by writing `model.safetensors` (fp16) and `config.json` into `--out`.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import landmark_data
from training.precision import bf16_is_fast
from vision.faces import CROP_SIZE
from vision.landmarks import WEIGHTS, LandmarkNet

# Points that make the borders of small regions: eyes, brows, lips, irises.
EYES = (33, 133, 159, 145, 263, 362, 386, 374, 7, 163, 144, 153, 154, 155, 246, 161, 160, 158, 157,
        173, 249, 390, 373, 380, 381, 382, 466, 388, 387, 385, 384, 398)  # fmt: skip
BROWS = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107, 276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80,
        191)  # fmt: skip


def initialise(
    network: LandmarkNet,
    basis: NDArray[np.float64],
    mean: NDArray[np.float64],
    partners: NDArray[np.int64],
) -> None:
    """Start from the mean face, with the principal components as the last layer."""
    with torch.no_grad():
        network.shape.weight.copy_(torch.from_numpy(basis.T / CROP_SIZE))
        network.shape.bias.copy_(torch.from_numpy(mean.ravel() / CROP_SIZE))
        network.mirror.copy_(torch.from_numpy(partners))


def loss_of(predicted: Tensor, points: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean distance, per cent of the crop's side."""
    distances = (predicted - points).square().sum(-1).add(1e-4).sqrt()
    return (distances * weights).mean() * (100 / CROP_SIZE)


def point_weights() -> Tensor:
    weights = torch.ones(478)
    weights[list(EYES + BROWS + LIPS)] = 2.0
    weights[468:] = 2.0
    return weights / weights.mean()


def mean_error(
    network: nn.Module,
    samples: list[landmark_data.Sample],
    mean: NDArray[np.float64],
    partners: NDArray[np.int64],
) -> float:
    """Median face's mean distance over that of the eyes' centres, one fixed variation each."""
    rng = np.random.default_rng(0)
    network.eval()
    errors = []
    with torch.inference_mode():
        for sample in samples:
            image, points = landmark_data.vary(sample, mean, partners, rng)
            found = network(torch.from_numpy(image)[None])[0].numpy()
            eyes = np.linalg.norm(points[468] - points[473])
            errors.append(np.linalg.norm(found - points, axis=-1).mean() / eyes)
    network.train()
    return float(np.median(errors))


def train(
    data: Path,
    out: Path = WEIGHTS,
    *,
    checkpoint: Path | None = None,
    minutes: float = 20.0,
    batch: int = 64,
    learning_rate: float = 2e-3,
    threads: int = 2,
    seed: int = 0,
) -> LandmarkNet:
    """Train for `minutes` of wall clock (all runs together) and save the averaged network."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    partners = landmark_data.mirror_partners(data)
    train_set, val_set = landmark_data.load(data, "train"), landmark_data.load(data, "val")
    mean = landmark_data.mean_shape(train_set, partners)
    network = LandmarkNet()
    basis = landmark_data.shape_basis(train_set, mean, network.shape.in_features)
    initialise(network, basis, mean, partners)
    run = Run(network.to(memory_format=torch.channels_last).train(), learning_rate)
    if checkpoint and checkpoint.is_file():
        run.resume(checkpoint)
    drawn = landmark_data.batches(train_set, mean, partners, batch, seed + run.step)
    begun, said = time.monotonic() - run.spent, time.monotonic()
    while (elapsed := time.monotonic() - begun) < minutes * 60:
        run.spent = elapsed
        images, points = map(torch.from_numpy, next(drawn))
        loss = run.learn(images, points, done=elapsed / (minutes * 60))
        if time.monotonic() - said > 60:
            said = time.monotonic()
            error = mean_error(run.average.module, val_set, mean, partners)
            print(f"step {run.step} at {elapsed:.0f} s: {loss:.3f}, val {error:.4f}", flush=True)
            if checkpoint:
                run.save(checkpoint)
    best = run.average.module.eval()
    error = mean_error(best, val_set, mean, partners)
    print(f"{run.step} steps; val {error:.4f} of the eyes' distance")
    _write(best, out)
    return LandmarkNet.from_pretrained(out).float().eval()


def _write(network: LandmarkNet, out: Path) -> None:
    """Weights in fp16 and their configuration, which also names their licence and source."""
    network.half().save_pretrained(out)
    config = out / "config.json"
    facts = {"license": "Apache-2.0", "source": "trained in this project: training/regions.py"}
    config.write_text(json.dumps(json.loads(config.read_text()) | facts, indent=2) + "\n")


class Run:
    """A network in training: its average, its optimiser, the steps and the seconds spent."""

    def __init__(self, network: LandmarkNet, learning_rate: float) -> None:
        self.network = network
        self.average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True
        )
        self.learning_rate = learning_rate
        self.optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=1e-2)
        self.weights = point_weights()
        self.step, self.spent = 0, 0.0

    def learn(self, images: Tensor, points: Tensor, done: float) -> float:
        """One step; `done` in 0..1 is the share of the time that has passed."""
        rate = (
            self.learning_rate * min(1, (self.step + 1) / 100) * (1 + math.cos(math.pi * done)) / 2
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_is_fast()):
            predicted = self.network(images.contiguous(memory_format=torch.channels_last))
        loss = loss_of(predicted.float(), points, self.weights)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return loss.item()

    def save(self, path: Path) -> None:
        parts = {name: getattr(self, name).state_dict() for name in PARTS}
        torch.save({**parts, "step": self.step, "spent": self.spent}, path)

    def resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.spent = state["step"], state["spent"]


PARTS = ("network", "average", "optimiser")


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    out: Annotated[Path, typer.Option(help="where model.safetensors goes")] = WEIGHTS,
    checkpoint: Annotated[Path | None, typer.Option(help="resume from and save to")] = None,
    minutes: Annotated[float, typer.Option(help="wall clock of all runs together")] = 20.0,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    train(data, out, checkpoint=checkpoint, minutes=minutes, threads=threads)


if __name__ == "__main__":
    typer.run(main)
