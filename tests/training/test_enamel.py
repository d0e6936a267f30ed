"""Teeth are parted from their own stain, and only teeth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.test_flush import replace_skin, under
from training.imperfections import render
from training.imperfections.base import STEP
from training.imperfections.enamel import STAIN, stain
from training.imperfections.lifted import without


@pytest.fixture(scope="module")
def teeth(base) -> np.ndarray:
    return base.regions.mask("teeth") > 0.9


@pytest.fixture(scope="module")
def white(base):
    return without(base, stain(base))


@pytest.fixture(scope="module")
def stained(white):
    """Yellow teeth in the white ones' place."""
    return under(white, 0.3 * white.regions.mask("teeth")[..., None] * STAIN)


def test_yellow_teeth_become_those_they_were(white, stained, teeth):
    density = stain(stained)
    before, after = (
        np.abs(one.crop.astype(float) - white.crop)[teeth].mean()
        for one in (stained, without(stained, density))
    )
    assert before > 8 and after < 0.25 * before
    assert density.min() >= 0
    assert not density[white.regions.mask("teeth") == 0].any()


def test_white_teeth_have_none_and_warm_light_is_none(white, stained, teeth):
    assert stain(white)[teeth].mean() < 0.01
    warm = under(stained, np.array([0.0, 0.08, 0.2], np.float32))
    more = stain(warm)[teeth, 2].mean() - stain(stained)[teeth, 2].mean()
    assert 0 < more < 0.17  # less than what the light takes of blue: the skin is as warm


def test_a_face_without_teeth_or_skin_has_none(base, stained):
    assert not stain(replace(stained, regions=replace_skin(stained.regions))).any()

    class Closed:
        skin = base.regions.skin
        mask = staticmethod(lambda region: base.regions.mask(region) * (region != "teeth"))

    assert not stain(replace(stained, regions=Closed())).any()


def test_a_face_is_painted_with_its_stain_or_on_white_teeth(stained, teeth):
    kind, seen = render.NETWORK_KINDS.index("yellow_teeth"), 0
    parted = without(stained, stain(stained)).crop
    for seed in range(10):
        sample = render.sample(stained, np.random.default_rng(seed), own=("yellow_teeth",))
        assert np.abs(sample["crop"].astype(int) - parted)[teeth].max() <= 1
        if kind in sample["kinds"]:
            layer = sample["density"][sample["kinds"].tolist().index(kind)] * STEP
            ratio = layer[teeth, 2].mean() / stain(stained)[teeth, 2].mean()
            seen += 0.75 < ratio < 1.65
    assert seen > 1
