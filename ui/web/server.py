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

from ui.web.accounts import LOGIN_HINT, Accounts, FromWhere, Profiles, read_accounts
from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent

MAX_UPLOAD = "500mb"
SHARED_USER = "guest"
PUBLIC = (
    "Shared: whoever reaches this machine over the network sees the login page, and whoever logs "
    "in may have photos retouched here. Photos, results and memory of others stay their own. The "
    "connection is not encrypted."
)


def serve(agent: RetouchAgent, *, port: int | None, share: bool, passwords: Path | None) -> None:
    """Serve until interrupted; every visitor's files are gone afterwards.

    Args:
        agent: answers every visitor; it holds models, no conversation.
        port: None takes the first free one from 7860 on.
        share: listen to the local network too; without `passwords` one is made and printed.
        passwords: file of accounts that may log in (`ui.web.accounts`).
    """
    accounts = Accounts(read_accounts(passwords)) if passwords else None
    profiles = Profiles(
        agent.memory,
        "account" if accounts else "nobody" if share else "name",
        share or bool(accounts),
    )
    if share and accounts is None:
        password = secrets.token_urlsafe(12)
        accounts = Accounts.with_password(SHARED_USER, password)
        print(f"Log in as {SHARED_USER!r} with the password {password!r}.", flush=True)
    if share:
        print(PUBLIC, flush=True)
    with tempfile.TemporaryDirectory(prefix="freckle-") as folder:
        # Gradio keeps uploads where this says; here they are private and go with the server.
        os.environ["GRADIO_TEMP_DIR"] = folder
        from starlette.middleware import Middleware

        from ui.web.page import CSS, build, theme
        from ui.web.sessions import Visits

        page = build(Visits(agent, Path(folder)), profiles)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            _, local, _ = page.queue(max_size=64).launch(
                server_name="0.0.0.0" if share else "127.0.0.1",
                server_port=port,
                auth=accounts.login if accounts else None,
                auth_message=LOGIN_HINT,
                app_kwargs={"middleware": [Middleware(FromWhere)]},
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
