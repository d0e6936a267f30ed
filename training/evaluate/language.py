"""How well the parser understands people: exact match and command F1 on files of test sentences.

A line of a file is {"id", "category", "text", "state"?, "commands": [...]}, or "accept": a list of
alternative right answers. Commands are compared as commands.md means them: fields that say nothing
are left out, the order of regions and the words quoted do not matter (`other` and `unsupported`
must quote something), and feedback on "last" equals feedback on the edit that was made last.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from llm.commands import State, Turn
from llm.grammar import find_edit
from llm.parser import Parser

Canonical = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Case:
    """One sentence and every right answer to it."""

    name: str
    category: str
    text: str
    state: State | None
    answers: tuple[Turn, ...]


@dataclass
class Score:
    """Counts over some cases; `right`, `given` and `wanted` count commands."""

    cases: int = 0
    exact: int = 0
    right: int = 0
    given: int = 0
    wanted: int = 0

    def add(self, given: list[Canonical], wanted: list[Canonical]) -> None:
        self.cases += 1
        self.exact += given == wanted
        self.right += sum((Counter(given) & Counter(wanted)).values())
        self.given += len(given)
        self.wanted += len(wanted)

    @property
    def accuracy(self) -> float:
        return self.exact / self.cases

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.given + self.wanted)


@dataclass
class Result:
    """Scores of all cases, by category and by number of commands; the cases that failed."""

    total: Score = field(default_factory=Score)
    groups: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    failures: list[tuple[Case, Turn]] = field(default_factory=list)
    confidence: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})


def load_cases(file: Path) -> list[Case]:
    """Read test sentences. Raises pydantic's ValidationError for an answer outside the contract."""
    cases = []
    for line in file.read_text().splitlines():
        row = json.loads(line)
        answers = tuple(Turn(commands=one) for one in row.get("accept") or [row["commands"]])
        state = State(**row["state"]) if row.get("state") else None
        cases.append(Case(str(row["id"]), row["category"], row["text"], state, answers))
    return cases


def canonical(turn: Turn, state: State | None) -> list[Canonical]:
    """Commands in a form that is equal for turns that mean the same."""
    return [_canonical(command.to_json(), state or State()) for command in turn.commands]


def _canonical(command: dict[str, Any], state: State) -> Canonical:
    if command["do"] in ("adjust", "restore"):
        command = _resolved(command, state)
    phrase = command.pop("phrase", None)
    if command["do"] == "unsupported" or command.get("what") == "other":
        command["quotes"] = bool(phrase)
    if "where" in command:
        command["where"] = tuple(sorted(command["where"]))
    for name in ("strength", "delta", "amount"):
        if name in command:
            command[name] = round(command[name], 3)
    return tuple(sorted(command.items()))


def _resolved(command: dict[str, Any], state: State) -> dict[str, Any]:
    """Feedback with "last" (or "everything", of a single edit) named, and its place filled in."""
    everything = command["what"] == "everything" and len(state.edits) == 1
    edit = find_edit(state, "last" if everything else command["what"])
    if edit is None or command["what"] not in ("last", "everything"):
        return command
    place: dict[str, Any] = {}
    if command["where"] == ["face"]:
        place = {"where": edit.where, "side": edit.side, "who": edit.who}
    spoken = {name: command[name] for name in ("side", "who") if name in command}
    place = {name: value for name, value in (place | spoken).items() if value is not None}
    return command | place | {"what": edit.what}


def evaluate(parser: Parser, cases: Iterable[Case]) -> Result:
    """Parse every case; the answer that fits best counts."""
    result = Result()
    for case in cases:
        parsed = parser.parse(case.text, case.state)
        given = canonical(parsed.turn, case.state)
        wanted = max(
            (canonical(answer, case.state) for answer in case.answers),
            key=lambda answer: (answer == given, _common(answer, given)),
        )
        count = min(len(wanted), 3)
        for score in (
            result.total,
            result.groups[case.category],
            result.groups[f"{count}{'+' if count == 3 else ''} commands"],
        ):
            score.add(given, wanted)
        result.confidence[given == wanted].append(parsed.confidence)
        if given != wanted:
            result.failures.append((case, parsed.turn))
    return result


def _common(one: list[Canonical], other: list[Canonical]) -> float:
    return 2 * sum((Counter(one) & Counter(other)).values()) / (len(one) + len(other))


def main(files: list[Path], failures: bool = False) -> None:
    """Print scores of the shipped parser on FILES; --failures lists what went wrong."""
    from llm.embedded import EmbeddedParser

    parser = EmbeddedParser.load()
    for file in files:
        result = evaluate(parser, load_cases(file))
        print(f"{file.name}")
        for name, score in [("all", result.total), *sorted(result.groups.items())]:
            shares = f"exact {score.accuracy:5.1%}  F1 {score.f1:5.1%}"
            print(f"  {name:20} {score.exact:3}/{score.cases:3} {shares}")
        for right, values in result.confidence.items():
            mean = sum(values) / max(1, len(values))
            print(f"  mean confidence where {'right' if right else 'wrong'}: {mean:.2f}")
        if failures:
            for case, turn in result.failures:
                _print_failure(case, turn)


def _print_failure(case: Case, turn: Turn) -> None:
    print(f"\n{case.name} [{case.category}] {case.text!r}")
    if case.state is not None:
        print(f"  state  {case.state.to_json()}")
    print(f"  wanted {case.answers[0].to_json()['commands']}")
    print(f"  given  {turn.to_json()['commands']}")


if __name__ == "__main__":
    typer.run(main)
