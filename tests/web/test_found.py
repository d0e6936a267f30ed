"""What is found on a photo: seen, weakened, kept, one mark at a time, on one face of several."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.web.browsing import Visitor
from tests.web.portraits import portrait


@pytest.fixture
def mia(visitor: Visitor) -> Visitor:
    """A visitor with the example portrait, looked through."""
    assert "one face" in visitor.try_example()
    return visitor


def kinds(visitor: Visitor) -> list[str]:
    rows = visitor.page.locator("#found .found").all()
    return [str(row.get_attribute("id")).removeprefix("found-") for row in rows]


def colour_of(visitor: Visitor, kind: str) -> tuple[int, ...]:
    """The colour that the legend gives a kind."""
    style = visitor.page.locator(f"#found-{kind} .mark").get_attribute("style")
    code = re.search(r"#([0-9a-f]{6})", style).group(1)
    return tuple(bytes.fromhex(code))


def painted(picture: bytes, colour: tuple[int, ...]) -> np.ndarray:
    """Where a picture has nearly this colour, (h, w)."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int)
    return np.abs(pixels - colour).sum(axis=2) < 90


def test_the_overlay_paints_the_kinds_that_are_ticked_in_their_colours(mia):
    mia.look("Found")
    everything = mia.overlay()
    shown = kinds(mia)
    assert {"wrinkles", "freckles"} <= set(shown)
    for kind in shown:
        show(mia, kind, False)
    nothing = mia.overlay()
    show(mia, "wrinkles", True)
    wrinkles = mia.overlay()
    colour = colour_of(mia, "wrinkles")
    assert painted(everything, colour).sum() > painted(nothing, colour).sum()
    new = painted(wrinkles, colour) & ~painted(nothing, colour)
    assert new.sum() > 20
    other = colour_of(mia, "freckles")
    assert painted(wrinkles, other).sum() <= painted(nothing, other).sum() + 2
    assert len(mia.heard()) == 0  # looking is no turn


def show(visitor: Visitor, kind: str, on: bool) -> None:
    """Tick a kind and wait for the overlay."""
    before = visitor.page.locator("#overlay img").get_attribute("src")
    visitor.the(f"show-{kind}").set_checked(on, force=True)
    visitor.page.wait_for_function(
        "before => document.querySelector('#overlay img').getAttribute('src') !== before",
        arg=before,
    )


def test_moving_a_slider_is_saying_it(mia):
    before = mia.seen()
    slider = mia.the("strength-wrinkles")
    slider.focus()
    for _ in range(8):  # 5 % a key
        mia.page.keyboard.press("ArrowRight")
    mia.answered(mia.replies())
    while mia.heard()[-1] != "wrinkles to 40 %":  # each key was a turn, in its order
        mia.page.wait_for_timeout(200)
    assert mia.steps()[-1] == "Wrinkles 40%"
    assert mia.seen()[0] == before[0] and mia.seen()[1] != before[1]
    assert mia.the("strength-wrinkles").input_value() == "40"
    assert "40%" in mia.say("what did you change?")


def test_what_is_kept_by_its_switch_stays_as_it_is(mia):
    switch = mia.the("keep-freckles")
    mia.answer_to(lambda: switch.check(force=True))
    assert mia.heard() == ["keep the freckles"] and mia.steps()[-1] == "Freckles kept"
    assert "kept" in mia.say("remove the freckles") or "freckles kept" in mia.steps()[-1].lower()
    before, after = mia.seen()
    assert before == after
    mia.answer_to(lambda: mia.the("keep-freckles").uncheck(force=True))
    mia.say("remove the freckles")
    before, after = mia.seen()
    assert before != after


def test_a_mark_that_is_clicked_on_is_named_and_can_be_removed_alone(mia, tmp_path):
    mia.look("Found")
    for kind in kinds(mia):
        if kind != "moles":
            show(mia, kind, False)
    overlay = mia.page.locator("#overlay img")
    marks = painted(mia.overlay(), colour_of(mia, "moles"))
    y, x = np.argwhere(marks).mean(axis=0) / marks.shape
    box = overlay.bounding_box()
    mia.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    mia.the("spot-remove").wait_for()
    assert "mole" in mia.the("pointed").inner_text()
    mia.answer_to(mia.the("spot-remove").click)
    assert mia.heard() == ["remove this mole"]
    before, after = mia.seen()
    assert before != after


def test_of_two_faces_one_is_asked_for_with_buttons(visitor, tmp_path):
    with Image.open(portrait(tmp_path / "one.png")) as one:
        two = Image.new("RGB", (2 * one.width, one.height))
        two.paste(one, (0, 0))
        two.paste(one, (one.width, 0))
    two.save(tmp_path / "two.png")
    assert "2 faces" in visitor.give(tmp_path / "two.png")
    reply = visitor.say("soften the wrinkles")
    assert reply.endswith("?")
    options = visitor.page.locator("#chat button.option")
    assert options.all_inner_texts() == ["Face 1", "Face 2", "Everyone"]
    assert "weaker" in visitor.answer_to(options.nth(1).click)
    before, after = (Image.open(io.BytesIO(seen)) for seen in visitor.seen())
    change = np.abs(np.asarray(after, int) - np.asarray(before, int)).max(axis=2)
    left, right = np.hsplit(change > 24, 2)
    assert right.any() and not left.any()
