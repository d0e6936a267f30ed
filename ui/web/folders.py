"""Folders with an owner and an end, and the names under which the outside sees them.

Everything a server keeps for its visitors lies in one folder. No response tells where that is:
on the way out its path is replaced by `SHOWN`, on the way in it is put back, for the owner alone.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ui.web.visitors import ANYBODY, Visitor

SHOWN = "/freckle"
STRAY = 600.0  # seconds that a file without an owner stays; gradio makes such while it works


@dataclass(frozen=True)
class _Entry:
    owner: Visitor
    made: float
    life: float | None
    arriving: bool = False


class Folders:
    """All folders of one server.

    Args:
        root: exists, and belongs to this server alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._entries: dict[str, _Entry] = {}
        self._public: set[str] = set()
        self._lock = threading.Lock()
        place = str(self.root)
        spellings = {place, json.dumps(place)[1:-1], quote(place)}
        self._hidden = [name.encode() for name in sorted(spellings, key=len, reverse=True)]

    def make(self, owner: Visitor, life: float | None = None, arriving: bool = False) -> Path:
        """A new empty folder whose name cannot be guessed; it goes `life` seconds from now, or
        when it is dropped. `arriving`: it is for an upload that is not whole yet."""
        folder = self.root / secrets.token_urlsafe(16)
        folder.mkdir(mode=0o700)
        with self._lock:
            self._entries[folder.name] = _Entry(owner, time.monotonic(), life, arriving)
        return folder

    def renew(self, folder: Path, life: float) -> None:
        """What was to arrive is whole; its folder goes `life` seconds from now."""
        with self._lock:
            entry = self._entries[folder.name]
            self._entries[folder.name] = _Entry(entry.owner, time.monotonic(), life)

    def drop(self, folder: Path) -> None:
        """Delete a folder and forget whose it was."""
        with self._lock:
            self._entries.pop(folder.name, None)
        shutil.rmtree(folder, ignore_errors=True)

    def of(self, owner: Visitor) -> list[Path]:
        """What a visitor has with an end, the oldest first."""
        mine = [(name, entry) for name, entry in self._of(owner) if entry.life]
        return [self.root / name for name, entry in sorted(mine, key=lambda one: one[1].made)]

    def arriving(self, owner: Visitor) -> int:
        """How many uploads of a visitor are under way."""
        return sum(entry.arriving for _, entry in self._of(owner))

    def _of(self, owner: Visitor) -> list[tuple[str, _Entry]]:
        with self._lock:
            return [(name, entry) for name, entry in self._entries.items() if entry.owner == owner]

    def publish(self) -> None:
        """What lies here now is part of the page: everybody may see it, and it stays."""
        with self._lock:
            for path in self.root.iterdir():
                self._entries.setdefault(path.name, _Entry(ANYBODY, time.monotonic(), None))
                self._public.add(path.name)

    def sweep(self) -> None:
        """Delete what has reached its end, and what nobody owns."""
        now = time.monotonic()
        with self._lock:
            ended = [
                name
                for name, entry in self._entries.items()
                if entry.life is not None and now - entry.made > entry.life
            ]
        for name in ended:
            self.drop(self.root / name)
        for path in list(self.root.iterdir()):
            if path.name not in self._entries and _age(path) > STRAY:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(True)

    def find(self, shown: str, visitor: Visitor) -> Path | None:
        """The file behind a name that the outside knows; None where there is none for it."""
        parts = shown.removeprefix(SHOWN).split("/")
        if not shown.startswith(f"{SHOWN}/") or {"", ".", ".."} & set(parts[1:]):
            return None
        if "\\" in shown or "\0" in shown or len(parts) < 3:
            return None
        entry = self._entries.get(parts[1])
        path = self.root.joinpath(*parts[1:])
        if entry is None or not (parts[1] in self._public or visitor.may_use(entry.owner)):
            return None
        try:
            inside = path.is_file() and path.resolve().is_relative_to(self.root / parts[1])
        except OSError:  # a name that is too long
            return None
        return path if inside else None

    def within(self, place: str) -> str:
        """A path that the server itself names; raises PermissionError where it lies elsewhere."""
        if not Path(place).resolve().is_relative_to(self.root):
            raise PermissionError("only files that were uploaded are read")
        return place

    def show(self, path: Path) -> str:
        """The name under which the outside knows a file."""
        return f"{SHOWN}/{path.relative_to(self.root).as_posix()}"

    def veil(self, data: bytes) -> bytes:
        """A piece of a response without the path of this server's folder."""
        for name in self._hidden:
            data = data.replace(name, SHOWN.encode())
        return data


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
