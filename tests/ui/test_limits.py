"""How much one may ask, whose a name is, and when files go."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.exceptions import HTTPException

from ui.web.folders import SHOWN, STRAY, Folders
from ui.web.guard import Guard
from ui.web.limits import (
    MAX_KEPT,
    MAX_OF_ADDRESS,
    MAX_OF_ONE,
    MAX_UPLOAD,
    Limit,
    Rates,
    Refused,
)
from ui.web.sessions import CROWDED, Sweeper, Visits, give_back_memory
from ui.web.uploads import take_upload
from ui.web.visitors import ANYBODY, Owners, Visitor, new_secret, read_secret
from vision.errors import FreckleError

MIA, NOAH = Visitor("mia", "a"), Visitor("noah", "b")


class FakeAgent:
    """Takes a number of megapixels for a photo; refuses 0."""

    def open(self, source: float, user: str | None, save_to: Path) -> SimpleNamespace:
        if not source:
            raise FreckleError("not a photo")
        pixels = SimpleNamespace(nbytes=3_000_000 * source)
        photo = SimpleNamespace(format="png", pixels=pixels)
        return SimpleNamespace(photo=photo)


def test_a_minute_holds_so_many_requests_and_the_line_says_how_long_to_wait():
    clock = [100.0]
    rates = Rates(now=lambda: clock[0])
    limit = Limit("uploads", of_visitor=2, of_address=3)
    rates.take(limit, MIA, "1.1.1.1")
    clock[0] += 20
    rates.take(limit, MIA, "1.1.1.1")
    with pytest.raises(Refused, match="uploads in a minute: please wait 40 seconds") as caught:
        rates.take(limit, MIA, "1.1.1.1")
    assert (caught.value.status, caught.value.wait) == (429, 40)
    rates.take(limit, NOAH, "1.1.1.1")
    with pytest.raises(Refused):  # new cookies do not help
        rates.take(limit, Visitor(None, "c"), "1.1.1.1")
    rates.take(limit, Visitor(None, "c"), "2.2.2.2")
    clock[0] += 40.5
    rates.take(limit, MIA, "1.1.1.1")


def test_rates_forget_who_is_long_gone():
    rates = Rates(most=10)
    for number in range(100):
        rates.take(Limit("calls", 1, 1000), number, "1.1.1.1")
    assert len(rates._seen) <= 11


def test_one_visitor_has_so_many_turns_in_line_and_programs_of_one_address_more():
    line = SimpleNamespace(queue=[])
    queue = SimpleNamespace(event_queue_per_concurrency_id={"models": line})
    blocks = SimpleNamespace(_queue=queue)
    app = SimpleNamespace(get_blocks=lambda: blocks)
    check = Guard._check_line

    def ask(visitor: Visitor, address: str) -> None:
        scope = {"app": app, "client": (address, 1), "state": {"visitor": visitor}}
        check(None, scope, visitor, False)  # type: ignore[arg-type]
        line.queue.append(SimpleNamespace(request=SimpleNamespace(scope=scope)))

    program = Visitor("mia")
    for visitor, most in ((MIA, 2 * MAX_OF_ONE), (program, MAX_OF_ADDRESS)):
        for _ in range(most):
            ask(visitor, "1.1.1.1")
        with pytest.raises(Refused, match="many wishes in line"):
            ask(visitor, "1.1.1.1")
    ask(NOAH, "1.1.1.1")
    ask(program, "2.2.2.2")
    line.queue.clear()
    ask(MIA, "1.1.1.1")


def test_a_name_belongs_to_who_used_it_first():
    owners = Owners(most=2)
    assert owners.claim("one", MIA) and owners.claim("one", MIA)
    for other in (NOAH, Visitor("mia", "other browser"), Visitor("mia"), ANYBODY):
        assert not owners.claim("one", other)
    assert owners.claim("two", Visitor("mia"))  # a program without cookies
    assert owners.claim("two", MIA) and not owners.claim("two", NOAH)
    owners.claim("three", MIA)
    assert owners.get("one") is None and owners.get("three") == MIA


def test_a_cookie_is_a_secret_or_nothing():
    secret = new_secret()
    assert read_secret(secret) == secret != new_secret()
    for value in (None, "", "x", secret + "x", secret[:-1] + "\n", "é" * 43):
        assert read_secret(value) is None


def test_files_are_found_by_their_owner_under_a_name_that_tells_nothing(tmp_path):
    folders = Folders(tmp_path)
    folder = folders.make(MIA)
    (folder / "a.png").write_bytes(b"x")
    (folder / "link.png").symlink_to("/etc/passwd")
    shown = folders.show(folder / "a.png")
    assert shown.startswith(SHOWN) and str(tmp_path) not in shown
    assert folders.find(shown, MIA) == folder / "a.png"
    assert folders.find(shown, NOAH) is None and folders.find(shown, ANYBODY) is None
    name = f"{SHOWN}/{folder.name}"
    for wrong in (
        "", "/", SHOWN, name, f"{name}/", f"{name}/none.png", f"{name}/../{folder.name}/a.png",
        f"{name}/./a.png", f"{name}//a.png", f"{name}/link.png", f"{name}/\0",
        str(folder / "a.png"), f"{name}\\a.png", f"{name}/{'a' * 5000}",
        f"{SHOWN}x/{folder.name}/a.png",
    ):  # fmt: skip
        assert folders.find(wrong, MIA) is None, wrong
    told = f'{{"path": "{folder}/a.png", "url": "/gradio_api/file={folder}/a.png"}}'.encode()
    assert folders.veil(told).count(shown.encode()) == 2
    assert str(tmp_path).encode() not in folders.veil(told)


def test_what_belongs_to_the_page_is_for_everybody(tmp_path):
    (tmp_path / "icons").mkdir()
    (tmp_path / "icons" / "a.png").write_bytes(b"x")
    folders = Folders(tmp_path)
    assert folders.find(f"{SHOWN}/icons/a.png", MIA) is None
    folders.publish()
    assert folders.find(f"{SHOWN}/icons/a.png", MIA) is not None
    folders.sweep()
    assert (tmp_path / "icons" / "a.png").exists()


def test_sweeping_takes_what_has_ended_and_what_nobody_owns(tmp_path):
    folders = Folders(tmp_path)
    kept, ended = folders.make(MIA), folders.make(MIA, life=0)
    old, new = tmp_path / "old", tmp_path / "new"
    for stray in (old, new):
        stray.mkdir()
    long_ago = time.time() - STRAY - 1
    os.utime(old, (long_ago, long_ago))
    os.utime(kept, (long_ago, long_ago))
    time.sleep(0.01)
    folders.sweep()
    assert set(tmp_path.iterdir()) == {kept, new}
    assert not ended.exists() and folders.of(MIA) == []


def test_uploads_under_way_count_for_all_that_they_may_become(tmp_path):
    folders = Folders(tmp_path)
    under_way = [folders.make(MIA, 60, arriving=True) for _ in range(MAX_KEPT // MAX_UPLOAD + 1)]
    scope = {"type": "http", "method": "POST", "headers": [], "query_string": b""}

    def send(visitor: Visitor) -> None:
        asyncio.run(take_upload(scope, None, folders, visitor))  # type: ignore[arg-type]

    with pytest.raises(Refused, match="earlier files"):
        send(MIA)
    for visitor in (NOAH, MIA):  # these are read, and are no uploads
        with pytest.raises(HTTPException, match="content type"):
            send(visitor)
        folders.renew(under_way[0], 60)


def test_a_folder_lasts_from_when_it_was_renewed(tmp_path):
    folders = Folders(tmp_path)
    folder = folders.make(MIA, life=0.01)
    folders.renew(folder, 60)
    time.sleep(0.02)
    folders.sweep()
    assert folder.exists() and folders.of(MIA) == [folder]
    folders.renew(folder, 0.01)
    time.sleep(0.02)
    folders.sweep()
    assert not folder.exists()


def test_a_tab_that_is_gone_has_a_while_to_come_back(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, grace=60)  # type: ignore[arg-type]
    visit = visits.open("a", 1, "out.png", None)
    visits.leave("a")
    visits.leave("a")  # a tab may say so twice
    visits.leave("b")
    visits.sweep()
    assert visits.get("a") is visit  # it is back, and stays as long as any
    visit.used -= 61
    visits.sweep()
    assert visits.holds("a", visit)
    visits.leave("a")
    visit.used -= 61
    visits.sweep()
    assert len(visits) == 0 and not visit.folder.exists()


def test_newcomers_take_the_places_of_those_who_left_first(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, limit=2)  # type: ignore[arg-type]
    first, second = (visits.open(key, 1, "out.png", None) for key in "ab")
    visits.leave("b")
    visits.open("c", 1, "out.png", None)
    assert visits.holds("a", first) and not second.folder.exists()


def test_a_tab_that_is_loaded_anew_goes_on_with_its_visit_and_nobody_else_s(tmp_path):
    visits = Visits(FakeAgent(), tmp_path)  # type: ignore[arg-type]
    for key, whose in (("old", MIA), ("new", MIA), ("other", NOAH), ("program", Visitor("mia"))):
        visits.owners.claim(key, whose)
    visit = visits.open("old", 1, "out.png", None)
    for key in ("other", "program", "never seen"):
        assert visits.move("old", key) is None
    assert visits.move("never seen", "new") is None and visits.holds("old", visit)
    visits.leave("old")
    assert visits.move("old", "new") is visit and visits.get("new") is visit
    assert visits.move("old", "new") is None  # a second time there is nothing
    visits.leave("old")  # the old page's connection may end later than the new page asks
    assert visits.holds("new", visit) and len(visits) == 1


def test_files_of_a_visit_that_ends_while_a_turn_runs_go_afterwards(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, grace=0)  # type: ignore[arg-type]
    visit = visits.open("a", 1, "out.png", None)
    with visit.lock:
        visits.leave("a")
        time.sleep(0.01)
        visits.sweep()
        assert visit.look.stop.is_set() and visit.folder.exists()
        visits.sweep()
        assert visit.folder.exists()
    visits.sweep()
    assert not visit.folder.exists() and len(visits) == 0


def test_memory_that_is_free_is_given_back():
    def held() -> float:  # MiB
        return int(Path("/proc/self/statm").read_text().split()[1]) / 256

    blocks = [b"x" * 60_000 for _ in range(4000)]  # 229 MiB in pieces too small to be returned
    last = blocks.pop()  # whose end is in use
    full = held()
    blocks.clear()
    give_back_memory()
    assert full - held() > 180 and last


def test_a_photo_that_is_refused_leaves_the_visit_as_it_was(tmp_path):
    visits = Visits(FakeAgent(), tmp_path)  # type: ignore[arg-type]
    visit = visits.open("a", 1, "out.png", None)
    with pytest.raises(FreckleError):
        visits.open("a", 0, "out.png", None)
    assert visits.get("a") is visit and set(tmp_path.iterdir()) == {visit.folder}


def test_people_at_work_keep_their_places(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, limit=2, room=10 * 12_000_000)  # type: ignore[arg-type]
    first, second = (visits.open(key, 4, "out.png", None) for key in "ab")
    for megapixels in (1, 200):
        with pytest.raises(FreckleError, match=CROWDED):
            visits.open("c", megapixels, "out.png", None)
    visits.open("a", 5, "out.png", None)  # in place of one's own
    assert not first.folder.exists()
    second.used -= 400
    visits.open("c", 1, "out.png", None)
    assert not second.folder.exists() and len(visits) == 2


def test_one_photo_may_be_as_large_as_photos_get(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, room=1)  # type: ignore[arg-type]
    assert visits.open("a", 200, "out.png", None).held == 12 * 200_000_000


def test_a_visit_s_folder_is_its_visitor_s(tmp_path):
    visits = Visits(FakeAgent(), tmp_path)  # type: ignore[arg-type]
    visits.owners.claim("tab", MIA)
    visit = visits.open("tab", 1, "out.png", None)
    (visit.folder / "out.png").write_bytes(b"x")
    shown = visits.folders.show(visit.folder / "out.png")
    assert visits.folders.find(shown, MIA) and not visits.folders.find(shown, NOAH)


def test_the_sweeper_sweeps_and_ends(tmp_path):
    visits = Visits(FakeAgent(), tmp_path, idle=0)  # type: ignore[arg-type]
    visit = visits.open("a", 1, "out.png", None)
    with Sweeper(visits, every=0.01):
        limit = time.monotonic() + 10
        while visit.folder.exists() and time.monotonic() < limit:
            time.sleep(0.01)
    assert not visit.folder.exists()
    assert "sweeper" not in {thread.name for thread in threading.enumerate()}
