"""Plans on a real portrait with the shipped weights: what users are promised."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vision import changes, engine, keeping, photo, pipeline
from vision.engine import own_words
from vision.measure import _renamed, measure
from vision.plan import Edit, Keep, Plan, Tone
from vision.vocabulary import LEARNT_KINDS, NETWORK_KINDS

FACE = ("face",)
EVERYTHING = Plan(tuple(Edit(kind, FACE, 1.0) for kind in LEARNT_KINDS))


def pixels(analysis, plan: Plan) -> np.ndarray:
    return pipeline.render(analysis, plan).photo.pixels


def test_an_empty_plan_and_strength_zero_return_the_same_pixels(astronaut):
    nothing = Plan(tuple(Edit(kind, FACE, 0.0) for kind in LEARNT_KINDS))
    for plan in (Plan(), nothing):
        rendering = pipeline.render(astronaut, plan)
        assert np.array_equal(rendering.photo.pixels, astronaut.photo.pixels)
        assert not rendering.touched.any()


def test_keeping_everything_beats_every_edit(astronaut):
    plan = Plan(EVERYTHING.edits, (Keep("everything", ("image",)),))
    assert np.array_equal(pixels(astronaut, plan), astronaut.photo.pixels)


def test_the_left_of_the_picture_is_kept_whatever_lies_there(astronaut):
    """The middle of the photo runs through her face, beside her own."""
    kept = Keep("everything", ("image",), 0, "photo_left")
    light = Tone("brightness", "image", 0.5)
    before = astronaut.photo.pixels
    half = before.shape[1] // 2
    for plan in (EVERYTHING, replace(EVERYTHING, tones=(light,))):
        after = pixels(astronaut, replace(plan, keeps=(kept,)))
        assert np.array_equal(after[:, :half], before[:, :half])
        assert not np.array_equal(after[:, half:], before[:, half:])


def test_an_edit_of_one_face_spares_what_is_kept_on_a_face_beside_it(astronaut):
    face = astronaut.faces[0]
    overlapping = pipeline.Analysis(astronaut.photo, (face, face))
    edits = tuple(Edit(kind, ("skin",), 1.0) for kind in LEARNT_KINDS)
    plan = Plan(edits, (Keep("everything", ("forehead",), face=1), Keep("wrinkles", FACE, face=1)))
    rendering = pipeline.render(overlapping, plan)
    assert rendering.touched.any()
    assert [keep.max_change for keep in measure(overlapping, plan, rendering).kept] == [0, 0]


def test_edits_reach_the_faces_whose_crops_overlap():
    """The second covers a corner of the first; the third is far from both."""
    blocks = [(0, 0, 100, 100), (90, 90, 200, 200), (300, 0, 400, 100)]
    faces = tuple(
        SimpleNamespace(alignment=SimpleNamespace(bounds=lambda *_, b=b: b)) for b in blocks
    )
    group = pipeline.Analysis(SimpleNamespace(height=400, width=400), faces)
    assert group.reached({0}) == {0, 1} == group.reached({1})
    assert group.reached({2}) == {2}
    assert group.reached({0, 2}) == {0, 1, 2}


def test_a_narrower_place_overrules_a_keep_only_where_it_is_a_part_of_it(astronaut):
    """The nose is smaller than half a face, and lies in none; a bruise is no cold sore."""
    keep = Keep("wrinkles", FACE, side="left")
    plan = Plan((Edit("wrinkles", ("nose",), 1.0),), (keep,))
    rendering = pipeline.render(astronaut, plan)
    half = astronaut.faces[0].place(FACE, "left") > 0.02
    kept = astronaut.faces[0].marks("wrinkles").area & half
    block = astronaut.faces[0].alignment.bounds(*rendering.touched.shape)
    on_photo = astronaut.faces[0].alignment.to_photo(
        kept.astype(np.float32), rendering.touched.shape, block
    )
    x0, y0, x1, y1 = block
    assert not rendering.touched[y0:y1, x0:x1][on_photo > 0.5].any()
    words = Keep("other", FACE, phrase="freckles")
    asked = Edit("other", ("nose",), 1.0, phrase="sun kisses")
    assert not keeping.wins(asked, words) and keeping.wins(replace(asked, phrase="freckles"), words)


def test_asked_severity_falls_and_grows_with_strength(astronaut):
    plans = [Plan((Edit("freckles", FACE, strength),)) for strength in (0.4, 1.0)]
    half, full = (measure(astronaut, p, pipeline.render(astronaut, p)).edits[0] for p in plans)
    assert half.found > 0
    assert 0.2 < half.reduction < full.reduction


def test_more_effort_takes_more_and_never_more_than_there_is(astronaut):
    original = astronaut.photo.pixels.astype(int)

    def done(strength: float, effort: float) -> np.ndarray:
        edit = Edit("freckles", FACE, strength, effort=effort)
        return pixels(astronaut, Plan((edit,))).astype(int) - original

    sizes = [np.abs(done(0.4, effort)).sum() for effort in (0.5, 1.0, 2.0, 4.0)]
    assert sizes == sorted(sizes) and sizes[0] < 0.8 * sizes[1] < 0.8 * sizes[3]
    plain, hard = (
        changes.face_change(astronaut.faces[0], [Edit("freckles", FACE, 1.0, effort=e)], [])
        for e in (1.0, 8.0)
    )
    at = plain.gate > 0.1
    assert hard.gate.max() <= 1
    goals = [change.change[at] / change.gate[at][:, None] for change in (plain, hard)]
    assert np.allclose(*goals, atol=1e-4)  # toward the same clean skin, not beyond it


def test_no_effort_reaches_what_is_kept(astronaut):
    hard = tuple(Edit(kind, FACE, 1.0, effort=8.0) for kind in LEARNT_KINDS)
    plan = Plan(hard, (Keep("wrinkles", FACE), Keep("everything", ("nose",))))
    measured = measure(astronaut, plan, pipeline.render(astronaut, plan))
    assert [keep.max_change for keep in measured.kept] == [0, 0]
    assert measured.outside_max_change == 0


@pytest.mark.parametrize(
    "around",
    [
        {"keeps": (Keep("everything", ("cheeks",)),)},
        {"edits": (Edit("freckles", FACE, 0.3), Edit("freckles", ("cheeks",), 0.0))},
    ],
)
def test_an_edit_is_judged_where_nothing_holds_it_back(astronaut, around):
    plan = Plan(**{"edits": (Edit("freckles", FACE, 0.3),)} | around)
    held = measure(astronaut, plan, pipeline.render(astronaut, plan)).edits[0]
    alone = Plan((Edit("freckles", FACE, 0.3),))
    nose = Plan((*alone.edits, Edit("freckles", ("nose",), 0.3)))
    rendering = pipeline.render(astronaut, alone)
    free, on_nose = measure(astronaut, nose, rendering).edits
    assert held.found == free.found
    assert abs(held.reduction - on_nose.reduction) < 0.1


def test_what_is_kept_and_what_is_outside_does_not_change(astronaut):
    plan = Plan(EVERYTHING.edits, (Keep("wrinkles", FACE), Keep("everything", ("nose",))))
    rendering = pipeline.render(astronaut, plan)
    measured = measure(astronaut, plan, rendering)
    assert rendering.touched.any()
    assert measured.kept[0].found > 0
    assert measured.kept[1].found > 0
    assert [keep.max_change for keep in measured.kept] == [0, 0]
    assert measured.outside_max_change == 0


def test_a_place_bounds_an_edit(astronaut):
    rendering = pipeline.render(astronaut, Plan((Edit("wrinkles", ("smile_lines",), 1.0),)))
    face = astronaut.faces[0]
    shape = astronaut.photo.pixels.shape[:2]
    lines = face.alignment.to_photo(face.place(("smile_lines",)), shape) > 0
    assert rendering.touched.any()
    assert not (rendering.touched & ~lines).any()


def test_nothing_spills_onto_eyes_lips_and_brows(astronaut):
    touched = pipeline.render(astronaut, EVERYTHING).touched
    face, shape = astronaut.faces[0], astronaut.photo.pixels.shape[:2]
    lips = face.alignment.to_photo(face.place(("lips",)), shape) > 0.9
    assert not (touched & lips).any()


def test_a_later_edit_of_strength_zero_spares_its_place(astronaut):
    spared = Plan((Edit("wrinkles", FACE, 1.0), Edit("wrinkles", ("smile_lines",), 0.0)))
    face, shape = astronaut.faces[0], astronaut.photo.pixels.shape[:2]
    lines = face.alignment.to_photo(face.place(("smile_lines",)), shape) > 0.98
    touched = pipeline.render(astronaut, spared).touched
    assert touched.any()
    assert not (touched & lines).any()


def test_the_narrower_edit_wins_over_a_keep_of_its_own_kind(astronaut):
    plan = Plan((Edit("wrinkles", ("smile_lines",), 1.0),), (Keep("wrinkles", FACE),))
    assert pipeline.render(astronaut, plan).touched.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sixteen_bit_keeps_its_depth_and_untouched_values(astronaut, dtype):
    source = astronaut.photo.pixels.astype(np.uint16)
    values = source * 257 + 3 if dtype is np.uint16 else source
    analysis = pipeline.analyse(photo.load(np.minimum(values, np.iinfo(dtype).max).astype(dtype)))
    plan = Plan((Edit("wrinkles", FACE, 0.6),))
    rendering = pipeline.render(analysis, plan)
    assert rendering.photo.pixels.dtype == dtype
    assert rendering.touched.any()
    assert measure(analysis, plan, rendering).outside_max_change == 0


def test_own_words_mean_the_nearest_kind_or_nothing(astronaut):
    assert own_words("zits on the cheeks").kind == "acne"
    assert astronaut.faces[0].found("other", FACE, None, "crinkly lines") >= 0
    with pytest.raises(pipeline.KindNotLearnt, match="sports car"):
        astronaut.faces[0].found("other", FACE, None, "a red sports car")


def test_a_kind_that_is_hardly_ever_found_is_not_offered(astronaut):
    with pytest.raises(pipeline.KindNotLearnt, match="scars"):
        pipeline.render(astronaut, Plan((Edit("scars", FACE, 1.0),)))
    with pytest.raises(pipeline.KindNotLearnt, match="pockmarks"):
        astronaut.faces[0].found("other", FACE, None, "pockmarks")


def test_words_that_mean_no_imperfection_are_refused(astronaut):
    with pytest.raises(pipeline.KindNotLearnt, match="my hat"):
        pipeline.render(astronaut, Plan((Edit("other", FACE, 1.0, phrase="my hat"),)))


def test_teeth_are_judged_on_the_teeth_and_skin_on_the_skin(astronaut):
    face = astronaut.faces[0]
    teeth = face.regions.mask("teeth")
    assert teeth.any()
    assert not face.marks("yellow_teeth").owner[teeth == 0].any()
    assert not face.marks("stubble").owner[face.skin == 0].any()


def test_a_face_that_is_not_there_is_refused(astronaut):
    with pytest.raises(ValueError, match="face 3 of 1"):
        pipeline.render(astronaut, Plan((Edit("acne", FACE, 1.0, face=3),)))


def test_a_later_edit_in_own_words_wins_over_the_same_kind(astronaut):
    named = Edit("wrinkles", FACE, 1.0)
    said = Edit("other", FACE, 0.0, phrase="fine lines")
    assert own_words("fine lines").kind == "wrinkles"
    over, under = (
        np.abs(pixels(astronaut, plan).astype(int) - astronaut.photo.pixels).sum()
        for plan in (Plan((named, said)), Plan((said, named)))
    )
    assert over < 0.05 * under  # the face's soft border alone


def test_two_names_of_a_mark_do_not_heal_it_twice(astronaut):
    """The later one takes over; one healed on top of the other would leave pale lines."""
    said = Edit("other", FACE, 1.0, phrase="fine lines")
    once = pixels(astronaut, Plan((said,))).astype(int)
    twice = pixels(astronaut, Plan((Edit("wrinkles", FACE, 1.0), said))).astype(int)
    effect = np.abs(once - astronaut.photo.pixels).sum()
    assert np.abs(twice - once).sum() < 0.05 * effect  # the face's soft border alone


def test_a_face_that_is_kept_is_kept_with_its_lips_and_eyes(astronaut):
    """From light as well, and the report counts them."""
    face, shape = astronaut.faces[0], astronaut.photo.pixels.shape[:2]
    inside = face.alignment.to_photo(
        np.maximum(face.place(("lips",)), face.place(("eyes",))), shape
    )
    darker = (Tone("brightness", "image", -1.0),)
    plan = Plan(keeps=(Keep("everything", FACE),), tones=darker)
    rendering = pipeline.render(astronaut, plan)
    moved = np.abs(rendering.photo.pixels.astype(int) - astronaut.photo.pixels).max(axis=2)
    assert moved.max() > 20 and moved[inside > 0.9].max() == 0
    assert measure(astronaut, plan, rendering).kept[0].max_change == 0
    plainly = pipeline.render(astronaut, Plan(tones=darker))
    assert measure(astronaut, plan, plainly).kept[0].max_change > 20


def test_shares_are_of_the_face_that_the_photo_shows(astronaut):
    """Cut off by the photo's border, where the crop repeats its last row."""
    x, _, width, _ = astronaut.faces[0].face.box
    cut = np.ascontiguousarray(astronaut.photo.pixels[:, : int(x + 0.75 * width)])
    analysis = pipeline.analyse(photo.load(cut))
    plan = Plan(keeps=(Keep("everything", FACE),))
    (kept,) = measure(analysis, plan, pipeline.render(analysis, plan)).kept
    assert 0.9 < kept.found <= 1
    assert analysis.faces[0].face_area < 0.95 * astronaut.faces[0].face_area


def test_marks_that_are_taken_for_another_kind_have_not_gone():
    """Half-healed acne that now looks like freckles counts as left; freckles that were there,
    and pores that show, do not."""

    def found(**owners):
        rows = [np.full((512, 512), owners.get(kind, 0.0)) for kind in NETWORK_KINDS]
        return engine.Found(np.float32(rows), np.ones((512, 512), np.float32), None, None, None)

    before = found(acne=0.8, freckles=0.1)
    after = found(acne=0.1, freckles=0.5, pores=0.3)
    assert _renamed(before, after, "acne") == pytest.approx(0.4)
    assert not _renamed(before, found(acne=0.1, freckles=0.1, pores=0.8), "acne").any()
