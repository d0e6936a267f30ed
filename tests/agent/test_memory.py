"""What the agent learns, brings to the next photo with its reason, and forgets."""

from __future__ import annotations

import pytest

from memory.observation import Observation
from memory.preferences import PreferenceError
from memory.scene import scene_of
from vision import photo as photos

AUTO = {"do": "auto", "strength": 0.5}


def reduce(what, strength=1.0, **more):
    return {"do": "reduce", "what": what, "strength": strength, **more}


def test_a_standing_keep_holds_on_the_next_photo_and_says_why(opened):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    talk = opened(user="mia")
    reply = talk.do(reduce("wrinkles", 0.5), AUTO)
    assert talk.strength("redness", "cheeks") == 0
    assert "redness was left untouched because you asked for that on" in reply.text
    assert "redness" in {kept.what for kept in reply.report.kept}


def test_naming_the_kind_lifts_a_remembered_keep_for_this_photo_only(opened):
    opened(user="mia").do({"do": "keep", "what": "freckles", "always": True})
    talk = opened(user="mia")
    reply = talk.do(reduce("freckles"))
    assert talk.strength("freckles", "nose") == 1.0
    assert "had been kept (you asked for that on" in reply.text
    third = opened(user="mia")
    third.do(AUTO)
    assert third.script.told[-1].kept == ["freckles"]


def test_accepted_strengths_come_back_with_auto(opened):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2), reduce("acne", 0.9))
    reply = talk.do({"do": "accept"})
    assert reply.outcome == "answered"
    assert "wrinkles at strength 20%" in reply.text
    after = opened(user="mia")
    reply = after.do(AUTO)
    assert after.strength("wrinkles", "nose") == 0.2
    assert after.strength("acne", "chin") == 0.9
    assert after.strength("redness", "cheeks") == 0.5
    assert "usual strength, because you were happy with about that on" in reply.text


def test_the_words_of_auto_scale_the_usual_strengths(opened):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.4))
    talk.do({"do": "accept"})
    after = opened(user="mia")
    after.do({"do": "auto", "strength": 0.25})
    assert after.strength("wrinkles", "nose") == 0.2
    assert after.strength("acne", "chin") == 0.25


def test_memory_never_overrides_what_is_said(opened):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2, always=True))
    after = opened(user="mia")
    after.do(reduce("wrinkles", 0.7))
    assert after.strength("wrinkles", "nose") == 0.7


def test_an_accepted_permanent_mark_is_not_named_for_the_next_photo(opened):
    talk = opened(user="mia")
    talk.do(reduce("moles"))
    talk.do({"do": "accept"})
    after = opened(user="mia")
    after.do(AUTO)
    assert after.strength("moles", "chin") == 0
    after.do(reduce("moles", 1.0, always=True))
    third = opened(user="mia")
    third.do(AUTO)
    assert third.strength("moles", "chin") == 1.0


def test_the_same_result_is_accepted_once(opened, memory):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2))
    talk.do({"do": "accept"})
    talk.do({"do": "accept"})
    assert [one.count for one in memory.recall("mia")] == [1]


def test_remember_is_said_outright(opened, memory):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2), {"do": "keep", "what": "freckles"})
    talk.do({"do": "remember"})
    kept = {(one.kind, one.polarity, one.source) for one in memory.recall("mia")}
    assert kept == {("wrinkles", "reduce", "explicit"), ("freckles", "keep", "explicit")}


def test_memory_and_policy_are_not_learnt_again(opened, memory):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do({"do": "accept"})
    learnt = {one.kind: one.source for one in memory.recall("mia")}
    assert learnt["redness"] == "explicit"
    assert "freckles" not in learnt and "moles" not in learnt


def test_users_are_apart_and_nobody_is_remembered(opened, memory):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    for user in ("ben", None):
        talk = opened(user=user)
        talk.do(AUTO)
        assert talk.strength("redness", "cheeks") == 0.5
    reply = talk.do({"do": "keep", "what": "acne", "always": True})
    assert "only remember things for a named user" in reply.text
    assert len(memory.recall("mia")) == 1


def test_forgetting_is_immediate_and_undo_still_shows_what_it_showed(opened, memory):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    talk = opened(user="mia")
    talk.do(AUTO)
    before = talk.session.result.pixels.tobytes()
    reply = talk.do({"do": "forget", "what": "redness"})
    assert "forgotten all I knew about the redness" in reply.text
    assert memory.recall("mia") == ()
    talk.do(AUTO)
    assert talk.strength("redness", "cheeks") == 0.5
    talk.session.undo(2)
    assert talk.session.result.pixels.tobytes() == before
    assert "May" not in (explained := talk.do({"do": "explain"}).text)
    assert "redness (you asked for that)" in explained


