"""Painted imperfections: exact, on skin only, in the kind's own colours."""

from __future__ import annotations

import numpy as np
import pytest

from training.imperfections import mixture, painters
from training.imperfections.base import to_linear, to_srgb
from vision.vocabulary import LEARNT_KINDS


def paint(base, kind: str, amount: float = 0.7, seed: int = 3):
    return painters[kind](base, np.random.default_rng(seed), amount)


def test_every_learnt_kind_has_a_painter():
    assert set(painters) == set(LEARNT_KINDS)


@pytest.mark.parametrize("kind", LEARNT_KINDS)
def test_paint_is_seen_and_stays_on_the_skin(base, kind):
    density = paint(base, kind).density
    assert density.shape == (512, 512, 3)
    assert np.abs(density).max() > 0.05
    assert np.abs(density[base.skin == 0]).max() == 0


@pytest.mark.parametrize("kind", LEARNT_KINDS)
def test_the_same_seed_paints_the_same(base, kind):
    assert np.array_equal(paint(base, kind).density, paint(base, kind).density)
    assert not np.array_equal(paint(base, kind).density, paint(base, kind, seed=4).density)


def test_more_is_more(base):
    for kind in ("freckles", "acne", "redness", "dark_circles"):
        little, much = (
            np.mean([np.abs(paint(base, kind, a, s).density).sum() for s in range(6)])
            for a in (0.05, 1.0)
        )
        assert much > little, kind


def test_colours_are_the_kinds_own(base):
    red = paint(base, "redness").density.sum(axis=(0, 1))
    assert red[0] < 0.5 * red[1]  # blood takes green and leaves red
    brown = paint(base, "moles").density.sum(axis=(0, 1))
    assert brown[2] > brown[0] > 0  # melanin takes blue first, and some red
    assert paint(base, "shine").density.max() <= 0  # light is added, never taken


def test_dark_circles_lie_under_the_eyes(base):
    density = np.abs(paint(base, "dark_circles").density).sum(axis=2)
    rows = np.average(np.arange(512), weights=density.sum(axis=1))
    eyes = base.points[[33, 133, 362, 263], 1].mean()
    nose = base.points[1, 1]
    assert eyes < rows < nose


def test_mixtures_vary_and_some_faces_stay_clean(base):
    counts = [len(mixture(base, np.random.default_rng(seed))) for seed in range(24)]
    assert min(counts) == 0
    assert max(counts) >= 3


def test_srgb_and_linear_are_inverse():
    values = np.linspace(0, 1, 256)
    np.testing.assert_allclose(to_srgb(to_linear(values)), values, atol=1e-6)
