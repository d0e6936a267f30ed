"""A face's own redness comes off, and light is not taken for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.imperfections import lifted, render
from training.imperfections.base import HAEMOGLOBIN, STEP, to_srgb
from training.imperfections.flush import flush


def under(base, density: np.ndarray):
    """The face below a density (512, 512) or (512, 512, 3)."""
    lit = base.linear * np.exp(-np.broadcast_to(density, base.linear.shape))
    return replace(base, crop=np.round(255 * to_srgb(lit)).astype(np.uint8))


@pytest.fixture(scope="module")
def calm(base):
    return lifted.without(base, flush(base))


@pytest.fixture(scope="module")
def flushed(calm):
    """Red cheeks on the calm face, and their density."""
    density = 0.35 * calm.regions.mask("cheeks")[..., None] * HAEMOGLOBIN
    return under(calm, density), density


def test_red_cheeks_come_off(calm, flushed):
    red, density = flushed
    cheeks = calm.regions.mask("cheeks") > 0.9
    before, after = (
        np.abs(one.crop.astype(float) - calm.crop)[cheeks].mean()
        for one in (red, lifted.without(red, flush(red)))
    )
    assert after < 0.5 * before
    found, painted = (one[calm.skin > 0.5, 1] for one in (flush(red), density))
    assert np.corrcoef(found, painted)[0, 1] > 0.7
    assert found[painted == 0].mean() < 0.1 * found[painted > 0.3].mean()


def test_light_from_the_side_is_no_flush(calm):
    x = np.linspace(0, 0.7, 512, dtype=np.float32)[None, :, None]
    assert flush(under(calm, x)).mean() < 2 * max(flush(calm).mean(), 1e-3)


def test_it_stays_on_skin_and_leaves_eyes_and_their_lids(base, flushed):
    for density in (flush(base), flush(flushed[0])):
        assert density.min() >= 0
        assert not density[base.skin == 0].any()
        assert density[base.regions.mask("under_eyes") > 0.95].max() < 0.02


def test_a_flushed_face_is_painted_with_its_own_or_on_the_calm_one(flushed):
    red, density = flushed
    redness = render.NETWORK_KINDS.index("redness")
    own = without = 0
    for seed in range(12):
        sample = render.sample(red, np.random.default_rng(seed))
        crop = replace(red, crop=sample["crop"])
        assert np.abs(crop.crop.astype(float) - render.parted(red)[0].crop).max() <= 1
        if redness not in sample["kinds"]:
            without += 1
            continue
        layer = sample["density"][sample["kinds"].tolist().index(redness)] * STEP
        own += np.corrcoef(layer[..., 1].ravel(), density[..., 1].ravel())[0, 1] > 0.6
    assert own > 2 and without > 1


def test_a_face_in_grey_or_without_skin_has_none(base):
    grey = np.repeat(base.crop.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert flush(replace(base, crop=grey)).max() == 0
    bald = replace(base, regions=replace_skin(base.regions))
    assert flush(bald).max() == 0


def replace_skin(regions):
    """The same face with no skin at all."""

    class Bare:
        skin = np.zeros_like(regions.skin)
        mask = staticmethod(regions.mask)

    return Bare()
