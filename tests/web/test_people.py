"""Several people at one server, and a server that goes away under them."""

from __future__ import annotations

from tests.web.portraits import mark_of, portrait

WISH = "soften the wrinkles"
LOST = "Give me a portrait first"
REFUSED = (403, 404)


def test_two_people_at_once_each_get_their_own_photo(visit, tmp_path):
    people = {0x2F7: visit(), 0xE41: visit()}
    for mark, person in people.items():
        person.give(portrait(tmp_path / f"{mark}.png", mark=mark))
    mia, noah = people.values()
    told = mia.replies()
    mia.message.fill(WISH)
    mia.message.press("Enter")
    assert "weaker" in noah.say("soften the dark circles")  # said while mia's turn runs
    assert "wrinkles" in mia.answered(told)
    for mark, person in people.items():
        folder = tmp_path / f"home-{mark}"
        folder.mkdir()
        result = person.download(folder)
        assert result.name == f"{mark}.retouched.png" and mark_of(result) == mark
        assert {mark_of(shown) for shown in person.seen()} == {mark}
    assert mia.heard() == [WISH] and "wrinkles" not in noah.replies()[-1]


def test_files_are_for_their_owner_alone(visit, tmp_path):
    mia, noah = visit(), visit()
    mia.give(portrait(tmp_path / "mia.png"))
    address = mia.page.locator("#slider img").first.get_attribute("src")
    assert mia.page.request.get(address).status == 200
    assert noah.page.request.get(address).status in REFUSED  # the secret name is not enough


def test_a_connection_that_drops_and_a_page_that_is_loaded_anew_lose_nothing(visit, tmp_path):
    mia = visit()
    mia.give(portrait(tmp_path / "mia.png", mark=0x5C1))
    assert "weaker" in mia.say(WISH)
    mia.page.context.set_offline(True)
    mia.page.wait_for_timeout(2000)  # the server notices
    mia.page.context.set_offline(False)
    assert "weaker" in mia.say("30% less redness")
    told, steps, seen = mia.replies(), mia.steps(), mia.seen()
    mia.page.reload()
    mia.page.locator("#slider img").nth(1).wait_for()
    assert (mia.replies(), mia.steps(), mia.heard()) == (told, steps, [WISH, "30% less redness"])
    assert mia.seen() == seen
    mia.look("Found")
    assert mia.overlay().startswith(b"\xff\xd8")
    mia.answer_to(mia.the("undo").click)
    assert mia.steps() == steps and {mark_of(one) for one in mia.seen()} == {0x5C1}
    mia.faults.clear()  # the browser's own lines on the lost connection


def test_after_a_restart_the_page_says_what_to_do_and_works_again(visit, server, tmp_path):
    mia = visit()
    mia.try_example()
    server.stop()
    server.start()
    mia.page.reload()
    assert LOST in mia.say(WISH)
    mia.faults.clear()  # the browser's own lines on the lost connection
    mia.give(portrait(tmp_path / "mia.png", mark=0x123))
    assert {mark_of(shown) for shown in mia.seen()} == {0x123}
