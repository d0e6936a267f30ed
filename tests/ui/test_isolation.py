"""What one visitor has, no other reaches by any endpoint; and nothing that is sent breaks one."""

from __future__ import annotations

import json
import re
import socket
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from skimage import data

from memory.observation import Observation
from memory.preferences import Preferences
from memory.store import Store
from tests.page_client import Tab, as_file, refused
from tests.serving import Server
from ui.web.accounts import add_account

PASSWORDS = {"mia": "mia's password", "noah": "noah's password"}
API = "/gradio_api"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    for user, password in PASSWORDS.items():
        add_account(folder / "accounts", user, password)
        memory = Preferences(Store(f"sqlite:///{folder / 'memory.db'}"))
        liked = {"mia": "freckles", "noah": "moles"}[user]
        memory.learn(
            user,
            [Observation(kind=liked, region="face", polarity="keep", source="explicit")],
        )
    server = Server(folder, "--auth", str(folder / "accounts"))
    yield server
    server.stop()
    assert not server.left()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "portrait.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=92)
    return path


def tab_of(server: Server, user: str, cookies: httpx.Cookies | None = None) -> Tab:
    return Tab(server.url, (user, PASSWORDS[user]), cookies)


@pytest.fixture(scope="module")
def mia(server: Server) -> Tab:
    return tab_of(server, "mia")


@pytest.fixture(scope="module")
def noah(server: Server) -> Tab:
    return tab_of(server, "noah")


@pytest.fixture
def tab(server: Server) -> Tab:
    """A browser that has asked for nothing yet."""
    return tab_of(server, "mia")


@pytest.fixture(scope="module")
def stranger(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60)


@pytest.fixture(scope="module")
def result(mia: Tab, photo: Path) -> str:
    """The address of a result of Mia's, as the server told it to her."""
    shown = mia.call_public("detect", mia.upload(photo), "wrinkles")
    return shown[0]["url"].removeprefix(mia.url)


def test_a_result_is_for_its_owner_alone(mia, noah, stranger, server, result):
    seen = mia.http.get(result)
    assert seen.status_code == 200 and seen.content.startswith(b"\x89PNG")
    assert "no-store" in seen.headers["Cache-Control"]
    assert "sandbox" in seen.headers["Content-Security-Policy"]
    other_browser = tab_of(server, "mia").http
    for http, code in ((noah.http, 404), (stranger, 401), (other_browser, 404)):
        for address in (result, result.replace("file=", "file/")):
            for method in ("GET", "HEAD"):
                assert http.request(method, address).status_code == code
    basic = httpx.BasicAuth("mia", PASSWORDS["mia"])
    assert httpx.get(f"{server.url}{result}", auth=basic).status_code == 404  # not this browser


def test_a_program_may_log_in_with_each_request(server, photo):
    basic = httpx.BasicAuth("noah", PASSWORDS["noah"])
    with httpx.Client(base_url=server.url, auth=basic, timeout=60) as http:
        event = http.post(f"{API}/call/preferences", json={"data": [""]}).json()["event_id"]
        told = http.get(f"{API}/call/preferences/{event}").text
        assert '"user": "noah"' in told
    wrong = httpx.get(f"{server.url}/gradio_api/info", auth=httpx.BasicAuth("noah", "guess"))
    assert wrong.status_code == 401
    stolen = httpx.get(
        f"{server.url}{API}/call/preferences/{event}", auth=("mia", PASSWORDS["mia"])
    )
    assert stolen.status_code in (403, 404)


def test_memory_is_the_account_s_own_whoever_is_named(mia, noah):
    for tab, user, kind in ((mia, "mia", "freckles"), (noah, "noah", "moles")):
        for named in ("", "mia", "noah", "../mia"):
            (told,) = tab.call_public("preferences", named)
            assert told["user"] == user
            assert [one["kind"] for one in told["preferences"]] == [kind]
    assert noah.call_public("forget", "freckles", "mia") == [{"forgotten": 0}]
    assert mia.call_public("preferences", "")[0]["preferences"]


