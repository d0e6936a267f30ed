"""Painted imperfections: exact, on skin only, in the kind's own colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.imperfections import mixture, painters
from training.imperfections.base import to_linear, to_srgb
from training.imperfections.pigment import _melasma
from vision.vocabulary import KINDS


def paint(base, kind: str, amount: float = 0.7, seed: int = 3):
    return painters[kind](base, np.random.default_rng(seed), amount)


def test_every_kind_has_a_painter():
    groups = {"blemishes", "other"}  # names for several kinds, and for none
    assert set(painters) == set(KINDS) - groups


@pytest.mark.parametrize("kind", painters)
def test_paint_is_seen_and_stays_where_it_belongs(base, kind):
    density = paint(base, kind).density
    place = base.regions.mask("teeth") if kind == "yellow_teeth" else base.skin
    assert density.shape == (512, 512, 3)
    assert np.abs(density).max() > 0.04
    assert np.abs(density[place == 0]).max() == 0


@pytest.mark.parametrize("kind", painters)
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


@pytest.mark.parametrize("kind", ["dark_circles", "eye_bags"])
def test_what_is_under_the_eyes_lies_there(base, kind):
    density = np.abs(paint(base, kind).density).sum(axis=2)
    rows = np.average(np.arange(512), weights=density.sum(axis=1))
    eyes = base.points[[33, 133, 362, 263], 1].mean()
    nose = base.points[1, 1]
    assert eyes < rows < nose


def test_stubble_grows_where_beards_do(base):
    density = np.abs(paint(base, "stubble").density).sum(axis=2)
    beard = np.max([base.regions.mask(r) for r in ("upper_lip", "chin", "jaw")], axis=0)
    assert density[beard > 0.3].sum() > 0.8 * density.sum()


def test_pits_and_bulges_are_shaded_on_both_sides(base):
    """Relief is darker than the skin on one side and lighter on the other."""
    for kind in ("scars", "eye_bags", "pores"):
        density = paint(base, kind).density.mean(axis=2)
        assert density.min() < 0 < density.max(), kind


def test_melasma_is_ragged_and_lies_where_it_does(base):
    """It covers cheeks and forehead rather than chin or jaw, and has more edge than a cloud."""
    drawn = [_melasma(base, np.random.default_rng(seed)) for seed in range(8)]
    mean = np.mean(drawn, axis=0)
    malar, low = (base.regions.mask(region) > 0.9 for region in ("cheeks", "chin"))
    assert mean[malar].mean() > 3 * mean[low].mean()
    assert all(field.min() >= 0 and field.max() <= 1 for field in drawn)
    some = drawn[int(np.argmax([field.sum() for field in drawn]))]
    soft = cv2.GaussianBlur(some, (0, 0), 5)
    assert np.abs(some - soft).sum() > 0.25 * some.sum()


def test_mixtures_are_of_the_kinds_asked_for(base):
    kinds = ("pores", "stubble")
    drawn = [mixture(base, np.random.default_rng(seed), kinds) for seed in range(12)]
    assert {layer.kind for layers in drawn for layer in layers} == set(kinds)


def test_mixtures_vary_and_some_faces_stay_clean(base):
    counts = [len(mixture(base, np.random.default_rng(seed))) for seed in range(24)]
    assert min(counts) == 0
    assert max(counts) >= 3


def test_srgb_and_linear_are_inverse():
    values = np.linspace(0, 1, 256)
    np.testing.assert_allclose(to_srgb(to_linear(values)), values, atol=1e-6)
