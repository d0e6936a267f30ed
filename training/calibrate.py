"""How sure the detector must be, chosen on validation faces once the network is trained.

Each painted kind is asked away alone; the gate with the least error that remains on the skin (in
and around the marks, and on clean skin alike) is stored with the weights.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from training.evaluate.vision import paint
from training.faces import rows
from training.imperfections import mixture
from training.imperfections.render import base_of
from vision.detector import Gate
from vision.engine import RetouchEngine
from vision.vocabulary import LEARNT_KINDS
from vision.weights_file import RETOUCH_FOLDER, save_gate

GRID = tuple(
    Gate(sharpness, doubt)
    for sharpness, doubt in product((1.0, 1.3, 1.7, 2.2), (-2.0, -1.2, -0.6, 0.0, 0.6))
)


def calibrate(data: Path, folder: Path, faces: int = 24, seed: int = 11) -> dict[Gate, float]:
    """Share of the painted error that remains on the skin, per gate, a mean over kinds and faces.

    Squared errors, in the geometric mean, so that faint and strong kinds count alike; below 1 the
    gate does more good than harm. The best gate is written into `folder`.
    """
    engine = RetouchEngine(folder)
    rng = np.random.default_rng(seed)
    remains: dict[Gate, list[float]] = {gate: [] for gate in GRID}
    held_out = [row for row in rows(data, split="val") if row.path.parent.name == "faces"]
    for row in held_out[:faces]:
        base = base_of(row)
        layers = [layer for layer in mixture(base, rng) if layer.density.any()]
        if not layers:
            continue
        truth = paint(base, layers)
        found = engine.detect(np.round(truth.painted * 255).astype(np.uint8), base.skin)
        shares = {g: g.owners(found.logits[None])[0].cpu().numpy() * base.skin for g in GRID}
        for kind, target in truth.without.items():
            channel = LEARNT_KINDS.index(kind)
            asked = np.zeros_like(found.owners)
            asked[channel] = found.owners[channel]
            change = engine.change(found, asked)
            wanted = target - truth.painted
            before = float((wanted**2).mean())
            if before < 1e-7:
                continue
            for gate, owners in shares.items():
                left = wanted - owners[channel][..., None] * change
                remains[gate].append(float((left**2).mean()) / before)
    scores = {g: float(np.exp(np.mean(np.log(r)))) for g, r in remains.items()}
    save_gate(min(scores, key=scores.__getitem__), folder)
    return scores


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    folder: Annotated[Path, typer.Option(help="weights to calibrate")] = RETOUCH_FOLDER,
    faces: Annotated[int, typer.Option(help="validation faces to paint")] = 24,
) -> None:
    """Choose the gate on validation faces and store it with the weights."""
    for gate, score in sorted(calibrate(data, folder, faces).items(), key=lambda item: item[1]):
        print(f"{score:.4f} of the error remains with {gate}")


if __name__ == "__main__":
    typer.run(main)
