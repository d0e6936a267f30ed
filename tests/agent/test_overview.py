"""What is shown beside a conversation: findings, steps, the mark under a finger; and stopping."""

from __future__ import annotations

import numpy as np
import pytest

from agent.overview import UNTOUCHED
from agent.progress import Stopped
from agent.recipe import Recipe, apply
from llm.commands import Turn
from vision.vocabulary import LEARNT_KINDS, REGIONS

WRINKLES = {"do": "reduce", "what": "wrinkles", "strength": 0.5}
MOLE = (list(REGIONS).index("chin"), LEARNT_KINDS.index("moles"))  # x, y


@pytest.fixture
def talk(opened):
    return opened()


def found(talk):
    return {one.kind: one for one in talk.session.findings()}


def test_findings_are_what_the_face_shows(talk):
    assert set(found(talk)) == set(talk.studio.people[0])
    assert all(one.found > 0 and one.strength == 0 for one in found(talk).values())


def test_findings_tell_what_is_in_force(talk):
    talk.do(WRINKLES, {"do": "keep", "what": "freckles"})
    talk.do({"do": "keep", "what": "moles", "where": ["chin"]})
    now = found(talk)
    assert now["wrinkles"].strength == 0.5 and not now["wrinkles"].kept
    assert now["freckles"].kept and not now["moles"].kept


def test_steps_are_places_to_go_back_to(talk):
    talk.do(WRINKLES)
    talk.do({"do": "reduce", "what": "acne", "strength": 1.0}, {"do": "keep", "what": "freckles"})
    assert talk.session.steps == (
        UNTOUCHED, "wrinkles 50%", "wrinkles 50%, acne 100% and freckles kept",
    )  # fmt: skip
    assert talk.session.at == 2
    reply = talk.session.go_to(0)
    assert reply.changed and talk.session.at == 0
    assert talk.session.result.pixels.tobytes() == talk.session.photo.pixels.tobytes()
    talk.session.go_to(2)
    assert talk.strength("acne", "chin") == 1.0
    for nowhere in (2, 3, -1):
        with pytest.raises(IndexError):
            talk.session.go_to(nowhere)


def test_every_stage_is_told_in_order(talk):
    stages = []
    talk.script.learn("softer", WRINKLES)
    talk.session.say("softer", watch=stages.append)
    assert list(dict.fromkeys(stages)) == ["reading", "finding", "retouching", "checking"]
    stages.clear()
    talk.do(WRINKLES)
    assert not stages  # nobody watches any more


@pytest.mark.parametrize("at", ["reading", "finding", "retouching", "checking"])
def test_a_stopped_turn_did_not_happen(opened, at):
    talk = opened(user="mia")
    talk.do({"do": "reduce", "what": "acne", "strength": 1.0})
    before, learnt = talk.session.result.pixels.tobytes(), talk.agent.memory.show("mia")

    def stop(stage):
        if stage == at:
            raise Stopped

    text = talk.script.learn(
        "more", {"do": "adjust", "what": "last", "delta": -0.4}, WRINKLES, {"do": "accept"}
    )
    with pytest.raises(Stopped):
        talk.session.say(text, watch=stop)
    assert talk.session.at == 1 and len(talk.session.steps) == 2
    assert talk.session.result.pixels.tobytes() == before
    assert talk.agent.memory.show("mia") == learnt
    assert talk.session.say(text).changed


def test_the_mark_under_a_finger_is_kept_by_hand(talk):
    spot = talk.session.spot_at(*MOLE)
    assert (spot.kind, spot.face) == ("moles", 0)
    assert talk.session.spot_at(0, LEARNT_KINDS.index("moles")) is None
    reply = talk.session.keep(spot.mask)
    assert not reply.changed and reply.text == "The marked area will be kept."
    talk.do({"do": "reduce", "what": "moles", "strength": 1.0}, {"do": "auto", "strength": 1.0})
    assert talk.strength("moles", "chin") == 0 and talk.strength("moles", "cheeks") == 1
    (kept,) = [one for one in talk.session.reports[-1].to_json()["kept"] if "phrase" in one]
    assert kept["phrase"] == "marked area" and kept["max_change"] == 0
    talk.do({"do": "tone", "attribute": "brightness", "amount": 0.3, "where": ["face"]})
    assert talk.session.result.pixels[MOLE[1], MOLE[0]].tolist() == [200, 200, 200]


