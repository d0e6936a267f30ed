"""Everybody can use the page: small screens, no mouse, a screen reader."""

from __future__ import annotations

import json

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WISH = "soften the wrinkles"
SERIOUS = ("serious", "critical")


def test_on_a_phone_nothing_lies_beside_the_screen(visit):
    phone = visit(**PHONE)
    for state in (None, phone.try_example, lambda: phone.say("what can you do?")):
        if state:
            state()
        width = phone.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["viewport"]["width"]
    picture, chat = phone.the("slider").bounding_box(), phone.message.bounding_box()
    assert picture["y"] + picture["height"] <= chat["y"]  # the chat is below the picture


def test_without_a_mouse(visitor):
    keys = visitor.page.keyboard
    visitor.reach(visitor.the("example"))
    visitor.answer_to(lambda: keys.press("Enter"))
    visitor.reach(visitor.message)
    keys.type("what can you do?")
    assert "Tell me what to change" in visitor.answer_to(lambda: keys.press("Enter"))
    visitor.reach(visitor.the("strength-wrinkles"))
    assert "weaker" in visitor.answer_to(lambda: keys.press("End"))
    visitor.reach(visitor.the("keep-moles"))
    assert "moles" in visitor.answer_to(lambda: keys.press("Space"))
    visitor.reach(visitor.page.get_by_role("tab", name="Found", exact=True))
    keys.press("Enter")
    visitor.reach(visitor.the("spot-next"))
    keys.press("Enter")
    visitor.the("spot-keep").wait_for()
    visitor.reach(visitor.the("spot-keep"))
    visitor.answer_to(lambda: keys.press("Enter"))
    assert "keep this" in visitor.heard()[-1]
    visitor.reach(visitor.the("step-0"))
    visitor.answer_to(lambda: keys.press("Enter"))
    before, after = visitor.seen()
    assert before == after


def violations(visitor, axe_core: str) -> list[str]:
    """What axe-core objects to, a line each."""
    visitor.page.evaluate(f"{axe_core}; null")
    found = visitor.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: "
        + json.dumps([node["target"] for node in rule["nodes"]])
        for rule in found["violations"]
        if rule["impact"] in SERIOUS
    ]


def test_axe_finds_no_serious_barrier(visit, axe_core):
    for scheme in ("light", "dark"):
        visitor = visit(color_scheme=scheme)
        assert violations(visitor, axe_core) == []
        visitor.try_example()
        visitor.say("what can you do?")
        assert violations(visitor, axe_core) == []
