"""Who is talking about which photo: one bounded, locked book a server, nothing global.

A visit is one browser tab with one photo. Its files live in a folder of its own whose name cannot
be guessed, and go when the tab closes, when another photo is opened, when the visit has been idle
for too long, or when newer visits need the room.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ui.web.views import Look
from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent, Session

ENDINGS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "heif": (".heic", ".heif", ".hif"),
}


def with_ending(name: str, format: str) -> str:
    """A file name whose ending says what the file is, whatever the upload was called."""
    path = Path(name)
    return name if path.suffix.lower() in ENDINGS[format] else f"{path.stem}{ENDINGS[format][0]}"


@dataclass
class Visit:
    """One conversation about one photo.

    Attributes:
        session: the agent's conversation.
        folder: where this visit's previews and result live.
        name: the file name that the result is offered under.
        lock: held while a turn runs; one conversation is one line of turns.
        views: how many previews were written (each gets a name of its own, browsers cache).
        used: `time.monotonic()` of the last look-up.
        look: what this visitor's page shows.
    """

    session: Session
    folder: Path
    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    views: int = 0
    used: float = field(default_factory=time.monotonic)
    look: Look = field(default_factory=Look)


class Visits:
    """All visits of one server.

    Args:
        agent: shared by all visits; it holds models, no conversation.
        folder: where visits keep their files.
        limit: how many visits are held at once; the one idle for longest makes room.
        idle: seconds after which a visit that nobody looked at is dropped.
    """

    def __init__(
        self, agent: RetouchAgent, folder: Path, *, limit: int = 16, idle: float = 3600
    ) -> None:
        self._agent = agent
        self._folder = folder
        self._limit = limit
        self._idle = idle
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._visits)

    def open(self, key: str, source: object, name: str, user: str | None) -> Visit:
        """Begin a conversation about a photo, in place of the one that `key` had."""
        folder = self._folder / secrets.token_urlsafe(16)
        session = self._agent.open(source, user=user, save_to=folder / name)
        proper = with_ending(name, session.photo.format)
        if proper != name:
            session = self._agent.open(source, user=user, save_to=folder / proper)
        folder.mkdir(mode=0o700)
        visit = Visit(session, folder, proper)
        with self._lock:
            dropped = [self._visits.pop(key, None)]
            self._visits[key] = visit
            while len(self._visits) > self._limit:
                dropped.append(self._visits.popitem(last=False)[1])
            stale = [k for k, v in self._visits.items() if visit.used - v.used > self._idle]
            dropped += [self._visits.pop(k) for k in stale]
        for old in filter(None, dropped):
            shutil.rmtree(old.folder, ignore_errors=True)
        return visit

    def get(self, key: str) -> Visit:
        """The visit of a browser tab.

        Raises:
            FreckleError: there is none, or it was dropped.
        """
        with self._lock:
            visit = self._visits.get(key)
            if visit is None:
                raise FreckleError("Give me a portrait first: drop a file, or try the example.")
            visit.used = time.monotonic()
            self._visits.move_to_end(key)
            return visit

    def close(self, key: str) -> None:
        """The tab is gone: forget its photo and delete its files."""
        with self._lock:
            visit = self._visits.pop(key, None)
        if visit is not None:
            shutil.rmtree(visit.folder, ignore_errors=True)
