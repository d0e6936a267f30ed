"""The memory panel: everyone sees and changes their own alone; nothing goes without a question."""

from __future__ import annotations

import json
from types import SimpleNamespace

import gradio as gr
import pytest

from memory.observation import Observation
from memory.preferences import Preferences
from ui.web.accounts import Profiles
from ui.web.memory_panel import (
    ALL,
    EVERYTHING,
    MOST_IMPORTED,
    STAYS,
    _Panel,
    lines,
    read_export,
    unticked,
)
from vision.errors import FreckleError
from vision.settings import Settings

MIA, NOAH = (SimpleNamespace(username=name, session_hash=name) for name in ("mia", "noah"))


class OneVisit:
    """Visits that hold at most one, and say whose photo it is."""

    def __init__(self, user: str | None = None) -> None:
        self.forgotten: list = []
        session = SimpleNamespace(forget=self.forgotten.append)
        lock = SimpleNamespace(__enter__=lambda *_: None, __exit__=lambda *_: None)
        self.visit = SimpleNamespace(user=user, session=session, lock=type("L", (), vars(lock))())

    def get(self, key: str) -> SimpleNamespace:
        if self.visit.user != key:
            raise FreckleError("no photo")
        return self.visit


def likes(kind: str, **more) -> Observation:
    wish = {"kind": kind, "region": "face", "polarity": "keep", "source": "explicit"}
    return Observation.model_validate(wish | more)


@pytest.fixture
def memory() -> Preferences:
    memory = Preferences.load(Settings())
    for user in ("mia", "noah"):
        memory.learn(user, [
            likes("freckles"), likes("wrinkles", polarity="reduce", strength=0.4),
            likes("everything", region="lips"), likes("brightness", polarity="shift", amount=0.3),
        ])  # fmt: skip
    return memory


@pytest.fixture
def panel(memory):
    def make(by="account", visits=None) -> _Panel:
        with gr.Blocks(analytics_enabled=False):
            return _Panel(visits or OneVisit(), Profiles(memory, by))

    return make


def known(panel: _Panel, request, profile=None) -> list[str]:
    return [kind for _, kind in panel.view(profile, request)[panel.known].choices]


def test_it_is_said_what_is_remembered_and_why(memory):
    told = {kind: text for text, kind in lines(memory.show("mia"))}
    assert set(told) == {"brightness", "everything", "freckles", "wrinkles"}
    assert told["wrinkles"].startswith("wrinkles: 40%, because you asked for that on")
    assert "on the lips: never touched" in told["everything"]
    assert "+30%" in told["brightness"]


def test_accounts_see_and_forget_their_own_alone(panel, memory):
    panel = panel()
    before = memory.export("noah")
    for forged in ({"name": "noah"}, "noah", None):
        assert "freckles" in known(panel, MIA, forged)
        panel.forget("freckles", forged, MIA)
        assert "freckles" not in known(panel, MIA)
        memory.learn("mia", [likes("freckles")])
        panel.turn(forged, MIA)
        panel.turn(forged, MIA)
        assert json.loads(panel.write(forged, MIA)[panel.exported]) == memory.export("mia")
    panel.forget(ALL, {"name": "noah"}, MIA)
    assert memory.show("mia") == () and memory.export("noah") == before
    assert not memory.paused("noah")


@pytest.mark.parametrize("by", ["nobody", "account"])
def test_a_guest_of_a_shared_page_reaches_nothing(panel, memory, by):
    panel = panel(by)
    before = memory.export("mia")
    guest = SimpleNamespace(username="mia" if by == "nobody" else None, session_hash="mia")
    for profile in ({"name": "mia"}, None):
        assert known(panel, guest, profile) == []
        view = panel.view(profile, guest)
        assert not view[panel.all].interactive and not view[panel.export].interactive
        assert panel.write(profile, guest)[panel.exported] == ""
        panel.forget(ALL, profile, guest)
        panel.turn(profile, guest)
    assert memory.export("mia") == before and not memory.paused("mia")


def test_on_a_private_page_a_name_is_enough(panel):
    panel = panel("name")
    me = SimpleNamespace(username=None, session_hash="x")
    named = panel.call(" mia ", me)
    assert named[panel.profile] == {"name": "mia"}
    assert "freckles" in known(panel, me, named[panel.profile])
    assert panel.profile not in panel.call("m" * 1000, me)
    assert known(panel, me, {"name": "m" * 1000}) == known(panel, me, panel.call("", me)) == []


def test_a_name_that_is_being_typed_stays(panel):
    panel = panel("name")
    assert panel.name not in panel.shown and panel.name not in panel.view({"name": "mia"}, MIA)
    assert panel.called({"name": "mia"}) == "mia"
    for nothing in ({"name": ""}, {}, None, "mia"):
        assert panel.called(nothing) == gr.skip()