def test_nothing_to_forget(opened):
    talk = opened(user="mia")
    assert "remember nothing" in talk.do({"do": "forget", "what": "everything"}).text


def test_a_standing_rule_about_a_place_holds_there(opened):
    opened(user="mia").do({"do": "keep", "what": "everything", "where": ["nose"], "always": True})
    talk = opened(user="mia")
    talk.do(reduce("wrinkles"), reduce("freckles"))
    assert talk.strength("wrinkles", "nose") == talk.strength("freckles", "nose") == 0
    assert talk.strength("wrinkles", "chin") == 1.0


def test_feedback_is_learnt_without_a_word_of_praise(opened, memory):
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do({"do": "adjust", "what": "wrinkles", "delta": -0.3})
    learnt = memory.recall("mia")
    assert [(one.kind, one.strength, one.source) for one in learnt] == [
        ("wrinkles", 0.2, "corrected")
    ]
    after = opened(user="mia")
    reply = after.do(AUTO)
    assert after.strength("wrinkles", "nose") == 0.2
    assert "wrinkles (20%) I used your usual strength, because you corrected it to" in reply.text
    assert "your usual strength because you corrected" in after.do({"do": "explain"}).text


def test_another_strength_for_what_was_proposed_is_learnt_at_once(opened, memory):
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do(reduce("wrinkles", 0.8))
    learnt = [(one.kind, one.strength, one.source) for one in memory.why("mia", "everything")]
    assert learnt == [("wrinkles", 0.8, "corrected")]


def test_saving_after_a_correction_makes_no_less_of_it(opened, memory, tmp_path):
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do({"do": "adjust", "what": "wrinkles", "delta": -0.3})
    talk.session.save(tmp_path / "one.png")
    (seen,) = memory.why("mia", "everything")
    assert (seen.kind, seen.strength, seen.source) == ("wrinkles", 0.2, "corrected")


def test_what_was_taken_back_is_left_alone_next_time(opened):
    talk = opened(user="mia")
    talk.do(AUTO)
    talk.do({"do": "restore", "what": "redness"})
    talk.do({"do": "accept"})
    after = opened(user="mia")
    reply = after.do(AUTO)
    assert after.strength("redness", "cheeks") == 0
    assert after.strength("acne", "chin") == 0.5
    assert "I left the redness alone, because" in reply.text


def test_plain_words_mean_the_usual_strength_and_numbers_do_not(opened):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.2))
    talk.do({"do": "accept"})
    said = {
        "soften the wrinkles": 0.2, "soften the wrinkles of the one on the left": 0.2,
        "wrinkles to 50%": 0.5, "wrinkles by fifty per cent": 0.5, "five out of ten": 0.5,
    }  # fmt: skip
    for text, strength in said.items():
        after = opened(user="mia")
        reply = after.do(reduce("wrinkles", 0.5), text=text)
        assert after.strength("wrinkles", "nose") == strength
        assert ("usual strength" in reply.text) == (strength == 0.2)
    moved = opened(user="mia")  # as strong as it was, on the other side
    moved.do(reduce("wrinkles", 0.5, where=["cheeks"], side="left"), text="wrinkles to 50%")
    moved.do(
        {"do": "restore", "what": "last", "where": ["face"]},
        reduce("wrinkles", 0.5, where=["cheeks"], side="right"),
        text="no, the other cheek",
    )
    assert moved.strength("wrinkles", "cheeks", side="right") == 0.5
    other = opened(user="mia")  # what is put back says nothing of another kind
    other.do(reduce("acne", 1.0))
    other.do(
        {"do": "restore", "what": "acne", "where": ["face"]},
        reduce("wrinkles", 0.5),
        text="put the pimples back and soften the wrinkles",
    )
    assert other.strength("wrinkles", "nose") == 0.2
    stranger = opened(user="ben")
    stranger.do(reduce("wrinkles", 0.5), text="soften the wrinkles " + "please " * 250)
    assert stranger.strength("wrinkles", "nose") == 0.5


def test_saving_tells_what_was_said_but_not_what_was_only_proposed(opened, memory, tmp_path):
    talk = opened(user="mia")
    talk.do(AUTO, reduce("acne", 0.9))
    talk.session.save(tmp_path / "one.png", learn=False)
    assert memory.recall("mia") == ()
    talk.session.save(tmp_path / "two.png")
    assert [(one.kind, one.source) for one in memory.recall("mia")] == [("acne", "inferred")]


def test_one_photo_counts_once_however_often_it_is_corrected(opened, memory):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.5))
    for _ in range(3):
        talk.do({"do": "adjust", "what": "last", "delta": -0.1})
    talk.do({"do": "accept"})
    (seen,) = memory.why("mia", "wrinkles")
    assert (seen.strength, seen.source) == (0.2, "accepted")


