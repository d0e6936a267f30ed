"""How long a person at the page waits: for a photo to be looked through, for the first answer, for
feedback. Measured in the browser, to the moment when the new picture is on the screen.

    python -m tests.web.answers [--times 10] [--megapixels 12]

Every time is a new photo of its own (nothing is remembered from the time before) in a server that
has its models loaded.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.serving import Server
from tests.web.browsing import Browser, Visitor, chromium
from tests.web.portraits import portrait

FIRST = "soften the wrinkles but keep the freckles"
FEEDBACK = "a bit less"
LIMITS = {"first answer": 5.0, "feedback": 1.0}  # seconds
# The picture after is another one than before, and drawn.
NEW = """before => {
    const after = [...document.querySelectorAll('#slider img')].at(-1);
    return after && after.src !== before && after.complete && after.naturalWidth > 0;
}"""


def once(browser: Browser, url: str, photo: Path) -> dict[str, float]:
    """Seconds of everything one person waits for."""
    visitor = Visitor(browser, url)
    seconds = {}
    start = time.perf_counter()
    visitor.give(photo)
    seconds["looked through"] = time.perf_counter() - start
    for name, text in (("first answer", FIRST), ("feedback", FEEDBACK)):
        visitor.message.fill(text)
        told = visitor.replies()
        seconds[name] = until_new_picture(visitor, lambda: visitor.message.press("Enter"))
        visitor.answered(told)
    visitor.leave()
    return seconds


def until_new_picture(visitor: Visitor, act: Callable[[], None]) -> float:
    before = visitor.page.locator("#slider img").last.evaluate("image => image.src")
    start = time.perf_counter()
    act()
    visitor.page.wait_for_function(NEW, arg=before, polling="raf")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--megapixels", type=float, default=12)
    options = parser.parse_args()
    side = round(math.sqrt(options.megapixels * 1e6))
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        place = Path(folder)
        photos = [
            portrait(place / f"{number}.jpg", mark=number, side=side)
            for number in range(options.times + 1)
        ]
        server = Server(place)
        try:
            once(browser, server.url, photos.pop())  # loads the models
            rounds = [once(browser, server.url, photo) for photo in photos]
        finally:
            server.stop()
    told = {name: round(median(one[name] for one in rounds), 2) for name in rounds[0]}
    print(json.dumps({"photo": f"{side} x {side}", "times": options.times, "seconds": told}))
    for name, limit in LIMITS.items():
        print(
            f"{name}: {told[name]} s, at most {limit} s: {'yes' if told[name] <= limit else 'NO'}"
        )


if __name__ == "__main__":
    main()
