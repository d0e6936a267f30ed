"""Light and colour that a user likes: learnt as edits are, proposed by "make me look good"."""

from __future__ import annotations

import pytest

AUTO = {"do": "auto", "strength": 0.5}
ACCEPT = {"do": "accept"}


def tone(amount, *where, attribute="brightness", **more):
    wish = {"do": "tone", "attribute": attribute, "amount": amount, **more}
    return wish | ({"where": list(where)} if where else {})


@pytest.fixture
def likes(opened):
    """A user who was happy with some commands on another photo."""

    def accept(*commands, user="mia"):
        opened(user=user).do(*commands, ACCEPT)
        return opened(user=user)

    return accept


def toned(talk):
    """What is in force, as attribute, place and amount."""
    tones = talk.session._chat.history.present.tones
    return [(one.tone.attribute, one.tone.where, one.tone.amount) for one in tones]


def test_a_rule_about_light_is_remembered_and_proposed(opened, memory):
    reply = opened(user="mia").do(tone(0.3, attribute="temperature", always=True))
    assert "remember that from now on: temperature +30%" in reply.text
    assert [(one.kind, one.amount) for one in memory.recall("mia")] == [("temperature", 0.3)]
    talk = opened(user="mia")
    reply = talk.do(AUTO)
    assert toned(talk) == [("temperature", "image", 0.3)]
    assert "changed temperature by +30% as usual, because you asked for that on" in reply.text


def test_what_was_accepted_comes_back_with_its_reason(likes):
    talk = likes(tone(0.3, "background"), tone(-0.2, "face", attribute="colorfulness"))
    reply = talk.do(AUTO)
    assert toned(talk) == [("colorfulness", "face", -0.2), ("brightness", "background", 0.3)]
    assert talk.light("background") == 0.3
    assert "brightness in the background by +30%" in reply.text
    assert "because you were happy with about that on" in reply.text
    explained = talk.do({"do": "explain"}).text
    assert "brightness of the background (amount +0.30" in explained
    assert "your usual because you were happy with about that on" in explained


def test_the_words_of_auto_scale_amounts(likes):
    talk = likes(tone(0.4))
    talk.do({"do": "auto", "strength": 0.25})
    assert toned(talk) == [("brightness", "image", 0.2)]


def test_a_tone_is_never_proposed_twice(likes):
    talk = likes(tone(0.3))
    talk.do(AUTO)
    assert talk.do(AUTO).outcome == "nothing"
    assert toned(talk) == [("brightness", "image", 0.3)]
    talk.do({"do": "auto", "strength": 0.25})
    assert toned(talk) == [("brightness", "image", 0.15)]


def test_what_a_place_has_in_all_is_learnt_and_proposed(likes, opened, memory):
    talk = likes(tone(0.3), tone(0.1, "face"))
    assert {one.region: one.amount for one in memory.recall("mia")} == {"image": 0.3, "face": 0.4}
    talk.do(AUTO)
    assert talk.light("hair") == 0.3
    assert talk.light("nose") == pytest.approx(0.4)
    opened(user="ben").do(tone(0.3), ACCEPT)
    opened(user="ben").do(tone(0.3, "face"), ACCEPT)
    talk = opened(user="ben")
    talk.do(AUTO)
    assert toned(talk) == [("brightness", "image", 0.3)]


def test_a_narrower_tone_never_asks_for_more_than_there_is(likes):
    talk = likes(tone(0.6), tone(-1.0, "background"))
    talk.do(AUTO)
    assert all(-1 <= amount <= 1 for _, _, amount in toned(talk))
    assert talk.session.conversation.told(1).edits  # what the parser is told can be told
    talk.session.recipe()


def test_feedback_on_what_auto_did_is_on_edits_and_tones_alike(likes):
    talk = likes(tone(0.3))
    talk.do(AUTO)
    state = talk.session.conversation.told(1)
    assert state.edits[state.last].what != "brightness"
    talk.do({"do": "adjust", "what": "last", "delta": -0.1})
    assert talk.light("hair") == pytest.approx(0.2)


def test_what_was_said_is_not_left_to_taste(likes):
    talk = likes(tone(0.3))
    talk.do(tone(-0.2, "face"))
    talk.do(AUTO)
    assert toned(talk) == [("brightness", "face", -0.2)]


def test_a_keep_is_not_proposed_against(likes):
    talk = likes(tone(0.3, "background"))
    reply = talk.do({"do": "keep", "what": "everything", "where": ["background"]}, AUTO)
    assert toned(talk) == []
    assert "as usual" not in reply.text


def test_only_the_part_asked_about_is_toned(likes):
    talk = likes(tone(0.3, "background"), tone(0.2, "forehead"), tone(0.1, "chin"))
    talk.do(AUTO | {"where": ["forehead"]})
    assert toned(talk) == [("brightness", "forehead", 0.2)]


