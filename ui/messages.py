"""`freckle parse`: what a message, or a file of messages, means as commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from llm.commands import State, Turn
from vision.errors import FreckleError

if TYPE_CHECKING:
    from llm.parser import Parsed, Parser


class Line(BaseModel):
    """One line of `--jsonl`; fields that are not named here are passed over."""

    id: Any
    text: str
    state: State | None = None


def read_text(path: Path) -> str:
    """The text of a file that somebody named.

    Raises:
        FreckleError: it is not there or not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise FreckleError(f"{path} is not a text file (UTF-8)") from None
    except OSError as error:
        raise FreckleError(f"cannot read {path}: {error.strerror}") from None


def read_json(path: Path) -> Any:
    """The JSON of a file that somebody named."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FreckleError(f"{path} is not JSON (line {error.lineno}: {error.msg})") from None
    except RecursionError:
        raise FreckleError(f"{path} is no file of ours: its JSON is too deeply nested") from None


def read_state(path: Path) -> State:
    """The state of a conversation from a JSON file (commands.md, "state")."""
    try:
        return State.model_validate_json(read_text(path))
    except ValidationError as error:
        raise FreckleError(f"{path} is not a conversation state: {explain(error)}") from None


def read_lines(path: Path) -> list[Line]:
    """All messages of a JSONL file; empty lines are passed over.

    Raises:
        FreckleError: a line is not a message; says which one.
    """
    lines = []
    for number, text in enumerate(read_text(path).split("\n"), start=1):
        if text.strip():
            try:
                lines.append(Line.model_validate_json(text))
            except ValidationError as error:
                raise FreckleError(f"{path}, line {number}: {explain(error)}") from None
    return lines


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, and where, on one line."""
    first = error.errors()[0]
    spot = ".".join(str(part) for part in first["loc"])
    return f"{spot}: {first['msg']}" if spot else first["msg"]


def parse(parser: Parser, text: str, state: State | None) -> Parsed:
    """Understand a message; that another parser had to answer is told on stderr."""
    parsed = parser.parse(text, state)
    if parsed.trouble is not None:
        print(f"freckle: read by the built-in model, since {parsed.trouble}", file=sys.stderr)
    return parsed


def understand(parser: Parser, text: str, state: State | None) -> Turn:
    """What a message means."""
    return parse(parser, text, state).turn


def turn_line(turn: Turn) -> str:
    """A turn as one line of JSON."""
    return json.dumps(turn.to_json())


def answer_lines(parser: Parser, lines: list[Line]) -> Iterator[str]:
    """One line of JSON for each message, in order; a message that is refused has an "error".

    Raises:
        FreckleError: after the last line, if any was refused.
    """
    refused = 0
    for line in lines:
        try:
            answer = understand(parser, line.text, line.state).to_json()
        except FreckleError as error:
            answer = {"error": str(error)}
            refused += 1
        yield json.dumps({"id": line.id, **answer})
    if refused:
        raise FreckleError(f'{refused} of {len(lines)} messages were refused: see their "error"')
