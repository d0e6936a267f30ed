"""Memory in sight: a name, what is remembered and why, and every way out of it."""

from __future__ import annotations

import json

from tests.web.browsing import Visitor

LESSON = "from now on keep my freckles"


def named(visitor: Visitor, name: str) -> Visitor:
    """Give oneself a name."""
    visitor.page.get_by_role("button", name="What I remember").click()
    box = visitor.page.locator("#memory-name").get_by_role("textbox")
    box.fill(name)
    visitor.page.wait_for_timeout(1000)  # the panel fills itself when it opens
    box.press("Enter")
    visitor.the("memory-who").get_by_text(name).wait_for()
    return visitor


def test_what_is_learnt_is_listed_with_the_reason_and_can_be_forgotten(visit, tmp_path):
    mia = named(visit(), "mia")
    mia.try_example()
    mia.say(LESSON)
    known = mia.the("memory-known")
    known.get_by_text("freckles").wait_for()
    assert "because you asked for that" in known.inner_text()

    exported = mia.download(tmp_path, "memory-export")
    assert "freckles" in json.dumps(json.loads(exported.read_text()))

    mia.try_example()  # a second photo: memory proposes, one click takes it back
    proposal = mia.the("from-memory").get_by_role("checkbox")
    assert "freckles" in mia.the("from-memory").inner_text()
    mia.answer_to(proposal.first.uncheck)
    assert "freckles" in mia.heard()[-1]

    mia.the("memory-forget-all").click()
    mia.the("memory-yes").click()
    known.wait_for(state="hidden")
    with mia.page.expect_file_chooser() as chooser:
        mia.the("memory-import").click()
    chooser.value.set_files(exported)
    known.get_by_text("freckles").wait_for()


def test_a_guest_is_not_remembered_and_sees_nothing_of_others(visit):
    noah = named(visit(), "noah")
    noah.try_example()
    noah.say("from now on keep my moles")
    noah.the("memory-known").get_by_text("moles").wait_for()
    guest = visit()
    guest.page.get_by_role("button", name="What I remember").click()
    assert not guest.the("memory-known").is_visible()
    guest.try_example()
    guest.say(LESSON)
    guest.page.reload()
    guest.page.get_by_role("button", name="What I remember").click()
    assert not guest.the("memory-known").is_visible()
