"""The chat page, served for real: who may reach it, and the visits that it holds."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from tests.serving import Server
from ui.web.folders import SHOWN, Folders
from ui.web.server import LOCK, private_folder
from ui.web.sessions import Visits
from ui.web.visitors import ANYBODY
from vision.errors import FreckleError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()
    assert not server.left()  # nothing of any visitor stays


def test_the_page_listens_to_this_machine_only(server):
    listening = Path("/proc/net/tcp").read_text() if sys.platform == "linux" else ""
    if not listening:
        pytest.skip("needs /proc/net/tcp")
    ours = [row.split()[1] for row in listening.splitlines()[1:] if f":{server.port:04X} " in row]
    assert any(address == f"0100007F:{server.port:04X}" for address in ours)
    assert not any(address.startswith("00000000:") for address in ours)


def test_share_makes_a_password_and_asks_for_it(tmp_path):
    shared = Server(tmp_path, "--share")
    try:
        user, password = re.search(
            r"as '(.+)' with the password '(.+)'", shared.log.read_text()
        ).groups()
        page = httpx.get(f"{shared.url}/config")
        assert page.status_code == 401
        for secret, code in (("guess", 400), (password, 200)):
            login = {"username": user, "password": secret}
            assert httpx.post(f"{shared.url}/login", data=login).status_code == code
    finally:
        shared.stop()


def test_a_taken_port_is_one_clear_line(server, tmp_path):
    call = [sys.executable, "-m", "ui.cli", "ui", "--port", str(server.port)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 2
    assert str(server.port) in done.stderr and done.stderr.count("\n") == 1


def test_what_a_killed_server_left_behind_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with private_folder() as running:
        killed, foreign = tmp_path / "freckle-killed", tmp_path / "freckle-other"
        for folder in (killed, foreign):
            folder.mkdir()
            (folder / "a.jpg").write_bytes(b"x")
        (killed / LOCK).touch()
        with private_folder() as other:
            assert set(tmp_path.iterdir()) == {running, other, foreign}
            folders = Folders(other)
            folders.publish()
            folders.sweep()
            assert (other / LOCK).exists() and folders.find(f"{SHOWN}/{LOCK}", ANYBODY) is None
    assert set(tmp_path.iterdir()) == {foreign}


class FakeAgent:
    """Takes anything for a photo of the format that it is."""

    def open(self, source: str, user: str | None, save_to: Path) -> SimpleNamespace:
        photo = SimpleNamespace(format=source, pixels=SimpleNamespace(nbytes=3_000_000))
        return SimpleNamespace(photo=photo, save_to=save_to)


def test_visits_are_bounded_and_leave_no_files(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, limit=2, patience=0)  # type: ignore[arg-type]
    first, second = (visits.open(key, "png", "out.png", None) for key in "ab")
    assert visits.get("a") is first  # now b is the one idle for longest
    third = visits.open("c", "png", "out.png", None)
    assert len(visits) == 2 and not second.folder.exists()
    with pytest.raises(FreckleError):
        visits.get("b")
    again = visits.open("a", "png", "out.png", None)
    assert not first.folder.exists() and again.folder.exists()
    assert set(tmp_path.iterdir()) == {third.folder, again.folder}


def test_idle_visits_are_dropped(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, idle=0)  # type: ignore[arg-type]
    first = visits.open("a", "png", "out.png", None)
    time.sleep(0.01)
    visits.sweep()
    assert len(visits) == 0 and not first.folder.exists()


@pytest.mark.parametrize(
    ("upload", "format", "name"),
    [("a.JPEG", "jpeg", "a.JPEG"), ("a.jpg", "png", "a.png"), ("a", "tiff", "a.tif")],
)
def test_results_are_named_by_what_the_file_is(tmp_path, upload, format, name):
    visit = Visits(FakeAgent(), tmp_path).open("a", format, upload, None)  # type: ignore[arg-type]
    assert visit.name == name
    assert visit.session.save_to == visit.folder / name
