"""Undo, redo and reset: a walk over immutable states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.state import Conversation


@dataclass(frozen=True)
class History:
    """All states so far, and where we are among them."""

    states: tuple[Conversation, ...]
    at: int = 0

    @property
    def present(self) -> Conversation:
        return self.states[self.at]

    def then(self, state: Conversation) -> History:
        """The history with a new state; one that changes nothing makes none."""
        if state == self.present:
            return self
        return History((*self.states[: self.at + 1], state), self.at + 1)

    def walk(self, steps: int) -> History:
        """Back (negative) or forth, as far as there are states."""
        return History(self.states, min(max(self.at + steps, 0), len(self.states) - 1))

    def map(self, change: Callable[[Conversation], Conversation]) -> History:
        """Every state changed alike."""
        return History(tuple(change(state) for state in self.states), self.at)
