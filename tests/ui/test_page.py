"""What the events of the page do, without a browser and without models."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from agent.overview import Proposal
from agent.progress import Stopped
from llm.commands import Turn, Undo
from memory.preferences import Preferences
from ui.web.accounts import Profiles
from ui.web.limits import FULL, MAX_MESSAGE, MAX_OF_ONE, MAX_WAITING
from ui.web.page import GONE, TOO_MUCH, Page
from ui.web.sessions import NO_PHOTO, Visit, Visits
from ui.web.turns import ANOTHER_WAY, BROKEN, Act
from ui.web.views import DOUBLE_CLICK
from vision.photo import load
from vision.settings import Settings
from vision.vocabulary import SKIN_KINDS

ME = SimpleNamespace(session_hash="tab", username=None)


class FakeSession:
    """A photo without a face, on which nothing is found."""

    def __init__(self) -> None:
        self.photo = self.result = load(np.full((40, 40, 3), 128, np.uint8))
        self.analysis = SimpleNamespace(faces=[])
        self.focus, self.question, self.reports = (), None, []
        self.steps, self.at, self.can_undo, self.can_redo = (
            ("the photo as it was",),
            0,
            False,
            False,
        )

    def meet(self, watch):
        watch("finding")

    def findings(self):
        return ()

    def proposals(self):
        return ()


@pytest.fixture
def page(tmp_path: Path) -> Page:
    agent = SimpleNamespace(open=lambda source, user, save_to: FakeSession())
    with gr.Blocks(analytics_enabled=False) as blocks:
        profiles = Profiles(Preferences.load(Settings()), "nobody")
        page = Page(Visits(agent, tmp_path), profiles)  # type: ignore[arg-type]
        page.wire(blocks)
    return page


@pytest.fixture
def visit(page: Page) -> Visit:
    visit = page.visits.open("tab", None, "a.png", None)
    visit.look.freckle("hello")
    return visit


def doing(text: str) -> Act:
    return Act(text, lambda session, watch: f"{text} done")


def answers(visit: Visit) -> list[str]:
    return [one["content"] for one in visit.look.said[1:] if one["role"] == "assistant"]


@pytest.mark.parametrize("called", ["mia.png", "mia.jfif", "mia.2026", "mia"])
def test_a_photo_is_taken_whatever_it_is_called(page, tmp_path, called):
    upload = tmp_path / called
    upload.write_bytes(b"pixels")
    visit = page._take_upload(str(upload), "", ME)
    assert visit.name == "mia.retouched.png" and not upload.exists()


def test_what_got_no_turn_is_not_left_behind(page, visit):
    for text in ("one", "two"):  # only one of both turns gets into the line
        page._begin([], doing(text), ME)
    list(page._turn(ME))
    assert answers(visit) == ["one done", "two done"]
    page._begin([], doing("three"), ME)
    list(page._turn(ME))
    assert answers(visit)[-1] == "three done"


def test_what_is_kept_of_texts_has_an_end(page, visit):
    told = page._say([], "x" * (MAX_MESSAGE + 1), ME)
    assert answers(visit) == [TOO_MUCH] and not visit.look.waiting
    assert told[page.message] == gr.skip()  # the text is still there to be shortened
    for _ in range(MAX_OF_ONE):
        assert page._say([], "less shine", ME)[page.message] == ""
    page._say([], "less shine", ME)
    assert answers(visit)[-1] == TOO_MUCH and len(visit.look.waiting) == MAX_OF_ONE


def test_proposals_that_are_unticked_quickly_are_all_taken_back(page, visit):
    brought = [
        Proposal(f"{kind} kept", "", None, Turn(commands=[Undo()])) for kind in ("moles", "acne")
    ]
    visit.session.proposals = lambda: [*brought]
    visit.session.take_back = lambda one, watch: brought.pop(0).text
    page._settled(visit)
    page._take_back([], ["acne kept"], ME)
    page._take_back([], [], ME)  # the first is still in line
    said = [one["content"] for one in visit.look.said if one["role"] == "user"]
    assert said == ["take back: moles kept", "take back: acne kept"]
    list(page._turn(ME))
    assert answers(visit) == ["moles kept", "acne kept"] and not visit.look.brought


def test_the_second_click_on_send_is_no_stop(page, visit):
    page._begin([], doing("one"), ME)
    page._stop(ME)
    list(page._turn(ME))
    assert answers(visit) == ["one done"]


def test_the_slider_comes_back_from_another_view(page, visit):
    def replied(view, changed):
        return SimpleNamespace(view=view, changed=changed, shown=())

    before = page._pictures(visit, replied("before", False))[page.slider]
    assert before[0] == before[1]
    after = page._pictures(visit, replied(None, False))[page.slider]
    assert after[0] != after[1]
    assert page.slider not in page._pictures(visit, replied(None, False))


def test_what_only_waits_is_stopped_at_once(page, visit):
    page._begin([], doing("one"), ME)
    visit.look.asked -= DOUBLE_CLICK
    assert page._stop(ME)[page.send].visible
    assert answers(visit) == [str(Stopped())]
    page._begin([], Act("two", lambda session, watch: watch("finding") or "done"), ME)
    visit.look.asked -= DOUBLE_CLICK
    running = page._turn(ME)
    next(running)
    assert visit.look.running and page.send not in page._stop(ME)
    list(running)
    assert not visit.look.running


def test_a_photo_that_is_being_opened_can_be_stopped_and_stays_open(page):
    opening = page._opening(lambda: page.visits.open("tab", None, "a.png", None), ME)
    assert next(opening)[page.stop].visible
    visit = page._visit(ME)
    looked = []

    def meet(watch):
        watch("finding")
        page._stop(ME)
        watch("finding")
        looked.append("closely")

    visit.session.meet = meet
    last = list(opening)[-1]
    assert last[page.send].visible and not looked and not visit.look.running
    assert visit.look.said[0]["content"] == str(Stopped())
    page._begin([], doing("one"), ME)
    list(page._turn(ME))
    assert answers(visit) == ["one done"]


def test_refusals_are_said_in_the_conversation(page):
    event = SimpleNamespace(_data={"text": TOO_MUCH})
    assert page._tell([], event, ME)[page.chat] == [{"role": "assistant", "content": TOO_MUCH}]
    visit = page.visits.open("tab", None, "a.png", None)
    page._tell([], event, ME)
    assert visit.look.said[-1]["content"] == TOO_MUCH


def test_looking_does_not_wait_for_a_turn(page, visit):
    page._settled(visit)
    visit.look.overlay.repainted = visit.look.overlay.point = pytest.fail
    visit.look.running = True
    asked = SimpleNamespace(_data={"kind": "moles", "value": False}, index=(1, 1))
    assert page._show(asked, ME) == page._point(asked, ME) == page._same
    assert visit.look.overlay.hidden == {"moles", *SKIN_KINDS}


def test_a_control_that_is_refused_is_answered_for_good(page, visit):
    stale = SimpleNamespace(_data={"do": "keep-spot"})
    page._handle([], stale, ME)
    shown = list(page._turn(ME))[-1][page.chat]
    assert "Click on a mark" in shown[-1]["content"]


def test_a_photo_that_is_no_longer_there_is_told_apart_from_one_that_never_was(page):
    for chat, line in (([], NO_PHOTO), ([{"role": "assistant", "content": "hello"}], GONE)):
        assert page._begin(chat, doing("one"), ME)[page.chat][-1]["content"] == line


def test_a_photo_that_cannot_be_looked_at_says_so_where_it_was_greeted(page):
    session = FakeSession()
    session.findings = lambda: 1 / 0
    page.visits._agent.open = lambda source, user, save_to: session
    *_, last = page._opening(lambda: page.visits.open("tab", None, "a.png", None), ME)
    assert [one["content"] for one in last[page.chat]] == [BROKEN]


def test_there_is_something_to_take_home_once_something_is_done(page, visit):
    visit.session.reports.append("what can you do?")
    assert not page._settled(visit)[page.home.shown[1]].interactive
    visit.session.can_undo = True
    assert page._settled(visit)[page.home.shown[1]].interactive


def test_putting_it_another_way_leaves_what_is_typed(page, visit):
    chosen = SimpleNamespace(value=ANOTHER_WAY)
    assert page._choose([], chosen, ME) == page._same


def test_a_full_line_is_told_in_the_conversation(page, visit, monkeypatch):
    monkeypatch.setattr(type(page.page._queue), "__len__", lambda queue: MAX_WAITING)
    assert page._say([], "less shine", ME)[page.message] == gr.skip()
    assert answers(visit) == [FULL] and not visit.look.waiting
