"""The agent's promises with the shipped models on a real portrait (scikit-image's astronaut)."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.data import astronaut

from agent import RetouchAgent
from agent.recipe import Recipe, RecipeError, apply
from llm.commands import Turn
from vision.compose import soften
from vision.vocabulary import LEARNT_KINDS


@pytest.fixture
def session(real_studio, memory):
    class Mute:
        def parse(self, text, state=None):
            raise AssertionError("these tests speak in commands")

    return RetouchAgent.load(parser=Mute(), memory=memory, studio=real_studio).open(astronaut())


def do(session, *commands):
    return session.perform(Turn.model_validate({"commands": list(commands)}))


def all_found(session) -> list[dict]:
    """A full reduce of every kind that this photo shows."""
    face = session.analysis.faces[0]
    return [
        {"do": "reduce", "what": kind, "strength": 1.0, "where": ["skin"]}
        for kind in LEARNT_KINDS
        if face.found(kind, ("skin",)) > 0
    ]


def same(one, other) -> bool:
    return one.pixels.tobytes() == other.pixels.tobytes()


def test_what_is_found_is_changed_and_nothing_else(session):
    reply = do(session, *all_found(session))
    assert reply.changed
    changed = (session.result.pixels != session.photo.pixels).any(axis=2)
    assert not (changed & ~session.mask()).any()
    assert reply.report.outside_max_change == 0
    x, y, width, height = reply.report.faces[0].box
    # Far from the face (a whole face's size around its box) nothing can be an edited area.
    far = np.ones_like(changed)
    far[max(y - height, 0) : y + 2 * height, max(x - width, 0) : x + 2 * width] = False
    assert not changed[far].any()


def test_nothing_asked_strength_nought_and_everything_kept_leave_every_pixel(session):
    assert same(session.result, session.photo)
    do(session, *[{**wish, "strength": 0.0} for wish in all_found(session)])
    assert same(session.result, session.photo)
    do(session, *all_found(session))
    do(session, {"do": "keep", "what": "everything", "where": ["image"]})
    assert same(session.result, session.photo)
    do(session, {"do": "auto", "strength": 1.0})
    assert same(session.result, session.photo)


def test_a_keep_changes_by_nothing(session):
    wishes = all_found(session)
    kept = wishes[0]["what"]
    reply = do(session, *wishes[1:], {"do": "keep", "what": kept, "where": ["skin"]})
    assert [(keep.what, keep.max_change) for keep in reply.report.kept] == [(kept, 0)]
    nose = do(session, {"do": "keep", "what": "everything", "where": ["nose"]})
    assert nose.report.kept[-1].found > 0
    assert {keep.max_change for keep in nose.report.kept} == {0}


def test_restoring_a_part_brings_its_pixels_back(session):
    wishes = all_found(session)
    do(session, *wishes)
    face = session.analysis.faces[0]
    region = next(
        region
        for region in ("cheeks", "forehead", "nose", "chin", "under_eyes", "neck")
        if any(face.found(wish["what"], (region,)) > 0 for wish in wishes)
    )
    reply = do(session, {"do": "restore", "what": "everything", "where": [region]})
    assert reply.changed
    inside = face.place((region,)) > 0.99
    height, width = session.mask().shape
    bounds = face.alignment.bounds(height, width)
    x0, y0, x1, y1 = bounds
    there = face.alignment.to_photo(inside.astype(np.float32), (height, width), bounds) > 0.99
    different = (session.result.pixels != session.photo.pixels).any(axis=2)[y0:y1, x0:x1]
    assert there.any()
    assert not (different & there).any()


@pytest.mark.parametrize(
    "less",
    [
        {"do": "restore", "what": "freckles", "where": ["cheeks"]},
        {"do": "keep", "what": "everything", "where": ["cheeks"]},
    ],
)
def test_giving_back_a_part_leaves_the_rest_as_it_is(session, less):
    do(session, {"do": "reduce", "what": "freckles", "where": ["face"], "strength": 0.3})
    before = session.result
    assert do(session, less).changed
    cheeks = session.analysis.faces[0].place(("cheeks",)) > 0
    elsewhere = on_photo(session, soften(cheeks.astype(np.float32))) == 0
    assert not ((session.result.pixels != before.pixels).any(axis=2) & elsewhere).any()


def test_history_walks_over_identical_bytes(session):
    wishes = all_found(session)
    do(session, *wishes)
    first = session.result
    do(session, {"do": "adjust", "what": "everything", "delta": -0.4})
    second = session.result
    assert not same(first, second)
    session.undo()
    assert same(session.result, first)
    session.redo()
    assert same(session.result, second)
    session.reset()
    assert same(session.result, session.photo)
    session.undo()
    assert same(session.result, second)


def test_a_recipe_gives_the_same_bytes_in_a_fresh_analysis(session):
    do(session, *all_found(session))
    do(session, {"do": "adjust", "what": "everything", "delta": -0.3})
    recipe = Recipe.from_json(session.recipe().to_json())
    assert {"retouch/model.safetensors", "retouch/config.json"} <= set(recipe.weights)
    assert same(apply(session.photo, recipe), session.result)
    with pytest.raises(RecipeError):
        apply(session.photo.with_pixels(session.photo.pixels[::-1].copy()), recipe)


def test_the_strength_is_monotone(session):
    before = session.photo.pixels.astype(int)
    changes = []
    for strength in (0.25, 0.5, 1.0):
        do(session, *[{**wish, "strength": strength} for wish in all_found(session)])
        changes.append(np.abs(session.result.pixels - before).sum())
    assert 0 < changes[0] < changes[1] < changes[2]


def test_the_report_agrees_with_the_analysis(session):
    reply = do(session, *all_found(session))
    face = session.analysis.faces[0]
    for edit in reply.report.edits:
        assert edit.found == pytest.approx(face.found(edit.what, edit.where), abs=1e-4)
        assert edit.severity_after >= 0 and edit.severity_before <= 1


def on_photo(session, mask):
    """A map of the face's crop, (512, 512), on the photo: (H, W)."""
    alignment = session.analysis.faces[0].alignment
    return alignment.to_photo(mask.astype(np.float32), session.mask().shape)


