"""Responses on their way out: headers that keep browsers safe, no path of this machine, and a
line where gradio says nothing of what went wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.web.folders import Folders
from ui.web.visitors import COOKIE

# Gradio's page has its settings in an inline script and makes functions of the page's own
# scripts; nothing is ever loaded from another machine.
PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The camera photographs a portrait; nothing else is ever needed.
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), "
    "display-capture=(), browsing-topics=()",
}
SPOKEN = ("application/json", "text/event-stream", "text/html", "text/plain")
SILENT = (
    "The call could not be carried out: check what was given against /gradio_api/info, and "
    "reload the page if this is one."
)
_EVENT = re.compile(rb'"event_id":"([0-9a-f]{32})"')


class SafeHeaders:
    """The outermost ASGI layer: every response has the headers, whoever made it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_file = scope["type"] == "http" and scope["path"].startswith("/gradio_api/file")

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Content-Security-Policy"] = FILE_POLICY if is_file else PAGE_POLICY
                if is_file:  # a photo is not left in the cache of a shared machine
                    headers["Cache-Control"] = "private, no-store"
            await send(message)

        await self._app(scope, receive, safely)


class Outgoing:
    """The `send` of one request.

    Args:
        send: to the client.
        folders: whose place is hidden.
        inner: the client is this server itself.
        cookie: a new visitor's secret, None for one that has it.
    """

    def __init__(self, send: Send, folders: Folders, inner: bool, cookie: str | None) -> None:
        self._send = send
        self._folders = folders
        self._inner = inner
        self._cookie = cookie
        self._start: Message | None = None
        self._told: Callable[[str], Any] | None = None
        self._spoken = False
        self._silent = False  # gradio did not say what went wrong
        self.started = False

    def watch_event(self, told: Callable[[str], Any]) -> None:
        """Tell which event the response announces."""
        self._told = told

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if self._cookie is not None:
                # Lax: who follows a link from another site comes with the cookie, and gets no new
                # one that would make a stranger of every open tab. What changes anything is asked
                # for by POST, and refused to other sites (`guard`).
                headers.append(
                    "Set-Cookie", f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Lax"
                )
            kind = headers.get("content-type", "").partition(";")[0]
            self._spoken = kind in SPOKEN and not self._inner
            if self._spoken:  # the length may change
                self._start = message
                return
            self.started = True
        elif message["type"] == "http.response.body" and self._spoken:
            message = {**message, "body": self._reworded(message.get("body", b""))}
            if self._start is not None:
                start, self._start = self._start, None
                self._fit(start, message)
                self.started = True
                await self._send(start)
        await self._send(message)

    async def end(self) -> None:
        """Close a response that broke off."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _fit(self, start: Message, body: Message) -> None:
        headers = MutableHeaders(scope=start)
        if body.get("more_body", False):
            del headers["content-length"]
        elif headers.get("content-length") is not None and body["body"]:
            headers["content-length"] = str(len(body["body"]))
        if start["status"] == 500 and self._silent:
            start["status"] = 400

    def _reworded(self, body: bytes) -> bytes:
        body = self._folders.veil(body)
        if self._told is not None and (found := _EVENT.search(body)):
            self._told(found[1].decode())
        if b'"error":null' in body or b'"error": null' in body or b"event: error" in body:
            body = self._spelled_out(body)
        return body

    def _spelled_out(self, body: bytes) -> bytes:
        """A failure that gradio does not explain, with a line of ours."""
        lines = []
        for line in body.split(b"\n"):
            start, data = (b"data: ", line[6:]) if line.startswith(b"data: ") else (b"", line)
            try:
                told = json.loads(data)
            except ValueError:
                lines.append(line)
                continue
            lines.append(start + json.dumps(told).encode() if self._speak(told) else line)
        return b"\n".join(lines)

    def _speak(self, told: Any) -> bool:
        failed = told if isinstance(told, dict) else {}
        if failed.get("msg") == "process_completed" and failed.get("success") is False:
            failed = failed.get("output") or {}
        if "error" not in failed or failed["error"] is not None or "msg" in failed:
            return False
        failed["error"] = SILENT
        self._silent = True
        return True
