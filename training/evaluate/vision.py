"""`freckle evaluate vision`: what goes, what stays, on people the network never saw.

Every kind is painted, in its natural mixture with others, on held-out identities, so the clean
skin under each mark is known. Asked alone at full strength, per kind:

- PSNR inside the kind's own mask, before and after, against the face without that kind;
- removed: share of the painted change that was made good inside the mask;
- selectivity: mean change where only *other* kinds are / mean change where the asked kind is;
- average precision of the ownership map per pixel (inside the mask counts as positive);
- clean skin: mean absolute change, of 255, where nothing was painted.

A second table asks everything painted away at once (Freckle is told the kinds, not the places),
and compares with doing nothing, with filters and with filling the true mask.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from skimage.metrics import structural_similarity

from training.evaluate.filters import FILTERS, inpaint
from training.faces import rows
from training.imperfections import mixture, painters
from training.imperfections.base import Base, Layer, to_srgb
from training.imperfections.render import base_of, own_marks
from vision.compose import CLOSED
from vision.engine import RetouchEngine, engine
from vision.vocabulary import LEARNT_KINDS

Numbers = dict[str, dict[str, float]]
MASK = 4 / 255  # paint that changes a pixel by this much (mean of channels) is inside its mask


@dataclass(frozen=True)
class Truth:
    """One painted face: the photo, the photo without each kind, where nothing was painted, and
    the face before any paint."""

    painted: np.ndarray
    without: dict[str, np.ndarray]
    untouched: np.ndarray
    clean: np.ndarray


def paint(base: Base, layers: list[Layer]) -> Truth:
    """Render layers on a base; images are (512, 512, 3) float32 sRGB 0..1, as 8 bit stores them."""
    total = np.sum([layer.density for layer in layers], axis=0)

    def render(density: np.ndarray) -> np.ndarray:
        return (np.round(to_srgb(base.linear * np.exp(-density)) * 255) / 255).astype(np.float32)

    painted = render(total)
    without = {layer.kind: render(total - layer.density) for layer in layers}
    clean = render(np.zeros_like(total))
    same = (clean == painted).all(axis=2)
    return Truth(painted, without, same & (base.skin > 0.9) & ~own_marks(base), clean)


def psnr(error: np.ndarray) -> float:
    """Decibels of an error (n, 3) of values in 0..1."""
    return float(-10 * np.log10(max(float((error**2).mean()), 1e-10)))


def average_precision(score: np.ndarray, truth: np.ndarray) -> float:
    """Area under precision over recall of scores (n,) against booleans (n,)."""
    order = np.argsort(-score, kind="stable")
    hits = truth[order].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    return float(precision[truth[order]].mean())


def measure_face(truth: Truth, base: Base, network: RetouchEngine) -> Numbers:
    """Numbers of every painted kind on one face."""
    crop = np.round(truth.painted * 255).astype(np.uint8)
    found = network.detect(crop, base.skin)
    effects = {
        kind: np.abs(image - truth.painted).mean(axis=2) for kind, image in truth.without.items()
    }
    numbers = {}
    for kind, target in truth.without.items():
        inside = effects[kind] > MASK
        if inside.sum() < 20:
            continue
        channel = LEARNT_KINDS.index(kind)
        healing = network.heal(crop, base.skin, found, (channel,))
        change = np.where(healing.gates[0, ..., None] > CLOSED, healing.changes[0], 0)
        change = np.round(np.clip(truth.painted + change, 0, 1) * 255) / 255 - truth.painted
        others = np.max([e for k, e in effects.items() if k != kind] or [inside * 0], axis=0)
        others = (others > MASK) & (effects[kind] < 0.5 / 255)
        size = np.abs(change).mean(axis=2)
        wanted = (target - truth.painted)[inside]
        numbers[kind] = {
            "before": psnr(wanted),
            "after": psnr(wanted - change[inside]),
            "removed": 1 - float(np.abs(wanted - change[inside]).sum() / np.abs(wanted).sum()),
            "spill": float(size[others].mean()) if others.sum() > 20 else np.nan,
            "effect": float(size[inside].mean()) if others.sum() > 20 else np.nan,
            "precision": average_precision(
                found.owners[channel][base.skin > 0.5], inside[base.skin > 0.5]
            ),
            "clean": float(size[truth.untouched].mean() * 255) if truth.untouched.any() else np.nan,
        }
    return numbers


def compare_face(truth: Truth, base: Base, network: RetouchEngine) -> Numbers:
    """Everything painted asked away, by several means: PSNR in the masks and of all, and SSIM."""
    marks = np.abs(truth.clean - truth.painted).mean(axis=2) > MASK
    if marks.sum() < 20:
        return {}
    crop = np.round(truth.painted * 255).astype(np.uint8)
    asked = tuple(LEARNT_KINDS.index(kind) for kind in truth.without)
    healing = network.heal(crop, base.skin, network.detect(crop, base.skin), asked)
    open_ = healing.gates.sum(axis=0)[..., None] > CLOSED
    made = {"nothing": truth.painted}
    made |= {name: apply(truth.painted, base.skin) for name, apply in FILTERS.items()}
    made["filling the true mask"] = inpaint(truth.painted, marks)
    made["Freckle"] = np.clip(truth.painted + open_ * healing.changes.sum(axis=0), 0, 1)
    numbers = {}
    for name, image in made.items():
        stored = (np.round(image * 255) / 255).astype(np.float32)
        error = stored - truth.clean
        numbers[name] = {
            "inside": psnr(error[marks]),
            "all": psnr(error),
            "ssim": float(
                structural_similarity(truth.clean, stored, channel_axis=2, data_range=1.0)
            ),
        }
    return numbers


def evaluate(data: Path, faces: int = 60, seed: int = 7) -> tuple[Numbers, Numbers]:
    """Mean numbers over held-out identities (use=train rows of split=test): per kind, and per
    means of removal."""
    held_out = [row for row in rows(data, split="test") if row.path.parent.name == "faces"]
    rng = np.random.default_rng(seed)
    collected, compared = _tally(), _tally()
    for index, row in enumerate(held_out[:faces]):
        base = base_of(row)
        layers = [layer for layer in mixture(base, rng) if layer.density.any()]
        lead = LEARNT_KINDS[index % len(LEARNT_KINDS)]  # every kind is seen on as many faces
        if lead not in {layer.kind for layer in layers}:
            layers.append(painters[lead](base, rng, float(rng.uniform(0.2, 1.0))))
        truth = paint(base, layers)
        for tally, measured in (
            (collected, measure_face(truth, base, engine())),
            (compared, compare_face(truth, base, engine())),
        ):
            for row_name, numbers in measured.items():
                for name, value in numbers.items():
                    tally[row_name][name].append(value)
    kinds = {kind: _mean(collected[kind]) for kind in LEARNT_KINDS if kind in collected}
    means = {
        name: {n: float(np.mean(v)) for n, v in values.items()} for name, values in compared.items()
    }
    return kinds, means


def _tally() -> defaultdict[str, defaultdict[str, list[float]]]:
    return defaultdict(lambda: defaultdict(list))


def _mean(faces: dict[str, list[float]]) -> dict[str, float]:
    """Means over faces; selectivity is the ratio of two, for one face may hardly be changed."""
    means = {name: float(np.nanmean(values)) for name, values in faces.items()}
    means["selectivity"] = means.pop("spill") / max(means.pop("effect"), 1e-6)
    return {**means, "faces": len(faces["before"])}


def table(numbers: Numbers) -> str:
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


def comparison(numbers: Numbers) -> str:
    """The comparison as a Markdown table."""
    lines = [
        "| everything painted asked away | PSNR in masks (dB) | PSNR of the crop (dB) | SSIM |",
        "| --- | --- | --- | --- |",
    ]
    for name, n in numbers.items():
        lines.append(f"| {name} | {n['inside']:.1f} | {n['all']:.1f} | {n['ssim']:.4f} |")
    return "\n".join(lines)


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    faces: Annotated[int, typer.Option(help="held-out faces to paint")] = 60,
) -> None:
    """Print what goes and what stays, per kind, on held-out identities."""
    kinds, means = evaluate(data, faces)
    print(table(kinds), comparison(means), sep="\n\n")


if __name__ == "__main__":
    typer.run(main)
