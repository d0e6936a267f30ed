"""What a failure means to whoever made the call."""

from __future__ import annotations

import typer

from vision.errors import FreckleError, NothingToDo


def verdict(error: BaseException) -> tuple[int, str]:
    """The exit code of a failure, and what to say about it."""
    match error:
        case NothingToDo():
            return 3, str(error)
        case FreckleError():
            return 2, str(error)
        case typer.TyperException():
            return 2, f"{error.format_message()} (see --help)"
        case typer.Abort() | KeyboardInterrupt():
            return 130, "stopped"
        case _:
            return 1, f"internal error: {type(error).__name__}: {error}"
