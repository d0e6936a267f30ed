"""Who is logged in: by gradio's cookie, or by a user and a password in every request."""

from __future__ import annotations

import base64
import hashlib
import inspect
import secrets
from collections import OrderedDict
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from ui.web.limits import Refused

WRONG = "The user or the password is wrong."


class Login:
    """The accounts of a running page. Programs may send HTTP's "Basic" authorization.

    Args:
        most: how many programs' logins are remembered, so that each is checked once.
    """

    def __init__(self, most: int = 1000) -> None:
        self._tokens: OrderedDict[bytes, str] = OrderedDict()
        self._most = most
        self._inside: str | None = None

    async def account(self, scope: Scope, inner: bool) -> str | None:
        """Whose request it is; None for a stranger. Gradio will read the same from it."""
        app = scope["app"]
        cookies = HTTPConnection(scope).cookies
        for kind in ("access-token", "access-token-unsecure"):
            account = app.tokens.get(cookies.get(f"{kind}-{app.cookie_id}"))
            if account is not None:
                return account
        token = await self._basic(app, Headers(scope=scope).get("authorization", ""))
        if token is None and inner:  # the server asks itself for what is nobody's
            token = self._own(app)
        if token is None:
            return None
        cookie = f"access-token-unsecure-{app.cookie_id}={token}".encode()
        others = [value for name, value in scope["headers"] if name == b"cookie"]
        scope["headers"] = [
            *(one for one in scope["headers"] if one[0] != b"cookie"),
            (b"cookie", b"; ".join([cookie, *others])),
        ]
        return None if token == self._inside else app.tokens[token]

    def _own(self, app: Any) -> str:
        if self._inside is None:
            self._inside = secrets.token_urlsafe(16)
        app.tokens.setdefault(self._inside, "")
        return self._inside

    async def _basic(self, app: Any, header: str) -> str | None:
        kind, _, given = header.partition(" ")
        if kind.lower() != "basic":
            return None
        known = hashlib.sha256(given.encode()).digest()
        token = self._tokens.get(known)
        if token is not None and token in app.tokens:
            return token
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            raise Refused(401, WRONG) from None
        if not await _fits(app.auth, user, password):
            raise Refused(401, WRONG)
        token = self._tokens[known] = secrets.token_urlsafe(16)
        app.tokens[token] = user
        while len(self._tokens) > self._most:
            app.tokens.pop(self._tokens.popitem(last=False)[1], None)
        return token


async def _fits(auth: Any, user: str, password: str) -> bool:
    if callable(auth):
        fits = auth(user, password)
        return bool(await fits if inspect.isawaitable(fits) else fits)
    return secrets.compare_digest(auth.get(user, "").encode(), password.encode()) and user in auth
