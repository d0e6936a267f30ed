"""Many at once: programs that have photos retouched, each checking that it gets its own back.

    python -m tests.web.crowd [--people 20] [--minutes 5]

Everybody sends photos with a patch and noise of their own; of the result the patch and everything
around the face must be the sent photo's, bit for bit, and the face must not. Ends with exit code 1
where anyone got an error or somebody else's photo, where a file stayed behind, or where the server
holds more memory than before by more than `SLACK`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from tests.serving import Server
from tests.web.portraits import mark_of, portrait

WISHES = ("soften the wrinkles", "remove the dark circles", "30% less redness", "less shine")
FACE = slice(60, 200), slice(150, 300)  # rows and columns of the astronaut's
SLACK = 200  # MiB
PATIENCE = 1200  # seconds that files may stay after everybody has left
SWEPT = 45  # seconds after which memory has been swept, too


class Person(threading.Thread):
    """Somebody who asks again and again until it is over.

    Attributes:
        faults: a line on each thing that went wrong.
        waits: seconds of each answer.
    """

    def __init__(self, url: str, number: int, folder: Path, until: float) -> None:
        super().__init__(name=f"person {number}")
        self._url, self._number, self._folder, self._until = url, number, folder, until
        self._chance = random.Random(number)
        self.faults: list[str] = []
        self.waits: list[float] = []

    def run(self) -> None:
        self._folder.mkdir()
        try:
            client = Client(
                self._url, verbose=False, download_files=self._folder, analytics_enabled=False
            )
            while not self.waits or time.monotonic() < self._until:
                self._ask(client)
            client.close()
        except Exception as error:  # whatever it is, it is what this program looks for
            self.faults.append(f"{self.name}: {type(error).__name__}: {error}")

    def _ask(self, client: Client) -> None:
        mark = 200 * self._number + len(self.waits) % 200
        photo = noisy(self._folder / f"{mark}.png", mark, seed=mark)
        start = time.monotonic()
        result, _ = client.predict(
            handle_file(photo), self._chance.choice(WISHES), "", api_name="/retouch"
        )
        self.waits.append(time.monotonic() - start)
        if why := mistaken(photo, Path(result), mark):
            self.faults.append(f"{self.name}, photo {mark}: {why}")
        Path(result).unlink()
        photo.unlink()


def noisy(path: Path, mark: int, seed: int) -> Path:
    """A portrait that nobody else has: noise around the face, and a patch."""
    portrait(path, mark=mark)
    with Image.open(path) as image:
        pixels = np.asarray(image).copy()
    noise = np.random.default_rng(seed).integers(0, 4, pixels.shape, np.uint8)
    noise[FACE] = 0
    noise[:32, :32] = 0
    Image.fromarray(pixels ^ noise).save(path)
    return path


def mistaken(sent: Path, got: Path, mark: int) -> str | None:
    """What is wrong with a result, None where nothing is."""
    with Image.open(sent) as one, Image.open(got) as other:
        before, after = np.asarray(one), np.asarray(other)
    if after.shape != before.shape:
        return f"it has {after.shape} pixels, not {before.shape}"
    if mark_of(got) != mark:
        return f"it is that of {mark_of(got)}"
    around = before != after
    around[FACE] = False
    if around.any():
        return f"{int(around.sum())} values around the face are not those that were sent"
    return "nothing was retouched" if np.array_equal(before, after) else None


def resident(server: Server) -> int:
    """MiB that the server holds."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def files(server: Server) -> int:
    return sum(path.is_file() for path in server.temporary.rglob("*") if ".ses" not in path.parts)


def gathered(server: Server, folder: Path, people: int, seconds: float) -> list[Person]:
    """Let everybody ask for so long; gives them once all have left."""
    until = time.monotonic() + seconds
    crowd = [Person(server.url, n, folder / str(n), until) for n in range(people)]
    for person in crowd:
        person.start()
    for person in crowd:
        person.join()
    return crowd


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        server = Server(place)
        try:
            told = measured(server, place, options.people, 60 * options.minutes)
        finally:
            server.stop()
    print(json.dumps(told, indent=1))
    stayed, grown = told["files"]["left"], told["MiB"]["after"] - told["MiB"]["before"]
    return int(bool(told["faults"]) or stayed > 0 or grown > SLACK)


def measured(server: Server, place: Path, people: int, seconds: float) -> dict[str, Any]:
    for folder in ("warm", "crowd"):
        (place / folder).mkdir()
    own = files(server)
    warm = gathered(server, place / "warm", 2, 0)  # models, and what first requests bring
    held = resident(server)
    crowd = gathered(server, place / "crowd", people, seconds)
    end, most = resident(server), files(server)
    limit = time.monotonic() + PATIENCE
    while files(server) > own and time.monotonic() < limit:
        time.sleep(5)
    time.sleep(SWEPT)
    waits = [round(wait, 1) for person in crowd for wait in person.waits]
    return {
        "people": people,
        "answers": len(waits),
        "seconds of an answer": {"median": median(waits), "most": max(waits)} if waits else {},
        "faults": [fault for person in (*warm, *crowd) for fault in person.faults],
        "MiB": {"before": held, "at the end": end, "after": resident(server)},
        "files": {"at the end": most - own, "left": files(server) - own},
    }


if __name__ == "__main__":
    sys.exit(main())
