"""`freckle chat`: the conversation in a terminal."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent

QUIT = {"/quit", "/exit", "/q"}


def converse(agent: RetouchAgent, photo: Path, user: str | None) -> None:
    """Talk about one photo until /quit or the end of input; "save" writes the result."""
    console = Console(highlight=False)
    session = agent.open(photo, user=user, save_to=free_output(photo))
    console.print("What would you like to change? (“save” writes the result, /quit leaves)")
    unsaved = False
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
        except FreckleError as error:
            console.print(Text(str(error), style="red"))
            continue
        except KeyboardInterrupt:
            console.print("Stopped.", style="yellow")
            continue
        unsaved = (unsaved or reply.changed) and reply.saved is None
        console.print(Text("freckle: ", style="bold").append(reply.text, style="not bold"))
        if reply.view is not None:
            console.print("(A terminal shows no pictures: “save” writes the result.)", style="dim")
    if unsaved:
        console.print("The last changes were not saved.", style="yellow")


def free_output(photo: Path) -> Path:
    """`PHOTO.retouched.EXT` beside the photo, or with the first number that is not taken."""
    from agent.session import default_output

    place = default_output(photo)
    numbered = (place.with_stem(f"{place.stem}-{number}") for number in count(2))
    return next(path for path in chain([place], numbered) if not path.exists())
