"""Faces with landmarks for the landmark network, endlessly varied.

Only `use=train` rows are ever read for training. Each photo is kept once, aligned and with a wide
margin; every sample turns, sizes, shifts, stretches, mirrors, lights, blurs and hides parts of it.
Two kinds of framing are drawn, as inference meets both: five noisy points (what the face finder
gives) and the whole mesh laid on the mean shape (the second look).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vision.faces import CROP_SIZE, TEMPLATE, resample, similarity
from vision.landmarks import INPUT_SIZE

# Mesh points where the face finder's five landmarks lie: irises, nose tip, mouth corners.
FIVE = np.array([468, 473, 1, 61, 291])
STORE_SIZE = 288  # kept picture: 0.35 of its pixels per crop pixel, so 160 crop pixels of margin
STORE_SCALE = 0.35
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """A kept picture (288, 288, 3) uint8 and its landmarks (478, 2) in its pixels."""

    file: str
    picture: NDArray[np.uint8]
    points: Points


def rows(data: Path, use: str, split: str) -> list[dict[str, str]]:
    """Rows of manifest.csv of one use and split that have landmarks, in the file's order."""
    with (data / "manifest.csv").open(newline="") as file:
        known = set(np.load(data / "landmarks.npz")["file"].astype(str))
        return [
            row
            for row in csv.DictReader(file)
            if row["use"] == use and row["split"] == split and row["file"] in known
        ]


def landmarks(data: Path) -> dict[str, Points]:
    """file -> (478, 3), pixels of the stored image; the third is depth in the same scale."""
    table = np.load(data / "landmarks.npz")
    points = table["points"].astype(np.float64)
    return dict(zip(table["file"].astype(str), points, strict=True))


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB; the corpus holds plain JPEG only."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise FileNotFoundError(path)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8)


def load(data: Path, split: str) -> list[Sample]:
    """All pictures of one split of `use=train`, aligned by their own landmarks."""
    known = landmarks(data)
    kept = []
    for row in rows(data, "train", split):
        points = known[row["file"]][:, :2]
        to_store = similarity(points[FIVE], TEMPLATE) * STORE_SCALE
        to_store[:, 2] += (STORE_SIZE - STORE_SCALE * CROP_SIZE) / 2
        picture = resample(
            read_rgb(data / row["file"]),
            cv2.invertAffineTransform(to_store),
            (STORE_SIZE, STORE_SIZE),
            cv2.INTER_LINEAR,
            cv2.BORDER_REPLICATE,
        )
        kept.append(Sample(row["file"], picture, points @ to_store[:, :2].T + to_store[:, 2]))
    return kept


def mirror_partners(data: Path) -> NDArray[np.int64]:
    """(478,): for each point, the point that takes its place in a mirrored face.

    Found in the data: each point of the mirrored mean shape (3-D) goes to its nearest point.
    """
    known = np.stack(list(landmarks(data).values()))
    known[..., :2] -= known[..., :2].mean(1, keepdims=True)
    # Upright, of one size, and symmetric on the average once left and right turns cancel.
    shapes = []
    for points in known:
        to_template = similarity(points[FIVE, :2], TEMPLATE)
        flat = points[:, :2] @ to_template[:, :2].T + to_template[:, 2]
        depth = points[:, 2:] * np.sqrt(np.linalg.det(to_template[:, :2]))
        shapes.append(np.hstack([flat, depth]))
    mean = np.mean(shapes, axis=0)
    mirrored = mean * (-1, 1, 1) + (2 * TEMPLATE[:, 0].mean(), 0, 0)
    distances = np.linalg.norm(mean[:, None] - mirrored[None], axis=-1)
    partners = linear_sum_assignment(distances)[1].astype(np.int64)
    if not (partners[partners] == np.arange(len(partners))).all():
        raise ValueError("the mirror partners do not pair up: the mean shape is not symmetric")
    return partners


def mean_shape(samples: list[Sample], partners: NDArray[np.int64]) -> Points:
    """(478, 2), crop pixels: the symmetric mean of all shapes."""
    mean = np.mean([_in_crop(sample.points) for sample in samples], axis=0)
    mirrored = mean[partners] * (-1, 1) + (CROP_SIZE - 1, 0)
    return (mean + mirrored) / 2


def _in_crop(points: Points) -> Points:
    return (points - (STORE_SIZE - STORE_SCALE * CROP_SIZE) / 2) / STORE_SCALE


def shape_basis(samples: list[Sample], mean: Points, modes: int) -> NDArray[np.float64]:
    """(modes, 956): principal components of the shapes, each as long as its standard deviation."""
    deviations = []
    for sample in samples:
        to_mean = similarity(sample.points, mean)
        deviations.append(sample.points @ to_mean[:, :2].T + to_mean[:, 2] - mean)
    # The framing itself varies too: shift, turn and size are components of their own.
    centred = mean - mean.mean(0)
    frame = [np.ones_like(mean) * (1, 0) * 12, np.ones_like(mean) * (0, 1) * 12,
             centred * 0.08, centred[:, ::-1] * (-1, 1) * 0.1]  # fmt: skip
    flat = np.stack(deviations).reshape(len(samples), -1)
    _, sizes, directions = np.linalg.svd(flat, full_matrices=False)
    count = modes - len(frame)
    learnt = directions[:count] * sizes[:count, None] / np.sqrt(len(samples))
    return np.vstack([np.stack(frame).reshape(len(frame), -1), learnt])


