"""The panel: what is found in plain words, and controls that mean commands."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from agent.overview import Finding
from llm.commands import Allow, Keep, Reduce
from ui.web import findings
from ui.web.findings import act_of, panel, plainly
from vision.errors import FreckleError

FOUND = (Finding("wrinkles", 0.021, 0.5, False), Finding("dark_circles", 0.004, 0.0, True))


class FakeSession:
    """Remembers what it was asked to perform."""

    def __init__(self, faces: int = 1, focus: tuple[int, ...] = (0,)) -> None:
        self.analysis = SimpleNamespace(faces=[None] * faces)
        self.focus, self.question, self.at = focus, None, 1
        self.steps = ("the photo as it was", "wrinkles 50%", "<b>{{moles}}</b> kept")
        self.asked: list = []

    def perform(self, turn, watch):
        self.asked = turn.commands

    def findings(self):
        return FOUND


def done(said: dict, session: FakeSession) -> list:
    act_of(said, None).run(session, print)
    return session.asked


def test_rows_say_what_is_found_and_in_force():
    html = panel(FakeSession(), {"dark_circles"})  # type: ignore[arg-type]
    for part in ("found", "show", "strength", "keep"):
        assert f'id="{part}-wrinkles"' in html and f'id="{part}-dark_circles"' in html
    assert 'value="50"' in html and "2 %" in html and "under 1 %" in html
    assert "dark circles" in html
    assert html.count(" checked") == 2  # wrinkles are shown, dark circles are kept
    assert html.count("aria-label=") == 6  # every control has a name
    assert "on face 2" in panel(FakeSession(3, (1,)), set())  # type: ignore[arg-type]


def test_nothing_found_is_said():
    session = FakeSession()
    session.findings = lambda: ()  # type: ignore[method-assign]
    assert findings.NOTHING in panel(session, set())  # type: ignore[arg-type]


def test_a_slider_says_a_strength():
    act = act_of({"do": "strength", "kind": "wrinkles", "value": 40}, None)
    assert act.text == "wrinkles to 40 %"
    session = FakeSession()
    act.run(session, print)
    assert session.asked == [Reduce(what="wrinkles", strength=0.4)]


@pytest.mark.parametrize(("on", "command"), [(True, Keep), (False, Allow)])
def test_a_switch_keeps_or_allows(on, command):
    said = {"do": "keep", "kind": "moles", "value": on}
    assert done(said, FakeSession()) == [command(what="moles")]


def test_with_several_faces_those_in_focus_are_named():
    said = {"do": "strength", "kind": "acne", "value": 100}
    assert [c.who for c in done(said, FakeSession(2, (1,)))] == [2]
    assert [c.who for c in done(said, FakeSession(2, (0, 1)))] == ["everyone"]
    keep = {"do": "keep", "kind": "acne", "value": True}
    assert [c.who for c in done(keep, FakeSession(3, (0, 2)))] == [1, 3]


@pytest.mark.parametrize(
    "said",
    [
        {}, {"do": "strength", "kind": "scars", "value": 40}, {"do": "remove-spot"},
        {"do": "strength", "kind": "wrinkles", "value": 101}, {"do": "keep", "kind": "moles"},
        {"do": "strength", "kind": "wrinkles", "value": "40"}, {"do": "step", "value": "1"},
        {"do": "keep", "kind": ["moles"], "value": True}, {"do": "delete", "value": 1},
    ],
)  # fmt: skip
def test_controls_that_do_not_exist_are_refused(said):
    with pytest.raises(FreckleError):
        act_of(said, None)


def test_steps_are_buttons_and_the_present_one_is_marked():
    html = findings.steps(FakeSession())  # type: ignore[arg-type]
    assert html.count("<button") == 3 and html.count("aria-current") == 1
    assert 'id="step-1" data-do="step" data-value="1" aria-current=step disabled' in html
    assert "&lt;b&gt;" in html and "{{" not in html


def test_text_is_shown_as_it_is():
    assert plainly("a <i> ${x}") == "A &lt;i&gt; &#36;&#123;x}"


def test_a_photo_is_greeted_by_what_is_on_it():
    told = findings.greeting(FakeSession())  # type: ignore[arg-type]
    assert "one face" in told and "wrinkles and dark circles" in told
    assert "number 2" in findings.greeting(FakeSession(2, (1,)))  # type: ignore[arg-type]
    assert "no face" in findings.greeting(FakeSession(0, ()))  # type: ignore[arg-type]
