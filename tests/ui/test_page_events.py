"""Whatever is sent to the page's own events, a line comes back, and the page goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.page_client import Tab, refused
from tests.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()
    assert not server.left()


@pytest.mark.parametrize("value", [None, 5])
def test_wrong_parameters_and_event_data(server, value):
    tab = Tab(server.url)
    events = [one for one in tab.config["dependencies"] if one["backend_fn"]]
    assert len(events) > 30
    for event in events:
        if event["api_name"] not in ("_open_example", "_leave"):
            send(tab, event, value)
    assert "Give me a portrait" in said(tab)


def send(tab: Tab, event: dict[str, Any], value: Any) -> None:
    """Run an event with a value for all that it takes; it ends, with a line where it fails."""
    body = {
        "data": [value] * len(event["inputs"]), "event_data": value, "fn_index": event["id"],
        "session_hash": tab.session, "trigger_id": None,
    }  # fmt: skip
    where = "run/predict" if event["queue"] is False else "queue/join"
    answer = tab.http.post(f"/gradio_api/{where}", json=body)
    if answer.status_code != 200:
        assert refused(answer) and answer.status_code != 429, event["api_name"]
    elif where == "queue/join":
        last = tab.messages()[-1]
        assert last["msg"] == "process_completed", event["api_name"]
        assert last["success"] or last["output"]["error"], event["api_name"]
        assert "Traceback" not in json.dumps(last)


def said(tab: Tab) -> str:
    """What the page answers to a wish."""
    return json.dumps(tab.call("_say", [], "less shine")["chat"])