@pytest.mark.parametrize("kept", ["face", "image"])
def test_light_asked_for_at_a_part_of_what_is_kept_changes_that_part_alone(session, kept):
    do(session, {"do": "keep", "what": "everything", "where": [kept]})
    tone = {"do": "tone", "attribute": "brightness", "amount": 0.6}
    wider = [{**tone, "where": ["image"]}] if kept == "face" else []
    reply = do(session, {**tone, "where": ["nose"]}, *wider)
    assert reply.report.kept and {keep.max_change for keep in reply.report.kept} == {0}
    assert "nose had been kept" in reply.text
    regions = session.analysis.faces[0].regions
    light = regions.light("nose")
    before, after = session.photo.pixels.astype(int), session.result.pixels
    middle = on_photo(session, light > 0.97) > 0.5
    assert (after - before)[middle].mean() > 10
    around = (
        np.ones_like(middle) if kept == "image" else on_photo(session, regions.mask("face")) > 0.5
    )
    assert not (after != before).any(axis=2)[around & (on_photo(session, light) < 0.01)].any()


def test_the_same_person_is_told_from_one_without_eyes(session):
    reply = do(session, {"do": "reduce", "what": "wrinkles", "strength": 0.5})
    assert 0.9 < reply.identity[0] <= 1 and "same person" not in reply.text
    assert "Likeness to the untouched face: " in do(session, {"do": "explain"}).text
    x, y, width, height = reply.report.faces[0].box
    eyes = np.zeros(session.mask().shape, bool)
    eyes[y + height // 4 : y + height // 2, x : x + width] = True
    reply = session.fill(eyes)
    assert reply.identity[0] < 0.8
    assert "This may no longer look like the same person." in reply.text