def test_a_file_in_a_call_must_be_the_caller_s(mia, noah, photo, result, server):
    upload = mia.upload(photo)["path"]
    own = noah.upload(photo)["path"]
    assert upload != own  # the same bytes, and yet apart
    inside = next(server.temporary.glob("freckle-*"))
    for path in (
        upload, result.partition("file=")[2], str(photo), "/etc/passwd", f"{own}/../../x",
        upload.replace("/freckle", str(inside)), "https://a.example/a.jpg", "", "\0", "a" * 5000,
        own.rpartition("/")[0], f"/freckle/../{photo}", "file:///etc/passwd",
    ):  # fmt: skip
        for given in (as_file(path), [as_file(path)], {"deep": [as_file(path)]}):
            answer = noah.join(noah.number("detect"), given, "wrinkles")
            assert answer.status_code == 403, path
        if path.isprintable() and len(path) < 1000:
            assert noah.http.get(f"{API}/file={path}").status_code == 404


def test_a_session_cannot_be_taken_over(mia, noah, stranger, server):
    assert mia.join(mia.number("preferences"), "").status_code == 200
    mia.messages()
    for http, code in ((noah.http, 403), (stranger, 401), (tab_of(server, "mia").http, 403)):
        join = {"data": [""], "fn_index": mia.number("preferences"), "session_hash": mia.session}
        cancel = {"session_hash": mia.session, "fn_index": 0, "event_id": "0" * 32}
        for answer in (
            http.post(f"{API}/queue/join", json=join),
            http.post(f"{API}/run/predict", json=join),
            http.post(f"{API}/cancel", json=cancel),
            http.get(f"{API}/queue/data", params={"session_hash": mia.session}),
            http.get(f"{API}/heartbeat/{mia.session}"),
        ):
            assert answer.status_code == code
    same_browser = tab_of(server, "mia", mia.http.cookies)
    same_browser.session = mia.session  # a reload that keeps its session
    assert same_browser.join(mia.number("preferences"), "").status_code == 200


def test_a_visit_on_the_page_is_for_its_owner_alone(tab, noah, server, photo):
    tab.call("_open_upload", tab.upload(photo))
    addresses = re.findall(r"/gradio_api/file=/freckle/[^\"]+", json.dumps(tab.told))
    assert addresses
    for address in addresses:
        assert tab.http.get(address).status_code == 200
        assert noah.http.get(address).status_code == 404
    with tab.http.stream("GET", f"{API}/heartbeat/{tab.session}"):
        pass  # the connection is gone, but may come back
    same_account, same_browser = tab_of(server, "mia"), tab_of(server, "mia", tab.http.cookies)
    for other in (noah, same_account):
        assert "freckle/" not in json.dumps(other.call("_arrive", tab.session))
    assert "freckle/" in json.dumps(same_browser.call("_arrive", tab.session)["slider"])


def test_no_response_names_a_place_of_this_machine(tab, stranger, server, result, photo):
    places = [tempfile.gettempdir(), str(server.temporary), str(Path.home()), str(Path.cwd())]
    places.append("site-packages")
    bodies = [stranger.get("/").text, tab.http.get("/").text]
    for path in (
        "/config",
        f"{API}/info",
        f"{API}/openapi.json",
        f"{API}/nothing",
        "/config?page=x",
    ):
        bodies.append(tab.http.get(path).text)
    bodies.append(json.dumps(tab.upload(photo)))
    tab.call("_open_upload", tab.upload(photo))
    bodies.append(json.dumps(tab.told))
    bodies += [json.dumps(one) for one in _failures(tab)]
    bodies.append(result)
    for place in places:
        assert not [body[:200] for body in bodies if place in body]


def _failures(tab: Tab) -> Iterator[list[dict]]:
    for name, given in (("detect", [5, "x"]), ("retouch", ["x", [], {}]), ("forget", [[], 1])):
        if tab.join(tab.number(name), *given).status_code == 200:
            yield tab.messages()


