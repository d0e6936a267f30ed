"""Marks on the photo: where a kind is, and the one under a finger; on a real portrait."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from vision.marked import pack
from vision.measure import measure
from vision.photo import load
from vision.pipeline import analyse, render
from vision.plan import Edit, Keep, Plan
from vision.spots import spot_at, spread


@pytest.fixture(scope="module")
def analysis():
    return analyse(load(data.astronaut()))


def test_what_is_found_lies_on_the_face_it_was_found_on(analysis):
    lines = spread(analysis, "wrinkles", 0)
    x, y, width, height = (round(v) for v in analysis.faces[0].face.box)
    on_face = lines[y : y + height, x : x + width].sum()
    assert lines.shape == (512, 512) and on_face > 0.9 * lines.sum() > 0


def test_a_spot_is_the_mark_at_the_point(analysis):
    ys, xs = np.nonzero(spread(analysis, "wrinkles", 0))
    for at in (0, len(ys) // 2, -1):
        spot = spot_at(analysis, xs[at], ys[at])
        assert spot.face == 0 and spot.mask[ys[at], xs[at]]
        assert spot.mask.sum() < 0.2 * analysis.photo.pixels[..., 0].size
    assert spot_at(analysis, 5, 5) is None


def test_a_spot_that_is_kept_does_not_change_and_the_rest_does(analysis):
    ys, xs = np.nonzero(spread(analysis, "wrinkles", 0))
    mask = spot_at(analysis, xs[0], ys[0]).mask
    keep = Keep("everything", (), 0, phrase="marked area", mask=pack(mask))
    plan = Plan((Edit("wrinkles", ("face",), 1.0),), (keep,))
    rendering = render(analysis, plan)
    changed = (rendering.photo.pixels != analysis.photo.pixels).any(axis=2)
    assert changed.any() and not (changed & mask).any()
    (kept,) = measure(analysis, plan, rendering).kept
    assert kept.max_change == 0 and kept.found > 0
