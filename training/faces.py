"""The photos that models are trained and judged on: rows of the manifest, aligned to one crop.

Only `use=train` rows may train a weight file that ships; `use=evaluate` rows are for measuring.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vision.errors import FreckleError
from vision.faces import Alignment, align, five_points


@dataclass(frozen=True)
class FaceRow:
    """One photo of the manifest with its 478 dense landmarks (pixels of the stored image)."""

    path: Path
    kind: str
    label: str
    use: str
    split: str
    points: np.ndarray

    def read(self) -> np.ndarray:
        """The photo as (H, W, 3) uint8 RGB."""
        bgr = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise FreckleError(f"{self.path} is not a readable image; fetch the data set again")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def rows(
    data: Path, *, use: str = "train", split: str | None = "train", kind: str | None = None
) -> list[FaceRow]:
    """Photos of the manifest that have landmarks, filtered by use, split and kind."""
    manifest, mesh = data / "manifest.csv", data / "landmarks.npz"
    for file in (manifest, mesh):
        if not file.is_file():
            raise FreckleError(f"{file} is missing; give the folder of the photos with --data DIR")
    with np.load(mesh) as stored:
        points = dict(zip(stored["file"].tolist(), stored["points"], strict=True))
    with manifest.open(newline="") as lines:
        return [
            FaceRow(
                data / row["file"], row["kind"], row["label"], row["use"], row["split"],
                points[row["file"]],
            )
            for row in csv.DictReader(lines)
            if row["file"] in points
            and row["use"] == use
            and (split is None or row["split"] == split)
            and (kind is None or row["kind"] == kind)
        ]  # fmt: skip


def spread(found: list[FaceRow], count: int) -> list[FaceRow]:
    """So many of them, from all over the list: the manifest is sorted by source."""
    count = min(count, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def aligned(row: FaceRow) -> tuple[np.ndarray, np.ndarray, Alignment]:
    """Crop (512, 512, 3) uint8, its landmarks (478, 2) in crop pixels, and the alignment."""
    alignment = align(five_points(row.points))
    matrix = alignment.matrix
    points = row.points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return alignment.crop(row.read()), points.astype(np.float32), alignment


def iterate_aligned(data: Path, **filters) -> Iterator[tuple[FaceRow, np.ndarray, np.ndarray]]:
    """Rows with their aligned crop and landmarks, one after the other."""
    for row in rows(data, **filters):
        crop, points, _ = aligned(row)
        yield row, crop, points
