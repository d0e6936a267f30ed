"""Whether a face is still the same person's, on the shipped weights and a real face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vision.identity import embed, likeness
from vision.measure import measure
from vision.pipeline import render
from vision.plan import Edit, Plan
from vision.vocabulary import LEARNT_KINDS, default_region


@pytest.fixture(scope="module")
def face(astronaut):
    return astronaut.faces[0]


def likeness_to_itself(face, crop: np.ndarray) -> float:
    return likeness(face.identity, embed(crop))


def test_a_face_is_its_own_in_any_light(face):
    assert likeness_to_itself(face, face.crop) == pytest.approx(1)
    for light in (0.6, 1.2):
        lit = np.clip(face.crop * light, 0, 255).astype(np.uint8)
        assert likeness_to_itself(face, lit) > 0.9


def test_somebody_else_is_not_the_same(face):
    """Halves of the face change places, and it is stretched: all that is left is the skin."""
    stretched = cv2.resize(face.crop[96:416, 32:480], (512, 512))
    assert likeness_to_itself(face, stretched) < 0.8
    hidden = face.crop.copy()
    hidden[180:240, 120:400] = np.median(face.crop[face.clean], axis=0)  # without eyes
    assert likeness_to_itself(face, hidden) < 0.8
    assert likeness_to_itself(face, face.crop[::-1]) < 0.5


def test_all_that_can_be_retouched_leaves_the_same_person(astronaut):
    edits = tuple(Edit(kind, (default_region(kind),), 1.0, 0) for kind in LEARNT_KINDS)
    plan = Plan(edits)
    measured = measure(astronaut, plan, render(astronaut, plan))
    assert set(measured.identity) == {0} and 0.9 < measured.identity[0] <= 1
