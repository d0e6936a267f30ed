"""Regions lie where people say they are, and skin is skin on every kind of face."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from tests.vision.test_faces import DATA, needs_data, photo
from training.evaluate.regions import measure
from vision import mesh
from vision.faces import CROP_SIZE, align, find
from vision.landmarks import WEIGHTS, LandmarkNet, predict_landmarks
from vision.regions import Regions, segment
from vision.vocabulary import REGIONS


@cache
def astronaut_regions() -> tuple[np.ndarray, Regions]:
    rgb = astronaut()
    crop = align(find(rgb)[0].landmarks).crop(rgb)
    return crop, segment(crop, predict_landmarks(crop))


def centre(mask: np.ndarray) -> np.ndarray:
    """x, y of the middle of a mask."""
    rows, columns = np.indices(mask.shape)
    return np.array([(columns * mask).sum(), (rows * mask).sum()]) / mask.sum()


def inside(regions: Regions, outline: tuple[int, ...]) -> np.ndarray:
    """The pixels within mesh points, without the two at the border."""
    canvas = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    cv2.fillPoly(canvas, [regions.landmarks[list(outline)].round().astype(np.int32)], 1)
    return cv2.erode(canvas, np.ones((5, 5))) > 0


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_a_soft_mask(region):
    _, regions = astronaut_regions()
    mask = regions.mask(region)
    assert mask.shape == (CROP_SIZE, CROP_SIZE)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() <= mask.max() <= 1 + 1e-6
    assert mask.max() > 0.5
    assert regions.mask(region) is mask


def test_unknown_regions_are_refused():
    with pytest.raises(ValueError, match="elbow"):
        astronaut_regions()[1].mask("elbow")


@pytest.mark.parametrize(
    "region", ["cheeks", "under_eyes", "crows_feet", "forehead", "nose", "jaw"]
)
def test_left_is_the_subjects_own(region):
    """In an upright photo the subject's left is on the right, and photo_left on the left."""
    crop, regions = astronaut_regions()
    own_left, own_right = (centre(regions.mask(region, side))[0] for side in ("left", "right"))
    assert own_right + 10 < own_left
    assert (regions.mask(region, "photo_left") == regions.mask(region, "right")).all()
    upside_down = segment(crop, regions.landmarks, upright_left=False)
    assert (upside_down.mask(region, "photo_left") == regions.mask(region, "left")).all()


def test_the_face_reads_from_top_to_bottom():
    _, regions = astronaut_regions()
    order = ("forehead", "between_brows", "under_eyes", "nose", "upper_lip", "lips", "chin", "neck")
    heights = [centre(regions.mask(region))[1] for region in order]
    assert heights == sorted(heights)


def test_skin_leaves_out_eyes_brows_lips_and_teeth():
    _, regions = astronaut_regions()
    for outline in (*mesh.EYE, *mesh.BROW, mesh.OUTER_LIPS):
        assert regions.skin[inside(regions, outline)].max() < 0.2
    assert (regions.skin * regions.mask("teeth")).max() < 0.2
    for region in ("cheeks", "nose", "under_eyes"):
        area = regions._area(region, None) > 0.9
        assert np.median(regions.skin[area]) > 0.9


def test_skin_leaves_out_background_hair_and_clothing():
    _, regions = astronaut_regions()
    assert regions.skin[:, :40].max() < 0.3
    hair = regions.mask("hair") > 0.7  # a fringe of her skin's lightness
    assert hair.sum() > 20_000
    assert regions.skin[hair].mean() < 0.1


def worn(colour: tuple[int, int, int], brim: bool) -> tuple[Regions, np.ndarray, np.ndarray]:
    """The face with something over the upper half of its forehead, and what is covered and bare."""
    crop, regions = astronaut_regions()
    top, brow = regions.landmarks[[10, 9]]
    rows = np.indices(crop.shape[:2])[0]
    edge = int(top[1] + 0.3 * (brow[1] - top[1]))
    other = crop.copy()
    other[rows < edge] = np.random.default_rng(0).normal(colour, 3, other[rows < edge].shape)
    if brim:
        other[(rows >= edge - 14) & (rows < edge)] = (25, 18, 15)
    face = segment(other, regions.landmarks)
    forehead = face._area("forehead", None) > 0.9
    return face, forehead & (rows < edge - 24), forehead & (rows > edge + 12)


def test_a_hat_of_the_colour_of_skin_and_white_hair_are_no_skin():
    """One is parted from the forehead by its shadow alone, the other looks like a highlight."""
    crop, regions = astronaut_regions()
    usual = np.median(crop[regions.mask("forehead") > 0.9], axis=0)
    for colour, brim in ((tuple(usual), True), ((228, 226, 224), False)):
        face, covered, bare = worn(colour, brim)
        assert covered.sum() > 1000
        assert face.skin[covered].mean() < 0.05
        assert face.skin[bare].sum() > 0.95 * regions.skin[bare].sum()


