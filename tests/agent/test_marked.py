"""Marked areas in a conversation: filled whole, undone whole, kept out of what is kept."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from agent.recipe import Recipe, RecipeError, apply
from vision.errors import FreckleError
from vision.marked import MaskError, pack
from vision.vocabulary import LEARNT_KINDS, REGIONS

WRINKLES = {"do": "reduce", "what": "wrinkles", "strength": 0.5}


def mask(talk, *cells: tuple[str, str], face: int = 0) -> np.ndarray:
    """Marks the pixels of (kind, place)."""
    marked = np.zeros(talk.session.photo.pixels.shape[:2], bool)
    for kind, place in cells:
        row = face * len(LEARNT_KINDS) + LEARNT_KINDS.index(kind)
        marked[row, list(REGIONS).index(place)] = True
    return marked


@pytest.fixture
def talk(opened):
    return opened()


MOLE = ("moles", "chin")


def test_what_is_marked_goes_and_nothing_else(talk):
    marked = mask(talk, MOLE)
    reply = talk.session.fill(marked)
    assert (reply.outcome, reply.exit_code) == ("changed", 0)
    changed = (talk.session.result.pixels != talk.session.photo.pixels).any(axis=2)
    assert np.array_equal(changed, marked)
    assert np.array_equal(talk.session.mask(), marked)
    assert "What you marked is filled with skin and 100% weaker" in reply.text


def test_the_report_lists_it_as_an_edit(talk):
    report = talk.session.fill(mask(talk, MOLE)).report.to_json()
    (edit,) = report["edits"]
    assert report["commands"] == []
    assert {name: edit[name] for name in ("what", "phrase", "where", "strength")} == {
        "what": "other", "phrase": "marked area", "where": ["image"], "strength": 1.0,
    }  # fmt: skip
    assert edit["found"] > 0 and edit["severity_before"] > edit["severity_after"] == 0
    assert edit["reduction"] == 1 and report["outside_max_change"] == 0


@pytest.mark.parametrize("form", ["uint8", "image"])
def test_forms_of_a_mask(talk, form):
    marked = mask(talk, MOLE)
    grey = np.where(marked, 128, 127).astype(np.uint8)
    talk.session.fill(grey if form == "uint8" else Image.fromarray(grey))
    assert np.array_equal(talk.session.mask(), marked)


@pytest.mark.parametrize("bad", [np.ones((2, 2), bool), np.ones(3, bool), np.ones((2, 2))])
def test_what_is_no_mask_is_refused_before_any_work(talk, bad):
    with pytest.raises(FreckleError, match="the mask is"):
        talk.session.fill(bad)
    assert talk.studio.calls == [] and talk.session.reports == []


def test_a_mask_that_marks_nothing_is_refused(talk):
    with pytest.raises(MaskError, match="marks nothing"):
        talk.session.fill(mask(talk))


def test_undo_redo_and_reset(talk):
    talk.session.fill(mask(talk, MOLE))
    filled = talk.session.result.pixels
    undone = talk.session.undo()
    assert undone.changed and not talk.session.mask().any()
    assert "what you marked is as in the original again" in undone.text
    assert talk.session.redo().changed
    assert np.array_equal(talk.session.result.pixels, filled)
    assert talk.session.reset().text == "This is the untouched photo again."
    assert not talk.session.mask().any()


def test_the_same_mask_twice_is_nothing_new(talk):
    talk.session.fill(mask(talk, MOLE))
    again = talk.session.fill(mask(talk, MOLE))
    assert (again.outcome, again.exit_code) == ("nothing", 3)
    assert len(again.report.edits) == 1


def test_it_goes_along_with_edits(talk):
    talk.do(WRINKLES)
    reply = talk.session.fill(mask(talk, MOLE))
    assert [edit.what for edit in reply.report.edits] == ["wrinkles", "other"]
    assert talk.strength("wrinkles", "chin") == 0.5
    talk.do({"do": "adjust", "what": "wrinkles", "delta": -0.2})
    assert talk.strength("wrinkles", "chin") == 0.3
    assert talk.session.mask()[mask(talk, MOLE)].all()


def test_a_bit_less_of_what_is_filled_whole_is_told(talk):
    talk.do(WRINKLES)
    talk.session.fill(mask(talk, MOLE))
    reply = talk.do({"do": "adjust", "what": "last", "delta": -0.1})
    assert not reply.changed and "filled whole or not at all" in reply.text
    assert talk.strength("wrinkles", "chin") == 0.5
    assert talk.script.told[-1].last is None
    on_the_chin = talk.do({"do": "adjust", "what": "last", "delta": -0.1, "where": ["chin"]})
    assert on_the_chin.changed and talk.strength("wrinkles", "chin") == 0.4


@pytest.mark.parametrize(("what", "wrinkles"), [("last", 0.5), ("everything", 0)])
def test_bringing_the_original_back(talk, what, wrinkles):
    talk.do(WRINKLES)
    talk.session.fill(mask(talk, MOLE))
    reply = talk.do({"do": "restore", "what": what})
    assert reply.changed and "as in the original again" in reply.text
    assert not talk.session.mask()[mask(talk, MOLE)].any()
    assert talk.strength("wrinkles", "chin") == wrinkles


def test_a_keep_wins(talk):
    talk.do({"do": "keep", "what": "moles"})
    kept = talk.session.fill(mask(talk, MOLE))
    assert not kept.changed and "is kept" in kept.text
    partly = talk.session.fill(mask(talk, MOLE, ("acne", "chin")))
    assert partly.changed and "except for what is kept there" in partly.text
    assert {keep.max_change for keep in partly.report.kept} == {0}


def test_what_lies_on_no_face_is_left_and_told(talk):
    off = ("moles", "background")
    nothing = talk.session.fill(mask(talk, off))
    assert nothing.exit_code == 3 and "touches no face" in nothing.text
    partly = talk.session.fill(mask(talk, MOLE, off))
    assert partly.changed and "lies on no face was left" in partly.text
    assert np.array_equal(talk.session.mask(), mask(talk, MOLE))


def test_without_a_face_nothing_is_filled(nobody):
    talk = nobody()
    marked = np.ones(talk.session.photo.pixels.shape[:2], bool)
    reply = talk.session.fill(marked)
    assert reply.exit_code == 3 and "no face" in reply.text


def test_several_faces_fill_what_is_theirs(opened):
    talk = opened({"acne": ["chin"]}, {"acne": ["chin"]})
    spot = ("acne", "chin")
    reply = talk.session.fill(mask(talk, spot) | mask(talk, spot, face=1))
    assert [edit.who for edit in reply.report.edits] == [1, 2]
    assert "on face 1" in reply.text and "on face 2" in reply.text
    talk.do({"do": "restore", "what": "last"})
    assert not talk.session.mask().any()


def test_it_is_explained_and_not_remembered(opened):
    talk = opened(user="mia")
    talk.session.fill(mask(talk, MOLE))
    assert "what you marked (filled with skin" in talk.do({"do": "explain"}).text
    assert "nothing to remember" in talk.do({"do": "remember"}).text


def test_a_recipe_holds_the_mask_and_is_replayed_to_the_byte(talk):
    talk.do(WRINKLES)
    talk.session.fill(mask(talk, MOLE))
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    replayed = apply(talk.session.photo, recipe, talk.studio)
    assert replayed.pixels.tobytes() == talk.session.result.pixels.tobytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mask": "no base64!"}, "fills.0.mask"),
        ({"mask": "bm8gUE5H"}, "fills.0.mask"),
        ({"mask": pack(np.ones((2, 3), bool))}, "3 x 2 pixels"),
        ({"mask": pack(np.zeros((2, 3), bool))}, "fills.0.mask"),
        ({"face": 7}, "face 7 of 1"),
    ],
)
def test_a_damaged_mask_in_a_recipe_is_refused_in_one_line(talk, change, told):
    import base64
    import json

    talk.session.fill(mask(talk, MOLE))
    written = json.loads(talk.session.recipe().to_json())
    if isinstance(change.get("mask"), bytes):
        change = {"mask": base64.b64encode(change["mask"]).decode()}
    written["fills"][0] |= change
    with pytest.raises(RecipeError, match=told) as error:
        apply(talk.session.photo, Recipe.from_json(json.dumps(written)), talk.studio)
    assert "\n" not in str(error.value)


def test_a_mask_to_keep_says_what_of_it_is_kept(talk):
    beside, on_face = mask(talk, ("acne", "background")), mask(talk, MOLE)
    off = talk.session.keep(beside)
    assert off.text == "What you marked touches no face: I can only keep what does."
    assert talk.session.conversation.keeps == ()
    partly = talk.session.keep(beside | on_face)
    assert "I keep the part of what you marked that lies on a face" in partly.text
    assert "left as it was" not in partly.text
