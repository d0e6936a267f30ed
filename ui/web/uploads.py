"""Uploads: each request has a folder of its own, so that no two visitors share a file."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from gradio.route_utils import upload_fn
from gradio.routes import file_upload_statuses
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from ui.web import limits
from ui.web.folders import Folders
from ui.web.limits import Refused
from ui.web.visitors import Visitor

_AROUND = 2**20  # what multipart writes around the files
NO_FILE = "Send the file as multipart/form-data, in a field named files."
MANY = "Send up to {} files at once."
MAX_FILES = 8


async def take_upload(
    scope: Scope, receive: Receive, folders: Folders, visitor: Visitor
) -> list[Path]:
    """Store what a request uploads; nothing stays of one that breaks off.

    Raises:
        Refused: there is no file in it, or it is too large.
    """
    too_large = Refused(413, limits.TOO_LARGE)
    length = Headers(scope=scope).get("content-length", "0")
    if length.isdecimal() and int(length) > limits.MAX_UPLOAD + _AROUND:
        raise too_large
    kept = sum(map(limits.size_of, folders.of(visitor)))
    if kept + folders.arriving(visitor) * limits.MAX_UPLOAD > limits.MAX_KEPT:
        minutes = round(limits.KEPT_FOR / 60)
        raise Refused(429, limits.TOO_MANY_KEPT.format(minutes), round(limits.KEPT_FOR))
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limits.MAX_UPLOAD + _AROUND:
            raise too_large
        return message

    folder = folders.make(visitor, limits.SENT_WITHIN, arriving=True)
    try:
        request = Request(scope, counted)
        watched = request.query_params.get("upload_id")
        files, late, places = await upload_fn(
            request, str(folder), limits.MAX_UPLOAD, watched, force_move=False,
            upload_progress=file_upload_statuses if watched else None,
        )  # fmt: skip
        for file, place in zip(late, places, strict=True):
            shutil.move(file, place)
        if not files:
            raise Refused(400, NO_FILE)
        if len(files) > MAX_FILES:
            raise Refused(400, MANY.format(MAX_FILES))
        folders.renew(folder, limits.KEPT_FOR)
    except BaseException as error:
        folders.drop(folder)
        if isinstance(error, MultiPartException):
            raise (
                too_large if "size exceeded" in error.message else Refused(400, NO_FILE)
            ) from None
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise Refused(507, limits.NO_ROOM) from None
        if isinstance(error, OSError | KeyError | TypeError | ValueError):
            raise Refused(400, NO_FILE) from error
        raise
    return [Path(file) for file in files]
