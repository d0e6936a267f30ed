"""How sure the detector must be, chosen on validation faces once the network is trained.

Each painted kind is asked away alone; the gate with the least error that remains on the skin (in
and around the marks, and on clean skin alike) is stored with the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from training.evaluate.vision import paint
from training.faces import rows
from training.imperfections import mixture, painters
from training.imperfections.render import base_of
from vision.detector import Gate
from vision.engine import RetouchEngine
from vision.vocabulary import LEARNT_KINDS
from vision.weights_file import RETOUCH_FOLDER, save_gate

# Wider open than this, "found" would claim half a face for a sheen.
GRID = (-1.0, -0.5, 0.0, 0.5, 1.0)


def calibrate(
    data: Path, folder: Path, faces: int = 24, seed: int = 11
) -> dict[str, dict[float, float]]:
    """Share of the painted error that remains on the skin, per kind and openness.

    Squared errors, in the geometric mean over faces, so that faint and strong marks count alike;
    below 1 the gate does more good than harm. The choice for each kind is written into `folder`.
    """
    save_gate(Gate(), folder)
    engine = RetouchEngine(folder)
    rng = np.random.default_rng(seed)
    remains: dict[str, dict[float, list[float]]] = {k: {o: [] for o in GRID} for k in LEARNT_KINDS}
    held_out = [row for row in rows(data, split="val") if row.path.parent.name == "faces"]
    for index, row in enumerate(held_out[:faces]):
        base = base_of(row)
        layers = [layer for layer in mixture(base, rng) if layer.density.any()]
        for lead in (LEARNT_KINDS[index % 8], LEARNT_KINDS[(index + 3) % 8]):
            if lead not in {layer.kind for layer in layers}:
                layers.append(painters[lead](base, rng, float(rng.uniform(0.2, 1.0))))
        truth = paint(base, layers)
        found = engine.detect(np.round(truth.painted * 255).astype(np.uint8), base.skin)
        for kind, target in truth.without.items():
            wanted = target - truth.painted
            before = float((wanted**2).mean())
            if before < 1e-7:
                continue
            channel = LEARNT_KINDS.index(kind)
            asked = np.zeros_like(found.owners)
            asked[channel] = found.owners[channel]
            change = engine.change(found, asked)
            for openness in GRID:
                gate = Gate(tuple(openness * (k == kind) for k in LEARNT_KINDS))
                share = gate.owners(found.logits[None])[0, channel].cpu().numpy() * base.skin
                left = wanted - share[..., None] * change
                remains[kind][openness].append(float((left**2).mean()) / before)
    scores = {
        kind: {o: float(np.exp(np.mean(np.log(r)))) for o, r in by_openness.items() if r}
        for kind, by_openness in remains.items()
    }
    save_gate(Gate(tuple(_most_open(one) for one in scores.values())), folder)
    return scores


def _most_open(scores: dict[float, float]) -> float:
    """The most open gate within 5 % of the least error: who asks wants to see it done."""
    return max(o for o, score in scores.items() if score <= 1.05 * min(scores.values()))


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    folder: Annotated[Path, typer.Option(help="weights to calibrate")] = RETOUCH_FOLDER,
    faces: Annotated[int, typer.Option(help="validation faces to paint")] = 24,
) -> None:
    """Choose the gate on validation faces and store it with the weights."""
    for kind, scores in calibrate(data, folder, faces).items():
        print(kind, ", ".join(f"{o:+.1f}: {score:.3f}" for o, score in scores.items()))


if __name__ == "__main__":
    typer.run(main)
