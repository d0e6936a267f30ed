"""Light and colour: what an amount does to pixels, and where it does it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import pyvips

from tests.vision.made_photos import profile as made_profile
from vision import photo, pipeline, tone
from vision.measure import measure
from vision.plan import Edit, Keep, Plan, Tone
from vision.vocabulary import TONE_ATTRIBUTES

AMOUNTS = np.linspace(-1, 1, 9)
FACE = ("face",)
BRIGHT_IMAGE = Tone("brightness", "image", 0.5)


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """(n, 3) colours of the whole gamut, its corners among them."""
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
    return np.vstack([corners, np.random.default_rng(3).random((20_000, 3))]).astype(np.float32)


def shifted(colours, attribute, amount, pivot=0.5):
    amounts = np.zeros((len(colours), 4), np.float32)
    amounts[:, TONE_ATTRIBUTES.index(attribute)] = amount
    return tone.shifted(colours, amounts, np.full(len(colours), pivot, np.float32))


def change(analysis, *tones, keeps=(), edits=()):
    """(H, W) bool, the pixels that differ, and the rendering's measurement."""
    plan = Plan(edits, keeps, tones=tones)
    rendering = pipeline.render(analysis, plan)
    different = (rendering.photo.pixels != analysis.photo.pixels).any(axis=2)
    return different, measure(analysis, plan, rendering)


def seen(analysis, region, least=0.9):
    """(H, W) bool, where a region of the face is for sure."""
    face, shape = analysis.faces[0], analysis.photo.pixels.shape[:2]
    return face.alignment.to_photo(face.regions.mask(region), shape) > least


@pytest.mark.parametrize("attribute", TONE_ATTRIBUTES)
def test_what_is_measured_rises_with_the_amount(colours, attribute):
    weight = np.ones(len(colours))
    results = [shifted(colours, attribute, amount) for amount in AMOUNTS]
    values = [tone.measured(result, weight)[attribute] for result in results]
    assert (np.diff(values) > 0).all()
    assert all(np.isfinite(r).all() and r.min() >= 0 and r.max() <= 1 for r in results)
    np.testing.assert_allclose(results[4], colours, atol=2e-6)


def test_brightness_moves_every_pixel_one_way_and_leaves_black_and_white(colours):
    light = np.stack([tone.lightness(shifted(colours, "brightness", a)) for a in AMOUNTS])
    assert (np.diff(light, axis=0) > -1e-6).all()
    ends = np.array([(0, 0, 0), (1, 1, 1)], np.float32)
    for amount in AMOUNTS:
        np.testing.assert_allclose(shifted(ends, "brightness", amount), ends, atol=1e-6)


def test_brightness_and_contrast_keep_the_hue():
    skins = np.array([(0.85, 0.66, 0.56), (0.55, 0.36, 0.27), (0.28, 0.18, 0.14)], np.float32)

    def hue(values):
        lab = cv2.cvtColor(values[None], cv2.COLOR_RGB2LAB)[0]
        return np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))

    for attribute in ("brightness", "contrast"):
        for amount in (-0.6, 0.3, 0.6):
            moved = shifted(skins, attribute, amount)
            np.testing.assert_allclose(hue(moved), hue(skins), atol=6)


def test_full_colorfulness_off_is_grey_and_warm_is_yellower(colours):
    grey = shifted(colours, "colorfulness", -1.0)
    assert np.ptp(grey, axis=1).max() < 1e-5
    middle = np.full((1, 3), 0.5, np.float32)
    warm, cold = (shifted(middle, "temperature", amount)[0] for amount in (1.0, -1.0))
    assert warm[0] > warm[1] > warm[2]
    assert cold[0] < cold[1] < cold[2]