def test_every_response_has_the_safe_headers(mia, stranger, result):
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    for http, method, path, headers in (
        (stranger, "GET", "/", {}),
        (stranger, "GET", "/config", {}),
        (mia.http, "GET", "/", {}),
        (mia.http, "GET", "/theme.css", {}),
        (mia.http, "GET", result, {}),
        (mia.http, "GET", "/nothing", {}),
        (mia.http, "POST", "/gradio_api/queue/join", {}),
        (mia.http, "DELETE", "/gradio_api/info", {}),
        (stranger, "OPTIONS", "/gradio_api/upload", preflight),
    ):
        told = http.request(method, path, headers=headers).headers
        assert told["X-Content-Type-Options"] == "nosniff"
        assert told["Referrer-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in told["Content-Security-Policy"]
        assert "http" not in told["Content-Security-Policy"]
        assert "geolocation=()" in told["Permissions-Policy"]


# -- whatever is sent, a line comes back ---------------------------------------------------------


WRONG = [
    b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 5000, b"{}",
    b'{"data": 5}', b'{"data": []}', b'{"data": [], "fn_index": "0"}',
    b'{"data": [], "fn_index": 99999}', b'{"data": [], "fn_index": -1}',
    b'{"data": [], "fn_index": true}', b'{"data": [], "fn_index": 0, "session_hash": 5}',
    b'{"data": [], "fn_index": 0, "session_hash": ""}',
    b'{"data": [], "fn_index": 0, "session_hash": "' + b"x" * 200 + b'"}',
    b'{"data": [], "fn_index": 0, "session_hash": "s", "trigger_id": "x"}',
    b'{"data": [], "fn_index": 1e999, "session_hash": "s"}',
    b'{"data": ' + b"[" * 900 + b"]" * 900 + b', "fn_index": 0, "session_hash": "s"}',
]  # fmt: skip


@pytest.mark.parametrize("where", ["queue/join", "call/plan", "call/none", "run/none", "cancel"])
def test_bodies_that_are_no_calls(mia, where):
    for body in WRONG:
        answer = mia.http.post(
            f"{API}/{where}", content=body, headers={"Content-Type": "application/json"}
        )
        if answer.status_code == 200:  # a whole call: what it says comes as the event's outcome
            assert where == "call/plan" and b"data" in body
            continue
        refused(answer)


@pytest.mark.parametrize("name", ["plan", "retouch", "detect", "preferences", "forget"])
def test_parameters_of_the_wrong_types(tab, name):
    values = (None, 5, [], {}, "x" * 3000, {"path": 5}, [[[]]], True, {"url": "data:,x"})
    for value in values:
        for count in (0, 1, 2, 3, 9):
            answer = tab.http.post(f"{API}/call/{name}", json={"data": [value] * count})
            if answer.status_code != 200:
                refused(answer)
                continue
            told = tab.http.get(f"{API}/call/{name}/{answer.json()['event_id']}").text
            assert "Traceback" not in told and "event: complete" in told or '"error": "' in told
    refused(tab.http.post(f"{API}/call/v2/{name}", json={"nose": 1}))


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd",
        "/gradio_api/file=http://127.0.0.1/x", "/gradio_api/file=%2Fetc%2Fpasswd",
        "/gradio_api/file/etc/passwd", "/gradio_api/proxy=https://a.hf.space/x",
        "/gradio_api/stream/x/y/1/playlist.m3u8", "/gradio_api/component_server",
        "/gradio_api/vibe-code", "/gradio_api/deep_link", "/gradio_api/token", "/monitoring",
        "/monitoring/summary", "/gradio_api/queue/data",
        "/gradio_api/custom_component/x/client/x/x",
        "/gradio_api/queue/data?session_hash=", "/gradio_api/heartbeat/", "/gradio_api/call/plan/0",
        "/gradio_api/runs", "/gradio_api/mcp/sse", "/gradio_api/dev/reload", "/docs", "/..%2f..%2f",
        "/gradio_api/file=/freckle/x/y", "/gradio_api/file=/freckle/%2e%2e/%2e%2e/etc/passwd",
    ],
)  # fmt: skip
def test_addresses_that_are_shut(mia, path):
    refused(mia.http.get(path))
    if "file" not in path:
        refused(mia.http.post(path, json={}))


