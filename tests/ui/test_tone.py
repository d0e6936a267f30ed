"""`freckle retouch` with light and colour on a real portrait."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image
from skimage import data

WISH = "brighten the background and warm up my face a bit"


def test_background_and_face_are_toned_and_apply_repeats_it(freckle, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    recipe, report = tmp_path / "recipe.json", tmp_path / "report.json"
    Image.fromarray(data.astronaut()).save(photo)
    done = freckle("retouch", photo, WISH, "-o", out, "--report", report, "--recipe", recipe)
    assert done.code == 0, done.err
    assert "background is brighter" in done.out and "face is warmer" in done.out
    written = json.loads(report.read_text())
    assert [(edit["what"], edit["where"]) for edit in written["edits"]] == [
        ("brightness", ["background"]),
        ("temperature", ["face"]),
    ]
    assert all(edit["after"] > edit["before"] for edit in written["edits"])
    assert written["outside_max_change"] == 0
    before, after = data.astronaut().astype(int), np.asarray(Image.open(out)).astype(int)
    assert (after - before)[:150, :50].mean() > 5  # the flag
    assert (after - before)[150:230, 205:250, 2].mean() < 0  # less blue in the face
    again = tmp_path / "again.png"
    assert freckle("apply", photo, recipe, "-o", again).code == 0
    assert again.read_bytes() == out.read_bytes()


def test_a_photo_without_a_face_can_be_brightened(freckle, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(photo)
    done = freckle("retouch", photo, "brighten the whole photo", "-o", out)
    assert done.code == 0, done.err
    assert np.asarray(Image.open(out)).min() > 95
    assert freckle("retouch", photo, "brighten the background").code == 3
