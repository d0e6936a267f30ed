"""`freckle evaluate native`: does skin stay skin at the photo's own resolution?

The finest detail (what a Gaussian of 1.5 photo pixels takes away) inside edited places, compared
with that of the untouched skin around them: 1 is skin like its surroundings, less is plastic, more
is a leftover edge. Beside it, what most tools do: retouch a 512-px crop and enlarge the result.

Photos of more than a megapixel a face are not at hand, so each photo is also enlarged and given
grain of its own, which is what a camera adds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from training.faces import FaceRow, rows
from vision import pipeline
from vision.errors import NothingToDo
from vision.photo import Photo, load
from vision.pipeline import FaceAnalysis
from vision.plan import Edit, Plan
from vision.vocabulary import Kind, default_region

KINDS: tuple[Kind, ...] = ("acne", "wrinkles", "moles", "dark_spots", "shine")
SCALES = (1, 4)
_FINE = 1.5  # photo pixels
_GRAIN = 2.0 / 255
_LEAST = 200  # photo pixels that must be edited to be measured


def fine_band(image: np.ndarray) -> np.ndarray:
    """(H, W) finest detail of luminance of an (H, W, 3) uint8 image, 0..255."""
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return light - cv2.GaussianBlur(light, (0, 0), _FINE)


def detail_ratio(image: np.ndarray, inside: np.ndarray, around: np.ndarray) -> float:
    """Root mean square of the finest detail inside over that around, two (H, W) bool masks."""
    band = fine_band(image)
    return float(np.sqrt((band[inside] ** 2).mean() / max((band[around] ** 2).mean(), 1e-6)))


def enlarged(photo: Photo, scale: int, seed: int) -> Photo:
    """The photo `scale` times as large, with grain at its new resolution."""
    if scale == 1:
        return photo
    size = (photo.width * scale, photo.height * scale)
    large = cv2.resize(photo.srgb8(), size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = np.random.default_rng(seed).normal(0, 255 * _GRAIN, large.shape[:2])
    return load(np.clip(np.rint(large + grain[..., None]), 0, 255).astype(np.uint8))


def measure(photo: Photo, kind: Kind) -> dict[str, float] | None:
    """Detail ratios of the photo, of our edit and of an enlarged 512-px result; None where the
    photo shows too little of the kind."""
    analysis = pipeline.analyse(photo)
    if not analysis.faces:
        return None
    face = analysis.faces[0]
    plan = Plan((Edit(kind, (default_region(kind),), 1.0),))
    try:
        rendering = pipeline.render(analysis, plan)
    except NothingToDo:
        return None
    inside = rendering.touched
    size = (photo.height, photo.width)
    skin = face.alignment.to_photo(face.skin, size) > 0.9
    reach = max(9, round(12 / face.alignment.scale) | 1)
    near = cv2.dilate(inside.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    around = near & ~inside & skin
    if inside.sum() < _LEAST or around.sum() < _LEAST:
        return None
    before, after = photo.srgb8(), rendering.photo.srgb8()
    images = {
        "photo": before,
        "ours": after,
        "enlarged": _enlarged_result(face, before, after, inside),
    }
    return {name: detail_ratio(image, inside, around) for name, image in images.items()}


def _enlarged_result(
    face: FaceAnalysis, before: np.ndarray, after: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """The edited places taken from a retouched 512-px crop that was brought back to size."""
    crop = face.alignment.crop(after).astype(np.float32)
    back = face.alignment.to_photo(crop, inside.shape)
    return np.where(inside[..., None], np.clip(np.rint(back), 0, 255), before).astype(np.uint8)


def evaluate(chosen: list[FaceRow]) -> dict[str, dict[str, list[float]]]:
    """Ratios per scale and means, over all photos and kinds that show enough."""
    numbers: dict[str, dict[str, list[float]]] = {}
    for index, row in enumerate(chosen):
        for scale in SCALES:
            photo = enlarged(load(row.path), scale, index)
            for kind in KINDS:
                ratios = measure(photo, kind)
                for name, ratio in (ratios or {}).items():
                    numbers.setdefault(f"x{scale}", {}).setdefault(name, []).append(ratio)
    return numbers


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    faces: Annotated[int, typer.Option(help="photos to measure")] = 12,
) -> None:
    """Finest detail inside edits over that of the skin around them; 1 is skin like its own."""
    chosen = rows(data, split="test")
    numbers = evaluate(chosen[:: max(1, len(chosen) // faces)][:faces])
    print("| size | edits | photo itself | Freckle | 512-px result enlarged |")
    print("| --- | --- | --- | --- | --- |")
    for scale, means in numbers.items():
        n = {name: np.median(values) for name, values in means.items()}
        print(
            f"| {scale} | {len(means['ours'])} | {n['photo']:.2f} | {n['ours']:.2f} |"
            f" {n['enlarged']:.2f} |"
        )


if __name__ == "__main__":
    typer.run(main)
