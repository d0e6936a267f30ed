"""Pores and uneven tone, all over the skin: smoothed where asked, and no bar to others."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from vision import changes, photo, pipeline
from vision.measure import measure
from vision.plan import Edit, Keep, Plan
from vision.vocabulary import SKIN_KINDS

FACE = ("face",)


def fine(pixels: np.ndarray, where: np.ndarray) -> float:
    """Strength of the finest detail (standard deviation, of 255) at a mask."""
    light = pixels.mean(axis=2).astype(np.float32)
    return float((light - cv2.GaussianBlur(light, (0, 0), 1.5))[where].std())


@pytest.fixture(scope="module")
def rough():
    """The astronaut with rough skin, four times as large: the crop does not resolve all of it."""
    face = pipeline.analyse(photo.load(skimage.data.astronaut())).faces[0]
    large = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((2048, 2048), 3))
    skin = face.alignment.to_photo(face.skin, (512, 512))
    skin = cv2.resize(skin, (2048, 2048))[..., None]
    noise = np.random.default_rng(0).normal(size=(2048, 2048)).astype(np.float32)
    pits = cv2.GaussianBlur(noise, (0, 0), 1.6)
    pits = 9 * pits[..., None] / pits.std()
    return pipeline.analyse(photo.load(np.uint8(np.clip(large + skin * pits, 0, 255))))


def test_rough_skin_becomes_smoother_and_keeps_some_grain(rough):
    plan = Plan((Edit("pores", FACE, 1.0),))
    rendering = pipeline.render(rough, plan)
    cheeks = rough.faces[0].alignment.to_photo(
        rough.faces[0].regions.mask("cheeks") * rough.faces[0].skin, (2048, 2048)
    )
    where = (cheeks > 0.9) & rendering.touched
    assert where.sum() > 0.5 * (cheeks > 0.9).sum()
    before, after = (fine(p.pixels, where) for p in (rough.photo, rendering.photo))
    assert 0.2 < after / before < 0.85
    half = pipeline.render(rough, Plan((Edit("pores", FACE, 0.5),))).photo
    assert after < fine(half.pixels, where) < before


@pytest.mark.parametrize("kind", SKIN_KINDS)
def test_to_keep_what_skin_is_like_all_over_holds_back_nothing_else(astronaut, kind):
    edits = (Edit("wrinkles", FACE, 1.0), Edit("freckles", FACE, 1.0))
    alone, kept = (
        pipeline.render(astronaut, Plan(edits, keeps)).photo.pixels
        for keeps in ((), (Keep(kind, FACE),))
    )
    assert np.array_equal(alone, kept)
    own = (Edit(kind, FACE, 1.0),)
    held = Plan(own, (Keep(kind, FACE),))
    assert np.array_equal(pipeline.render(astronaut, held).photo.pixels, astronaut.photo.pixels)
    assert (pipeline.render(astronaut, Plan(own)).photo.pixels != astronaut.photo.pixels).any()
    (kept,) = measure(astronaut, held, pipeline.render(astronaut, held)).kept
    assert kept.found > 0 and kept.max_change == 0


def test_freckles_are_no_pores_and_stay_until_they_are_named(astronaut):
    face = astronaut.faces[0]
    freckles = face.marks("freckles").area & (face.place(FACE) > 0.5)
    skin = [Edit(kind, FACE, 1.0) for kind in SKIN_KINDS]
    gate = changes.face_change(face, skin, []).gate
    assert freckles.any() and gate.max() > 0.3 and not gate[freckles].any()
    named = changes.face_change(face, [*skin, Edit("freckles", FACE, 1.0)], [])
    assert (named.gate[freckles] > 0.15).all()


def test_own_words_for_pores_are_kept_as_pores_are(astronaut):
    words = Keep("other", FACE, phrase="enlarged pores")
    asked = Plan((Edit("pores", FACE, 1.0),), (words,))
    assert np.array_equal(pipeline.render(astronaut, asked).photo.pixels, astronaut.photo.pixels)


def test_skin_with_pores_is_clean_skin(rough):
    face = rough.faces[0]
    assert face.found("pores") > 0.1
    assert face.clean.sum() > 0.3 * (face.skin > 0.9).sum()


def test_freckles_named_at_one_place_are_spared_at_all_others(astronaut):
    face = astronaut.faces[0]
    freckles, nose = face.marks("freckles").area, face.place(("nose",))
    tone = Edit("uneven_tone", FACE, 1.0)
    named = changes.face_change(face, [tone, Edit("freckles", ("nose",), 1.0)], [])
    there, elsewhere = freckles & (nose > 0.5), freckles & (nose < 0.01) & (face.place(FACE) > 0.5)
    assert there.any() and elsewhere.any()
    assert (named.gate[there] > 0.15).all() and named.gate[elsewhere].max() < 0.01


@pytest.mark.parametrize("kind", SKIN_KINDS)
def test_what_is_kept_of_the_skin_at_a_place_stays_there_to_the_pixel(rough, kind):
    """Also the detail finer than the crop, and where the place's soft border begins."""
    plan = Plan((Edit(kind, FACE, 1.0),), (Keep(kind, ("forehead",)),))
    rendering = pipeline.render(rough, plan)
    face, shape = rough.faces[0], rough.photo.pixels.shape[:2]
    forehead = face.alignment.to_photo(face.place(("forehead",)), shape) > 0.5
    moved = np.abs(rendering.photo.pixels.astype(int) - rough.photo.pixels).max(axis=2)
    (kept,) = measure(rough, plan, rendering).kept
    assert moved.max() > 3 and abs(int(moved[forehead].max()) - kept.max_change) <= 1
    assert kept.max_change <= 1


def test_only_marks_are_worth_second_thoughts(astronaut):
    plan = Plan(tuple(Edit(kind, FACE, 0.5) for kind in ("freckles", *SKIN_KINDS)))
    measured = measure(astronaut, plan, pipeline.render(astronaut, plan)).edits
    assert [edit.all_over for edit in measured] == [False, True, True]
