"""One visitor, one portrait: give it, talk about it, look at it, take it home."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from PIL import Image

from tests.web.portraits import MAKER, PROFILE, mark_of, portrait
from ui.web.limits import UPLOADS

WISH = "soften the wrinkles"
# What the browser does when a person drops or pastes a file, which no test can do from outside.
HAND_OVER = """([way, photo]) => {
    const bytes = Uint8Array.from(atob(photo), (one) => one.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], 'mia.jpg', {type: 'image/jpeg'}));
    const options = {bubbles: true, cancelable: true};
    document.body.dispatchEvent(
        way === 'drop'
            ? new DragEvent('drop', {...options, dataTransfer: files})
            : new ClipboardEvent('paste', {...options, clipboardData: files}),
    );
}"""


@pytest.mark.parametrize(("ending", "format"), [("jpg", "JPEG"), ("tiff", "TIFF")])
def test_the_file_taken_home_is_the_one_brought_but_for_the_wish(visitor, tmp_path, ending, format):
    source = portrait(tmp_path / f"mia.{ending}", mark=0x5A3)
    visitor.give(source)
    assert "weaker" in visitor.say(WISH)
    result = visitor.download(tmp_path)
    assert result.name == f"mia.retouched.{ending}"
    with Image.open(source) as before, Image.open(result) as after:
        assert (after.format, after.size, after.mode) == (format, before.size, before.mode)
        assert after.info["icc_profile"] == PROFILE
        assert after.getexif()[0x010F] == MAKER
        assert after.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        tables = getattr(before, "quantization", None), getattr(after, "quantization", None)
        change = np.abs(np.asarray(after, int) - np.asarray(before, int)).max(axis=2)
    around = change.copy()
    around[60:200, 150:300] = 0  # rows and columns of the face: the rest is not hers to touch
    assert change.max() > 3
    if format == "JPEG":  # encoding again rounds everywhere, as finely as the source did
        assert tables[0] == tables[1] and around.mean() < 1
    else:
        assert around.max() == 0


def test_what_is_shown_is_a_preview_and_both_sides_of_it_differ_after_a_wish(visitor):
    assert "What would you like" in visitor.try_example()
    before, after = visitor.seen()
    assert before == after
    visitor.say(WISH)
    before, after = visitor.seen()
    assert before != after and before.startswith(b"\xff\xd8") and after.startswith(b"\xff\xd8")
    assert visitor.heard() == [WISH]


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_can_be_dropped_or_pasted(visitor, tmp_path, way):
    photo = base64.b64encode(portrait(tmp_path / "mia.jpg", mark=0x81F).read_bytes()).decode()
    visitor.answer_to(lambda: visitor.page.evaluate(HAND_OVER, [way, photo]))
    assert {mark_of(seen) for seen in visitor.seen()} == {0x81F}


def test_text_that_is_pasted_with_a_picture_of_it_stays_text(visitor):
    taken = visitor.message.evaluate(
        """(box) => {
            const both = new DataTransfer();
            both.items.add(new File(['x'], 'text.png', {type: 'image/png'}));
            both.setData('text/plain', 'less shine');
            return !box.dispatchEvent(new ClipboardEvent('paste', {
                clipboardData: both, bubbles: true, cancelable: true,
            }));
        }"""
    )
    assert not taken and visitor.replies() == []


def test_files_that_are_no_photos_are_answered_and_do_no_harm(visitor, tmp_path):
    visitor.try_example()
    wrong = {
        "letter.jpg": (b"Dear Mia", "not a photo"),
        "empty.jpg": (b"", "empty"),
        "half.png": (portrait(tmp_path / "whole.png").read_bytes()[:4000], "cut short"),
        "page.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a photo"),
    }
    for name, (content, answer) in wrong.items():
        (tmp_path / name).write_bytes(content)
        reply = visitor.give(tmp_path / name)
        assert answer in reply and "/" not in reply
    assert "weaker" in visitor.say(WISH)  # the photo from before is still there


def test_an_upload_that_is_refused_is_answered_in_the_conversation(visitor, tmp_path):
    sent = {"files": {"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"}}
    for _ in range(UPLOADS.of_visitor):
        visitor.page.request.post(f"{visitor.page.url}gradio_api/upload", multipart=sent)
    assert "uploads in a minute" in visitor.give(portrait(tmp_path / "mia.jpg"))
    assert all("429" in visitor.faults.pop() for _ in [*visitor.faults])  # as the console notes
