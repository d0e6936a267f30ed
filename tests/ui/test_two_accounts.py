"""Two accounts on a served page: each reaches its own memory alone, and guessing has an end."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory.observation import Observation
from memory.preferences import Preferences
from tests.serving import Server
from ui.web.accounts import OF_ONE_USER, add_account
from vision.settings import Settings

PASSWORDS = {"mia": "long enough", "noah": "another one"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    for user, password in PASSWORDS.items():
        add_account(folder / "accounts", user, password)
    server = Server(folder, "--auth", str(folder / "accounts"))
    yield server
    server.stop()


@pytest.fixture
def memory(server) -> Preferences:
    url = f"sqlite:///{Path(server.log).parent / 'memory.db'}"
    memory = Preferences.load(Settings(database_url=url))
    for user in PASSWORDS:
        rule = Observation(kind="freckles", region="face", polarity="keep", source="explicit")
        memory.forget(user)
        memory.learn(user, [rule])
    return memory


class Browser:
    """Somebody who logged in."""

    def __init__(self, server: Server, user: str) -> None:
        self.http = httpx.Client(base_url=server.url, timeout=60)
        login = {"username": user, "password": PASSWORDS[user]}
        assert self.http.post("/login", data=login).status_code == 200
        self.events = self.http.get("/config").json()["dependencies"]

    def call(self, name: str, *given: Any) -> str:
        """Run one of the page's own events; returns all that it tells."""
        number = next(one["id"] for one in self.events if one["api_name"] == name)
        tab = secrets.token_hex(8)
        body = {"data": given, "fn_index": number, "session_hash": tab}
        self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.http.stream("GET", "/gradio_api/queue/data?session_hash=" + tab) as answer:
            for line in answer.iter_lines():
                told = json.loads(line.removeprefix("data: ") or "{}")
                if told.get("msg") == "process_completed":
                    assert told["success"], told
                    return json.dumps(told["output"]["data"])
        raise AssertionError("the event did not end")


def test_an_account_reaches_its_own_memory_alone(server, memory):
    mia, before = Browser(server, "mia"), memory.export("noah")
    forged = {"name": "noah"}
    assert "You are mia" in mia.call("memory", forged)
    assert "freckles" in mia.call("memory_export", forged)
    mia.call("memory_pause", forged)
    assert memory.paused("mia") and not memory.paused("noah")
    mia.call("memory_forget", None, forged)
    assert memory.export("noah") == before
    noah = Browser(server, "noah")
    assert "You are noah" in noah.call("memory", {"name": "mia"})


def test_who_logs_out_is_out(server):
    mia, noah = Browser(server, "mia"), Browser(server, "noah")
    assert mia.http.get("/logout").status_code == 302
    assert mia.http.get("/config").status_code == 401
    assert noah.http.get("/config").status_code == 200


def test_strangers_and_guessers_stay_outside(server):
    stranger = httpx.Client(base_url=server.url, timeout=60)
    assert stranger.get("/config").status_code == 401
    body = {"data": [{"name": "mia"}], "fn_index": 0, "session_hash": "x"}
    assert stranger.post("/gradio_api/queue/join", json=body).status_code == 401
    for _ in range(OF_ONE_USER):
        guess = {"username": "noah", "password": "guess"}
        assert stranger.post("/login", data=guess).status_code == 400
    right = {"username": "noah", "password": PASSWORDS["noah"]}
    assert stranger.post("/login", data=right).status_code == 400  # has to wait now


def test_a_login_is_a_few_words(server):
    stranger = httpx.Client(base_url=server.url, timeout=60)
    long = {"username": "mia", "password": "x" * 20_000}
    for sent in ({"data": long}, {"files": {"username": ("a", b"x" * 20_000)}}):
        assert stranger.post("/login", **sent).status_code == 413
    assert stranger.post("/login", data={"username": "mia"}).status_code == 422
    for _ in range(250):
        answer = stranger.post("/login", content=b"")
        if answer.status_code == 429:
            break
    assert answer.status_code == 429 and "please wait" in answer.json()["error"]
