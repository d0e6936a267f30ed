"""Chromium, and somebody who uses the chat page in it the way people do."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, sync_playwright

CHROMIUM = shutil.which("chromium")
# A browser that does nothing of its own accord: what is asked for, the page asks for.
OPTIONS = """
    --no-sandbox --disable-gpu --disable-background-networking --disable-component-update
    --disable-sync --disable-extensions --no-first-run --no-default-browser-check
""".split()
PATIENCE = 120  # seconds that a turn may take on a busy machine
HOME = "127.0.0.1"
EXAMPLE = "Try it on an example portrait"
DOWNLOAD = "Download the result"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window.

    Raises:
        FileNotFoundError: it is not installed.
    """
    if CHROMIUM is None:
        raise FileNotFoundError("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Visitor:
    """One person in a browser context of their own, with the page open.

    Attributes:
        page: Playwright's page, for all that has no method here.
        asked: every address that the page asked for.
        faults: what the page's own scripts did wrong, as the browser's console says it.
    """

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        context = {"viewport": {"width": 1280, "height": 900}, **context}
        self._context = browser.new_context(accept_downloads=True, **context)
        self._context.set_default_timeout(PATIENCE * 1000)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self._context.on("request", self._note)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(url)
        self.example.wait_for()

    def _note(self, request: Request) -> None:
        self.asked.append(request.url)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def strangers(self) -> set[str]:
        """Addresses of other machines that were asked for anything."""
        parts = {url: urlsplit(url) for url in self.asked}
        return {
            u for u, p in parts.items() if p.scheme not in ("data", "blob") and p.hostname != HOME
        }

    @property
    def example(self) -> Locator:
        return self.page.get_by_role("button", name=EXAMPLE)

    @property
    def message(self) -> Locator:
        return self.page.get_by_label("Your wish")

    @property
    def views(self) -> Locator:
        """Before and after, as they are on the screen."""
        return self.page.get_by_test_id("imageslider-image")

    def seen(self) -> list[bytes]:
        """The files that the page shows as before and after."""
        addresses = [view.get_attribute("src") for view in self.views.all()]
        return [self._context.request.get(str(address)).body() for address in addresses]

    def replies(self) -> list[str]:
        return self.page.get_by_test_id("bot").all_inner_texts()

    def heard(self) -> list[str]:
        """What this visitor said, as the conversation shows it."""
        return self.page.get_by_test_id("user").all_inner_texts()

    def try_example(self) -> str:
        return self.answer_to(self.example.click)

    def give(self, photo: Path) -> str:
        """Choose a file; gives the reply."""
        chooser = self.page.locator("input[type=file]").first
        return self.answer_to(lambda: chooser.set_input_files(photo))

    def say(self, text: str) -> str:
        """Type a message and press Enter; gives the whole reply."""
        self.message.fill(text)
        return self.answer_to(lambda: self.message.press("Enter"))

    def answer_to(self, act: Callable[[], object], since: int | None = None) -> str:
        """Do something that is answered in the conversation; gives the reply once it is whole.

        Args:
            act: what to do.
            since: how many replies there were before, where `act` was begun earlier.
        """
        before = self.replies()[:since]
        seen, still = before, 0
        act()
        limit = time.monotonic() + PATIENCE
        while still < 4:
            if time.monotonic() > limit:
                raise TimeoutError(f"no reply within {PATIENCE} s; the last were {seen[-3:]}")
            self.page.wait_for_timeout(100)
            now = self.replies()
            still = still + 1 if now == seen and now != before else 0
            seen = now
        return seen[-1]

    def reach(self, target: Locator) -> None:
        """Press Tab until the keyboard is at something."""
        for _ in range(60):
            if target.evaluate("e => e === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not get to {target}")

    def download(self, folder: Path) -> Path:
        """Press the button and keep the file under the name that it is offered by."""
        with self.page.expect_download() as offered:
            self.page.get_by_role("button", name=DOWNLOAD).click()
        path = folder / offered.value.suggested_filename
        offered.value.save_as(path)
        return path

    def leave(self) -> None:
        self._context.close()


def axe() -> str | None:
    """axe-core's source, where FRECKLE_TEST_AXE says that it lies."""
    path = os.environ.get("FRECKLE_TEST_AXE")
    return Path(path).read_text(encoding="utf-8") if path else None
