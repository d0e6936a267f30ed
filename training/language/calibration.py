"""Calibration of the parser's confidence: the temperature at which it is right as often as it says.

Measured on composed samples that training never draws (seeds below zero), so on people's own
sentences the confidence is somewhat too high.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import typer

from llm.embedded import EmbeddedParser
from llm.sequences import read
from training.evaluate.sentences import canonical
from training.language.corpus.samples import sample

TEMPERATURES = tuple(step / 10 for step in range(2, 41))


@dataclass(frozen=True)
class Outcome:
    """One validation sample: what the parser claimed at temperature 1, and whether it was right."""

    confidence: float
    right: bool


def outcomes(weights: Path, count: int) -> list[Outcome]:
    """Parse `count` held-out samples."""
    parser = EmbeddedParser.load(weights=weights)
    found = []
    for seed in range(-10_000_000, -10_000_000 + count):
        one = sample(seed)
        parsed = parser.parse(one.text, one.state)
        wanted = canonical(read(one.sequence, one.message, one.state), one.state)
        right = canonical(parsed.turn, one.state) == wanted
        found.append(Outcome(parsed.confidence, right))
    return found


def best_temperature(found: list[Outcome]) -> float:
    """The temperature with the least log loss of confidence ** (1 / temperature)."""

    def loss(temperature: float) -> float:
        total = 0.0
        for one in found:
            claimed = min(max(one.confidence, 1e-9) ** (1 / temperature), 1 - 1e-6)
            total -= math.log(claimed if one.right else 1 - claimed)
        return total

    return min(TEMPERATURES, key=loss)


def main(weights: Path, count: int = 500) -> None:
    """Write the temperature of the parser in WEIGHTS into its config.json."""
    file = weights / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"temperature": 1.0}, indent=2) + "\n")
    found = outcomes(weights, count)
    temperature = best_temperature(found)
    exact = sum(one.right for one in found) / count
    config |= {"temperature": temperature, "validation_exact": round(exact, 3)}
    file.write_text(json.dumps(config, indent=2) + "\n")
    print(f"validation exact {exact:.1%}, temperature {temperature}")


if __name__ == "__main__":
    typer.run(main)