def batches(
    samples: list[Sample], mean: Points, partners: NDArray[np.int64], size: int, seed: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Endless (size, 3, 128, 128) in 0..1 and (size, 478, 2) in crop pixels."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = [
            vary(samples[i], mean, partners, rng) for i in rng.integers(len(samples), size=size)
        ]
        yield np.stack([image for image, _ in drawn]), np.stack([points for _, points in drawn])


def vary(
    sample: Sample, mean: Points, partners: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One augmented sample: image (3, 128, 128) in 0..1, points (478, 2) in crop pixels."""
    picture, points = sample.picture, sample.points
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
        points = points[partners] * (-1, 1) + (STORE_SIZE - 1, 0)
    to_crop = _frame(points, mean, rng)
    shrink = INPUT_SIZE / CROP_SIZE
    to_input = to_crop * shrink
    to_input[:, 2] += (shrink - 1) / 2
    image = cv2.warpAffine(np.ascontiguousarray(picture), to_input, (INPUT_SIZE, INPUT_SIZE),
                           flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    points = points @ to_crop[:, :2].T + to_crop[:, 2]
    image = _hide(image, points * shrink, rng)
    image = _light(image.astype(np.float32) / 255, rng)
    return image.transpose(2, 0, 1), points.astype(np.float32)


def _frame(points: Points, mean: Points, rng: np.random.Generator) -> Points:
    """(2, 3) picture -> crop, framed as one of inference's two looks would, with errors."""
    if rng.random() < 0.5:
        five = points[FIVE]
        noise = 0.05 * np.linalg.norm(points[33] - points[263])
        to_crop = similarity(five + rng.normal(0, noise, five.shape), TEMPLATE)
    else:
        to_crop = similarity(points, mean)
    turn, zoom = rng.normal(0, 0.1), np.exp(rng.normal(0, 0.07))
    stretch = np.exp(rng.normal(0, 0.05))
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    shape = np.array([(cos, -sin), (sin, cos)]) @ np.array(
        [(stretch, rng.normal(0, 0.04)), (0, 1 / stretch)]
    )
    middle = np.full(2, CROP_SIZE / 2)
    varied = shape @ to_crop
    varied[:, 2] += middle - shape @ middle + rng.normal(0, 12, 2)
    return varied


def _light(image: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    """Exposure, white balance, contrast, side light, colour loss, blur and noise."""
    image = image * np.exp(rng.normal(0, 0.08, 3)) * np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.5:
        ramp = np.linspace(-1, 1, INPUT_SIZE) * rng.normal(0, 0.3)
        image = image * np.exp(ramp[:, None, None] if rng.random() < 0.5 else ramp[:, None])
    image = (image - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5
    if rng.random() < 0.15:
        image = np.repeat(image.mean(2, keepdims=True), 3, axis=2)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.0))
    image = image + rng.normal(0, rng.uniform(0, 0.04), image.shape)
    return np.clip(image, 0, 1).astype(np.float32)


def _hide(image: NDArray[Any], points: Points, rng: np.random.Generator) -> NDArray[Any]:
    """Glasses, strands of hair and things in front of the face."""
    colour = rng.integers(0, 90 if rng.random() < 0.7 else 256, 3).tolist()
    if rng.random() < 0.15:
        for outer, inner in ((33, 133), (263, 362)):
            centre = points[[outer, inner]].mean(0).astype(int)
            width = np.linalg.norm(points[outer] - points[inner])
            axes = (int(width * rng.uniform(0.7, 0.95)), int(width * rng.uniform(0.5, 0.8)))
            thickness = -1 if rng.random() < 0.15 else int(rng.integers(1, 4))
            cv2.ellipse(image, centre.tolist(), axes, 0, 0, 360, colour, thickness, cv2.LINE_AA)
        cv2.line(image, points[133].astype(int).tolist(), points[362].astype(int).tolist(),
                 colour, 2, cv2.LINE_AA)  # fmt: skip
    if rng.random() < 0.2:
        start = points[rng.choice([10, 54, 284, 127, 356])]
        for _ in range(int(rng.integers(4, 24))):
            root = start + rng.normal(0, 10, 2)
            line = np.stack([root, root + rng.normal(0, 14, 2) + (0, 14), root + (0, 30)])
            cv2.polylines(image, [line.astype(np.int32)], False, colour, 2, cv2.LINE_AA)
    if rng.random() < 0.15:
        centre = points[rng.integers(len(points))].astype(int).tolist()
        axes = rng.integers(6, 28, 2).tolist()
        cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    return image
