"""Photographs of the page's main states, for the documentation.

python -m tests.web.screenshots [--into docs]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.serving import Server
from tests.web.browsing import Browser, Visitor, chromium

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
WISH = "soften the wrinkles but keep the freckles"
MOST = 300_000  # bytes of a picture
QUALITIES = (90, 80, 70, 60)


def take(browser: Browser, url: str, into: Path) -> None:
    """Write page-empty, -found, -turn, -dark and -phone.jpg."""
    desk = Visitor(browser, url)
    picture(desk, into / "page-empty.jpg")
    desk.try_example()
    desk.look("Found")
    picture(desk, into / "page-found.jpg")
    desk.look("Before | after")
    desk.say(WISH)
    picture(desk, into / "page-turn.jpg")
    desk.page.emulate_media(color_scheme="dark")
    desk.page.wait_for_timeout(500)
    picture(desk, into / "page-dark.jpg")
    desk.leave()
    phone = Visitor(browser, url, **PHONE)
    phone.try_example()
    phone.say(WISH)
    picture(phone, into / "page-phone.jpg")
    phone.leave()


def picture(visitor: Visitor, path: Path) -> None:
    """What is on the screen, once its pictures are there, in as good a JPEG as has room."""
    visitor.page.wait_for_function("[...document.images].every(image => image.complete)")
    visitor.page.mouse.move(1, 1)
    visitor.page.wait_for_timeout(500)
    for quality in QUALITIES:
        data = visitor.page.screenshot(type="jpeg", quality=quality)
        if len(data) < MOST:
            break
    else:
        raise ValueError(f"{path.name} has {len(data)} bytes, {MOST} are the limit")
    path.write_bytes(data)
    print(f"{path}: {len(data) // 1000} kB at quality {quality}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--into", type=Path, default=Path("docs"), help="folder (docs)")
    into = parser.parse_args().into
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        server = Server(Path(folder))
        try:
            take(browser, server.url, into)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
