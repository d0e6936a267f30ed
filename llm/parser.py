"""The seam between words and commands: whatever turns a message into a `Turn` is a `Parser`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from llm.commands import State, Turn


@dataclass(frozen=True)
class Parsed:
    """What one message means, and how sure the parser is (0..1)."""

    turn: Turn
    confidence: float


class Parser(Protocol):
    def parse(self, text: str, state: State | None = None) -> Parsed:
        """Understand one message, said in the conversation that `state` sums up."""
        ...
