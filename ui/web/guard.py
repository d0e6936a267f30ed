"""What stands before the page: who asks, what is theirs, how much they may ask, what they hear.

An ASGI middleware around gradio. Gradio serves every file it knows to everybody who has the
address, and lets clients name their own session; here each name belongs to the visitor who used
it first, a file in a request must be the visitor's own, and everything that neither the page nor
a program needs is shut. Paths of this machine are replaced on their way out.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.web import limits
from ui.web.calls import Call, read_body, read_call
from ui.web.folders import Folders
from ui.web.limits import CALLS, Rates, Refused
from ui.web.login import Login
from ui.web.outgoing import Outgoing
from ui.web.uploads import take_upload
from ui.web.visitors import ANYBODY, COOKIE, Owners, Visitor, new_secret, read_secret

log = logging.getLogger(__name__)

API = "/gradio_api/"
PAGES = {
    "/", "/config", "/config/", "/theme.css", "/robots.txt", "/favicon.ico", "/manifest.json",
    "/login", "/login/", "/logout",
}  # fmt: skip
ASSETS = ("/assets/", "/static/", "/svelte/")
# First words of addresses under `API` that only look.
READS = {
    "startup-events", "theme.css", "app_id", "login_check", "user", "info", "openapi.json",
    "upload_progress",
}  # fmt: skip
POSTS = {"run", "api", "call", "cancel", "reset", "mcp"}
WITHOUT_LOGIN = {"startup-events", "theme.css", "app_id", "login_check", "user"}
OWN_HOSTS = {"localhost", "127.0.0.1", "[::1]", "::1"}

NOT_HERE = "There is nothing at this address."
NOT_YOURS = "This belongs to somebody else's visit: please reload the page."
NO_FILE = "This file is not there, or it is not yours."
ELSEWHERE = "Calls from other sites are not answered."
THIS_MACHINE = "This page answers to this machine alone: open it as localhost."
LOG_IN = "Please log in first."
BROKEN = "Something went wrong on the server; its log has the details. Please try again."
MISFIT = "The call does not fit: /gradio_api/info tells what can be called, and with what."


class Guard:
    """The middleware.

    Args:
        app: gradio.
        folders: every file of this server.
        owners: whose a session, an event or a folder is.
        rates: what was asked for in the last minute.
        login: who is logged in; None where the page asks for no password.
        local: the page is for this machine alone.
        inside: the secret by which the server knows its own calls (MCP makes such).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        folders: Folders,
        owners: Owners,
        rates: Rates,
        login: Login | None,
        local: bool,
        inside: str,
    ) -> None:
        self._app = app
        self._folders = folders
        self._owners = owners
        self._rates = rates
        self._login = login
        self._local = local
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        inner = hmac.compare_digest(
            Headers(scope=scope).get("x-freckle-inside", "").encode(), self._inside.encode()
        )
        # Only who opens the page: programs that keep no cookies would be somebody else each time.
        first = scope["path"] in PAGES and _secret(scope) is None
        cookie = new_secret() if first and not inner else None
        out = Outgoing(send, self._folders, inner, cookie)
        try:
            await self._answer(scope, receive, out, inner)
        except Refused as refused:
            await self._refuse(scope, receive, out, refused)
        except ClientDisconnect:
            pass
        except HTTPException as error:
            line = error.detail if isinstance(error.detail, str) else BROKEN
            await self._refuse(scope, receive, out, Refused(error.status_code, line))
        except Exception as error:
            wrong = KeyError | TypeError | ValueError | RecursionError
            misfit = isinstance(error, wrong) and _calls(scope)
            if not misfit:
                log.exception("a request failed")
            why = Refused(400, MISFIT) if misfit else Refused(500, BROKEN)
            await self._refuse(scope, receive, out, why)

    async def _refuse(self, scope: Scope, receive: Receive, out: Outgoing, why: Refused) -> None:
        if out.started:
            await out.end()
            return
        headers = {} if why.wait is None else {"Retry-After": str(why.wait)}
        body: Any = str(why)
        if why.status == 401:  # what gradio's login form waits for
            body = {"error": "Not authenticated", "auth_message": None, "line": str(why)}
        response = JSONResponse({"detail": body, "error": str(why)}, why.status, headers)
        await response(scope, receive, out)

    async def _answer(self, scope: Scope, receive: Receive, out: Outgoing, inner: bool) -> None:
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            raise Refused(405, NOT_HERE)
        if not path.startswith(API):
            if path not in PAGES and not path.startswith(ASSETS):
                raise Refused(404, NOT_HERE)
            self._check_site(scope)
            if method == "POST":  # gradio would read any form, of anybody
                self._limit(scope, Visitor(browser=_secret(scope)), CALLS, inner)
                body = await read_body(scope, receive, limits.MAX_LOGIN)
                receive = _once(body.data, body.receive)
            await self._app(scope, receive, out)
            return
        if not inner:
            self._check_site(scope)
        visitor = await self._visitor(scope, inner)
        scope.setdefault("state", {})["visitor"] = visitor
        rest = path.removeprefix(API)
        word = rest.split("/")[0]
        if self._login and visitor.account is None and not inner and word not in WITHOUT_LOGIN:
            raise Refused(401, LOG_IN)
        if rest.startswith(("file=", "file/")):
            self._limit(scope, visitor, limits.READS, inner)
            self._show_file(scope, rest, visitor, method)
        elif method == "POST" and word == "upload":
            self._limit(scope, visitor, limits.UPLOADS, inner)
            files = await take_upload(scope, receive, self._folders, visitor)
            names = [str(file) if inner else self._folders.show(file) for file in files]
            await JSONResponse(names)(scope, receive, out)
            return
        elif method == "POST" and (word in POSTS or rest == "queue/join"):
            receive = await self._take_call(scope, receive, rest, visitor, inner)
            out.watch_event(lambda event: self._owners.claim(event, visitor))
        elif method in ("GET", "HEAD"):
            self._limit(scope, visitor, limits.READS, inner)
            self._check_read(scope, rest, word, visitor, inner)
        else:
            raise Refused(404, NOT_HERE)
        await self._app(scope, receive, out)

    async def _visitor(self, scope: Scope, inner: bool) -> Visitor:
        account = None
        if self._login is not None:
            account = await self._login.account(scope, inner)
        return Visitor(account, _secret(scope))

    def _check_site(self, scope: Scope) -> None:
        """Refuse what another site makes a browser ask for."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._local and host.rsplit(":", 1)[0] not in OWN_HOSTS:
            raise Refused(403, THIS_MACHINE)
        origin = headers.get("origin")
        elsewhere = headers.get("sec-fetch-site") == "cross-site"
        if origin is not None:
            known = {host, headers.get("x-forwarded-host", host)}
            elsewhere |= origin.partition("://")[2] not in known
        if elsewhere and scope["method"] not in ("GET", "HEAD"):
            raise Refused(403, ELSEWHERE)

    def _limit(self, scope: Scope, visitor: Visitor, limit: limits.Limit, inner: bool) -> None:
        if not inner:
            self._rates.take(limit, _who(scope, visitor), _address(scope))

    def _show_file(self, scope: Scope, rest: str, visitor: Visitor, method: str) -> None:
        path = None
        if method in ("GET", "HEAD"):
            shown = rest.removeprefix("file=").removeprefix("file")
            path = self._folders.find(shown, visitor)
        if path is None:
            raise Refused(404, NO_FILE)
        scope["path"] = f"{API}file={path}"
        scope["raw_path"] = scope["path"].encode()

    def _check_read(
        self, scope: Scope, rest: str, word: str, visitor: Visitor, inner: bool
    ) -> None:
        parts = rest.rstrip("/").split("/")
        match parts:
            case ["queue", "data"]:
                name = HTTPConnection(scope).query_params.get("session_hash", "")
            case ["heartbeat", name]:
                pass
            case ["call", _, name] | ["call", "v2", _, name]:
                if self._owners.get(name) is None:
                    raise Refused(404, NOT_HERE)
            case ["mcp"] | ["mcp", "http" | "schema"]:
                return
            case [only] if only in READS:
                return
            case _:
                raise Refused(404, NOT_HERE)
        if not (inner or (0 < len(name) <= 128 and self._owners.claim(name, visitor))):
            raise Refused(403, NOT_YOURS)

    async def _take_call(
        self, scope: Scope, receive: Receive, rest: str, visitor: Visitor, inner: bool
    ) -> Receive:
        """Read a call and check everything it names; returns what gradio receives instead."""
        if rest.startswith("mcp") and rest.rstrip("/") not in ("mcp", "mcp/http"):
            raise Refused(404, NOT_HERE)
        self._limit(scope, visitor, CALLS, inner)
        most = limits.MAX_TOOL_BODY if rest.startswith("mcp") or inner else limits.MAX_BODY
        call = read_call(await read_body(scope, receive, most), rest, scope["app"].get_blocks())
        if rest == "queue/join" or rest.startswith("call/"):
            self._check_line(scope, visitor, inner)
        for name in (call.session, call.event):
            if name is not None and not (inner or self._owners.claim(name, visitor)):
                raise Refused(403, NOT_YOURS)
        call.own_files(self._folders.within if inner else self._find_own(visitor))
        if rest.startswith("mcp"):
            call.own_addresses(self._find_own(visitor))
        return _replay(scope, call)

    def _check_line(self, scope: Scope, visitor: Visitor, inner: bool) -> None:
        """Refuse one more turn of somebody who has many in line: all others would wait for them."""
        lines = scope["app"].get_blocks()._queue.event_queue_per_concurrency_id.values()
        asking = [one.request.scope for line in lines for one in line.queue]
        whose = [_who(one, one.get("state", {}).get("visitor", ANYBODY)) for one in asking]
        # The page says it in the conversation, and asks for a turn all the same.
        most = 2 * limits.MAX_OF_ONE if visitor.browser else limits.MAX_OF_ADDRESS
        if not inner and whose.count(_who(scope, visitor)) >= most:
            raise Refused(429, limits.MANY_IN_LINE, 5)

    def _find_own(self, visitor: Visitor) -> Callable[[str], str]:
        def find(shown: str) -> str:
            path = self._folders.find(shown, visitor)
            if path is None:
                raise Refused(403, NO_FILE)
            return str(path)

        return find


def _who(scope: Scope, visitor: Visitor) -> object:
    """Who is counted as one: a browser, or all programs of an account at one address."""
    return visitor if visitor.browser else (visitor.account, _address(scope))


def _address(scope: Scope) -> str:
    return (scope.get("client") or ("",))[0]


def _secret(scope: Scope) -> str | None:
    return read_secret(HTTPConnection(scope).cookies.get(COOKIE))


def _calls(scope: Scope) -> bool:
    return scope["method"] == "POST" or scope["path"].startswith(f"{API}call/")


def _replay(scope: Scope, call: Call) -> Receive:
    body = json.dumps(call.body).encode()
    MutableHeaders(scope=scope)["content-length"] = str(len(body))
    return _once(body, call.receive)


def _once(body: bytes, disconnect: Receive) -> Receive:
    """Gives a body that was read already, then what comes after it."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return await disconnect()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
