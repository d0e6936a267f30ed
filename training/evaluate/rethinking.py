"""`freckle evaluate rethinking`: whether what was asked is what is reached, on real photos.

Every kind that the detector finds on a photo is asked for alone at several strengths, and its
reduction measured after the first try and after second thoughts (`agent.rethink`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from agent.desk import Desk
from agent.rethink import TOLERANCE
from agent.studio import LocalStudio
from training.faces import FaceRow, rows
from vision.photo import load
from vision.plan import Edit, Plan
from vision.vocabulary import LEARNT_KINDS, default_region

STRENGTHS = (0.3, 0.5, 0.8, 1.0)
# Less of a face than this (share of its area) is no finding that anybody would ask about.
_SHOWS = 0.002


@dataclass(frozen=True)
class Attempt:
    """One edit: what was asked, and the reduction reached at first and in the end, 0..1."""

    kind: str
    asked: float
    first: float
    final: float


def attempts(chosen: list[FaceRow]) -> list[Attempt]:
    """Every kind found on these photos, at every strength, each on a desk without experience."""
    studio, made = LocalStudio(), []
    for row in chosen:
        photo = load(row.path)
        seen = Desk(photo, studio)
        for kind in LEARNT_KINDS if seen.faces else ():
            where = (default_region(kind),)
            if seen.found(Edit(kind, where, 1.0)) < _SHOWS:
                continue
            for strength in STRENGTHS:
                plan = Plan((Edit(kind, where, strength),))
                first = studio.measure(seen.analysis, plan, studio.render(seen.analysis, plan))
                desk = Desk(photo, studio)
                desk.analysis = seen.analysis
                final = desk.result(plan).measurement
                reached = (m.edits[0].reduction for m in (first, final))
                made.append(Attempt(kind, strength, *reached))
    return made


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    photos: Annotated[int, typer.Option(help="photos to measure")] = 24,
) -> None:
    """Share of edits that reach what was asked, before and after second thoughts."""
    chosen = rows(data, use="evaluate", split="test", kind="imperfection")
    made = attempts(chosen[:: max(1, len(chosen) // photos)][:photos])
    print("| asked | edits | reached at first (median) | within 0.1 | in the end | within 0.1 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for asked in (*STRENGTHS, None):
        group = [one for one in made if asked in (None, one.asked)]
        first, final = (np.array([getattr(o, n) for o in group]) for n in ("first", "final"))
        wanted = np.array([one.asked for one in group])
        near = [f"{np.mean(np.abs(wanted - x) <= TOLERANCE):.0%}" for x in (first, final)]
        medians = [f"{np.median(x):.2f}" if asked else "" for x in (first, final)]
        print(
            f"| {asked or 'all'} | {len(group)} | {medians[0]} | {near[0]} | {medians[1]} |"
            f" {near[1]} |"
        )
    for kind in LEARNT_KINDS:
        ended = [o for o in made if o.kind == kind]
        if ended:
            near = np.mean([abs(o.asked - o.final) <= TOLERANCE for o in ended])
            print(f"{kind}: {near:.0%} of {len(ended)} within 0.1")


if __name__ == "__main__":
    typer.run(main)
