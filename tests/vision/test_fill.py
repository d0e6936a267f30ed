"""What is marked is filled with skin: the geometry, and a real face with the shipped weights."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data

from training.evaluate.native import detail_ratio
from vision import photo, pipeline
from vision.faces import CROP_SIZE, Alignment
from vision.fill import coverage, in_crop, share_out, union
from vision.marked import pack, unpack
from vision.measure import measure
from vision.plan import Edit, Fill, Keep, Plan

FACE = ("face",)
CHEEK = [(140, 275), (165, 265), (158, 290), (180, 283), (172, 305)]  # a zigzag in the crop


def turned(scale: float, degrees: float, middle: tuple[float, float]) -> Alignment:
    """An alignment with `scale` crop pixels per photo pixel and the crop's middle at `middle`."""
    matrix = cv2.getRotationMatrix2D(middle, degrees, scale)
    matrix[:, 2] += CROP_SIZE / 2 - np.array(middle)
    return Alignment(matrix)


@pytest.mark.parametrize("scale", [0.15, 0.4, 0.8, 1.0, 3.7])
@pytest.mark.parametrize("degrees", [0, 31])
def test_every_marked_pixel_reads_a_change_that_was_asked_for(scale, degrees):
    """However fine the mark, and wherever it falls between the crop's pixels."""
    side = round(700 / scale)
    alignment = turned(scale, degrees, (side / 2, side / 2))
    rng = np.random.default_rng(0)
    marked = np.zeros((side, side), bool)
    marked[tuple(rng.integers(side // 3, 2 * side // 3, (2, 60)))] = True
    marked[side // 2, side // 3 : 2 * side // 3] = True
    read = alignment.to_photo(in_crop(alignment, marked), marked.shape)
    assert read[marked].min() > 0.999


def test_coverage_is_the_area_in_the_crop():
    alignment = turned(0.25, 20, (1000, 1000))
    marked = np.zeros((2000, 2000), bool)
    marked[800:1100, 900:1000] = True
    area = coverage(alignment, marked).sum()
    assert area == pytest.approx(300 * 100 * 0.25**2, rel=0.02)
    one = np.zeros((2000, 2000), bool)
    one[1000, 1000] = True
    assert coverage(turned(0.05, 20, (1000, 1000)), one).sum() > 0


def crowd(*middles: tuple[float, float]) -> SimpleNamespace:
    """Faces whose crops are as large as the photo's pixels."""
    return SimpleNamespace(faces=[SimpleNamespace(alignment=turned(1, 0, m)) for m in middles])


def test_a_connected_part_goes_to_the_face_that_holds_most_of_it():
    analysis = crowd((300, 300), (700, 300))  # columns 44 to 555 and 444 to 955
    marked = np.zeros((600, 1100), bool)
    marked[300:310, 400:500] = True  # all of it in the first, half of it in the second
    marked[400:410, 500:600] = True  # the other way round
    marked[200:210, 460:470] = True  # in both
    marked[100:110, 20:1000] = True  # from one to the other, and beyond both
    shared = share_out(analysis, marked)
    first, second = (unpack(fill.mask) for fill in shared.fills)
    assert [fill.face for fill in shared.fills] == [0, 1]
    assert first[300:310, 400:500].all() and second[400:410, 500:600].all()
    assert first[200:210, 460:470].all()
    assert first[100, 44:444].all() and second[100, 444:956].all()  # its middle is nearer
    assert not (first & second).any()
    assert np.array_equal(union(shared.fills), first | second)
    assert shared.left == (marked & ~first & ~second).sum() == 10 * (24 + 44)


def test_a_mark_on_a_small_face_is_filled_by_it_though_a_large_one_holds_it_too():
    large, small = turned(0.5, 0, (400, 400)), turned(2, 0, (760, 400))
    analysis = SimpleNamespace(faces=[SimpleNamespace(alignment=a) for a in (large, small)])
    marked = np.zeros((900, 1000), bool)
    marked[395:405, 750:760] = True
    (fill,) = share_out(analysis, marked).fills
    assert fill.face == 1


def test_keeps_of_another_face_hold_where_crops_overlap(astronaut):
    """The photo twice, so close that each face's crop reaches the other's."""
    twice = np.concatenate([astronaut.photo.pixels[:, 100:360]] * 2, axis=1)
    analysis = pipeline.analyse(photo.load(twice))
    assert len(analysis.faces) == 2
    marked = np.zeros(twice.shape[:2], bool)
    marked[60:160, 60:460] = True
    kept = Keep("everything", FACE, face=1)
    fills = share_out(analysis, marked).fills
    plan = Plan(keeps=(kept,), fills=fills)
    rendering = pipeline.render(analysis, plan)
    assert rendering.touched.any()
    assert measure(analysis, plan, rendering).kept[0].max_change == 0


def test_a_face_that_is_marked_all_over_is_not_blackened(astronaut):
    marked = np.ones(astronaut.photo.pixels.shape[:2], bool)
    plan = Plan(fills=share_out(astronaut, marked).fills)
    face = astronaut.faces[0]
    skin = face.alignment.to_photo(face.skin, marked.shape) > 0.9
    before = astronaut.photo.pixels[skin].mean()
    after = pipeline.render(astronaut, plan).photo.pixels[skin].mean()
    assert after > 0.75 * before


def test_what_no_crop_holds_is_left():
    marked = np.zeros((600, 1100), bool)
    marked[:5, :5] = True
    assert share_out(crowd((700, 300)), marked) == share_out(crowd(), marked)
    assert share_out(crowd(), marked).left == 25


def test_fills_are_compared_by_value():
    marked = np.eye(9, dtype=bool)
    one, same, other = (Plan(fills=(Fill(pack(m)),)) for m in (marked, marked.copy(), ~marked))
    assert one == same and hash(one) == hash(same)
    assert one != other


# A black scribble on the astronaut's cheek.


@pytest.fixture(scope="module")
def scribble(astronaut) -> np.ndarray:
    """(H, W) bool."""
    points = astronaut.faces[0].alignment.points_to_photo(np.array(CHEEK, float))
    marked = np.zeros(astronaut.photo.pixels.shape[:2], np.uint8)
    cv2.polylines(marked, [np.round(points).astype(int)], False, 1, 2)
    return marked > 0


@pytest.fixture(scope="module")
def scribbled(scribble) -> pipeline.Analysis:
    pixels = skimage.data.astronaut()
    pixels[scribble] = 10
    return pipeline.analyse(photo.load(pixels))


@pytest.fixture(scope="module")
def plan(scribbled, scribble) -> Plan:
    shared = share_out(scribbled, scribble)
    assert len(shared.fills) == 1 and shared.left == 0
    return Plan(fills=shared.fills)


def test_a_scribble_is_filled_with_the_cheek_that_was_there(scribbled, scribble, plan):
    rendering = pipeline.render(scribbled, plan)
    truth, before, after = (
        pixels[scribble].astype(float)
        for pixels in (skimage.data.astronaut(), scribbled.photo.pixels, rendering.photo.pixels)
    )
    assert np.abs(after - truth).mean() < np.abs(before - truth).mean() / 2
    same = (rendering.photo.pixels == scribbled.photo.pixels).all(axis=2)
    assert same[~scribble].all()
    assert np.array_equal(rendering.touched, scribble)


def test_it_is_measured(scribbled, scribble, plan):
    measured = measure(scribbled, plan, pipeline.render(scribbled, plan))
    (fill,) = measured.fills
    assert 0.001 < fill.found < 0.02 and fill.kept == 0
    assert 0 < fill.severity_after < fill.severity_before / 2 < 0.5
    assert fill.reduction == pytest.approx(1 - fill.severity_after / fill.severity_before)
    assert measured.outside_max_change == 0


def test_a_kept_place_inside_the_mask_stays(scribbled, scribble, plan):
    kept = Plan(fills=plan.fills, keeps=(Keep("everything", ("cheeks",)),))
    rendering = pipeline.render(scribbled, kept)
    assert measure(scribbled, kept, rendering).kept[0].max_change == 0
    face = scribbled.faces[0]
    cheeks = face.alignment.to_photo(face.place(("cheeks",)), scribble.shape) > 0.05
    assert not (rendering.touched & cheeks).any()


def test_a_kept_kind_inside_the_mask_stays(astronaut):
    """Of everything around the mouth and the eyes, the lines."""
    everywhere = np.ones(astronaut.photo.pixels.shape[:2], bool)
    (fill,) = share_out(astronaut, everywhere).fills
    plan = Plan(fills=(fill,), keeps=(Keep("wrinkles", FACE),))
    rendering = pipeline.render(astronaut, plan)
    measured = measure(astronaut, plan, rendering)
    assert measured.kept[0].found > 0 and measured.kept[0].max_change == 0
    assert 0 < measured.fills[0].kept < 0.5
    assert rendering.touched.any()


def test_marked_pixels_are_filled_and_not_edited(scribbled, scribble, plan):
    """Edits go on around them as without the fill."""
    edits = (Edit("wrinkles", FACE, 1.0), Edit("redness", FACE, 1.0))
    both = pipeline.render(scribbled, Plan(edits, fills=plan.fills)).photo.pixels
    edited = pipeline.render(scribbled, Plan(edits)).photo.pixels
    assert np.array_equal(both[~scribble], edited[~scribble])
    assert (both[scribble].mean(axis=1) > edited[scribble].mean(axis=1) + 30).mean() > 0.9


def test_a_large_photo_is_filled_up_to_the_edge_of_the_mark(scribble):
    """No rim of a mark stays that only the photo resolves."""
    clean = cv2.resize(skimage.data.astronaut(), None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    marked = np.kron(scribble, np.ones((6, 6), bool))
    pixels = clean.copy()
    pixels[marked] = 10
    analysis = pipeline.analyse(photo.load(pixels))
    plan = Plan(fills=share_out(analysis, marked).fills)
    after = pipeline.render(analysis, plan).photo.pixels.astype(int)
    rim = marked & ~cv2.erode(marked.astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert np.abs(after - clean)[rim].mean() < np.abs(pixels.astype(int) - clean)[rim].mean() / 2


def test_a_face_that_is_not_there_is_refused(astronaut, plan):
    fill = Fill(plan.fills[0].mask, face=3)
    with pytest.raises(ValueError, match="face 3 of 1"):
        pipeline.render(astronaut, Plan(fills=(fill,)))


def test_a_fill_is_as_grainy_as_the_skin_around_it():
    """On a large photo with grain of its own: what is put there is neither plastic nor noise."""
    large = cv2.resize(skimage.data.astronaut(), (2048, 2048), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(1).normal(0, 4, large.shape[:2])[..., None]
    large = np.clip(np.rint(large + noise), 0, 255).astype(np.uint8)
    face = pipeline.analyse(photo.load(large)).faces[0]
    roomy = cv2.GaussianBlur(face.place(("cheeks",)), (0, 0), 12)
    middle = np.array([np.unravel_index(roomy.argmax(), roomy.shape)[::-1]], np.float64)
    x, y = np.round(face.alignment.points_to_photo(middle)[0]).astype(int)
    marked, inner, around = (np.zeros(large.shape[:2], bool) for _ in range(3))
    for area, reach in ((marked, 24), (inner, 20), (around, 44)):
        area[y - reach : y + reach, x - reach : x + reach] = True
    around &= ~marked
    assert detail_ratio(large, inner, around) == pytest.approx(1, abs=0.15)
    large[marked] = (10, 20, 200)
    analysis = pipeline.analyse(photo.load(large))
    plan = Plan(fills=share_out(analysis, marked).fills)
    filled = pipeline.render(analysis, plan).photo.pixels
    assert detail_ratio(filled, inner, around) == pytest.approx(1, abs=0.3)


def disc(analysis, at: tuple[int, int], radius: int) -> np.ndarray:
    """(H, W) bool, a disc about a place of the crop."""
    crop = cv2.circle(np.zeros((CROP_SIZE, CROP_SIZE), np.float32), at, radius, 1.0, -1)
    return analysis.faces[0].alignment.to_photo(crop, analysis.photo.pixels.shape[:2]) > 0.5


def test_what_is_filled_is_like_the_skin_that_was_edited_around_it(astronaut):
    """A flushed cheek that is calmed, with a spot of it filled: no flushed spot is left."""
    face = astronaut.faces[0]
    cheek = face.regions.mask("cheeks", "photo_left") * face.skin
    pink = cv2.GaussianBlur(cheek, (0, 0), 9)[..., None] * np.float32([14, -22, -16])
    shape = astronaut.photo.pixels.shape[:2]
    flushed = astronaut.photo.pixels + face.alignment.to_photo(pink, shape)
    analysis = pipeline.analyse(photo.load(np.uint8(np.clip(flushed, 0, 255))))
    y, x = (int(v) for v in np.argwhere(cheek > 0.9).mean(axis=0))
    spot, ring = disc(analysis, (x, y), 9), disc(analysis, (x, y), 20) & ~disc(analysis, (x, y), 11)
    calm = (Edit("redness", FACE, 1.0, effort=3.0),)
    fills = share_out(analysis, spot).fills
    result = pipeline.render(analysis, Plan(calm, fills=fills)).photo.pixels.astype(float)
    alone = pipeline.render(analysis, Plan((), fills=fills)).photo.pixels.astype(float)
    before = analysis.photo.pixels.astype(float)

    def redness(pixels):
        return pixels[..., 0] - pixels[..., 1:].mean(axis=2)

    calmed = redness(before)[ring].mean() - redness(result)[ring].mean()
    assert calmed > 3
    off, stale = (
        abs(redness(p)[spot].mean() - redness(result)[ring].mean()) for p in (result, alone)
    )
    assert off < 0.6 * stale


def test_a_mark_that_is_pointed_at_goes_though_its_kind_is_kept(astronaut):
    face = astronaut.faces[0]
    kept = face.marks("freckles").area & (face.place(FACE) > 0.5)
    y, x = (int(v) for v in np.argwhere(kept)[kept.sum() // 2])
    spot = disc(astronaut, (x, y), 6)
    keeps = (Keep("freckles", FACE),)
    part = share_out(astronaut, spot).fills[0]
    refused, pointed = (
        Plan(keeps=keeps, fills=(Fill(part.mask, part.face, what),)) for what in (None, "freckles")
    )
    left = [pipeline.render(astronaut, plan).touched for plan in (refused, pointed)]
    assert (spot & ~left[0]).any() and np.array_equal(left[1], spot)
    measured = measure(astronaut, pointed, pipeline.render(astronaut, pointed))
    assert measured.fills[0].kept == 0 and measured.kept[0].max_change == 0
    assert measured.kept[0].found > 0
    everything = Plan(keeps=(Keep("everything", FACE),), fills=pointed.fills)
    assert not pipeline.render(astronaut, everything).touched.any()
