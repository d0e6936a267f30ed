"""The page as a browser drives it, without a browser: one tab, its cookie, its session."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx


class Tab:
    """One tab of one browser.

    Args:
        url: of the page.
        login: user and password, where the page asks for them.
        cookies: of a tab in the same browser.
    """

    def __init__(
        self, url: str, login: tuple[str, str] | None = None, cookies: httpx.Cookies | None = None
    ) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=120, cookies=cookies)
        self.told: list[dict[str, Any]] = []  # by the queue, of the last event
        self.session = secrets.token_hex(8)
        if login is not None:
            data = {"username": login[0], "password": login[1]}
            self.http.post("/login", data=data).raise_for_status()
        answer = self.http.get("/config")
        self.config: dict[str, Any] = answer.raise_for_status().json()

    def number(self, name: str) -> int:
        """The event of that name; only the page itself knows its number."""
        return next(one["id"] for one in self.config["dependencies"] if one["api_name"] == name)

    def upload(self, path: Path) -> dict[str, Any]:
        """A file as an event takes it."""
        answer = self.http.post(
            "/gradio_api/upload", files={"files": (path.name, path.read_bytes())}
        )
        return as_file(answer.raise_for_status().json()[0])

    def join(self, number: int, *data: Any, **more: Any) -> httpx.Response:
        body = {"data": data, "fn_index": number, "session_hash": self.session, **more}
        return self.http.post("/gradio_api/queue/join", json=body)

    def call(self, name: str, *data: Any) -> dict[str, Any]:
        """Run an event; returns what it shows, by the id of each element.

        Inputs that are not given are empty.
        """
        event = next(one for one in self.config["dependencies"] if one["api_name"] == name)
        data += (None,) * (len(event["inputs"]) - len(data))
        if event["queue"] is False:
            body = {"data": data, "fn_index": event["id"], "session_hash": self.session}
            answer = self.http.post("/gradio_api/run/predict", json=body)
            shown = answer.raise_for_status().json()["data"]
        else:
            self.join(event["id"], *data).raise_for_status()
            self.told = self.messages()
            shown = self.told[-1]["output"]["data"]
        ids = {one["id"]: one["props"].get("elem_id") for one in self.config["components"]}
        return {ids[one]: value for one, value in zip(event["outputs"], shown, strict=True)}

    def call_public(self, name: str, *data: Any) -> list[Any]:
        """Run an endpoint for programs in the queue; returns what it gives."""
        self.join(self.number(name), *data).raise_for_status()
        return self.messages()[-1]["output"]["data"]

    def failure(self, name: str, *data: Any) -> str:
        """The line that an endpoint fails with."""
        self.join(self.number(name), *data).raise_for_status()
        return self.messages()[-1]["output"]["error"]

    def messages(self) -> list[dict[str, Any]]:
        """What the queue tells until the event is done."""
        told = []
        params = {"session_hash": self.session}
        with self.http.stream("GET", "/gradio_api/queue/data", params=params) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    told.append(json.loads(line[6:]))
                    if told[-1]["msg"] == "process_completed":
                        return told
        return told


def as_file(name: str) -> dict[str, Any]:
    return {"path": name, "meta": {"_type": "gradio.FileData"}}


def refused(answer: httpx.Response) -> str:
    """The line of a refusal, having checked that it is one."""
    assert 400 <= answer.status_code < 500 or answer.status_code == 503, answer.text[:300]
    assert "Traceback" not in answer.text and 'File "' not in answer.text
    assert len(answer.content) < 2000
    told = answer.json()
    assert told.get("detail") or told.get("error")
    return str(told.get("error") or told["detail"])
