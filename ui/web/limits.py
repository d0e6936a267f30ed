"""How much one visitor may ask of the server, and the line that says so.

Pixels are limited where photos are read (`vision.raster.MAX_PIXELS`, on the header's numbers,
before anything is decoded); here are bytes, requests a minute and visits at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_UPLOAD = 500 * 2**20
MAX_BODY = 4 * 2**20  # of a call; photos come as uploads
MAX_LOGIN = 16 * 2**10  # of what a login form sends
MAX_TOOL_BODY = 96 * 2**20  # of a call by MCP, which may carry a photo as base64
MAX_KEPT = 4 * 2**30  # bytes of uploads and results that wait for one visitor
SENT_WITHIN = 3600.0  # seconds that an upload may take
KEPT_FOR = 900.0  # seconds that an upload nobody opened, or a result, stays
MAX_WAITING = 64  # turns in line
MAX_OF_ONE = 8  # of them of one visitor
MAX_OF_ADDRESS = 32  # of them of programs without a cookie, from one address
MAX_MESSAGE = 2000  # characters

TOO_LARGE = f"The file is too large: up to {MAX_UPLOAD // 2**20} MB can be taken."
TOO_LONG = "That is too much at once: a call may be {}; send photos as uploads."
TOO_MANY_KEPT = "Your earlier files still wait here: please try again in {} minutes."
NO_ROOM = "The server has no room for the file: please try again later."
FULL = "Many people are waiting just now: please try again in a minute."
MANY_IN_LINE = "You have many wishes in line: please wait for the first of them."


class Refused(Exception):
    """A request that is not answered; the message is for whoever made it.

    Attributes:
        status: of HTTP.
        wait: seconds after which to try again, if waiting helps.
    """

    def __init__(self, status: int, line: str, wait: int | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.wait = wait


@dataclass(frozen=True)
class Limit:
    """So many of something in a minute, for one visitor and for one address."""

    name: str
    of_visitor: int
    of_address: int


# A page makes a few calls for each thing a person does.
CALLS = Limit("requests", 240, 2400)
READS = Limit("reads", 1200, 12_000)
UPLOADS = Limit("uploads", 20, 200)


class Rates:
    """What was asked for in the last minute.

    Args:
        now: seconds of a clock.
        most: how many visitors are watched; the one seen least lately is forgotten.
    """

    WINDOW = 60.0

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = 20_000) -> None:
        self._now = now
        self._most = most
        self._seen: OrderedDict[tuple[str, Any], deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, limit: Limit, visitor: object, address: str) -> None:
        """Count one request.

        Raises:
            Refused: it is one too many; then it is not counted.
        """
        keys = [((limit.name, visitor), limit.of_visitor)]
        keys.append(((limit.name, ("from", address)), limit.of_address))
        with self._lock:
            now = self._now()
            lines = [(self._line(key, now), most) for key, most in keys]
            for line, most in lines:
                if len(line) >= most:
                    wait = max(math.ceil(line[0] + self.WINDOW - now), 1)
                    raise Refused(429, _slower(limit, wait), wait)
            for line, _ in lines:
                line.append(now)
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)

    def _line(self, key: tuple[str, Any], now: float) -> deque[float]:
        line = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        while line and line[0] <= now - self.WINDOW:
            line.popleft()
        return line


def _slower(limit: Limit, wait: int) -> str:
    seconds = "a second" if wait == 1 else f"{wait} seconds"
    return f"That were many {limit.name} in a minute: please wait {seconds} and go on."


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