def test_a_named_face_alone_is_toned(likes, opened):
    likes(tone(0.3, "background"), tone(0.2, "face"))
    talk = opened({"acne": ["chin"]}, {"acne": ["chin"]}, user="mia")
    talk.do(AUTO | {"who": 2})
    assert talk.light("nose", 1) > 0.1
    assert talk.light("nose", 0) == talk.light("background") == 0


def test_proposals_are_undone_with_the_rest(likes):
    talk = likes(tone(0.3), {"do": "reduce", "what": "acne", "strength": 0.6})
    talk.do(AUTO)
    assert talk.strength("acne", "chin") == 0.6
    talk.session.undo()
    assert talk.session.result.pixels.tobytes() == talk.session.photo.pixels.tobytes()


def test_what_was_proposed_and_taken_back_counts_as_nought(likes, opened, memory):
    talk = likes(tone(0.3))
    talk.do(AUTO)
    reply = talk.do({"do": "restore", "what": "everything"})
    assert talk.light("hair") == 0
    assert reply.changed
    newest = memory.why("mia", "brightness")[0]
    assert (newest.amount, newest.source) == (0.0, "corrected")
    for _ in range(8):
        talk = opened(user="mia")
        talk.do(AUTO)
        talk.do({"do": "restore", "what": "everything"})
    talk = opened(user="mia")
    talk.do(AUTO)
    assert toned(talk) == []


def test_a_tone_on_top_of_one_is_a_correction_and_a_first_one_is_not(opened, memory):
    talk = opened(user="mia")
    talk.do(tone(0.3, attribute="temperature"))
    assert memory.recall("mia") == ()
    talk.do(tone(-0.1, attribute="temperature"))
    (seen,) = memory.why("mia", "temperature")
    assert (seen.amount, seen.source) == (0.2, "corrected")
    talk.do({"do": "adjust", "what": "last", "delta": -0.1})
    (seen,) = memory.why("mia", "temperature")
    assert (seen.amount, seen.source) == (0.1, "corrected")


def test_remember_is_said_outright(opened, memory):
    talk = opened(user="mia")
    reply = talk.do(tone(0.15, "face"), {"do": "remember"})
    assert "Noted as what you like: brightness on the face +15%" in reply.text
    assert [(one.kind, one.source) for one in memory.recall("mia")] == [("brightness", "explicit")]


def test_saving_tells_what_was_said_but_not_what_was_only_proposed(likes, memory, tmp_path):
    talk = likes(tone(0.3, "background"))
    talk.do(AUTO, tone(0.2, attribute="contrast"))
    talk.session.save(tmp_path / "one.png")
    learnt = {(one.kind, one.source) for one in memory.why("mia", "everything")}
    assert learnt == {("brightness", "accepted"), ("contrast", "inferred")}


def test_forgetting_takes_the_reason_away(likes):
    talk = likes(tone(0.3))
    talk.do(AUTO)
    talk.do({"do": "forget", "what": "everything"})
    assert "your usual" not in talk.do({"do": "explain"}).text
    talk.session.reset()
    talk.do(AUTO)
    assert toned(talk) == []


def test_an_attribute_is_forgotten_alone(likes, memory):
    talk = likes(tone(0.3), tone(-0.2, "face", attribute="colorfulness"))
    talk.do(AUTO)
    reply = talk.session.forget("brightness")
    assert reply.text == "I have forgotten all I knew about the brightness."
    assert [one.text for one in talk.session.proposals()] == ["colorfulness of the face -20%"]
    assert {one.kind for one in memory.why("mia", "everything")} == {"colorfulness"}


def test_a_remembered_keep_is_told_where_a_tone_is_the_first_edit(opened):
    opened(user="mia").do({"do": "keep", "what": "freckles", "always": True})
    lit = {"do": "tone", "attribute": "brightness", "where": ["face"], "amount": 0.3}
    assert "freckles were left untouched because you asked" in opened(user="mia").do(lit).text


def test_light_that_memory_brought_is_listed_and_can_be_taken_back(likes):
    talk = likes(tone(0.3), tone(-0.2, "face", attribute="colorfulness"))
    talk.do(AUTO)
    proposals = talk.session.proposals()
    assert [one.text for one in proposals] == [
        "brightness of the whole photo +30%", "colorfulness of the face -20%",
    ]  # fmt: skip
    assert all("happy with" in one.reason for one in proposals)
    for one in proposals:
        assert talk.session.take_back(one).changed
    assert toned(talk) == [] and talk.session.proposals() == ()


def test_the_usual_is_told_when_it_comes_and_not_again(likes):
    talk = likes(tone(0.3), {"do": "reduce", "what": "acne", "strength": 0.8})
    assert "brightness by +30% as usual" in talk.do(AUTO).text
    again = talk.do(AUTO)
    assert again.outcome == "nothing" and "usual" not in again.text
