"""A mark that only the full photo resolves goes with its edges; the skin's grain stays."""

from __future__ import annotations

import numpy as np
import pytest

from vision import compose
from vision.faces import CROP_SIZE, Alignment
from vision.grain import BorrowedGrain, Grain, grain_of
from vision.photo import load

SCALE = 4  # photo pixels per crop pixel
LINE = np.s_[:, 600:603]  # a wrinkle three photo pixels wide, less than one of the crop


@pytest.fixture(scope="module")
def skin():
    """A flat, grainy photo with one thin dark line, its alignment, and the same without line."""
    rng = np.random.default_rng(0)
    side = CROP_SIZE * SCALE
    clean = np.array([200.0, 160, 140]) + rng.normal(0, 4, (side, side, 3))
    lined = clean.copy()
    lined[LINE] -= 60
    lined, clean = (np.clip(np.round(x), 0, 255).astype(np.uint8) for x in (lined, clean))
    return load(lined), clean, Alignment(np.array([[1 / SCALE, 0, 0], [0, 1 / SCALE, 0]]))


def healed(skin, with_grain: bool, strength: float = 1.0, fine: bool = True) -> np.ndarray:
    photo, clean, alignment = skin
    crop = alignment.crop(photo.pixels)
    gate = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    gate[:, 145:156] = strength
    change = (alignment.crop(clean) / 255 - crop / 255).astype(np.float32) * gate[..., None]
    grain = grain_of(photo, alignment, crop, gate == 0)
    edit = compose.CropChange(gate, change, None, gate * fine, grain if with_grain else None)
    pixels = photo.pixels.copy()
    compose.write(photo, alignment, edit, pixels, np.zeros(pixels.shape[:2], bool))
    return pixels.astype(float)


def test_a_line_finer_than_the_crop_goes(skin):
    clean = skin[1].astype(float)
    left = [abs((healed(skin, with_grain) - clean)[LINE].mean()) for with_grain in (False, True)]
    assert left[0] > 25  # the change of the crop alone leaves its core
    assert left[1] < left[0] / 2


def test_broad_edits_leave_fine_lines_to_those_who_ask(skin):
    """Less redness must not thin the lashes, hairs and freckles within it."""
    alone = healed(skin, with_grain=False)
    assert np.array_equal(healed(skin, with_grain=True, fine=False), alone)


def test_the_border_of_the_crop_is_no_edge(skin):
    photo, _, alignment = skin
    shifted = Alignment(alignment.matrix - [[0, 0, 200.0], [0, 0, 0]])  # the crop ends on skin
    crop = shifted.crop(photo.pixels)
    gate = np.full((CROP_SIZE, CROP_SIZE), 0.7, np.float32)
    none = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.float32)
    grain = grain_of(photo, shifted, crop, gate > 0)
    pixels = photo.pixels.copy()
    edit = compose.CropChange(gate, none, None, gate, grain)
    compose.write(photo, shifted, edit, pixels, np.zeros(pixels.shape[:2], bool))
    assert np.abs(pixels.astype(int) - photo.pixels).max() <= 6  # the tails of the grain


def test_grain_inside_the_edit_is_that_of_the_skin_around(skin):
    made = healed(skin, with_grain=True)
    inside, around = made[:, 585:600].std(), made[:, 700:760].std()
    assert 0.9 < inside / around < 1.1


def test_an_edge_beyond_grain_is_held_to_it():
    limit, smooth = np.full(3, 0.04, np.float32), np.full((1, 3, 3), 0.5, np.float32)
    values = smooth + np.array([0.03, 0.05, -0.3], np.float32)[None, :, None]
    left = values - smooth - Grain(smooth, limit).excess(values, smooth, 0, 0)
    assert left[0, :, 0] == pytest.approx([0.03, 0.04, -0.04], abs=1e-6)


def test_light_that_falls_off_over_the_face_is_no_grain():
    rng = np.random.default_rng(0)
    side = CROP_SIZE * SCALE
    shaded = np.linspace(60, 220, side)[:, None, None] + rng.normal(0, 4, (side, side, 3))
    photo = load(np.round(shaded).astype(np.uint8))
    alignment = Alignment(np.array([[1 / SCALE, 0, 0], [0, 1 / SCALE, 0]]))
    crop = alignment.crop(photo.pixels)
    grain = grain_of(photo, alignment, crop, np.ones((CROP_SIZE, CROP_SIZE), bool))
    assert 255 * grain.limit == pytest.approx(3 * 4, rel=0.1)


def test_half_the_strength_is_half_the_way(skin):
    photo = skin[0].pixels.astype(float)
    half, full = (np.abs(healed(skin, True, s) - photo)[LINE].mean() for s in (0.5, 1.0))
    assert half == pytest.approx(full / 2, rel=0.05)


def test_a_small_face_has_no_detail_beyond_its_crop(skin):
    photo, _, _ = skin
    small = Alignment(np.array([[1.0, 0, 0], [0, 1.0, 0]]))
    everywhere = np.ones((CROP_SIZE, CROP_SIZE), bool)
    assert grain_of(photo, small, small.crop(photo.pixels), everywhere) is None


def test_grain_takes_the_place_of_what_goes_without_a_seam():
    """Over several strips of the photo the borrowed grain is one and the same."""
    rng = np.random.default_rng(0)
    tile = rng.normal(0, 0.01, (96, 96, 3)).astype(np.float32)
    smooth = np.zeros((300, 200, 3), np.float32)
    grain = BorrowedGrain(smooth, tile)
    values = np.full_like(smooth, 0.3)  # something opaque
    whole = values - grain.excess(values, smooth, 40, 7)
    assert whole.std() == pytest.approx(0.01, rel=0.05)
    lower = values[130:] - grain.excess(values[130:], smooth[130:], 170, 7)
    assert np.array_equal(whole[130:], lower)