@pytest.mark.parametrize("attribute", ["brightness", "contrast"])
@pytest.mark.parametrize("amount", [-0.6, 0.6])
def test_a_sixteen_bit_ramp_has_no_bands(attribute, amount):
    ramp = np.repeat(np.arange(65536, dtype=np.uint16)[None, :, None], 3, axis=2).reshape(
        256, -1, 3
    )
    analysis = pipeline.analyse(photo.load(ramp))
    result = pipeline.render(analysis, Plan(tones=(Tone(attribute, "image", amount),)))
    steps = np.diff(result.photo.pixels[..., 0].ravel().astype(int))
    assert steps.min() >= 0
    assert steps.max() <= 5  # in 8 bit it would be 257
    assert len(np.unique(result.photo.pixels)) > 30_000


def test_amount_zero_leaves_every_bit(astronaut):
    tones = [Tone(attribute, "image", 0.0) for attribute in TONE_ATTRIBUTES]
    tones += [Tone("brightness", "face", 0.3, 0), Tone("brightness", "face", -0.3, 0)]
    rendering = pipeline.render(astronaut, Plan(tones=tuple(tones)))
    assert rendering.photo.pixels.tobytes() == astronaut.photo.pixels.tobytes()


def test_a_tone_stays_in_its_place(astronaut):
    for region in ("cheeks", "eyes", "lips", "teeth"):
        different, measured = change(astronaut, Tone("brightness", region, 0.8, 0))
        face = astronaut.faces[0]
        light = face.alignment.to_photo(face.regions.light(region), different.shape)
        assert different.any()
        assert not different[light == 0].any()
        assert measured.outside_max_change == 0
        assert measured.tones[0].after > measured.tones[0].before + 3


def test_a_side_is_the_subjects_own(astronaut):
    left, _ = change(astronaut, Tone("brightness", "cheeks", 0.8, 0, "left"))
    right, _ = change(astronaut, Tone("brightness", "cheeks", 0.8, 0, "right"))
    assert np.nonzero(left)[1].mean() > np.nonzero(right)[1].mean()


def test_the_left_of_the_picture_is_its_left_wherever_faces_are(astronaut):
    """Hers is left of the middle; what is no face's own does not care."""
    moved, _ = change(astronaut, Tone("brightness", "image", 0.5, None, "photo_left"))
    width = moved.shape[1]
    assert moved[:, int(0.35 * width) : int(0.45 * width)].mean() > 0.9
    assert not moved[:, int(0.55 * width) :].any()


def test_skin_is_bit_identical_when_only_the_background_moves(astronaut):
    different, measured = change(
        astronaut,
        Tone("temperature", "background", 0.9),
        Tone("brightness", "background", 0.5),
    )
    assert not different[seen(astronaut, "skin", 0.99)].any()
    assert not different[seen(astronaut, "face", 0.99)].any()
    assert different[:200, :60].mean() > 0.9  # the flag
    assert measured.outside_max_change == 0
    assert 0.2 < measured.tones[0].found < 0.8


def test_hair_is_neither_face_nor_background(astronaut):
    different, measured = change(astronaut, Tone("brightness", "hair", 0.8, 0))
    assert measured.tones[0].after > measured.tones[0].before + 3
    assert different[20:60, 200:240].mean() > 0.9  # above the forehead
    assert not different[seen(astronaut, "nose")].any()
    assert different[:200, :60].mean() < 0.05


def test_overlapping_tones_add_up(astronaut):
    once = pipeline.render(astronaut, Plan(tones=(Tone("brightness", "image", 0.5),)))
    parts = Plan(tones=(Tone("brightness", "image", 0.3), Tone("brightness", "image", 0.2)))
    twice = pipeline.render(astronaut, parts)
    assert np.abs(once.photo.pixels.astype(int) - twice.photo.pixels).max() <= 1


def test_keeps_beat_tones(astronaut):
    keeps = (
        Keep("everything", ("lips",)), Keep("freckles", FACE), Keep("everything", ("hair",)),
    )  # fmt: skip
    different, measured = change(astronaut, BRIGHT_IMAGE, keeps=keeps)
    assert [keep.max_change for keep in measured.kept] == [0, 0, 0]
    assert measured.outside_max_change == 0
    assert not different[seen(astronaut, "lips", 0.98)].any()
    assert different[seen(astronaut, "cheeks", 0.9)].mean() > 0.5


