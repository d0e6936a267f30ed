"""How sure the detector must be, how often it looks again and which words it believes, once the
network is trained.

On validation faces, each painted kind is asked away alone; the gate with the least error that
remains on the skin (in and around the marks, and on clean skin alike) is stored with the weights,
and the likeness from which the text tower's nearest kind can be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from training.evaluate.detection import NONE_SHARES, fit, own_phrases, read
from training.evaluate.removal import mixed_face
from training.faces import rows, spread
from training.imperfections.render import base_of, own_marks, seen
from vision.compose import CLOSED
from vision.detector import Gate
from vision.engine import RetouchEngine
from vision.errors import FreckleError
from vision.prompts import PHRASES, text_tower
from vision.vocabulary import NETWORK_KINDS, SKIN_KINDS
from vision.weights_file import RETOUCH_FOLDER, save_calibration

# Wider open than this, "found" would claim half a face for a sheen.
OPENNESS = (-0.5, 0.0, 0.5)
# What skin is like all over is on half a face.
SKIN_OPENNESS = (*OPENNESS, 1.0)
PASSES = 2
Choice = tuple[float, int]


def calibrate(
    data: Path,
    folder: Path,
    faces: int = 24,
    seed: int = 11,
    only: Sequence[str] = NETWORK_KINDS,
) -> dict[str, dict[Choice, float]]:
    """Share of the painted error that remains on the skin, per kind, openness and passes.

    Squared errors, in the geometric mean over faces, so that faint and strong marks count alike;
    below 1 the edit does more good than harm. The choice for each kind is written into `folder`;
    a kind that was on none of the faces, or is not among `only`, is missing from the scores, and
    keeps the gate it has.

    Raises:
        FreckleError: there are no validation faces in `data`.
    """
    engine = RetouchEngine(folder)
    earlier = _choices(engine.gate)
    rng = np.random.default_rng(seed)
    remains: dict[str, dict[Choice, list[float]]] = {
        kind: {choice: [] for choice in product(_openness(kind), range(1, PASSES + 1))}
        for kind in NETWORK_KINDS
    }
    held_out = [row for row in rows(data, split="val") if row.path.parent.name == "faces"]
    if not held_out:
        raise FreckleError(f"{data} holds no faces of the split val; give another --data DIR")
    for index, row in enumerate(spread(held_out, faces)):
        base, truth = mixed_face(base_of(row), index, rng)
        crop = truth.crop
        own = seen(engine, base) | own_marks(base)
        for kind, target in truth.without.items():
            if kind not in only:
                continue
            wanted = target - truth.painted
            # What the face brought along is rightly taken, too, but nobody knows what is below.
            judged = (~own | wanted.any(axis=2))[..., None]
            before = float((wanted**2).mean())
            if before < 1e-7:
                continue
            asked = (NETWORK_KINDS.index(kind),)
            for openness in _openness(kind):
                engine.gate = _gate({kind: (openness, 1)})
                found = engine.detect(crop, base.surfaces)
                steps = engine.heal_in_passes(crop, base.surfaces, found, asked, (PASSES,))
                for passes, healing in enumerate(steps, start=1):
                    written = healing.gates[0, ..., None] > CLOSED
                    left = judged * (wanted - written * healing.changes[0])
                    remains[kind][openness, passes].append(float((left**2).mean()) / before)
    scores = {
        kind: {choice: float(np.exp(np.mean(np.log(r)))) for choice, r in by_choice.items() if r}
        for kind, by_choice in remains.items()
    }
    scores = {kind: one for kind, one in scores.items() if one}
    gate = _gate(earlier | {kind: _plainest(one) for kind, one in scores.items()})
    save_calibration(gate, least_likeness(engine.tower), folder)
    return scores


def least_likeness(tower: str) -> float:
    """The likeness (`vision.prompts.understood`) from which a text tower's nearest kind is right as
    often as `detection.SURE`; towers differ in what they call alike."""
    some = {**PHRASES, "none": own_phrases()["calibration_none"]}
    known = read(some, text_tower(tower))
    return float(np.clip(fit(known, NONE_SHARES[0])["least"], 0, 1))


def _openness(kind: str) -> tuple[float, ...]:
    return SKIN_OPENNESS if kind in SKIN_KINDS else OPENNESS


def _gate(chosen: dict[str, Choice]) -> Gate:
    """A gate with these choices, and as trained for all other kinds."""
    openness, passes = zip(*(chosen.get(kind, (0.0, 1)) for kind in NETWORK_KINDS), strict=True)
    return Gate(openness, passes)


def _choices(gate: Gate) -> dict[str, Choice]:
    """What a gate says of each kind."""
    if not gate.openness:
        return {}
    return dict(zip(NETWORK_KINDS, zip(gate.openness, gate.passes, strict=True), strict=True))


def _plainest(scores: dict[Choice, float]) -> Choice:
    """Of the choices within a twentieth of the least error the one nearest to what was trained: the
    fewest passes, which take time, then the smallest shift. (Chosen bolder, gates spoilt other
    faces: on 14 of them dark circles lost 24 % and not 50, and clean skin changed half as much
    again.)"""
    least = min(scores.values())
    good = [choice for choice, score in scores.items() if score <= 1.05 * least]
    return min(good, key=lambda choice: (choice[1], abs(choice[0])))


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    folder: Annotated[Path, typer.Option(help="weights to calibrate")] = RETOUCH_FOLDER,
    faces: Annotated[int, typer.Option(help="validation faces to paint")] = 24,
    only: Annotated[list[str] | None, typer.Option(help="kinds to choose for, all without")] = None,
) -> None:
    """Choose the gate on validation faces and store it with the weights."""
    wanted = only or list(NETWORK_KINDS)
    if unknown := set(wanted) - set(NETWORK_KINDS):
        raise FreckleError(
            f"there is no kind {unknown.pop()}: choose of {', '.join(NETWORK_KINDS)}"
        )
    chosen = calibrate(data, folder, faces, only=wanted)
    for kind, scores in chosen.items():
        print(kind, ", ".join(f"{o:+.1f} x{n}: {score:.3f}" for (o, n), score in scores.items()))
    if unseen := set(wanted) - set(chosen):
        print(f"on none of the faces, and left as they were: {', '.join(sorted(unseen))}")


if __name__ == "__main__":
    typer.run(main)
