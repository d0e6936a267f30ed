"""Faces are found where they are, numbered from the left, and crops map back exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from vision import faces
from vision.faces import CROP_SIZE, TEMPLATE, Face, align, find

DATA = Path(__file__).parents[2] / "../shared/data"
STUDIO, ANOTHER = "faces/00015.jpg", "faces/00058.jpg"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the photo corpus is not here")


def photo(name: str) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(DATA / name)), cv2.COLOR_BGR2RGB)


def turned(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    """(2, 3) similarity."""
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([(cos, -sin, shift[0]), (sin, cos, shift[1])])


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("matrix", [turned(3, 25, (900, 40)), turned(0.2, -170, (300, 300))])
def test_alignment_lays_landmarks_on_the_template_and_maps_back_exactly(matrix):
    landmarks = moved(TEMPLATE, matrix)
    alignment = align(landmarks)
    assert np.allclose(alignment.points_to_crop(landmarks), TEMPLATE, atol=1e-8)
    assert np.allclose(alignment.points_to_photo(TEMPLATE), landmarks, atol=1e-8)
    assert alignment.scale == pytest.approx(1 / np.linalg.norm(matrix[:, 0]))


def test_alignment_never_mirrors():
    mirrored = TEMPLATE * (-1, 1) + (CROP_SIZE, 0)
    assert np.linalg.det(align(mirrored).matrix[:, :2]) > 0


def test_alignment_refuses_coinciding_landmarks():
    with pytest.raises(ValueError, match="coincide"):
        align(np.ones((5, 2)))


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5])
def test_a_crop_put_back_lies_on_the_photo(scale):
    """Waves that both sides can represent come back where they were, to a fraction of a level."""
    rows, columns = np.indices((1400, 1600), dtype=np.float32)
    waves = 0.5 + 0.4 * np.sin(rows / 25) * np.cos(columns / 32)
    alignment = align(moved(TEMPLATE, turned(scale, 12, (500, 200))))
    shape = waves.shape
    back = alignment.to_photo(alignment.crop(waves), shape)
    covered = alignment.to_photo(np.ones((CROP_SIZE, CROP_SIZE), np.float32), shape)
    inside = cv2.erode(covered, np.ones((9, 9))) == 1
    assert inside.sum() > 200_000 * min(1, scale**2)
    assert np.abs(back - waves)[inside].max() < 0.02
    assert (back[covered == 0] == 0).all()


def test_the_covered_rectangle_is_the_same_as_the_whole_map():
    alignment = align(moved(TEMPLATE, turned(0.7, 40, (-60, 90))))
    soft = np.random.default_rng(0).random((CROP_SIZE, CROP_SIZE, 2), dtype=np.float32)
    x0, y0, x1, y1 = bounds = alignment.bounds(400, 300)
    whole = alignment.to_photo(soft, (400, 300))
    assert (alignment.to_photo(soft, (400, 300), bounds) == whole[y0:y1, x0:x1]).all()
    assert np.count_nonzero(whole) == np.count_nonzero(whole[y0:y1, x0:x1]) > 0


def test_a_large_face_is_averaged_not_sampled():
    checks = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (2000, 2000))
    crop = align(moved(TEMPLATE, turned(6.3, 7, (300, 300)))).crop(checks)
    assert 126 <= crop.min() <= crop.max() <= 129


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_crop_keeps_the_type_and_the_channels(dtype):
    alignment = align(TEMPLATE)
    flat = np.full((600, 600, 3), 200, dtype)
    crop = alignment.crop(flat)
    assert crop.dtype == dtype
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert np.allclose(crop, 200, atol=1e-3)
    assert alignment.crop(flat[..., 0]).shape == (CROP_SIZE, CROP_SIZE)


def test_nothing_is_found_where_there_is_no_face():
    assert find(np.full((300, 500, 3), 127, np.uint8)) == []


def test_the_astronaut_is_found_with_her_eyes():
    (face,) = find(astronaut())
    eyes = face.landmarks[:2]
    assert np.allclose(eyes, [(203, 102), (247, 105)], atol=5)


def test_a_tilted_face_is_not_taken_for_a_surer_one_beside_it(monkeypatch):
    there, beside = TEMPLATE + (4, -3), 0.4 * TEMPLATE + (280, 300)
    box = (0.0, 0.0, 1.0, 1.0)
    found = [Face(box, points.astype(np.float32), score) for points, score in
             ((there, 0.6), (beside, 0.9))]  # fmt: skip
    monkeypatch.setattr(faces, "_detect", lambda crop, side, session: found)
    tilted = moved(TEMPLATE, turned(0.7, 30, (400, 100)))
    seen = faces._second_look(
        Face(box, tilted.astype(np.float32), 0.7), np.zeros((900, 900, 3), np.uint8), None
    )
    assert np.abs(seen.landmarks - tilted).max() < 15


@needs_data
def test_two_faces_are_numbered_from_the_left():
    pair = [cv2.resize(photo(name), (420, 560)) for name in (STUDIO, ANOTHER)]
    for left, right in (pair, pair[::-1]):
        faces = find(np.hstack([left, right]))
        assert len(faces) == 2
        alone = [find(left)[0].landmarks, find(right)[0].landmarks + (420, 0)]
        assert np.abs(faces[0].landmarks - alone[0]).max() < 8
        assert np.abs(faces[1].landmarks - alone[1]).max() < 8


@needs_data
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_sideways_face_is_found_and_its_crop_is_upright(turns):
    upright = photo(STUDIO)
    sideways = np.ascontiguousarray(np.rot90(upright, turns))
    (seen,), (turned_face,) = find(upright), find(sideways)
    crops = [align(seen.landmarks).crop(upright), align(turned_face.landmarks).crop(sideways)]
    small = [cv2.resize(crop, (64, 64), interpolation=cv2.INTER_AREA) for crop in crops]
    assert np.abs(small[0].astype(int) - small[1]).mean() < 12


@needs_data
def test_a_small_face_in_a_large_photo_is_found():
    canvas = np.full((2400, 3600, 3), 140, np.uint8)
    canvas[1500:1600, 2900:2975] = cv2.resize(
        photo(STUDIO), (75, 100), interpolation=cv2.INTER_AREA
    )
    (face,) = find(canvas)
    x, y, width, height = face.box
    assert 2900 < x < x + width < 2975
    assert 1500 < y < y + height < 1600
    assert align(face.landmarks).scale > 1