def test_nothing_goes_before_it_was_asked(panel, memory):
    panel = panel()
    before = memory.export("mia")
    asked = panel.ask("wrinkles")
    assert asked[panel.doomed] == "wrinkles" and asked[panel.sure].visible
    assert panel.doomed not in panel.ask(None)
    assert panel.ask_all(None)[panel.doomed] == ALL
    assert memory.export("mia") == before
    done = panel.forget(asked[panel.doomed], None, MIA)
    assert not done[panel.sure].visible and "forgotten" in done[panel.told]
    assert known(panel, MIA) == ["brightness", "everything", "freckles"]


def test_each_line_goes_alone(panel, memory):
    panel = panel()
    for kind in ("everything", "brightness"):
        panel.forget(kind, None, MIA)
        assert kind not in known(panel, MIA)
    assert known(panel, MIA) == ["freckles", "wrinkles"]
    assert "Choose" in panel.forget("nonsense", None, MIA)[panel.told]
    assert "Choose" in panel.forget("", None, MIA)[panel.told]
    assert known(panel, MIA) == ["freckles", "wrinkles"]


def test_what_is_forgotten_leaves_the_open_photo(panel):
    visits = OneVisit("mia")
    panel = panel(visits=visits)
    for doomed in ("freckles", ALL, "brightness", EVERYTHING, ""):
        panel.forget_here(doomed, None, MIA)
    assert visits.forgotten == ["freckles", "everything", "brightness"]
    panel.forget_here("freckles", None, NOAH)
    panel.forget_here(
        "freckles", {"name": "mia"}, SimpleNamespace(username=None, session_hash="mia")
    )
    assert len(visits.forgotten) == 3


def test_what_could_not_leave_the_open_photo_is_told(panel):
    visits = OneVisit("mia")
    visits.visit.session.forget = lambda what: 1 / 0
    panel = panel(visits=visits)
    assert STAYS in panel.forget_here("freckles", None, MIA)


def test_pausing_is_taken_back(panel, memory):
    panel = panel()
    paused = panel.turn(None, MIA)
    assert memory.paused("mia") and paused[panel.pause].value == "Resume"
    assert "paused" in paused[panel.who]
    assert panel.turn(None, MIA)[panel.pause].value == "Pause" and not memory.paused("mia")


def test_an_export_comes_back_whole(panel, memory, tmp_path):
    panel = panel()
    text = panel.write(None, MIA)[panel.exported]
    before = memory.export("mia")
    assert json.loads(text) == before
    panel.forget(ALL, None, MIA)
    file = tmp_path / "freckle-memory.json"
    for said in ("Added 4", "All of it was known"):
        file.write_text(text)
        assert said in panel.read(str(file), None, MIA)[panel.told]
        assert memory.export("mia") == before and not file.exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"{oops", "not JSON"), (b"\xff\xfe\x00", "not JSON"), (b"[" * 100_000, "not JSON"),
     (b" " * (MOST_IMPORTED + 1), "larger than"), (b'{"version": 99}', "version 99"),
     (b'{"version": 2, "observations": [{"kind": "hair"}]}', "not an export"),
     (b"[]", "not an export"), (b"7", "not an export")],
)  # fmt: skip
def test_other_files_are_refused_in_a_line(panel, memory, tmp_path, data, why):
    panel = panel()
    before = memory.export("mia")
    file = tmp_path / "memory.json"
    file.write_bytes(data)
    told = panel.read(str(file), None, MIA)[panel.told]
    assert why in told and str(tmp_path) not in told
    assert memory.export("mia") == before and not file.exists()
    with pytest.raises(FreckleError, match="did not arrive"):
        read_export(file)


def test_names_are_text_and_not_markup(panel, memory):
    memory.learn("<img src=x>", [likes("freckles")])
    view = panel().view(None, SimpleNamespace(username="<img src=x>", session_hash="x"))
    assert "&lt;img src=x&gt;" in next(iter(view.values()))


def test_boxes_that_were_unticked_are_told():
    one, two = (SimpleNamespace(text=text, reason="") for text in ("freckles kept", "redness 40%"))
    both = (one, two)
    assert unticked(both, ["redness 40%"]) == [one]
    assert unticked(both, []) == [one, two]
    assert unticked(both, ["freckles kept", "redness 40%"]) == []
    assert unticked(both, ["something older"]) == []


def test_every_event_of_the_panel_is_private(memory):
    with gr.Blocks(analytics_enabled=False) as page:
        _Panel(OneVisit(), Profiles(memory, "name")).wired()
    events = [one for one in page.fns.values() if one.fn]
    assert len(events) >= 10
    assert {one.api_visibility for one in events} == {"private"}
