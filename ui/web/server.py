"""`freckle ui`: serve the chat page, on this machine alone unless it is shared.

Shared means: reachable from the local network, behind a password. No relay of somebody else's is
ever used, so photos stay on this machine and the network it is in.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent

MAX_UPLOAD = "500mb"
SHARED_USER = "guest"


def read_passwords(path: Path) -> list[tuple[str, str]]:
    """Pairs of user and password from a file of `user:password` lines.

    Raises:
        FreckleError: the file cannot be read or a line is something else; no password is shown.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FreckleError(f"cannot read the passwords in {path}: {error}") from None
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, password = line.strip().partition(":")
        if not user or not password:
            raise FreckleError(f"{path}, line {number}: write user:password")
        pairs.append((user, password))
    if not pairs:
        raise FreckleError(f"{path} holds no user:password line")
    return pairs


def serve(agent: RetouchAgent, *, port: int | None, share: bool, passwords: Path | None) -> None:
    """Serve until interrupted; every visitor's files are gone afterwards.

    Args:
        agent: answers every visitor; it holds models, no conversation.
        port: None takes the first free one from 7860 on.
        share: listen to the local network too; without `passwords` one is made and printed.
        passwords: file of `user:password` lines that may log in.
    """
    auth = read_passwords(passwords) if passwords else []
    if share and not auth:
        auth = [(SHARED_USER, secrets.token_urlsafe(9))]
        print(f"Log in as {SHARED_USER!r} with the password {auth[0][1]!r}.", flush=True)
    with tempfile.TemporaryDirectory(prefix="freckle-") as folder:
        # Gradio keeps uploads where this says; here they are private and go with the server.
        os.environ["GRADIO_TEMP_DIR"] = folder
        from ui.web.page import CSS, build, theme
        from ui.web.sessions import Visits

        page = build(Visits(agent, Path(folder)))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            _, local, _ = page.queue(max_size=64).launch(
                server_name="0.0.0.0" if share else "127.0.0.1",
                server_port=port,
                auth=auth or None,
                theme=theme(),
                css=CSS,
                max_file_size=MAX_UPLOAD,
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                quiet=True,
                prevent_thread_lock=True,
            )
        except OSError as error:
            raise FreckleError(f"the page cannot be served: {error}") from None
        where = local if not share else f"{local} and on this machine's network address"
        print(f"Freckle is at {where} (Ctrl+C ends it).", flush=True)
        page.block_thread()
