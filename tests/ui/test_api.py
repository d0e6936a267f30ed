"""The endpoints for programs, called as programs call them: by gradio_client, HTTP and MCP."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from skimage import data

from tests.page_client import Tab
from tests.serving import Server
from ui.web.api import PUBLIC
from ui.web.server import check_mcp
from vision.errors import FreckleError

HAS_MCP = metadata.version("mcp").startswith("1.")
needs_mcp = pytest.mark.skipif(not HAS_MCP, reason="gradio needs the package mcp of version 1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), *(["--mcp"] if HAS_MCP else []))
    yield server
    server.stop()
    assert not server.left()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    folder = tmp_path / "downloads"
    client = Client(server.url, verbose=False, download_files=folder, analytics_enabled=False)
    yield client
    client.close()


def test_programs_see_the_five_endpoints_and_what_they_are_for(client):
    told = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(told) == {f"/{name}" for name in PUBLIC}
    assert [one["parameter_name"] for one in told["/retouch"]["parameters"]] == [
        "photo", "message", "profile",
    ]  # fmt: skip
    assert [one["label"] for one in told["/retouch"]["returns"]] == ["result", "report"]
    assert all(one["description"] for one in told.values())


def test_plan_needs_no_photo_and_knows_the_conversation(client):
    plan = client.predict("soften the wrinkles but keep freckles", api_name="/plan")
    assert [(one["do"], one["what"]) for one in plan["commands"]] == [
        ("reduce", "wrinkles"), ("keep", "freckles"),
    ]  # fmt: skip
    state = {
        "edits": [{"what": "wrinkles", "where": ["face"], "strength": 0.5}],
        "kept": [], "last": 0, "faces": 1,
    }  # fmt: skip
    (less,) = client.predict("a bit less", state, api_name="/plan")["commands"]
    assert less["do"] == "adjust" and less["delta"] < 0


def test_retouch_gives_the_file_and_the_report(client, portrait):
    result, report = client.predict(
        handle_file(portrait), "soften the wrinkles but keep freckles", api_name="/retouch"
    )
    assert Path(result).name == "portrait.retouched.jpg"
    with Image.open(result) as after, Image.open(portrait) as before:
        assert (after.format, after.size, after.info["dpi"]) == ("JPEG", (512, 512), (144, 144))
        assert np.abs(np.asarray(after).astype(int) - np.asarray(before)).max() > 2
    assert [one["what"] for one in report["edits"]] == ["wrinkles"]
    assert report["outside_max_change"] == 0 and "/" not in report["reply"]


def test_a_result_has_the_format_of_the_photo_whatever_its_name(client, tmp_path):
    misnamed = tmp_path / "mine.jpg"
    Image.fromarray(data.astronaut()).save(misnamed, format="PNG")
    result, _ = client.predict(handle_file(misnamed), "soften the wrinkles", api_name="/retouch")
    assert Path(result).name == "mine.retouched.png"
    with Image.open(result) as image:
        assert image.format == "PNG"


def test_detect_gives_a_mask_and_numbers(client, portrait):
    mask, told = client.predict(handle_file(portrait), "wrinkles", api_name="/detect")
    with Image.open(mask) as image:
        assert (image.mode, image.size) == ("L", (512, 512)) and np.asarray(image).max() > 100
    assert told["faces"][0]["as"] == "wrinkles" and told["faces"][0]["found"] > 0


def test_a_profile_is_shown_and_forgotten(client, portrait):
    wish = "soften the wrinkles. never touch my freckles, ever"
    client.predict(handle_file(portrait), wish, "mia", api_name="/retouch")
    told = client.predict("mia", api_name="/preferences")
    assert [(one["kind"], one["polarity"]) for one in told["preferences"]] == [("freckles", "keep")]
    assert "freckles" in told["lines"][0]
    assert client.predict("noah", api_name="/preferences")["preferences"] == []
    assert client.predict("moles", "mia", api_name="/forget") == {"forgotten": 0}
    assert client.predict("everything", "mia", api_name="/forget") == {"forgotten": 1}
    assert client.predict("mia", api_name="/preferences")["preferences"] == []


@pytest.mark.parametrize(
    ("endpoint", "given", "line"),
    [
        ("plan", [""], "Say something"),
        ("plan", [["a"]], "Say something"),
        ("plan", ["word " * 500], "too long"),
        ("plan", ["less", {"edits": 3}], "state"),
        ("retouch", [None, "less shine"], "Give me a portrait"),
        ("detect", [None, "shine"], "Give me a portrait"),
        ("preferences", [], "Nothing is remembered about guests"),
        ("preferences", ["m" * 500], "user name"),
        ("forget", ["noses", "mia"], "Name a kind"),
        ("forget", [None, "mia"], "Name a kind"),
    ],
)
def test_what_does_not_fit_is_a_line(client, endpoint, given, line):
    with pytest.raises(AppError, match=line):
        client.predict(*given, api_name=f"/{endpoint}")


def test_a_photo_without_a_face_is_a_line_without_a_path(client, tmp_path):
    Image.new("RGB", (300, 200), (90, 120, 150)).save(tmp_path / "sky.png")
    for endpoint in ("retouch", "detect"):
        with pytest.raises(AppError) as caught:
            client.predict(handle_file(tmp_path / "sky.png"), "wrinkles", api_name=f"/{endpoint}")
        assert "face" in str(caught.value) and "/" not in str(caught.value)


def test_events_of_the_page_cannot_be_called_by_name(server, client):
    inner = {one["api_name"] for one in Tab(server.url).config["dependencies"]} - {*PUBLIC, False}
    assert inner
    for name in sorted(map(str, inner)):
        answer = httpx.post(f"{server.url}/gradio_api/call/{name}", json={"data": []})
        assert answer.status_code == 404 and "no endpoint" in answer.json()["detail"]


def test_plain_http_is_enough(server):
    with httpx.Client(base_url=server.url, timeout=60) as http:
        event = http.post("/gradio_api/call/v2/plan", json={"message": "less shine"}).json()
        answer = http.get(f"/gradio_api/call/plan/{event['event_id']}").text
    assert "event: complete" in answer and '"what": "shine"' in answer


def test_only_this_machine_may_ask_a_private_page(server):
    elsewhere = httpx.get(f"{server.url}/config", headers={"Host": "freckle.example:7860"})
    assert elsewhere.status_code == 403 and "this machine" in elsewhere.json()["detail"]
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = httpx.post(
            f"{server.url}/gradio_api/call/plan", json={"data": ["x"]}, headers=headers
        )
        assert answer.status_code == 403


def test_mcp_of_another_version_is_one_line(monkeypatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    for version in (missing, lambda _: "2.3.0"):
        monkeypatch.setattr(metadata, "version", version)
        with pytest.raises(FreckleError, match="pip install") as caught:
            check_mcp()
        assert "\n" not in str(caught.value)


@needs_mcp
def test_mcp_lists_and_calls_the_endpoints(server, portrait):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    photo = "data:image/jpeg;base64," + base64.b64encode(portrait.read_bytes()).decode()
    tab = Tab(server.url)
    other = tab.upload(portrait)["path"]

    async def talk():
        async with (
            streamablehttp_client(f"{server.url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            planned = await session.call_tool("plan", {"message": "less shine"})
            seen = await session.call_tool("detect", {"photo": photo, "prompt": "wrinkles"})
            refused = [
                await session.call_tool("detect", {"photo": given, "prompt": "wrinkles"})
                for given in ("/etc/passwd", "http://127.0.0.1:1/a.jpg", "http://a.example/a.jpg")
            ]
            return tools, planned, seen, refused

    tools, planned, seen, refused = asyncio.run(talk())
    assert {one.name for one in tools} == set(PUBLIC)
    for one in tools:
        assert one.description and all(
            "description" in told for told in one.inputSchema["properties"].values()
        )
    assert json.loads(planned.content[0].text)["commands"][0]["what"] == "shine"
    address, numbers = (one.text for one in seen.content)
    assert json.loads(numbers)["faces"]
    assert httpx.get(address).content.startswith(b"\x89PNG")
    assert all(one.isError for one in refused)
    body = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "detect", "arguments": {"prompt": "wrinkles"}},
    }  # fmt: skip
    for given in (other, {"path": other}, {"path": "/etc/passwd"}):
        body["params"]["arguments"]["photo"] = given
        headers = {"Accept": "application/json, text/event-stream"}
        answer = httpx.post(f"{server.url}/gradio_api/mcp/", json=body, headers=headers)
        assert answer.status_code == 403
