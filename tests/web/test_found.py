"""What is found on a photo: seen, weakened, kept, one mark at a time, on one face of several."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from scipy import ndimage

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


def painted(picture: bytes, plain: bytes, colour: tuple[int, ...]) -> np.ndarray:
    """Where a picture has nearly this colour and the plain one has not, (h, w)."""
    one, other = (
        np.asarray(Image.open(io.BytesIO(p)).convert("RGB"), int) for p in (picture, plain)
    )
    near = [np.abs(pixels - colour).sum(axis=2) < 90 for pixels in (one, other)]
    return near[0] & ~near[1]


def test_the_overlay_paints_the_kinds_that_are_ticked_and_names_the_mark_that_is_clicked_on(mia):
    mia.look("Found")
    everything, shown = mia.overlay(), kinds(mia)
    assert {"wrinkles", "dark_spots"} <= set(shown)
    ticked = [kind for kind in shown if mia.the(f"show-{kind}").is_checked()]
    assert not {"pores", "uneven_tone"} & set(ticked)  # they would cover the face
    for kind in ticked:
        show(mia, kind, False)
    nothing = mia.overlay()
    for kind in ("wrinkles", "dark_spots"):
        show(mia, kind, True)
        one = mia.overlay()
        assert painted(everything, nothing, colour_of(mia, kind)).any()
        place = painted(one, nothing, colour_of(mia, kind))
        assert place.any()
        other = colour_of(mia, "dark_spots" if kind == "wrinkles" else "wrinkles")
        # Not of the other kind, but for a pixel whose blend with the skin comes near by chance.
        assert painted(one, nothing, other).sum() < 0.01 * place.sum()
        if kind == "wrinkles":
            show(mia, kind, False)
    assert mia.heard() == []  # looking is no turn

    click(mia, place)
    mia.the("spot-remove").wait_for()
    assert "dark spot" in mia.the("pointed").inner_text()
    before = mia.seen()
    mia.answer_to(mia.the("spot-remove").click)
    assert mia.heard() == ["remove this dark spot"]
    assert mia.seen()[0] == before[0] and mia.seen()[1] != before[1]


def show(visitor: Visitor, kind: str, on: bool) -> None:
    """Tick a kind, or no longer, and wait for the overlay."""
    overlay = visitor.page.locator("#overlay img")
    before = overlay.get_attribute("src")
    visitor.the(f"show-{kind}").set_checked(on, force=True)
    expect(overlay).not_to_have_attribute("src", before)


def click(visitor: Visitor, place: np.ndarray) -> None:
    """Click on the middle of a mark of the overlay, (h, w), which fits into its frame."""
    picture = visitor.page.locator("#overlay img")
    box = picture.bounding_box()
    height, width = place.shape
    scale = min(box["width"] / width, box["height"] / height)
    depth = ndimage.distance_transform_edt(place)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    left, top = (box["width"] - scale * width) / 2, (box["height"] - scale * height) / 2
    picture.click(position={"x": left + scale * (x + 0.5), "y": top + scale * (y + 0.5)})


def test_moving_a_slider_is_saying_it(mia):
    before, (greeting,) = mia.seen(), mia.replies()
    slide(mia, "wrinkles", 40)
    slide(mia, "redness", 30)  # while the first is under way
    mia.page.get_by_test_id("bot").nth(2).wait_for()
    mia.answered([greeting])
    assert mia.heard() == ["wrinkles to 40 %", "redness to 30 %"]
    assert mia.replies()[0] == greeting and all("weaker" in one for one in mia.replies()[1:])
    assert mia.steps() == ["The photo as it was", "Wrinkles 40%", "Wrinkles 40% and redness 30%"]
    assert mia.seen()[0] == before[0] and mia.seen()[1] != before[1]
    assert mia.the("strength-wrinkles").input_value() == "40"


def test_two_sliders_moved_by_keyboard_in_a_row_both_count(mia):
    for kind in ("wrinkles", "redness"):  # the second before the first has come to rest
        mia.the(f"strength-{kind}").focus()
        mia.page.keyboard.press("End")
    mia.page.get_by_test_id("bot").nth(2).wait_for()
    mia.answered(mia.replies()[:1])
    # They leave the browser within milliseconds of each other, on two connections: either may be
    # the first to arrive.
    assert sorted(mia.heard()) == ["redness to 100 %", "wrinkles to 100 %"]


def slide(visitor: Visitor, kind: str, percent: int) -> None:
    """Drag a slider as a mouse does: it says its last value once, on release."""
    visitor.the(f"strength-{kind}").evaluate(
        """(slider, percent) => {
            slider.value = percent;
            slider.dispatchEvent(new Event('input', {bubbles: true}));
            slider.dispatchEvent(new Event('change', {bubbles: true}));
        }""",
        percent,
    )


def test_what_is_kept_by_its_switch_stays_as_it_is(mia):
    mia.answer_to(lambda: mia.the("keep-wrinkles").check(force=True))
    assert mia.heard() == ["keep the wrinkles"] and mia.steps()[-1] == "Wrinkles kept"
    mia.say("make me look good")
    assert "wrinkles kept" in mia.steps()[-1].lower()
    assert "wrinkles 5" not in mia.steps()[-1].lower() and "redness" in mia.steps()[-1].lower()
    assert mia.the("keep-wrinkles").is_checked()
    mia.answer_to(lambda: mia.the("keep-wrinkles").uncheck(force=True))
    assert "wrinkles kept" not in mia.steps()[-1].lower()
    assert not mia.the("keep-wrinkles").is_checked()


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
    left, right = np.hsplit(change > 4, 2)  # the preview is a JPEG
    assert right.any() and not left.any()
