"""People, hair and background of a real portrait, told apart."""

from __future__ import annotations

import numpy as np
import pytest

from vision import people


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
