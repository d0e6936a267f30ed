from __future__ import annotations

import json

import numpy as np
import pytest

from agent.recipe import Recipe, RecipeError, apply


@pytest.fixture
def talk(opened):
    talk = opened()
    talk.do(
        {"do": "reduce", "what": "wrinkles", "strength": 0.5},
        {"do": "reduce", "what": "moles", "strength": 1.0, "where": ["chin"], "side": "left"},
        {"do": "keep", "what": "freckles"},
    )
    talk.do({"do": "adjust", "what": "wrinkles", "where": ["forehead"], "delta": -0.1})
    talk.do({"do": "restore", "what": "wrinkles", "where": ["nose"]})
    return talk


def test_a_recipe_is_replayed_to_the_byte(talk):
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    replayed = apply(talk.session.photo, recipe, talk.studio)
    assert replayed.pixels.tobytes() == talk.session.result.pixels.tobytes()
    assert replayed.pixels.tobytes() != talk.session.photo.pixels.tobytes()


def test_it_holds_the_plan_and_no_pixels(talk):
    recipe = talk.session.recipe()
    written = json.loads(recipe.to_json())
    assert set(written) == {
        "version",
        "freckle",
        "photo",
        "weights",
        "threads",
        "faces",
        "edits",
        "keeps",
    }
    assert written["photo"] == talk.session.photo.digest
    assert [edit.strength for edit in recipe.plan.edits] == [0.5, 1.0, 0.4, 0.0]


def test_another_photo_is_refused(talk):
    other = talk.session.photo.with_pixels(np.zeros_like(talk.session.photo.pixels))
    with pytest.raises(RecipeError, match="not the photo of the recipe"):
        apply(other, talk.session.recipe(), talk.studio)


@pytest.mark.parametrize("sums", [{"model": "b" * 64}, {}, {"model": "a" * 64, "more": "c" * 64}])
def test_other_weights_are_refused(talk, sums):
    recipe = talk.session.recipe()
    talk.studio.sums = sums
    with pytest.raises(RecipeError, match="weights"):
        apply(talk.session.photo, recipe, talk.studio)


def test_another_version_of_the_program_is_refused(talk, monkeypatch):
    recipe = talk.session.recipe()
    monkeypatch.setattr("agent.recipe.metadata.version", lambda name: "99.1")
    with pytest.raises(RecipeError, match=f"freckle {recipe.freckle}, and this is 99.1"):
        apply(talk.session.photo, recipe, talk.studio)


def test_another_precision_is_refused_and_written_down(talk):
    talk.studio.dtype = "bfloat16"
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    assert apply(talk.session.photo, recipe, talk.studio).pixels.any()
    talk.studio.dtype = "float32"
    with pytest.raises(RecipeError, match="use --dtype bfloat16"):
        apply(talk.session.photo, recipe, talk.studio)


def test_a_recipe_is_replayed_on_as_many_threads_as_it_was_made_on(talk, monkeypatch):
    talk.studio.threads = 3
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    talk.studio.threads, seen, render = 2, [], talk.studio.render

    def watched(analysis, plan):
        seen.append(talk.studio.threads)
        return render(analysis, plan)

    monkeypatch.setattr(talk.studio, "render", watched)
    apply(talk.session.photo, recipe, talk.studio)
    assert seen == [3] and talk.studio.threads == 2


def test_faces_at_other_places_are_refused(talk):
    recipe = talk.session.recipe()
    (x, *rest), *others = recipe.faces
    near = recipe.model_copy(update={"faces": [(x + 0.2, *rest), *others]})
    apply(talk.session.photo, near, talk.studio)
    moved = recipe.model_copy(update={"faces": [(x + 9, *rest), *others]})
    with pytest.raises(RecipeError, match="at other places"):
        apply(talk.session.photo, moved, talk.studio)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 2}, "version 2"),
        ({"edits": [{"what": "acne"}]}, "edits.0.where"),
        ({"user": "mia"}, "user"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(talk, tmp_path, change, told):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({**json.loads(talk.session.recipe().to_json()), **change}))
    with pytest.raises(RecipeError, match=told) as error:
        Recipe.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_recipe_is_told(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        Recipe.read(tmp_path / "none.json")


def test_a_strength_out_of_range_is_refused(talk):
    written = json.loads(talk.session.recipe().to_json())
    written["edits"][0]["strength"] = 5
    with pytest.raises(RecipeError, match="strength"):
        Recipe.from_json(json.dumps(written))


def test_a_photo_without_a_face_has_a_recipe(nobody):
    talk = nobody()
    talk.do({"do": "tone", "attribute": "brightness", "where": ["image"], "amount": 0.3})
    recipe = Recipe.from_json(talk.session.recipe().to_json())
    replayed = apply(talk.session.photo, recipe, talk.studio)
    assert replayed.pixels.tobytes() == talk.session.result.pixels.tobytes()
    assert replayed.pixels.tobytes() != talk.session.photo.pixels.tobytes()
