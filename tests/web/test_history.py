"""Going back, forth and not at all: undo, redo, a step of the history, the stop button."""

from __future__ import annotations

import time

import pytest

from tests.web.browsing import Visitor
from ui.web.views import DOUBLE_CLICK

WISH = "soften the wrinkles"


@pytest.fixture
def mia(visitor: Visitor) -> Visitor:
    """A visitor who has had two wishes fulfilled."""
    visitor.try_example()
    visitor.say(WISH)
    visitor.say("30% less redness")
    assert visitor.steps() == [
        "The photo as it was",
        "Wrinkles 50%",
        "Wrinkles 50% and redness 30%",
    ]
    return visitor


def present(visitor: Visitor) -> str:
    return visitor.page.locator("#steps [aria-current]").inner_text()


def test_undo_redo_and_any_step_show_the_picture_of_that_step(mia):
    two = mia.seen()[1]
    mia.answer_to(mia.the("undo").click)
    one = mia.seen()[1]
    assert present(mia) == "Wrinkles 50%" and one != two
    mia.page.locator("body").click(position={"x": 5, "y": 5})
    mia.answer_to(lambda: mia.page.keyboard.press("Control+z"))
    before, nothing = mia.seen()
    assert present(mia) == "The photo as it was" and before == nothing
    assert mia.the("undo").is_disabled()
    mia.answer_to(lambda: mia.page.keyboard.press("Control+Shift+z"))
    assert present(mia) == "Wrinkles 50%" and mia.seen()[1] == one
    mia.answer_to(mia.the("step-2").click)
    assert mia.seen()[1] == two and mia.the("redo").is_disabled()


def test_keys_in_the_message_box_belong_to_the_message(visitor):
    visitor.try_example()
    visitor.message.fill("a bit")
    visitor.page.keyboard.type(" less")
    visitor.page.keyboard.press("Control+z")
    visitor.page.wait_for_timeout(500)
    assert visitor.heard() == [] and visitor.message.input_value() != "a bit less"


def test_stop_ends_a_turn_and_leaves_the_picture(visitor):
    visitor.try_example()
    before = visitor.seen()
    visitor.message.fill("remove the wrinkles, the redness, the dark circles and the shine")
    told = visitor.replies()
    visitor.message.press("Enter")
    time.sleep(2 * DOUBLE_CLICK)  # a click at once would be the second one on Send
    visitor.the("stop").click()
    assert "stopped" in visitor.answered(told).lower()
    assert visitor.seen() == before and visitor.steps() == ["The photo as it was"]
    assert "weaker" in visitor.say(WISH)
