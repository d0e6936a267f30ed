"""`freckle memory`: what is remembered about a user, and its removal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ui.loading import load_memory
from ui.training_runs import PLAIN
from vision.errors import FreckleError, NothingToDo
from vision.vocabulary import KINDS, TONE_ATTRIBUTES

if TYPE_CHECKING:
    from memory.preferences import What

app = typer.Typer(help="What is remembered about a user and why, and its removal.", **PLAIN)

Owner = Annotated[str, typer.Option("--user", metavar="NAME", help="whose memory")]


@app.command("show")
def show_memory(
    user: Owner,
    what: Annotated[
        str | None, typer.Option(metavar="KIND", help="every event of one kind, or of everything")
    ] = None,
) -> None:
    """What is remembered about a user, and why."""
    from ui.remembered import describe, list_events

    preferences = load_memory()
    if preferences.paused(user):
        print(f"The memory of {user} is paused: nothing is learnt or used.")
    if what is None:
        lines = describe(user, preferences.show(user))
    else:
        lines = list_events(user, preferences.why(user, known_kind(what)))
    for line in lines:
        print(line)
    if what is None and (kept := preferences.messages(user)):
        print(f"Kept, too: {kept} messages of chats; they go with everything else.")


@app.command("edit")
def edit_memory(
    user: Owner,
    what: Annotated[str, typer.Option(metavar="KIND", help="what it is about")],
    strength: Annotated[float | None, typer.Option(min=0, max=1, help="from now on")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="from now on never touch it")] = False,
    where: Annotated[str | None, typer.Option(metavar="REGION", help="default: the usual")] = None,
) -> None:
    """Put one rule in place of what is remembered of a kind at a place."""
    from ui.remembered import rule

    count = load_memory().edit(user, rule(what, where, strength, keep))
    print(f"One rule replaces {count} observations about {user}.")


@app.command("pause")
def pause_memory(user: Owner) -> None:
    """Learn and use nothing about a user until `resume`; nothing is deleted."""
    load_memory().pause(user)
    print(f"The memory of {user} is paused.")


@app.command("resume")
def resume_memory(user: Owner) -> None:
    """Learn and use what is remembered about a user again."""
    load_memory().resume(user)
    print(f"The memory of {user} is in use.")


@app.command("export")
def export_memory(
    user: Owner,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="OUT")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a file")] = False,
) -> None:
    """What is remembered about a user, as JSON (on stdout unless OUT is named)."""
    from ui.files import to_json
    from ui.outputs import write_file

    text = to_json(load_memory().export(user))
    if out is None:
        print(text.decode(), end="")
    else:
        write_file(out, text, overwrite=overwrite)


@app.command("import")
def import_memory(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what `export` wrote")],
    user: Owner,
) -> None:
    """Add what `export` wrote to a user's memory."""
    from memory.preferences import PreferenceError
    from ui.messages import read_json

    try:
        count = load_memory().import_(user, read_json(file))
    except PreferenceError as error:
        raise FreckleError(f"{file} cannot be imported: {error}") from error
    print(f"Added {count} observations to what is remembered about {user}.")


@app.command("forget")
def forget_memory(
    user: Owner,
    what: Annotated[str, typer.Option(metavar="KIND", help="one kind alone")] = "everything",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Delete what is remembered about a user, for good."""
    kind = known_kind(what)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise FreckleError("forget cannot ask without a terminal: add --yes if you are sure")
        if not typer.confirm(f"Forget {what} about {user} for good?"):
            raise NothingToDo("Nothing was forgotten.")
    preferences = load_memory()
    paused, kept = preferences.paused(user), preferences.messages(user)
    gone = preferences.forget(user, kind)
    print(f"Forgot {gone} observations about {user}.")
    if kept:
        left = "went with them" if kind == "everything" else "stay: only everything takes them away"
        print(f"{kept} messages of chats {left}.")
    if paused and kind == "everything":
        print("The pause is forgotten, too: the memory is in use again.")


def known_kind(what: str) -> What:
    """The kind of that name; any other name is an error of the call."""
    known = (*KINDS, *TONE_ATTRIBUTES, "everything")
    if what not in known:
        raise FreckleError(f"--what {what} is not one of {', '.join(known[:-1])} or everything")
    return cast("What", what)
