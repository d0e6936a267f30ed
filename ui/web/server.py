"""`freckle ui`: serve the chat page, on this machine alone unless it is shared.

Shared means: reachable from the local network, behind a password. No relay of somebody else's is
ever used, so photos stay on this machine and the network it is in.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ui.web.accounts import LOGIN_HINT, Accounts, FromWhere, Profiles, read_accounts
from ui.web.limits import MAX_UPLOAD, MAX_WAITING
from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent
    from ui.web.sessions import Visits

SHARED_USER = "guest"
FOLDER, LOCK = "freckle-", "in-use"
PUBLIC = (
    "Shared: whoever reaches this machine over the network sees the login page, and whoever logs "
    "in may have photos retouched here. Photos, results and memory of others stay their own. The "
    "connection is not encrypted."
)


def serve(
    agent: RetouchAgent, *, port: int | None, share: bool, passwords: Path | None, mcp: bool = False
) -> None:
    """Serve until interrupted; every visitor's files are gone afterwards.

    Args:
        agent: answers every visitor; it holds models, no conversation.
        port: None takes the first free one from 7860 on.
        share: listen to the local network too; without `passwords` one is made and printed.
        passwords: file of accounts that may log in (`ui.web.accounts`).
        mcp: let programs call the endpoints by MCP, too.
    """
    if mcp:
        check_mcp()
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
    with private_folder() as folder:
        # Gradio keeps what it makes itself where this says; here it goes with the server.
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        from ui.web import api, tools
        from ui.web.page import CSS, build, theme
        from ui.web.sessions import Sweeper, Visits

        visits = Visits(agent, folder)
        page = build(visits, profiles)
        with page:
            api.build(api.Endpoints(agent, visits.folders, profiles.named))
        api.shut_the_rest(page)
        visits.folders.publish()
        inside = secrets.token_urlsafe(32)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            _, local, _ = page.queue(max_size=2 * MAX_WAITING, api_open=False).launch(
                server_name="0.0.0.0" if share else "127.0.0.1",
                server_port=port,
                auth=accounts.login if accounts else None,
                auth_message=LOGIN_HINT,
                theme=theme(),
                css=CSS,
                max_file_size=MAX_UPLOAD,
                app_kwargs=guarded(visits, login=bool(accounts), local=not share, inside=inside),
                enable_monitoring=False,
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                mcp_server=mcp,
                quiet=True,
                prevent_thread_lock=True,
            )
        except OSError as error:
            raise FreckleError(f"the page cannot be served: {error}") from None
        if mcp:
            tools.let_in(page, inside)
        where = local if not share else f"{local} and on this machine's network address"
        print(f"Freckle is at {where} (Ctrl+C ends it).", flush=True)
        with Sweeper(visits):
            page.block_thread()


@contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder for everything of one server. A server that is killed cannot delete its
    own, so the next one does."""
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER}*/{LOCK}"):
        _drop_unused(left)
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        place = Path(folder).resolve()
        with (place / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system lets go of it however the server ends
            yield place


def _drop_unused(lock: Path) -> None:
    try:
        if lock.parent.lstat().st_uid != os.getuid():
            return
        with lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    except OSError:
        return  # in use, or gone meanwhile


def check_mcp() -> None:
    """Raises `FreckleError` where the package is missing that MCP needs, or is another version."""
    try:
        version = metadata.version("mcp")
    except metadata.PackageNotFoundError:
        version = "none"
    if not version.startswith("1."):
        raise FreckleError(
            f"--mcp needs the package mcp of version 1 (installed: {version}): "
            "run pip install 'freckle[mcp]'"
        )


def guarded(visits: Visits, *, login: bool, local: bool, inside: str) -> dict[str, Any]:
    """What makes FastAPI put the guard before the page, and safe headers before everything."""
    from starlette.middleware import Middleware

    from ui.web.guard import Guard
    from ui.web.limits import Rates
    from ui.web.login import Login
    from ui.web.outgoing import SafeHeaders

    guard = Middleware(
        Guard,
        folders=visits.folders, owners=visits.owners, rates=Rates(),
        login=Login() if login else None, local=local and not login, inside=inside,
    )  # fmt: skip

    @asynccontextmanager
    async def outermost(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = SafeHeaders(app.middleware_stack)
        yield

    return {"middleware": [Middleware(FromWhere), guard], "lifespan": outermost}