def test_a_keep_by_hand_gives_way_to_leave_for_everything_alone(talk):
    talk.session.keep(talk.session.spot_at(*MOLE).mask)
    talk.do({"do": "allow", "what": "moles"}, {"do": "reduce", "what": "moles", "strength": 1.0})
    assert talk.strength("moles", "chin") == 0
    talk.do({"do": "allow", "what": "everything"})
    talk.do({"do": "reduce", "what": "moles", "strength": 1.0})
    assert talk.strength("moles", "chin") == 1


def test_a_keep_by_hand_is_in_the_recipe(talk):
    talk.session.keep(talk.session.spot_at(*MOLE).mask)
    talk.do({"do": "reduce", "what": "moles", "strength": 1.0})
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    again = apply(talk.session.photo, recipe, talk.studio)
    assert np.array_equal(again.pixels, talk.session.result.pixels)


def test_the_parser_is_not_told_of_keeps_by_hand(talk):
    talk.session.keep(talk.session.spot_at(*MOLE).mask)
    talk.do(WRINKLES)
    assert talk.script.told[-1].kept == []


def test_perform_is_watched_too(talk):
    stages = []
    talk.session.perform(Turn.model_validate({"commands": [WRINKLES]}), watch=stages.append)
    assert "retouching" in stages and "reading" not in stages


def remembering(opened, *faces, **options):
    """A photo of somebody who always wants wrinkles at 0.4, no touch of freckles."""
    opened(user="mia").do(
        WRINKLES | {"strength": 0.4, "always": True},
        {"do": "keep", "what": "freckles", "always": True},
    )
    return opened(*faces, user="mia", **options)


def test_proposals_are_what_memory_brought_and_can_be_taken_back(opened):
    talk = remembering(opened)
    (keep,) = talk.session.proposals()  # before a word is said
    talk.do({"do": "auto", "strength": 0.5})
    edit, keep = talk.session.proposals()
    assert (edit.text, keep.text) == ("wrinkles 40%", "freckles kept")
    assert edit.reason.startswith("you asked for that on")
    assert talk.session.take_back(edit).changed and talk.strength("wrinkles", "nose") == 0
    assert talk.strength("acne", "chin") > 0
    assert talk.session.proposals() == (keep,)
    talk.session.take_back(keep)
    assert talk.session.proposals() == ()
    talk.do({"do": "reduce", "what": "freckles", "strength": 1.0})
    assert talk.strength("freckles", "nose") == 1.0


def test_taking_back_what_memory_brought_leaves_what_was_said(opened):
    talk = remembering(opened)
    talk.do({"do": "auto", "strength": 0.5})
    talk.do(WRINKLES | {"strength": 1.0, "where": ["forehead"]})
    talk.do({"do": "keep", "what": "freckles", "where": ["chin"]})
    edit, keep = (next(one for one in talk.session.proposals() if name in one.text)
                  for name in ("wrinkles", "freckles"))  # fmt: skip
    talk.session.take_back(edit)
    assert talk.strength("wrinkles", "forehead") == 1.0
    assert talk.strength("wrinkles", "smile_lines") == 0
    talk.session.take_back(keep)
    kept = [held.keep for held in talk.session.conversation.keeps]
    assert [(one.what, one.where) for one in kept if one.what == "freckles"] == [
        ("freckles", ("chin",))
    ]


def test_what_was_said_is_no_proposal(opened):
    talk = remembering(opened)
    talk.do(WRINKLES | {"strength": 0.9}, {"do": "keep", "what": "moles"})
    assert [one.text for one in talk.session.proposals()] == ["freckles kept"]


def test_a_proposal_names_its_face(opened):
    talk = remembering(opened, {"wrinkles": ["face"]}, {"wrinkles": ["face"]})
    talk.do({"do": "auto", "strength": 0.5, "who": "everyone"})
    first, second = (one for one in talk.session.proposals() if "wrinkles" in one.text)
    assert (first.text, second.text) == ("wrinkles 40% on face 1", "wrinkles 40% on face 2")
    talk.session.take_back(second)
    assert [talk.strength("wrinkles", "nose", face) for face in (0, 1)] == [0.4, 0.0]
