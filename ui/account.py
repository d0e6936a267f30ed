"""`freckle account`: who may log in to the chat page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Who may log in to the chat page.", add_completion=False, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """Who may log in to the chat page."""


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="for `freckle ui --auth FILE`")],
    user: Annotated[str, typer.Argument(metavar="USER")],
) -> None:
    """Let somebody log in to the chat page, or change their password.

    Asks for the password; without a terminal it is the first line of stdin.
    """
    from ui.web.accounts import add_account

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    changed = add_account(file, user, password)
    done = "has a new password" if changed else "may log in"
    print(f"{user} {done} once `freckle ui --auth {file}` is started again.")
