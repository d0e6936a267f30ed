"""Files of test sentences, and when two turns mean the same.

A line of a file is {"id", "category", "text", "state"?, "commands": [...]}, or "accept": a list of
alternative right answers. Commands are compared as commands.md means them: fields that say nothing
are left out, the order of regions and the words quoted do not matter (`other` and `unsupported`
must quote something), and feedback on "last" equals feedback on the edit that was made last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm.commands import State, Turn
from llm.grammar import find_edit
from vision.errors import FreckleError

Canonical = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Case:
    """One sentence and every right answer to it."""

    name: str
    category: str
    text: str
    state: State | None
    answers: tuple[Turn, ...]


def load_cases(file: Path) -> list[Case]:
    """Read test sentences. Raises FreckleError where there is no such file, pydantic's
    ValidationError for an answer outside the contract."""
    cases = []
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FreckleError(f"{file} cannot be read ({error}); name a file of sentences") from error
    for line in lines:
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
