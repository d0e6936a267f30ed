"""`freckle evaluate language`: parsers side by side, as a Markdown table, and what breaks them.

Every parser runs in a process of its own, so that its memory and the time that it takes to load
are its own. What the columns mean is told in training.evaluate.scores.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from llm.commands import Chat, State, Turn
from llm.parser import Parsed, Parser
from training.evaluate.scores import Result, Score, evaluate, seconds_of_long_messages
from training.evaluate.sentences import Case, load_cases
from vision.errors import FreckleError
from vision.settings import Settings

COLUMNS = (
    "parser", "sentences", "n", "exact", "F1", "where", "side", "strength", "unasked", "acted on",
    "asks", "ECE", "sure if right", "if wrong", "ms p50", "p95", "60 words p50", "p95", "load s",
    "MiB",
)  # fmt: skip


def embedded(weights: str | None = None) -> Parser:
    """The embedded parser, with the weights that ship or those in a folder."""
    from llm.embedded import WEIGHTS, EmbeddedParser

    return EmbeddedParser.load(weights=Path(weights) if weights else WEIGHTS)


def keywords() -> Parser:
    """The rules that need no model."""
    from training.evaluate.keywords import KeywordParser

    return KeywordParser()


class Alone:
    """A chat model without the embedded one behind it: where it fails, it asks for nothing."""

    def __init__(self, model: str):
        from llm.chat_parser import chat_parser

        self._parser = chat_parser(Settings(model=model))

    def parse(self, text: str, state: State | None = None) -> Parsed:
        from llm.chat_parser import ModelFailure

        try:
            return self._parser.parse(text, state)
        except ModelFailure:
            return Parsed(Turn(commands=[Chat()]), 0.0)


@dataclass(frozen=True)
class Entry:
    """One parser to measure: its name in the table, what makes it, the module that imports all."""

    name: str
    load: Callable[[], Parser]
    module: str = "llm.embedded"


@dataclass
class Measured:
    """What one parser did: scores of every file, seconds for long messages, seconds of loading
    (imports apart), MiB of resident memory when all was done."""

    name: str
    results: dict[Path, Result]
    long: list[float]
    load: float
    memory: float


def measure(entry: Entry, files: list[Path]) -> Measured:
    """Load a parser, let it parse all files. For a process of its own."""
    importlib.import_module(entry.module)
    start = time.perf_counter()
    parser = entry.load()
    load = time.perf_counter() - start
    cases = {file: load_cases(file) for file in files}
    for case in cases[files[0]][:3]:
        parser.parse(case.text, case.state)  # the first ones pay for what is made once
    results = {file: evaluate(parser, cases[file]) for file in files}
    long = seconds_of_long_messages(parser, cases[files[0]])
    return Measured(entry.name, results, long, load, _resident())


def _resident() -> float:
    """MiB that this process holds now."""
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def compare(entries: list[Entry], files: list[Path]) -> Iterator[Measured]:
    """Measure parsers one after the other, each in a fresh process."""
    for entry in entries:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield pool.submit(measure, entry, files).result()


def table(measured: list[Measured], file: Path) -> str:
    """All parsers on one file as Markdown: in total, then by category and number of commands."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    for one in measured:
        result = one.results[file]
        speed = [*_milliseconds(one.long), f"{one.load:.1f}", f"{one.memory:.0f}"]
        lines.append(_row(f"**{one.name}**", "**all**", result.total, speed))
        lines += [_row("", name, score, [""] * 4) for name, score in sorted(result.groups.items())]
    return "\n".join(lines)


def _row(parser: str, sentences: str, score: Score, speed: list[str]) -> str:
    shares = [score.accuracy, score.f1, *map(score.share, ("where", "side", "strength"))]
    claims = [score.ece, score.confidence(True), score.confidence(False)]
    cells = [
        *(parser, sentences, str(score.cases)),
        *(_number(share, ".1%") for share in (*shares, score.overreach, score.acted_on)),
        _number(score.doubts / score.cases, ".1%"),
        *(_number(claim, ".2f") for claim in claims),
        *_milliseconds(score.seconds),
        *speed,
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form).replace("%", " %")


def _milliseconds(seconds: list[float]) -> list[str]:
    return [f"{1000 * value:.0f}" for value in np.percentile(seconds, (50, 95))]


Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="test sentences")]


def main(
    files: Files = None,
    failures: Annotated[bool, typer.Option("--failures", help="list what went wrong")] = False,
    without_lora: Annotated[
        Path | None, typer.Option(help="weights of `freckle train language --encoder frozen`")
    ] = None,
    from_scratch: Annotated[
        Path | None, typer.Option(help="weights of `freckle train language --encoder scratch`")
    ] = None,
    weights: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="other weights of the embedded one")
    ] = None,
    baseline: Annotated[bool, typer.Option(help="the row of the keyword rules")] = True,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="any other: a folder, a hub id or NAME@URL"),
    ] = None,
    fuzz: Annotated[int, typer.Option(help="try so many inputs that nobody should send")] = 0,
    seed: Annotated[int, typer.Option(help="of --fuzz")] = 0,
    foreign: Annotated[
        Path | None, typer.Option(metavar="FILE", help="messages in other languages, JSON lines")
    ] = None,
    composed: Annotated[int, typer.Option(help="English samples that --foreign tries")] = 2000,
) -> None:
    """Compare parsers on FILES of sentences; --fuzz and --foreign try the shipped one on others."""
    if not (files or fuzz or foreign):
        raise FreckleError("name FILES of sentences, or --fuzz NUMBER, or --foreign FILE")
    if files:
        ablations = {"without LoRA": without_lora, "without pretrained encoder": from_scratch}
        others = ablations | {f"embedded, {folder}": folder for folder in weights or []}
        _compare(files, _entries(others, baseline, model or []), failures)
    if foreign:
        from training.evaluate.foreign import report

        print(report(foreign, composed))
    if fuzz:
        _fuzz(fuzz, seed)


def _entries(others: dict[str, Path | None], baseline: bool, models: list[str]) -> list[Entry]:
    return [
        Entry("embedded", embedded),
        *(
            Entry(name, partial(embedded, str(folder)))
            for name, folder in others.items()
            if folder is not None
        ),
        *([Entry("keyword rules", keywords, "training.evaluate.keywords")] if baseline else []),
        *(Entry(name, partial(Alone, name), "llm.chat_parser") for name in models),
    ]


def _compare(files: list[Path], entries: list[Entry], failures: bool) -> None:
    measured = list(compare(entries, files))
    for file in files:
        print(f"### {file.name}\n\n{table(measured, file)}\n")
        for one in measured if failures else []:
            for case, turn in one.results[file].failures:
                _print_failure(one.name, case, turn)


def _print_failure(name: str, case: Case, turn: Turn) -> None:
    print(f"\n{name}: {case.name} [{case.category}] {case.text!r}")
    if case.state is not None:
        print(f"  state  {case.state.to_json()}")
    print(f"  wanted {case.answers[0].to_json()['commands']}")
    print(f"  given  {turn.to_json()['commands']}")


def _fuzz(count: int, seed: int) -> None:
    """Raises FreckleError where an input broke the parser."""
    from training.evaluate.fuzz import fuzz

    found = fuzz(embedded(), count, seed)
    print(found.table())
    for name, text, error in found.broken:
        print(f"{name}: {text!r}\n  {error}")
    if found.broken:
        raise FreckleError(f"{len(found.broken)} of {count} inputs broke the parser")


if __name__ == "__main__":
    typer.run(main)
