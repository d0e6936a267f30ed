"""Whether a person stays the same one to a network that recognises people."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from training.evaluate import identity
from vision import faces


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """One photo with a face and one without."""
    Image.fromarray(data.astronaut()).save(tmp_path / "face.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "none.png")
    some = [SimpleNamespace(path=tmp_path / name) for name in ("face.png", "none.png")]
    monkeypatch.setattr(identity, "rows", lambda data, **filters: some)
    return tmp_path


def test_without_the_network_it_says_so(photos):
    said = identity.line(photos, photos / "none.onnx")
    assert said.startswith("Identity was not measured: ") and "--identity FILE" in said


def test_a_photo_and_its_retouched_self_are_compared_where_the_face_is(photos, monkeypatch):
    seen = []

    class Looks:
        def __init__(self, file):
            assert file == photos / "face.png"

        def __call__(self, photo, landmarks):
            seen.append((photo, landmarks))
            return np.array([1.0, 0.0]) if len(seen) == 1 else np.array([0.8, 0.6])

    monkeypatch.setattr(identity, "Recogniser", Looks)
    said = identity.line(photos, photos / "face.png")
    assert "Identity of 1 real photos" in said and "0.800 (median), 0.800 (least)" in said
    (before, where), (after, again) = seen
    assert np.array_equal(before, data.astronaut()) and (before != after).any()
    assert np.array_equal(where, again) and where.shape == (5, 2)


@pytest.mark.skipif(not identity.WEIGHTS.is_file(), reason="the recogniser does not come with it")
def test_it_tells_one_person_from_another():
    recognise = identity.Recogniser(identity.WEIGHTS)
    photo = data.astronaut()
    landmarks = faces.find(photo)[0].landmarks
    one = recognise(photo, landmarks)
    assert np.linalg.norm(one) == pytest.approx(1)
    darker = recognise((photo * 0.8).astype(np.uint8), landmarks)
    elsewhere = recognise(photo, landmarks + (150, 150))
    assert one @ darker > 0.9 > 0.5 > one @ elsewhere
