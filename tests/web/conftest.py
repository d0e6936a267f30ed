"""One served page and one browser for every test here, and visitors who come and go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from tests.serving import Server
from tests.web.browsing import CHROMIUM, Browser, Visitor, axe, chromium


def missing(what: str) -> NoReturn:
    """Skip where a person has not installed something; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} has to be there in CI", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()
    assert not server.left()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        missing("chromium is not installed: apt-get install chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Visitor]]:
    """Open the page as somebody new; nobody's page may ask another machine or break."""
    visitors: list[Visitor] = []

    def come(**context: object) -> Visitor:
        visitors.append(Visitor(browser, server.url, **context))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()
    for visitor in visitors:
        assert visitor.asked and not visitor.strangers()
        assert not visitor.faults


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    return visit()


@pytest.fixture(scope="session")
def axe_core() -> str:
    return axe() or missing("FRECKLE_TEST_AXE does not name axe-core's axe.min.js")