def test_a_kept_background_stays_beyond_the_faces_crop(astronaut):
    different, measured = change(
        astronaut, BRIGHT_IMAGE, keeps=(Keep("everything", ("background",)),)
    )
    assert measured.kept[0].max_change == 0
    assert not different[:200, :60].any()
    assert different[400:, 100:300].mean() > 0.5  # the suit
    everything, _ = change(astronaut, BRIGHT_IMAGE, keeps=(Keep("everything", ("image",)),))
    assert not everything.any()


def test_healing_first_then_tone(astronaut):
    edit = Edit("wrinkles", FACE, 1.0)
    healed = pipeline.render(astronaut, Plan((edit,))).photo
    both = pipeline.render(astronaut, Plan((edit,), tones=(BRIGHT_IMAGE,))).photo
    toned = pipeline.render(pipeline.Analysis(healed, ()), Plan(tones=(BRIGHT_IMAGE,))).photo
    assert np.array_equal(both.pixels, toned.pixels)


def test_the_same_tones_give_the_same_bytes(astronaut):
    plan = Plan(tones=(Tone("brightness", "background", 0.4), Tone("temperature", "hair", 0.4, 0)))
    again = pipeline.analyse(photo.load(astronaut.photo.pixels))
    one, other = (pipeline.render(each, plan).photo.pixels for each in (astronaut, again))
    assert np.array_equal(one, other)


def test_the_photos_size_hardly_matters(astronaut):
    large = cv2.resize(astronaut.photo.pixels, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    plan = Plan(tones=(Tone("brightness", "face", 0.6, 0), Tone("contrast", "background", 0.5)))
    small = pipeline.render(astronaut, plan).photo.pixels
    result = pipeline.render(pipeline.analyse(photo.load(large)), plan).photo.pixels
    reduced = cv2.resize(result, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - small).mean() < 2.5


def test_a_photo_without_a_face_has_a_tone_too():
    grey = np.random.default_rng(0).integers(60, 190, (90, 120, 1), dtype=np.uint8)
    for pixels in (grey, np.repeat(grey, 3, axis=2)):
        different, measured = change(pipeline.analyse(photo.load(pixels)), BRIGHT_IMAGE)
        assert different.all()
        assert measured.tones[0].after > measured.tones[0].before + 5


@pytest.mark.parametrize("profile", [None, "p3", "prophoto"])
def test_no_colour_is_left_without_colour_in_any_gamut(profile):
    rows = [[(255, 20, 20), (20, 255, 20)], [(40, 40, 200), (200, 60, 60)]]
    source = photo.load(np.array(rows, np.uint8).repeat(40, 0).repeat(40, 1))
    if profile == "p3":
        source = replace(source, icc=bytes(pyvips.Operation.call("profile_load", "p3")))
    elif profile == "prophoto":
        source = replace(source, icc=made_profile("prophoto"))
    analysis = pipeline.analyse(source)
    plan = Plan(tones=(Tone("colorfulness", "image", -1.0),))
    grey = pipeline.render(analysis, plan).photo.pixels.astype(int)
    assert np.ptp(grey, axis=2).max() <= 2


def test_a_grey_photo_has_no_temperature():
    grey = photo.load(np.random.default_rng(0).integers(0, 255, (60, 80, 1), dtype=np.uint8))
    analysis = pipeline.analyse(grey)
    different, _ = change(analysis, Tone("temperature", "image", 0.6))
    assert not different.any()
    assert change(analysis, BRIGHT_IMAGE)[0].any()


def test_a_face_that_is_not_there_is_refused(astronaut):
    with pytest.raises(ValueError, match="face 2 of 1"):
        pipeline.render(astronaut, Plan(tones=(Tone("brightness", "face", 0.3, 2),)))
