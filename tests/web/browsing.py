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
DESK = {"width": 1280, "height": 900}
PATIENCE = 240  # seconds that a turn may take on a busy machine
HOME = "127.0.0.1"


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
        self._context = browser.new_context(**{"viewport": DESK, **context})
        self._context.set_default_timeout(PATIENCE * 1000)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self._context.on("request", self._note)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(url)
        self.the("example").wait_for()
        # What it shows is there a moment before its script, which gives this input its name.
        self.the("open-file").wait_for(state="attached")

    def _note(self, request: Request) -> None:
        self.asked.append(request.url)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def strangers(self) -> set[str]:
        """Addresses of other machines that were asked for anything."""
        parts = [(url, urlsplit(url)) for url in self.asked]
        return {url for url, p in parts if p.scheme not in ("data", "blob") and p.hostname != HOME}

    def leave(self) -> None:
        self._context.close()

    # -- what is on the page ----------------------------------------------------------------------

    def the(self, name: str) -> Locator:
        """An element by its id."""
        return self.page.locator(f"#{name}")

    @property
    def message(self) -> Locator:
        return self.page.locator("#message textarea")

    def replies(self) -> list[str]:
        return self.page.get_by_test_id("bot").all_inner_texts()

    def heard(self) -> list[str]:
        """What this visitor said, as the conversation shows it."""
        return self.page.get_by_test_id("user").all_inner_texts()

    def steps(self) -> list[str]:
        return self.page.locator("#steps button").all_inner_texts()

    def seen(self) -> list[bytes]:
        """The files that the page shows as before and after."""
        return [self.fetch(view) for view in self.page.locator("#slider img").all()]

    def overlay(self) -> bytes:
        """The file that shows what is found."""
        return self.fetch(self.page.locator("#overlay img"))

    def fetch(self, picture: Locator) -> bytes:
        address = str(picture.get_attribute("src"))
        return self.page.request.get(address).body()

    # -- what people do ---------------------------------------------------------------------------

    def try_example(self) -> str:
        return self.answer_to(self.the("example").click)

    def give(self, photo: Path) -> str:
        """Choose a file; gives the reply."""

        def choose() -> None:
            with self.page.expect_file_chooser() as chooser:
                self.the("open").click()
            chooser.value.set_files(photo)

        return self.answer_to(choose)

    def say(self, text: str) -> str:
        """Type a message and press Enter; gives the whole reply."""
        self.message.fill(text)
        return self.answer_to(lambda: self.message.press("Enter"))

    def look(self, tab: str) -> None:
        """Go to the pictures: "Before | after" or "Found"."""
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def answer_to(self, act: Callable[[], object]) -> str:
        """Do something that is answered in the conversation; gives the reply once it is whole."""
        before = self.replies()
        act()
        return self.answered(before)

    def answered(self, before: list[str]) -> str:
        """Wait until there is a reply more than there were, and nothing is going on."""
        seen, still = before, 0
        limit = time.monotonic() + PATIENCE
        while still < 3:
            if time.monotonic() > limit:
                raise TimeoutError(f"no reply within {PATIENCE} s; the last were {seen[-3:]}")
            self.page.wait_for_timeout(100)
            now = self.replies()
            still = still + 1 if now == seen != before and self.idle() else 0
            seen = now
        return seen[-1]

    def idle(self) -> bool:
        """Whether no turn runs: a reply that is under way ends in dots."""
        under_way = any(reply.endswith("…") for reply in self.replies())
        return self.the("send").is_visible() and not under_way

    def reach(self, target: Locator) -> None:
        """Press Tab until the keyboard is at something."""
        for _ in range(80):
            if target.evaluate("e => e === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not get to {target}")

    def download(self, folder: Path, button: str = "download") -> Path:
        """Press a button and keep the file under the name that it is offered by."""
        with self.page.expect_download() as offered:
            self.the(button).click()
        path = folder / offered.value.suggested_filename
        offered.value.save_as(path)
        return path


def axe() -> str | None:
    """axe-core's source, where FRECKLE_TEST_AXE says that it lies."""
    path = os.environ.get("FRECKLE_TEST_AXE")
    return Path(path).read_text(encoding="utf-8") if path else None
