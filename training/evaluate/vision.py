"""`freckle evaluate vision`: what goes, what stays, on people the network never saw.

Every kind is painted, in its natural mixture with others, on held-out identities, so the clean
skin under each mark is known. Asked alone at full strength, per kind:

- PSNR inside the kind's own mask, before and after, against the face without that kind;
- removed: share of the painted change that was made good inside the mask;
- selectivity: mean change where only *other* kinds are / mean change where the asked kind is;
- average precision of the ownership map per pixel (0.5 of the pixel's paint counts as positive);
- clean skin: mean absolute change, of 255, where nothing was painted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from training.faces import rows
from training.imperfections import mixture, painters
from training.imperfections.base import Base, Layer, to_srgb
from training.imperfections.render import base_of, own_marks
from vision.compose import CLOSED
from vision.engine import RetouchEngine, engine
from vision.vocabulary import LEARNT_KINDS

MASK = 4 / 255  # paint that changes a pixel by this much (mean of channels) is inside its mask


@dataclass(frozen=True)
class Truth:
    """One painted face: the photo, the photo without each kind, and where nothing was painted."""

    painted: np.ndarray
    without: dict[str, np.ndarray]
    untouched: np.ndarray


def paint(base: Base, layers: list[Layer]) -> Truth:
    """Render layers on a base; images are (512, 512, 3) float32 sRGB 0..1, as 8 bit stores them."""
    total = np.sum([layer.density for layer in layers], axis=0)

    def render(density: np.ndarray) -> np.ndarray:
        return (np.round(to_srgb(base.linear * np.exp(-density)) * 255) / 255).astype(np.float32)

    painted = render(total)
    without = {layer.kind: render(total - layer.density) for layer in layers}
    clean = np.abs(render(np.zeros_like(total)) - painted).max(axis=2) == 0
    return Truth(painted, without, clean & (base.skin > 0.9) & ~own_marks(base))


def psnr(error: np.ndarray) -> float:
    """Decibels of an error (n, 3) of values in 0..1."""
    return float(-10 * np.log10(max(float((error**2).mean()), 1e-10)))


def average_precision(score: np.ndarray, truth: np.ndarray) -> float:
    """Area under precision over recall of scores (n,) against booleans (n,)."""
    order = np.argsort(-score, kind="stable")
    hits = truth[order].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    return float(precision[truth[order]].mean())


def measure_face(truth: Truth, base: Base, network: RetouchEngine) -> dict[str, dict[str, float]]:
    """Numbers of every painted kind on one face."""
    found = network.detect(np.round(truth.painted * 255).astype(np.uint8), base.skin)
    effects = {
        kind: np.abs(image - truth.painted).mean(axis=2) for kind, image in truth.without.items()
    }
    numbers = {}
    for kind, target in truth.without.items():
        inside = effects[kind] > MASK
        if inside.sum() < 20:
            continue
        channel = LEARNT_KINDS.index(kind)
        asked = np.zeros_like(found.owners)
        asked[channel] = found.owners[channel]
        gate = np.where(asked[channel] > CLOSED, asked[channel], 0)
        change = gate[..., None] * network.change(found, asked)
        change = np.round(np.clip(truth.painted + change, 0, 1) * 255) / 255 - truth.painted
        others = np.max([e for k, e in effects.items() if k != kind] or [inside * 0], axis=0)
        others = (others > MASK) & (effects[kind] < 0.5 / 255)
        size = np.abs(change).mean(axis=2)
        wanted = (target - truth.painted)[inside]
        numbers[kind] = {
            "before": psnr(wanted),
            "after": psnr(wanted - change[inside]),
            "removed": 1 - float(np.abs(wanted - change[inside]).sum() / np.abs(wanted).sum()),
            "selectivity": float(size[others].mean() / max(size[inside].mean(), 1e-6))
            if others.sum() > 20
            else np.nan,
            "precision": average_precision(
                found.owners[channel][base.skin > 0.5], inside[base.skin > 0.5]
            ),
            "clean": float(size[truth.untouched].mean() * 255) if truth.untouched.any() else np.nan,
        }
    return numbers


def evaluate(data: Path, faces: int = 60, seed: int = 7) -> dict[str, dict[str, float]]:
    """Mean numbers per kind over held-out identities (use=train rows of split=test)."""
    held_out = [row for row in rows(data, split="test") if row.path.parent.name == "faces"]
    rng = np.random.default_rng(seed)
    collected: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for index, row in enumerate(held_out[:faces]):
        base = base_of(row)
        layers = [layer for layer in mixture(base, rng) if layer.density.any()]
        lead = LEARNT_KINDS[index % len(LEARNT_KINDS)]  # every kind is seen on as many faces
        if lead not in {layer.kind for layer in layers}:
            layers.append(painters[lead](base, rng, float(rng.uniform(0.2, 1.0))))
        for kind, numbers in measure_face(paint(base, layers), base, engine()).items():
            for name, value in numbers.items():
                collected[kind][name].append(value)
    return {
        kind: {**{n: float(np.nanmean(v)) for n, v in collected[kind].items()},
               "faces": len(collected[kind]["before"])}
        for kind in LEARNT_KINDS
        if kind in collected
    }  # fmt: skip


def table(numbers: dict[str, dict[str, float]]) -> str:
    """The numbers as a Markdown table."""
    lines = [
        "| kind | faces | PSNR in mask before → after (dB) | removed | selectivity |"
        " average precision | clean skin changed (of 255) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, n in numbers.items():
        lines.append(
            f"| {kind} | {n['faces']} | {n['before']:.1f} → {n['after']:.1f} | {n['removed']:.0%} |"
            f" {n['selectivity']:.2f} | {n['precision']:.2f} | {n['clean']:.2f} |"
        )
    return "\n".join(lines)


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    faces: Annotated[int, typer.Option(help="held-out faces to paint")] = 60,
) -> None:
    """Print what goes and what stays, per kind, on held-out identities."""
    print(table(evaluate(data, faces)))


if __name__ == "__main__":
    typer.run(main)