def test_a_forehead_above_sunglasses_is_skin():
    """Glasses part it from the face as the brim of a hat does."""
    crop, regions = astronaut_regions()
    rows = np.indices(crop.shape[:2])[0]
    top, bottom = regions.landmarks[[8, 145], 1].astype(int)
    dark = crop.copy()
    dark[(rows > top) & (rows < bottom)] = (12, 12, 14)
    above = (regions._area("forehead", None) > 0.9) & (regions.skin > 0.9) & (rows < top - 8)
    assert above.sum() > 1000
    assert np.median(segment(dark, regions.landmarks).skin[above]) > 0.9


@pytest.mark.parametrize("share", [0.15, 0.5, 1.6])
def test_skin_does_not_depend_on_how_dark_it_is(share):
    """The same face in far less or more light, which is also what darker or paler skin gives."""
    crop, regions = astronaut_regions()
    linear = (crop / 255.0) ** 2.2 * share
    other = (np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    skin = segment(other, regions.landmarks).skin
    both = np.minimum(skin, regions.skin).sum() / np.maximum(skin, regions.skin).sum()
    assert both > 0.8


def test_marks_stay_within_skin():
    """Freckles, a mole and a blotch are what is retouched: they must not fall out of the mask."""
    crop, regions = astronaut_regions()
    marked = crop.copy()
    spots = regions.landmarks[[50, 101, 36, 280, 330, 266, 9, 5]].round().astype(int)
    for spot, radius in zip(spots, (2, 3, 7, 2, 4, 6, 3, 2), strict=True):
        cv2.circle(marked, spot.tolist(), radius, (92, 52, 40), -1, cv2.LINE_AA)
    skin = segment(marked, regions.landmarks).skin
    assert skin[spots[:, 1], spots[:, 0]].min() > 0.7


def test_light_on_one_half_of_the_face_leaves_both_halves_skin():
    crop, regions = astronaut_regions()
    middle = regions.landmarks[[168, 5, 152], 0].mean()
    dark = np.clip((crop / 255.0) * 0.55 + (0.03, -0.03, -0.03), 0, 1)
    glaring = 0.3 * (crop / 255.0) + 0.7
    left = (np.arange(CROP_SIZE) < middle)[None, :, None]
    lit = (np.where(left, dark, glaring) * 255).astype(np.uint8)
    skin = segment(lit, regions.landmarks).skin
    for side in ("photo_left", "photo_right"):
        cheek = regions.mask("cheeks", side) > 0.9
        assert np.median(skin[cheek]) > 0.9


def test_a_glaring_highlight_and_dark_circles_are_skin():
    """Both are what people ask to have taken away, and neither has the colour of skin."""
    crop, regions = astronaut_regions()
    marked = crop.copy()
    forehead = regions.landmarks[[151, 9]].mean(0).round().astype(int)
    cv2.circle(marked, forehead.tolist(), 26, (255, 255, 255), -1, cv2.LINE_AA)
    below = regions.mask("under_eyes") > 0.9
    marked[below] = (marked[below] * (0.4, 0.4, 0.65)).astype(np.uint8)
    skin = segment(marked, regions.landmarks).skin
    assert skin[forehead[1], forehead[0]] > 0.9
    assert np.median(skin[below]) > 0.6


def test_landmarks_out_of_the_picture_are_no_error():
    crop, regions = astronaut_regions()
    for shift in ((300, 0), (-400, 200), (0, 5000)):
        cut = segment(crop, regions.landmarks + np.array(shift, np.float32))
        for region in REGIONS:
            assert np.isfinite(cut.mask(region)).all()
    with pytest.raises(ValueError, match="finite"):
        segment(crop, np.full((478, 2), np.nan))


def test_points_do_not_depend_on_the_number_of_threads():
    crop, regions = astronaut_regions()
    threads = torch.get_num_threads()
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            np.testing.assert_array_equal(predict_landmarks(crop), regions.landmarks)
    finally:
        torch.set_num_threads(threads)


def test_mirror_partners_pair_up_and_are_honoured():
    partners = LandmarkNet.from_pretrained(WEIGHTS).mirror.numpy()
    assert (partners[partners] == np.arange(478)).all()
    crop, regions = astronaut_regions()
    mirrored = predict_landmarks(np.ascontiguousarray(crop[:, ::-1]))[partners]
    mirrored[:, 0] = CROP_SIZE - 1 - mirrored[:, 0]
    assert np.linalg.norm(mirrored - regions.landmarks, axis=1).mean() < 3


@needs_data
@pytest.mark.parametrize("use", ["train", "evaluate"])
def test_landmarks_are_close_on_people_never_seen(use):
    errors = measure(DATA, use, limit=6)
    assert "lost" not in errors
    assert np.median(errors["frontal"].mean(1)) < 0.035


@needs_data
@pytest.mark.parametrize("name", ["faces/00195.jpg", "faces/00213.jpg", "faces/00490.jpg"])
def test_skin_covers_cheeks_of_dark_and_light_people(name):
    rgb = photo(name)
    crop = align(find(rgb)[0].landmarks).crop(rgb)
    regions = segment(crop, predict_landmarks(crop))
    assert regions.mask("cheeks").sum() > 0.8 * regions._area("cheeks", None).sum()
