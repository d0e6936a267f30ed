"""Who is talking about which photo: one bounded, locked book a server, nothing global.

A visit is one browser tab with one photo. Its files live in a folder of its own whose name cannot
be guessed, and go soon after the tab closes, when another photo is opened, when the visit has been
idle for too long, or when a newer visit needs the room of an idle one. A turn that still runs then
ends first.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ui.web.folders import Folders
from ui.web.views import Look
from ui.web.visitors import ANYBODY, Owners
from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent, Session

log = logging.getLogger(__name__)

NO_PHOTO = "Give me a portrait first: drop a file, or try the example."
CROWDED = "All places are taken just now: please try again in a few minutes."

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
        user: whose preferences apply, None for a guest.
        lock: held while a turn runs; one conversation is one line of turns.
        views: how many previews were written (each gets a name of its own, browsers cache).
        used: `time.monotonic()` of the last look-up.
        look: what this visitor's page shows.
    """

    session: Session
    folder: Path
    name: str
    user: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    views: int = 0
    used: float = field(default_factory=time.monotonic)
    look: Look = field(default_factory=Look)

    @property
    def held(self) -> int:
        """Bytes of memory: the photo, its last results and their masks."""
        return 4 * self.session.photo.pixels.nbytes


class Visits:
    """All visits of one server.

    Args:
        agent: shared by all visits; it holds models, no conversation.
        folder: where visits keep their files; exists, and belongs to this server alone.
        limit: how many visits are held at once.
        room: bytes of memory for all photos that are held at once; a third of the machine's
            unless given.
        idle: seconds after which a visit that nobody looked at is dropped.
        patience: seconds that a visit keeps its place when newcomers need it.
        grace: seconds that a visit outlives its tab, or the tab's connection.

    Attributes:
        folders: every file of this server.
        owners: whose a browser tab is, by its session hash.
    """

    def __init__(
        self,
        agent: RetouchAgent,
        folder: Path,
        *,
        limit: int = 32,
        room: int | None = None,
        idle: float = 3600,
        patience: float = 300,
        grace: float = 1200,
    ) -> None:
        self.folders = Folders(folder)
        self.owners = Owners()
        self._agent = agent
        self._limit = limit
        self._room = _memory() // 3 if room is None else room
        self._idle = idle
        self._patience = patience
        self._grace = grace
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._leaving: list[Visit] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._visits)

    def open(self, key: str, source: object, name: str, user: str | None) -> Visit:
        """Begin a conversation about a photo, in place of the one that `key` had.

        Raises:
            FreckleError: the photo cannot be read, or everybody's place is in use.
        """
        folder = self.folders.make(self.owners.get(key) or ANYBODY)
        try:
            session = self._agent.open(source, user=user, save_to=folder / name)
            proper = with_ending(name, session.photo.format)
            if proper != name:
                session = self._agent.open(source, user=user, save_to=folder / proper)
            visit = Visit(session, folder, proper, user)
            self._seat(key, visit)
        except BaseException:
            self.folders.drop(folder)
            raise
        return visit

    def _seat(self, key: str, visit: Visit) -> None:
        """Give a visit a place; the ones idle for longest make room."""
        with self._lock:
            others = [(name, one) for name, one in self._visits.items() if name != key]
            held = sum(one.held for _, one in others)
            leaving = {key}
            while others:
                if len(others) < self._limit and held + visit.held <= self._room:
                    break
                name, one = others.pop(0)
                if visit.used - one.used < self._patience:
                    raise FreckleError(CROWDED)
                leaving.add(name)
                held -= one.held
            dropped = [self._visits.pop(name) for name in leaving & self._visits.keys()]
            self._visits[key] = visit
        self._end(dropped)

    def get(self, key: str) -> Visit:
        """The visit of a browser tab.

        Raises:
            FreckleError: there is none, or it was dropped.
        """
        with self._lock:
            visit = self._visits.get(key)
            if visit is None:
                raise FreckleError(NO_PHOTO)
            visit.used = time.monotonic()
            self._visits.move_to_end(key)
            return visit

    def holds(self, key: str, visit: Visit) -> bool:
        """Whether a tab still has this visit; looking does not make it last longer."""
        return self._visits.get(key) is visit

    def leave(self, key: str) -> None:
        """The tab is gone, or only its connection, which may come back for a while."""
        with self._lock:
            visit = self._visits.get(key)
            if visit is not None:
                visit.used = min(visit.used, time.monotonic() - self._idle + self._grace)
                self._visits.move_to_end(key, last=False)

    def move(self, old: str, new: str) -> Visit | None:
        """A tab that was loaded anew, and has another key now, goes on with its visit; None where
        it has none, or where that is somebody else's."""
        owner = self.owners.get(old)
        if owner is None or owner.browser is None or owner != self.owners.get(new):
            return None
        with self._lock:
            visit = self._visits.pop(old, None)
            if visit is not None:
                visit.used = time.monotonic()
                self._visits[new] = visit
        return visit

    def sweep(self) -> None:
        """Drop what nobody looked at for too long, and delete what has reached its end."""
        now = time.monotonic()
        with self._lock:
            stale = [key for key, one in self._visits.items() if now - one.used > self._idle]
            dropped = [self._visits.pop(key) for key in stale]
            waiting, self._leaving = self._leaving, []
        self._end([*dropped, *waiting])
        self.folders.sweep()

    def _end(self, visits: list[Visit]) -> None:
        """Delete the files of visits that are over, once no turn writes any more."""
        for visit in visits:
            visit.look.waiting.clear()
            visit.look.stop.set()  # a turn that still runs has nobody to answer
            if visit.lock.acquire(blocking=False):
                self.folders.drop(visit.folder)
                visit.lock.release()
            else:
                with self._lock:
                    self._leaving.append(visit)


def _memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def give_back_memory() -> None:
    """Return to the system what visits that are over have left free.

    glibc keeps it otherwise: of 2.4 GB after 36 photos, each in a thread of its own, 1.2 were free.
    """
    gc.collect()  # a session that failed lies in a circle with its error
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # other systems' allocators do it of their own accord
        trim(0)


class Sweeper:
    """Sweeps in the background while its `with` block runs."""

    def __init__(self, visits: Visits, every: float = 30.0) -> None:
        self._visits = visits
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def __enter__(self) -> Sweeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._visits.sweep()
                give_back_memory()
            except Exception:  # the next one may succeed, and visitors' files must not pile up
                log.exception("sweeping failed")
