"""What a turn is busy with, told while it runs, and how it is stopped half-way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from vision.errors import FreckleError

Stage = Literal["reading", "finding", "retouching", "checking"]
# Called when a stage begins, in the thread of the turn; may raise `Stopped`.
Watch = Callable[[Stage], None]


class Stopped(FreckleError):
    """The user stopped the turn: nothing of it happened."""

    def __init__(self) -> None:
        super().__init__("Stopped: the photo is as it was.")


def unwatched(stage: Stage) -> None:
    """Nobody looks."""
