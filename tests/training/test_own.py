"""A face's own pores and unevenness come off; marks, light and edges stay."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.training.test_flush import replace_skin, under
from training.imperfections import render
from training.imperfections.base import MELANIN, NEUTRAL, STEP
from training.imperfections.lifted import without
from training.imperfections.own import texture, unevenness

NOTHING = np.zeros((512, 512), bool)


@pytest.fixture(scope="module")
def even(base):
    """The face without what it has of its own."""
    return render.parted(base)[0]


@pytest.fixture(scope="module")
def cheeks(even) -> np.ndarray:
    return even.regions.mask("cheeks") > 0.9


def pitted(face, sigma: float):
    """The face with pits or blotches of that size, and their density."""
    noise = np.random.default_rng(1).normal(size=(512, 512)).astype(np.float32)
    field = cv2.GaussianBlur(noise, (0, 0), sigma)
    return 0.08 * field / field.std() * face.skin


def test_pores_are_taken_off_and_some_of_the_texture_stays(even, cheeks):
    pits = pitted(even, 0.8)
    rough = under(even, pits[..., None] * NEUTRAL)
    density = texture(rough, NOTHING)
    assert np.corrcoef(density[cheeks, 1], pits[cheeks])[0, 1] > 0.9
    left = np.log(without(rough, density).linear[cheeks, 1] / even.linear[cheeks, 1]).std()
    assert 0.2 * pits[cheeks].std() < left < 0.6 * pits[cheeks].std()


def test_a_mole_is_no_pore_and_a_shadow_is_none(even, cheeks):
    mole = np.zeros((512, 512), np.float32)
    y, x = np.argwhere(cheeks)[len(np.argwhere(cheeks)) // 2]
    cv2.circle(mole, (int(x), int(y)), 3, 0.9, -1)
    spotted = under(even, mole[..., None] * NEUTRAL)
    assert texture(spotted, NOTHING)[mole > 0].max() < 0.15
    assert not texture(spotted, mole > 0)[mole > 0].any()
    side = np.linspace(0, 0.7, 512, dtype=np.float32)[None, :, None]
    assert np.abs(texture(under(even, side), NOTHING)).mean() < 0.01


def test_brown_patches_are_seen_and_made_fainter_and_light_from_the_side_is_none(even, cheeks):
    patches = 3 * pitted(even, 18)
    blotched = under(even, patches[..., None] * MELANIN)
    density, before = unevenness(blotched, NOTHING), unevenness(even, NOTHING)
    assert np.corrcoef((density - before)[cheeks, 2], patches[cheeks])[0, 1] > 0.6
    off, left = (
        np.abs(one.crop.astype(float) - even.crop)[cheeks].mean()
        for one in (blotched, without(blotched, density))
    )
    assert left < 0.95 * off
    side = np.linspace(0, 0.7, 512, dtype=np.float32)[None, :, None]
    assert np.abs(unevenness(under(even, side), NOTHING)[even.skin > 0.5]).mean() < 0.06


def test_a_face_is_painted_with_its_own_or_without(base):
    own = {layer.kind: layer.density for layer in render.parted(base)[1]}
    seen = dict.fromkeys(("pores", "uneven_tone"), 0)
    for seed in range(10):
        sample = render.sample(base, np.random.default_rng(seed))
        kinds = [render.NETWORK_KINDS[k] for k in sample["kinds"]]
        assert len(kinds) == len(set(kinds))
        for kind in seen:
            if kind in kinds:
                layer = sample["density"][kinds.index(kind)] * STEP
                seen[kind] += (
                    np.corrcoef(layer[..., 2].ravel(), own[kind][..., 2].ravel())[0, 1] > 0.8
                )
    assert all(1 < count < 10 for count in seen.values())


def test_a_face_can_be_parted_from_its_redness_alone(base):
    pale, layers = render.parted(base, ["redness"])
    assert [layer.kind for layer in layers] == ["redness"]
    for seed in range(4):
        sample = render.sample(base, np.random.default_rng(seed), own=("redness",))
        assert np.array_equal(sample["crop"], pale.crop)  # with its pores and its patches


def test_a_face_without_skin_has_none(base):
    bald = replace(base, regions=replace_skin(base.regions))
    assert not texture(bald, NOTHING).any() and not unevenness(bald, NOTHING).any()
