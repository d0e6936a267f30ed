"""`freckle chat`: the conversation in a terminal."""

from __future__ import annotations

import io
import logging
import sys
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ui.verdict import verdict
from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent

log = logging.getLogger(__name__)

QUIT = {"/quit", "/exit", "/q"}


def converse(agent: RetouchAgent, photo: Path, user: str | None) -> None:
    """Talk about one photo until /quit or the end of input; "save" writes the result."""
    console = Console(highlight=False)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a byte that is no text ends no conversation
    session = agent.open(photo, user=user, save_to=free_output(photo))
    console.print("What would you like to change? (“save” writes the result, /quit leaves)")
    while True:
        try:
            message = console.input("[bold]you:[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            break
        if message in QUIT:
            break
        if not message:
            continue
        try:
            reply = session.say(message)
        except KeyboardInterrupt:
            console.print("Stopped.", style="yellow")
            continue
        except Exception as error:  # a mistake of ours must not cost what was done before
            if not isinstance(error, FreckleError):
                log.exception("a message could not be obeyed")
            console.print(Text(verdict(error)[1], style="red"))
            continue
        console.print(Text("freckle: ", style="bold").append(reply.text, style="not bold"))
        if reply.view is not None:
            console.print("(A terminal shows no pictures: “save” writes the result.)", style="dim")
    if session.unsaved:
        console.print("The last changes were not saved.", style="yellow")


def free_output(photo: Path) -> Path:
    """`PHOTO.retouched.EXT` beside the photo, or with the first number that is not taken."""
    from agent.session import default_output

    place = default_output(photo)
    numbered = (place.with_stem(f"{place.stem}-{number}") for number in count(2))
    return next(path for path in chain([place], numbered) if not path.exists())
