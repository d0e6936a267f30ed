"""How far the landmark network's points lie from the corpus's, on people it never saw.

`python -m training.evaluate.regions --data ../shared/data` prints one line a group: the mean error
over 478 points as a share of the distance of the eyes' centres. The reference is itself made by a
machine, and a guess on the far half of side views. The crop comes from the face finder, as in use.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from training.landmark_data import landmarks, read_rgb, rows
from vision.faces import align, find
from vision.landmarks import LandmarkNet, predict_landmarks

# Nose tip off the middle between the face's edges, as a share of the face's width.
FRONTAL_YAW = 0.12
GROUPS = {
    "eyes": [33, 133, 159, 145, 263, 362, 386, 374, *range(468, 478)],
    "lips": [61, 291, 0, 17, 37, 267, 84, 314, 13, 14, 78, 308],
    "brows": [46, 53, 52, 65, 55, 276, 283, 282, 295, 285],
}


def yaw(points: NDArray[np.float64]) -> float:
    """0 for a face seen from in front, towards 0.5 for a profile; (478, 2 or 3) mesh points."""
    left, right, nose = points[234, :2], points[454, :2], points[1, :2]
    across = right - left
    return float(abs((nose - left) @ across / (across @ across) - 0.5))


def error(found: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """(478,) distances over the distance of the eyes' centres.

    Side views bring the eyes together, so they are measured against the wider of that and a share
    of the face's length which equals it on frontal faces.
    """
    eyes = np.linalg.norm(known[468] - known[473])
    length = np.linalg.norm(known[10] - known[152])
    return np.linalg.norm(found - known, axis=-1) / max(eyes, 0.38 * length)


def measure(
    data: Path, use: str, network: LandmarkNet | None = None, limit: int | None = None
) -> dict[str, NDArray[np.float64]]:
    """Errors per view, "frontal" and "side": (faces, 478). Photos without a found face are "lost".

    `limit` takes evenly spaced photos of the split `test` only.
    """
    known = landmarks(data)
    chosen = rows(data, use, "test")
    if limit is not None:
        chosen = chosen[:: max(1, len(chosen) // limit)][:limit]
    errors: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for row in chosen:
        photo = read_rgb(data / row["file"])
        faces = find(photo)
        if not faces:
            errors["lost"].append(np.ones(478))
            continue
        alignment = align(max(faces, key=lambda face: face.area).landmarks)
        points = predict_landmarks(alignment.crop(photo), network=network)
        truth = known[row["file"]]
        view = "frontal" if yaw(truth) < FRONTAL_YAW else "side"
        errors[view].append(error(alignment.points_to_photo(points), truth[:, :2]))
    return {view: np.stack(values) for view, values in errors.items()}


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    limit: Annotated[int | None, typer.Option(help="photos of each use")] = None,
) -> None:
    for use in ("train", "evaluate"):
        for view, errors in sorted(measure(data, use, limit=limit).items()):
            faces = errors.mean(1)
            parts = ", ".join(f"{name} {errors[:, i].mean():.4f}" for name, i in GROUPS.items())
            print(
                f"use={use} {view}: {len(errors)} faces, mean {faces.mean():.4f}, "
                f"median {np.median(faces):.4f}, worst {faces.max():.4f}; {parts}"
            )


if __name__ == "__main__":
    typer.run(main)