def test_what_is_taken_back_is_not_remembered(opened, memory):
    def known():
        return {(one.region, one.strength) for one in memory.why("mia", "wrinkles")}

    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.5))
    talk.do({"do": "adjust", "what": "last", "where": ["forehead"], "delta": -0.1})
    assert ("forehead", 0.4) in known()
    talk.do({"do": "undo"})
    assert known() == {("face", 0.5)}
    talk.do({"do": "undo"})
    assert known() == set()
    talk.do(reduce("wrinkles", 0.8))
    talk.do({"do": "accept"})
    talk.do({"do": "undo"}, reduce("acne"))
    talk.do({"do": "accept"})
    assert known() == set() and len(memory.why("mia", "acne")) == 1


def test_a_result_that_nobody_saw_teaches_nothing(opened, memory, tmp_path):
    talk = opened(user="mia", ask=False, save_to=tmp_path / "out.png")
    talk.do(reduce("wrinkles", 0.5), {"do": "save"})
    assert (tmp_path / "out.png").exists() and memory.recall("mia") == ()


def test_tastes_follow_the_kind_of_photo(opened):
    def open_in(size):
        talk = opened(user="mia")
        talk.studio.seen["size"] = size
        return talk

    for _ in range(4):
        for size, strength in ((0.7, 0.8), (0.2, 0.2)):
            talk = open_in(size)
            talk.do(reduce("wrinkles", strength))
            talk.do({"do": "accept"})
    close, far = open_in(0.68), open_in(0.22)
    reply = close.do(AUTO)
    far.do(AUTO)
    assert close.strength("wrinkles", "nose") > 0.7 and far.strength("wrinkles", "nose") < 0.3
    assert "you were happy with about that in 4 of 4 close-ups" in reply.text


def test_a_paused_memory_neither_learns_nor_speaks(opened, memory):
    opened(user="mia").do({"do": "keep", "what": "redness", "always": True})
    memory.pause("mia")
    talk = opened(user="mia")
    talk.do(AUTO)
    assert talk.strength("redness", "cheeks") == 0.5
    assert "memory is paused" in talk.do({"do": "remember"}).text
    memory.resume("mia")
    after = opened(user="mia")
    after.do(AUTO)
    assert after.strength("redness", "cheeks") == 0
    assert len(memory.why("mia", "everything")) == 1


def test_after_forget_everything_no_byte_of_the_user_is_left(opened, memory, tmp_path):
    memory.learn("someone else", [])
    opened(user="someone else").do(reduce("acne", 0.4, always=True))
    for _ in range(30):
        talk = opened(user="mia-the-user")
        talk.do(AUTO, {"do": "keep", "what": "other", "phrase": "tiny-bruise-of-hers"})
        talk.do({"do": "adjust", "what": "wrinkles", "delta": -0.1})
        talk.do({"do": "accept"})
    folder = tmp_path / "home"

    def left():
        return b"".join(path.read_bytes() for path in folder.iterdir())

    assert b"mia-the-user" in left() and talk.session._chat.visit.encode() in left()
    talk.do({"do": "forget", "what": "everything"})
    for trace in (b"mia-the-user", b"tiny-bruise", talk.session._chat.visit.encode()):
        assert trace not in left()
    assert b"someone else" in left()
    after, stranger = opened(user="mia-the-user"), opened(user="nobody yet")
    assert after.do(AUTO).text == stranger.do(AUTO).text


def test_neither_pixels_nor_file_names_reach_the_database(memory, opened, tmp_path):
    talk = opened(user="mia")
    talk.agent.settings = talk.agent.settings.model_copy(update={"keep_chats": True})
    source = tmp_path / "secret-name.png"
    photos.save(photos.load(talk.studio.photo()), source)
    session = talk.agent.open(source, user="mia")
    told = session.say(talk.script.learn("fix secret-name.png", reduce("wrinkles"), AUTO))
    session.say(talk.script.learn("perfect, save it", {"do": "accept"}, {"do": "save"}))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir())
    assert b"secret-name" not in stored and str(tmp_path).encode() not in stored
    assert b"fix a file" in stored
    pixels = told.photo.pixels
    assert not any(row.tobytes() in stored for row in pixels)
    size = len(stored)
    session.say(talk.script.learn("forget all", {"do": "forget", "what": "everything"}))
    emptied = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir())
    assert b"fix a file" not in emptied and len(emptied) <= size


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_what_is_no_name_is_refused_before_any_work(opened, name):
    with pytest.raises(PreferenceError, match="a user name has 1 to 200 characters"):
        opened(user=name)