def test_assets_do_not_lead_outside(mia):
    for path in ("/assets/..%2f..%2f..%2froutes.py", "/static/%2e%2e/%2e%2e/routes.py"):
        answer = mia.http.get(path)
        assert answer.status_code in (403, 404) and "import" not in answer.text


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it is large, with next to nothing in it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        (
            "a.svg",
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
            "not a photo",
        ),
        ("a.png", b"<!doctype html><script>alert(1)</script>", "not a photo"),
        ("a.jpg", b"just words", "not a photo"),
        ("a.gif", b"GIF89a" + bytes(50), "not a photo"),
        ("empty.jpg", b"", "empty"),
        ("cut.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "damaged"),
        ("bomb.png", png_of(60_000, 60_000), "megapixels"),
        ("bomb2.png", png_of(2**31 - 1, 2**31 - 1), "bomb2.png"),
    ],
)
def test_files_that_are_no_photos(tab, tmp_path, name, content, line):
    (tmp_path / name).write_bytes(content)
    for endpoint, more in (("retouch", ["less shine", ""]), ("detect", ["shine"])):
        told = tab.failure(endpoint, tab.upload(tmp_path / name), *more)
        assert line in told and "/" not in told.replace("JPEG", "")
    shown = tab.call("_open_upload", tab.upload(tmp_path / name))
    assert line.replace(name, "photo") in json.dumps(shown["chat"])


def test_an_uploaded_page_is_never_shown_as_one(tab, tmp_path):
    for name in ("a.html", "a.svg"):
        (tmp_path / name).write_text("<script>alert(1)</script>")
        answer = tab.http.get(f"{API}/file={tab.upload(tmp_path / name)['path']}")
        assert answer.headers["Content-Disposition"].startswith("attachment") or name == "a.svg"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_names_of_uploads_stay_names(tab):
    for name in ("../../evil.jpg", "/etc/passwd", "a\\b.jpg", "..", "x" * 300 + ".jpg", "é😀.jpg"):
        answer = tab.http.post(f"{API}/upload", files={"files": (name, b"x")})
        if answer.status_code == 200:
            assert answer.json()[0].count("/") == 4 and ".." not in answer.json()[0]
        else:
            refused(answer)


def test_uploads_that_are_none(tab):
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for content, headers in (
        (b"", {}), (b"x", {"Content-Type": "text/plain"}), (b"x", kind), (b"--x\r\n", kind),
        (b"x", {"Content-Type": "multipart/form-data"}),
        (b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n1\r\n--x--\r\n', kind),
    ):  # fmt: skip
        refused(tab.http.post(f"{API}/upload", content=content, headers=headers))


def test_a_huge_upload_is_refused_before_it_is_read_and_a_cut_one_leaves_nothing(tab, server):
    inside = next(server.temporary.glob("freckle-*"))
    before = {path.name for path in inside.iterdir()}
    cookie = "; ".join(f"{name}={value}" for name, value in tab.http.cookies.items())
    start = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        + bytes(2**20)
    )
    for length, answered in ((2**30, True), (2**28, False)):
        head = (
            f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {cookie}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
            line.sendall(head.encode())
            if answered:
                told = b""
                while more := line.recv(2000):
                    told += more
                    if b"too large" in told:
                        break
                assert b"413" in told.split(b"\r\n")[0] and b"too large" in told
            else:
                line.sendall(start)
    for _ in range(200):
        left = {path.name for path in inside.iterdir()} - before
        if not left:
            break
        tab.http.get("/robots.txt")
    assert not left


def test_too_many_uploads_have_to_wait(server):
    tab = tab_of(server, "noah")
    for _ in range(30):
        answer = tab.http.post(f"{API}/upload", files={"files": ("a.jpg", b"x")})
        if answer.status_code != 200:
            break
    assert answer.status_code == 429 and "please wait" in refused(answer)
    assert 0 < int(answer.headers["Retry-After"]) <= 60
