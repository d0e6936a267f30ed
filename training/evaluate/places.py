"""`freckle evaluate places`: whether words for a place ("the spots left of my nose") find it.

The phrases of `places.json` are by an author who saw the contract alone, neither corpus nor parser.
Each is read by the parser that ships, and the place it is given is compared with the one that was
meant: as words, and as areas on faces of people whom no network saw.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from llm.parser import Parser, load_parser
from training.faces import rows, spread
from training.imperfections.render import base_of
from vision.regions import Regions
from vision.settings import Settings
from vision.vocabulary import Kind, Region, Side, expand_kind

FILE = Path(__file__).with_name("places.json")


@dataclass(frozen=True)
class Place:
    """Regions of a face, in no order, and a side of it."""

    where: frozenset[Region]
    side: Side | None

    def on(self, face: Regions) -> np.ndarray:
        """(512, 512) bool."""
        return np.max([face.mask(region, self.side) for region in self.where], axis=0) > 0.5


@dataclass(frozen=True)
class Phrase:
    """What somebody says, the kind and every place that can be meant by it."""

    text: str
    what: Kind
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Heard:
    """How one phrase was taken.

    Attributes:
        kind: whether the kind is right ("spots" may be any blemish).
        exact: whether regions and side are the ones meant.
        reached: share of the place meant that the place understood covers, mean over faces.
        overlap: intersection of the two over their union, mean over faces.
    """

    kind: bool
    exact: bool
    reached: float
    overlap: float


def phrases(file: Path = FILE) -> list[Phrase]:
    """The phrases of a file."""
    entries: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return [
        Phrase(
            entry["text"],
            entry["what"],
            tuple(
                Place(frozenset(one["where"]), one.get("side"))
                for one in (entry, *entry.get("or", ()))
            ),
        )
        for entry in entries
    ]


def hear(phrase: Phrase, parser: Parser, faces: Sequence[Regions]) -> Heard:
    """What the parser makes of a phrase; of places that can be meant, the one it is closest to."""
    commands = [command.to_json() for command in parser.parse(phrase.text).turn.commands]
    found = [one for one in commands if one["do"] == "reduce"]
    if not found:
        return Heard(False, False, 0.0, 0.0)
    kinds = {phrase.what, *expand_kind(phrase.what)}
    given = Place(frozenset(found[0]["where"]), found[0].get("side"))
    agreements = [_agreement(given, place, faces) for place in phrase.places]
    reached, overlap = max(agreements, key=lambda agreement: agreement[1])
    return Heard(found[0]["what"] in kinds, given in phrase.places, reached, overlap)


def _agreement(given: Place, meant: Place, faces: Sequence[Regions]) -> tuple[float, float]:
    """`reached` and `overlap` (see `Heard`) of two places, over the faces that show it."""
    numbers = []
    for face in faces:
        one, other = given.on(face), meant.on(face)
        if other.any():
            both = (one & other).sum()
            numbers.append((both / other.sum(), both / (one | other).sum()))
    return tuple(np.mean(numbers, axis=0).tolist()) if numbers else (0.0, 0.0)


def report(data: Path, faces: int, parser: Parser) -> str:
    """A table over all phrases, and a line for each whose place was not understood."""
    chosen = [row for row in rows(data, split="test") if row.path.parent.name == "faces"]
    shown = [base_of(row).regions for row in spread(chosen, faces)]
    heard = [(phrase, hear(phrase, parser, shown)) for phrase in phrases()]
    numbers = np.array([[h.kind, h.exact, h.reached, h.overlap] for _, h in heard], float)
    kind, exact, reached, overlap = numbers.mean(axis=0)
    lines = [
        "| phrases | kind right | regions and side right | place reached | overlap |",
        "| --- | --- | --- | --- | --- |",
        f"| {len(heard)} | {kind:.0%} | {exact:.0%} | {reached:.0%} | {overlap:.2f} |",
        "",
    ]
    lines += [f"- {p.text}: {h.reached:.0%} of the place reached" for p, h in heard if not h.exact]
    return "\n".join(lines)


def main(
    data: Annotated[Path, typer.Option(help="folder with manifest.csv and landmarks.npz")],
    faces: Annotated[int, typer.Option(help="held-out faces to compare places on")] = 8,
) -> None:
    """Print how places that are said in words are found."""
    print(report(data, faces, load_parser(Settings())))


if __name__ == "__main__":
    typer.run(main)