def test_a_correction_that_is_undone_is_not_remembered(opened, memory):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles", 0.8))
    talk.do({"do": "adjust", "what": "wrinkles", "delta": -0.4})
    assert [one.strength for one in memory.why("mia", "wrinkles")] == [0.4]
    talk.do({"do": "undo"})
    assert [one.strength for one in memory.why("mia", "wrinkles")] == [0.8]


TWO = ({"acne": ["chin"], "redness": ["cheeks"]}, {"acne": ["chin"], "redness": ["cheeks"]})


def test_who_spares_one_of_two_people_is_not_spared_everything_from_then_on(opened, memory):
    talk = opened(*TWO, user="mia")
    alone = {"do": "keep", "what": "everything", "where": ["face"], "who": "photo_left"}
    talk.do(alone, reduce("redness", 0.4, who="photo_right"))
    reply = talk.do({"do": "accept"})
    assert "everything" not in reply.text
    assert {one.kind for one in memory.recall("mia")} == {"redness"}
    after = opened(user="mia")
    after.do(AUTO)
    assert after.strength("redness", "cheeks") == pytest.approx(0.4, abs=0.1)


def test_a_rule_about_one_of_two_people_is_for_this_photo(opened, memory):
    talk = opened(*TWO, user="mia")
    reply = talk.do(reduce("acne", 1.0, who="photo_left", always=True))
    assert talk.strength("acne", "chin", 0) == 1.0
    assert memory.recall("mia") == () and "I can only remember" in reply.text
    opened(user="mia").do(reduce("acne", 1.0, who="photo_left", always=True))  # nobody beside them
    assert {one.kind for one in memory.recall("mia")} == {"acne"}


def test_a_rule_about_one_mole_leaves_all_others(opened):
    always = reduce("moles", 1.0, where=["chin"], always=True)
    opened({"moles": ["chin"]}, user="mia").do(always)
    talk = opened({"moles": ["chin", "cheeks"]}, user="mia")
    talk.do(AUTO)
    talk.do(AUTO)
    assert talk.strength("moles", "chin") == 1.0
    assert talk.strength("moles", "cheeks") == 0
    other = opened({"moles": ["cheeks"]}, user="mia")
    other.do(AUTO)
    assert other.strength("moles", "cheeks") == 0


def test_what_was_accepted_and_then_undone_is_not_remembered(opened, memory):
    for back in ({"do": "undo", "steps": 1}, {"do": "reset"}):
        talk = opened(user="mia")
        talk.do(reduce("wrinkles"))
        talk.do({"do": "accept"})
        assert memory.recall("mia")
        talk.do(back)
        assert memory.recall("mia") == ()


def test_a_saved_result_stays_learnt_when_what_was_accepted_after_it_is_undone(
    opened, memory, tmp_path
):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles"))
    talk.do({"do": "accept"})
    talk.session.save(tmp_path / "a.png")
    talk.do(reduce("redness"))
    talk.do({"do": "accept"})
    talk.session.undo()
    why = memory.why("mia", "everything")
    assert [(one.kind, one.source) for one in why] == [("wrinkles", "accepted")]


def test_saving_more_does_not_make_praise_less(opened, memory, tmp_path):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles"))
    talk.do({"do": "accept"})
    talk.do(reduce("redness"))
    talk.session.save(tmp_path / "a.png")
    why = {one.kind: one.source for one in memory.why("mia", "everything")}
    assert why == {"wrinkles": "accepted", "redness": "inferred"}


def test_a_mole_that_was_to_go_from_another_kind_of_photo_stays(opened, memory):
    """It is weighed for this one, but nobody asked for that here."""
    elsewhere = scene_of({"faces": 1.0, "size": 0.05, "key": 0.9, "colour": 0.9, "contrast": 0.9})
    memory.learn("mia", [
        Observation(
            kind=kind, region="face", polarity="reduce", strength=strength, source="explicit",
            scene=elsewhere, visit=kind,
        )
        for kind, strength in (("moles", 1.0), ("wrinkles", 0.1))
    ])  # fmt: skip
    talk = opened({"moles": ["chin"], "wrinkles": ["face"]}, user="mia")
    reply = talk.do(AUTO)
    assert talk.strength("moles", "chin") == 0 and talk.strength("wrinkles", "nose") > 0.1
    assert "you asked for that" not in reply.text


def test_what_was_accepted_and_saved_stays_learnt_whatever_is_tried_next(opened, memory, tmp_path):
    talk = opened(user="mia")
    talk.do(reduce("wrinkles"))
    talk.do({"do": "accept"})
    talk.session.save(tmp_path / "a.png")
    talk.do({"do": "reset"})
    assert {one.kind for one in memory.recall("mia")} == {"wrinkles"}
