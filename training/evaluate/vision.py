"""`freckle evaluate vision`: what goes, what stays, on people the network never saw.

Tables of removal (per kind, per skin tone, beside other means), of selectivity, of detection
(`training.evaluate.detection`) and of restraint, on held-out identities, in one run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from training.evaluate import detection, identity
from training.evaluate.removal import (
    OTHERS,
    Numbers,
    Remover,
    Truth,
    area_of,
    average_precision,
    both_face,
    freckle,
    held_out,
    measure_all,
    measure_kept,
    measure_kinds,
    paint,
    psnr,
)
from training.faces import aligned, rows
from training.imperfections.base import Base
from training.imperfections.render import base_of, own_marks, seen
from vision.compose import CLOSED
from vision.engine import FOUND, RetouchEngine, engine
from vision.vocabulary import LEARNT_KINDS, NETWORK_KINDS, PERMANENT_KINDS, SKIN_KINDS

Distance = Callable[[np.ndarray, np.ndarray], float]
ASKED, KEPT = "acne", "freckles"  # small marks of one size, told apart by colour and shape
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_EVERY = 3  # of so many faces one is looked at in all strengths, which takes as long as all else


@dataclass(frozen=True)
class Face:
    """One measured face: kinds asked alone, and skin tone (ITA, degrees)."""

    kinds: Numbers
    tone: float


@dataclass(frozen=True)
class Report:
    """Everything measured, as gathered; tables are made of it.

    Attributes:
        faces: of our network, one entry a face.
        alone: per means of removal, kinds asked alone, one entry a face.
        together: per means of removal, everything asked at once, one entry a face.
        kept: per means of removal, `ASKED` asked away where `KEPT` shall stay, one entry a face.
        unpainted: of bare faces of which every kind is asked away, as `restraint` gives it.
        monotone: per edit, whether severity falls with every step of strength.
    """

    faces: list[Face] = field(default_factory=list)
    alone: dict[str, list[Numbers]] = field(default_factory=lambda: defaultdict(list))
    together: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    unpainted: list[tuple[float, float, float]] = field(default_factory=list)
    monotone: list[bool] = field(default_factory=list)


def evaluate(
    data: Path,
    network: RetouchEngine,
    faces: int = 60,
    others: dict[str, Remover] | None = None,
    distance: Distance | None = None,
) -> Report:
    """Measure our network, and other means beside it, on held-out faces."""
    report, others = Report(), OTHERS if others is None else others
    for base, truth in held_out(data, faces):
        kinds = measure_kinds(truth, base, freckle(network))
        for kind, detected in precisions(truth, base, network).items():
            if kind in kinds:
                kinds[kind] |= detected
        report.faces.append(Face(kinds, detection.tone_angle(base)))
        report.alone["Freckle"].append(kinds)
        for name, remove in {**others, "Freckle": freckle(network)}.items():
            if name not in ("Freckle", "nothing"):
                report.alone[name].append(measure_kinds(truth, base, remove))
            if truth.marks.any():
                report.together[name].append(measure_all(truth, base, remove, distance))
        report.unpainted.append(restraint(base, network))
        if len(report.faces) % _EVERY == 0:
            report.monotone.extend(falls(truth, base, network))
            both = both_face(base, (ASKED, KEPT), len(report.faces))
            told = f"Freckle, told to keep the {KEPT}"
            ours = {"Freckle": freckle(network), told: freckle(network, KEPT)}
            for name, remove in {**others, **ours}.items():
                if measured := measure_kept(both, base, remove, ASKED, KEPT):
                    report.kept[name].append(measured)
    return report


def precisions(truth: Truth, base: Base, network: RetouchEngine) -> Numbers:
    """Of every painted kind's map, over its surface (of texture, for its area): average precision
    per pixel, and the IoU of what counts as found with the true mask. What the face brought along,
    by its colour, is left out beside the paint: nobody knows whose it is."""
    engines = {id(one): one for one in map(network.of, truth.without)}
    founds = {at: one.detect(truth.crop, base.surfaces) for at, one in engines.items()}
    numbers, own = {}, own_marks(base)
    for kind, image in truth.without.items():
        inside = area_of(kind, np.abs(image - truth.painted).mean(axis=2))
        on = (base.surfaces.of(kind) > 0.5) & (inside | ~own)
        if inside[on].any():
            found = founds[id(network.of(kind))]
            owner, mask = found.owners[network.kinds.index(kind)][on], inside[on]
            shown = owner > FOUND
            numbers[kind] = {
                "precision": average_precision(owner, mask),
                "iou": float((shown & mask).sum() / (shown | mask).sum()),
            }
    return numbers


def restraint(base: Base, network: RetouchEngine) -> tuple[float, float, float]:
    """Mean change, of 255, of clean skin of an unpainted face, in three ways: every kind of mark
    asked away, twice, then pores and uneven tone, of which the face is parted.

    What the face has of its own is rightly taken: the first leaves out places that look marked by
    colour or to the network itself, whose false finds thus do not count; the others leave out those
    by colour alone, so that true finds which colour misses count as well.
    """
    bare, remove = paint(base, []), freckle(network)
    marks = tuple(kind for kind in LEARNT_KINDS if kind not in SKIN_KINDS)
    changes = [
        np.abs(remove(bare, base, asked) - bare.painted).mean(axis=2) * 255
        for asked in (marks, SKIN_KINDS)
    ]
    clean = (base.skin > 0.9) & ~own_marks(base)
    unseen, plain, evened = (
        float(change[where].mean()) if where.any() else np.nan
        for change, where in (
            (changes[0], clean & ~seen(network, base)),
            (changes[0], clean),
            (changes[1], clean),
        )
    )
    return unseen, plain, evened


def falls(truth: Truth, base: Base, network: RetouchEngine) -> list[bool]:
    """Of each painted kind, whether severity as the detector sees it never rises with strength."""
    results = []
    for kind in truth.without:
        one, channel = network.of(kind), network.kinds.index(kind)
        found = one.detect(truth.crop, base.surfaces)
        area = found.owners[channel] > CLOSED
        if not area.any():
            continue
        healing = one.heal(truth.crop, base.surfaces, found, (channel,))
        severities = [float((found.owners[channel] * found.amplitude)[area].mean())]
        for strength in STRENGTHS[1:]:
            image = np.clip(truth.painted + strength * healing.changes[0], 0, 1) * 255
            again = one.detect(image, base.surfaces)
            severities.append(float((again.owners[channel] * again.amplitude)[area].mean()))
        results.append(bool((np.diff(severities) <= 0).all()))
    return results


def pairs_table(data: Path, network: RetouchEngine) -> str:
    """A real pair: PSNR of the crop against what a retoucher made of it, of the photo as it was and
    of ours, with all but permanent marks asked away."""
    lines = ["| pair | untouched | Freckle | at half strength |", "| --- | --- | --- | --- |"]
    named = {
        row.label.partition(" ")[0]: row
        for row in rows(data, use="evaluate", split=None, kind="pair")
    }
    if {"before", "after"} <= set(named):
        before, after = named["before"], named["after"]
        base, alignment = base_of(before), aligned(before)[2]
        target = alignment.crop(after.read()) / 255
        asked = tuple(kind for kind in LEARNT_KINDS if kind not in PERMANENT_KINDS)
        bare = paint(base, [])
        change = freckle(network)(bare, base, asked) - bare.painted
        scores = [psnr(bare.painted + share * change - target) for share in (0.0, 1.0, 0.5)]
        cells = " | ".join(f"{score:.2f}" for score in scores)
        lines.append(f"| {before.path.name} | {cells} |")
    return "\n".join(lines)


def by_kind(faces: list[Numbers]) -> Numbers:
    """Means over faces, per kind; selectivity is the ratio of two, for one face may hardly be
    changed."""
    tally: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for numbers in faces:
        for kind, measured in numbers.items():
            for name, value in measured.items():
                tally[kind][name].append(value)
    means: Numbers = {}
    for kind in NETWORK_KINDS:
        if kind not in tally:
            continue
        one = {name: _mean(values) for name, values in tally[kind].items()}
        one["selectivity"] = one.pop("spill") / max(one.pop("effect"), 1e-6)
        means[kind] = {**one, "faces": len(tally[kind]["before"])}
    return means


def _mean(values: Sequence[float]) -> float:
    """Of those that could be measured; nan where none could."""
    return np.nan if np.isnan(values).all() else float(np.nanmean(values))


def thirds(faces: list[Face]) -> dict[str, list[Face]]:
    """The lightest, middle and darkest third of the faces by skin tone."""
    ordered = sorted(faces, key=lambda face: -face.tone)
    cut = np.array_split(np.arange(len(ordered)), 3)
    names = ("lightest third", "middle third", "darkest third")
    parts = zip(names, cut, strict=True)
    return {name: [ordered[i] for i in part] for name, part in parts if len(part)}


def kinds_table(report: Report) -> str:
    """Removal and detection per kind, asked alone at full strength."""
    lines = [
        "| kind | faces | PSNR in mask before → after (dB) | removed | selectivity |"
        " average precision | IoU | clean skin changed (of 255) |"
        " ΔE to skin around before → after |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    means = by_kind([face.kinds for face in report.faces])
    for kind, n in {**means, "mean over kinds": _overall(means)}.items():
        lines.append(
            f"| {kind} | {n['faces']:.0f} | {n['before']:.1f} → {n['after']:.1f} |"
            f" {n['removed']:.0%} | {n['selectivity']:.2f} |"
            f" {_share(n.get('precision'))} | {_share(n.get('iou'))} | {n['clean']:.2f} |"
            f" {_step(n['off_before'], n['off_after'])} |"
        )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    """A share, or a dash where no face shows enough of the kind to measure it."""
    return "–" if value is None or np.isnan(value) else f"{value:.2f}"


def _step(before: float, after: float) -> str:
    """ "before → after", or a dash where there was nothing to measure (no skin around teeth)."""
    return "–" if np.isnan(before) else f"{before:.1f} → {after:.1f}"


def tones_table(report: Report) -> str:
    """The same, averaged over kinds, by skin tone."""
    lines = [
        "| skin tone | faces | ITA (°) | gain in mask (dB) | removed | average precision |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, faces in thirds(report.faces).items():
        n = _overall(by_kind([face.kinds for face in faces]))
        angle = np.mean([face.tone for face in faces])
        lines.append(
            f"| {name} | {len(faces)} | {angle:.0f} | {n['after'] - n['before']:+.1f} |"
            f" {n['removed']:.0%} | {n['precision']:.2f} |"
        )
    return "\n".join(lines)


def comparison_table(report: Report, detection: bool = False) -> str:
    """Our network beside other means: everything painted asked away, and one kind alone; with
    `detection`, also how well each finds, if it does."""
    measured = any("distance" in n for numbers in report.together.values() for n in numbers)
    heads = [
        "all painted kinds asked away by", "PSNR in masks (dB)", "PSNR of the crop (dB)", "SSIM",
        *["perceptual distance"] * measured, "one kind asked: removed",
        "change in other kinds / in it (median)", *["average precision"] * detection,
    ]  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---'] * len(heads))} |"]
    for name, numbers in report.together.items():
        n = {key: float(np.mean([one[key] for one in numbers])) for key in numbers[0]}
        distance = f"{n['distance']:.4f}" if "distance" in n else "–"
        alone = by_kind(report.alone[name]) if name in report.alone else {}
        removed = np.mean([kind["removed"] for kind in alone.values()]) if alone else np.nan
        # The median: of a kind that a filter does not reach at all, the ratio has no meaning.
        spilt = np.median([kind["selectivity"] for kind in alone.values()]) if alone else np.nan
        cells = [
            name, f"{n['inside']:.1f}", f"{n['all']:.1f}", f"{n['ssim']:.4f}",
            *[distance] * measured,
            *([f"{removed:.0%}", f"{spilt:.2f}"] if alone else ["–", "–"]),
            *[_share(_overall(alone).get("precision")) for _ in range(detection)],
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def kept_table(report: Report) -> str:
    """One kind asked away among marks of another that shall stay; only ours can be told so."""
    lines = [
        f"| {ASKED} asked away by | faces | {ASKED} removed | {KEPT} changed, of their contrast |",
        "| --- | --- | --- | --- |",
    ]
    for name, numbers in report.kept.items():
        removed, changed = (np.mean([n[key] for n in numbers]) for key in ("removed", "changed"))
        lines.append(f"| {name} | {len(numbers)} | {removed:.0%} | {changed:.1%} |")
    return "\n".join(lines)


def restraint_lines(report: Report) -> str:
    """What is left alone, and whether more strength always means less of it."""
    unseen, plain, evened = np.nanmean(report.unpainted, axis=0)
    return (
        f"Clean skin of unpainted faces, every kind of mark asked away: changed by {unseen:.2f} of"
        f" 255 on average where neither colour nor the network sees a mark, by {plain:.2f} where"
        f" colour sees none; pores and uneven tone asked away: by {evened:.2f} there.\n"
        f"Severity never rises with strength (0, 0.25 … 1) on {np.mean(report.monotone):.0%} of"
        f" {len(report.monotone)} edits."
    )


def _overall(kinds: Numbers) -> dict[str, float]:
    """Mean over kinds, every kind with the same say."""
    names = {name for numbers in kinds.values() for name in numbers}
    return {name: _mean([n.get(name, np.nan) for n in kinds.values()]) for name in names}


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    faces: Annotated[int, typer.Option(help="held-out faces to paint")] = 60,
    features: Annotated[
        Path | None, typer.Option(help="SqueezeNet 1.1 features, for a perceptual distance")
    ] = None,
    others: Annotated[
        Path | None, typer.Option(help="run of `train compare`; its finished variants join in")
    ] = None,
    recognised: Annotated[
        Path, typer.Option("--identity", help="MobileFaceNet as ONNX, for likeness to oneself")
    ] = identity.WEIGHTS,
) -> None:
    """Print what goes and what stays, per kind, on held-out identities, and what is detected."""
    distance = perceptual(features) if features else None
    beside = dict(OTHERS)
    if others:
        from training.compare import finished  # which uses this module

        beside |= finished(others)
    report = evaluate(data, engine(), faces, beside, distance)
    tables = (kinds_table, tones_table, comparison_table, kept_table, restraint_lines)
    print(*(table(report) for table in tables), sep="\n\n")
    print("", identity.line(data, recognised), sep="\n")
    print("", pairs_table(data, engine()), "", detection.report(data, engine(), faces), sep="\n")


def perceptual(features: Path) -> Distance:
    """LPIPS's distance of two images by a SqueezeNet in a file."""
    import torch

    from training.perceptual import Features

    network = Features(features)

    def distance(image: np.ndarray, other: np.ndarray) -> float:
        pair = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in (image, other))
        with torch.inference_mode():
            return float(network.distance(*pair))

    return distance


if __name__ == "__main__":
    typer.run(main)
