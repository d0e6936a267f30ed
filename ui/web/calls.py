"""A call of the page or of a program, read and checked before gradio sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from ui.web.folders import SHOWN
from ui.web.limits import FULL, MAX_WAITING, TOO_LONG, Refused

NOT_JSON = "The call is not JSON."
NO_ENDPOINT = "There is no endpoint of that name: /gradio_api/info lists them."
WRONG = "The call does not fit: {} must be {}."
# Of calls that name an endpoint: what gradio reads of a body, and what it must be.
FIELDS: dict[str, tuple[tuple[type, ...], str]] = {
    "data": ((list,), "a list of the endpoint's parameters"),
    "session_hash": ((str, type(None)), "text of 1 to 128 characters"),
    "event_id": ((str, type(None)), "text"),
    "fn_index": ((int, type(None)), "the number of an endpoint"),
    "trigger_id": ((int, type(None)), "a number"),
    "simple_format": ((bool,), "true or false"),
    "batched": ((bool, type(None)), "true or false"),
}


@dataclass
class Call:
    """What a request asks for.

    Attributes:
        body: its JSON; `own_files` changes it.
        session: the session that it names, if any.
        event: the event that it names, if any.
        receive: tells whether whoever called is still there.
    """

    body: Any
    session: str | None
    event: str | None
    receive: Receive

    def own_files(self, find: Callable[[str], str]) -> None:
        """Put the place of each file for the name that the outside knows it by.

        `find` raises for what the caller may not use.
        """
        self.body = _with_files(self.body, find)

    def own_addresses(self, find: Callable[[str], str]) -> None:
        """Let a tool's argument be the address of an upload, as tools are told files."""
        asked = self.body if isinstance(self.body, dict) else {}
        given = asked.get("params", {})
        arguments = given.get("arguments") if isinstance(given, dict) else None
        if not isinstance(arguments, dict):
            return
        for name, value in arguments.items():
            if isinstance(value, str) and (shown := _shown(value)):
                arguments[name] = {"path": find(shown), "meta": {"_type": "gradio.FileData"}}


@dataclass(frozen=True)
class Body:
    data: bytes
    receive: Receive


async def read_body(scope: Scope, receive: Receive, most: int) -> Body:
    """All of a request's body.

    Raises:
        Refused: it has more than `most` bytes; the rest is not read.
    """
    size = f"{most // 2**20} MB" if most >= 2**20 else f"{most // 2**10} kB"
    too_long = Refused(413, TOO_LONG.format(size))
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise too_long
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        data += message.get("body", b"")
        if len(data) > most:
            raise too_long
        if not message.get("more_body", False):
            return Body(bytes(data), receive)


def read_call(body: Body, rest: str, blocks: Any) -> Call:
    """The call in a body; `rest` is its address under the API's.

    Raises:
        Refused: it is no call that can be answered; says what does not fit.
    """
    try:
        asked = json.loads(body.data)
    except (ValueError, RecursionError):
        raise Refused(400, NOT_JSON) from None
    word, *more = rest.rstrip("/").split("/")
    if word == "mcp":
        return Call(asked, None, None, body.receive)
    if not isinstance(asked, dict):
        raise Refused(400, WRONG.format("it", "a JSON object"))
    if word in ("run", "api", "call") and "fn_index" not in asked and not _public(more, blocks):
        raise Refused(404, NO_ENDPOINT)
    if more[:1] == ["v2"]:
        return Call(asked, None, None, body.receive)
    for name, (types, what) in FIELDS.items():
        if name in asked and not _is_one(asked[name], types):
            raise Refused(400, WRONG.format(name, what))
    session, index = asked.get("session_hash"), asked.get("fn_index")
    if session is not None and not 0 < len(session) <= 128:
        raise Refused(400, WRONG.format("session_hash", FIELDS["session_hash"][1]))
    if word not in ("cancel", "reset"):
        if "data" not in asked:
            raise Refused(400, WRONG.format("data", FIELDS["data"][1]))
        if index is None and word == "queue" or index is not None and index not in blocks.fns:
            raise Refused(404, NO_ENDPOINT)
        # The page has said so already where it could not begin a turn.
        own = index is not None and str(blocks.fns[index].api_name).startswith("_turn")
        if word != "run" and not own and len(blocks._queue) >= MAX_WAITING:
            raise Refused(503, FULL)
    # A call may name the event that it continues, but gradio gives each its own.
    event = asked.get("event_id") if word in ("cancel", "reset") else None
    return Call(asked, session, event, body.receive)


def _shown(value: str) -> str | None:
    """The name of a file in its address, if it is one."""
    start, mark, rest = value.partition(f"/gradio_api/file={SHOWN}/")
    if mark and start.startswith(("http://", "https://")):
        return f"{SHOWN}/{rest}"
    return value if value.startswith(f"{SHOWN}/") else None


def _public(more: list[str], blocks: Any) -> bool:
    """Whether the address names an endpoint for programs."""
    name = more[-1] if more else ""
    return any(fn.api_name == name and fn.api_visibility != "private" for fn in blocks.fns.values())


def _is_one(value: object, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _with_files(value: Any, find: Callable[[str], str]) -> Any:
    """The same JSON with the place of every file in it."""
    if isinstance(value, list):
        return [_with_files(one, find) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("path"), str):
        # `url` is where a browser gets the file; gradio would read "data:" addresses from it.
        return {**value, "path": find(value["path"]), "url": None}
    return {key: _with_files(one, find) for key, one in value.items()}
