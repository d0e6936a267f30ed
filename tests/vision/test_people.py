"""People, hair and background of a real portrait, told apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from vision import people, photo, pipeline
from vision.plan import Edit, Plan, Tone
from vision.vocabulary import LEARNT_KINDS


@pytest.fixture(scope="module")
def mattes(astronaut):
    """(H, W) each: everybody, hair."""
    pixels = astronaut.photo.srgb8()
    values, shape = pixels.astype(np.float32) / 255, pixels.shape[:2]
    block = (0, 0, shape[1], shape[0])
    found = astronaut.stage.people
    return found.everybody.at(values, block, shape), found.hair[0].at(values, block, shape)


def test_the_person_is_in_front_of_the_background(astronaut, mattes):
    everybody, _ = mattes
    face = astronaut.faces[0]
    inside = face.alignment.to_photo(face.regions.mask("face"), everybody.shape) > 0.9
    assert everybody[inside].min() > 0.9
    assert everybody[290:400, 130:210].mean() > 0.9  # the suit
    assert everybody[:250, :60].mean() < 0.05  # the flag
    assert everybody[:60, 460:].mean() < 0.05


def test_hair_is_around_the_face(mattes):
    everybody, hair = mattes
    assert hair[30:60, 205:260].mean() > 0.85
    assert hair[170:260, 200:250].mean() < 0.05  # nose and cheeks
    assert hair[400:].mean() < 0.02
    assert (hair <= everybody + 0.5).all()


def test_borders_are_soft_and_strips_fit_together(astronaut, mattes):
    everybody, _ = mattes
    assert ((everybody > 0.05) & (everybody < 0.95)).sum() > 500
    pixels = astronaut.photo.srgb8()
    part = astronaut.stage.people.everybody.at(
        pixels[100:140].astype(np.float32) / 255, (0, 100, pixels.shape[1], 140), pixels.shape[:2]
    )
    np.testing.assert_allclose(part, everybody[100:140], atol=1e-4)


def test_nobody_is_nobody():
    pixels = np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8)
    found = people.find(pixels, [])
    assert found.hair == ()
    values = pixels.astype(np.float32) / 255
    assert found.everybody.at(values, (0, 0, 100, 80), (80, 100)).max() == 0


def with_a_child(at: tuple[int, int], size: float) -> np.ndarray:
    """(800, 800, 3) the astronaut's head, 3 times as large, and another of it, `size` times
    as large, in front of it with its middle at x, y."""
    head, middle = skimage.data.astronaut(), (226, 115)
    large = cv2.getRotationMatrix2D(middle, 0, 3.0)
    large[:, 2] += np.array((400, 330)) - middle
    small = cv2.getRotationMatrix2D(middle, 0, size)
    small[:, 2] += np.array(at) - middle
    canvas = cv2.warpAffine(head, large, (800, 800), borderMode=cv2.BORDER_REPLICATE)
    oval = cv2.ellipse(np.zeros(head.shape[:2], np.uint8), middle, (56, 80), 0, 0, 360, 255, -1)
    mask = cv2.warpAffine(oval, small, (800, 800))[..., None] / 255
    return np.uint8(canvas * (1 - mask) + cv2.warpAffine(head, small, (800, 800)) * mask)


@pytest.mark.parametrize("where", ["skin", "face"])
def test_a_face_in_front_of_another_is_not_edited_with_it(where):
    photo_ = photo.load(with_a_child((430, 590), 1.9))
    analysis = pipeline.analyse(photo_)
    adult, child = sorted(analysis.faces, key=lambda face: face.face.box[1])
    shape = photo_.pixels.shape[:2]
    inside = child.alignment.to_photo(child.regions.mask("face"), shape) > 0.9
    everywhere = Plan(
        edits=tuple(
            Edit(kind, (where,), 1.0, analysis.faces.index(adult)) for kind in LEARNT_KINDS
        ),
        tones=(Tone("brightness", where, 0.6, analysis.faces.index(adult)),),
    )
    rendering = pipeline.render(analysis, everywhere)
    changed = (rendering.photo.pixels != photo_.pixels).any(axis=2)
    lit = adult.alignment.to_photo(adult.regions.mask("face"), shape) > 0.9
    assert changed[lit & ~inside].mean() > 0.7
    assert changed[inside].mean() < 0.01


def test_of_two_outlines_that_overlap_every_pixel_is_of_one_face():
    analysis = pipeline.analyse(photo.load(with_a_child((440, 560), 1.9)))
    shape = analysis.photo.pixels.shape[:2]
    own = [face.alignment.to_photo(face.own * face.regions.mask("face"), shape)
           for face in analysis.faces]  # fmt: skip
    assert len(own) == 2 and (own[0] + own[1]).max() < 1.1
    assert ((own[0] > 0.9) | (own[1] > 0.9)).sum() > 30_000
