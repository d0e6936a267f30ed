"""Lines lifted off a face: they come off, fit others, and make up their own photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.imperfections import lifted, render
from training.imperfections.base import STEP, to_srgb
from training.imperfections.colour import dark_circles
from training.imperfections.lines import wrinkles

FOLDS = ["smile"]  # her hair covers the forehead


@pytest.fixture(scope="module")
def lines(base) -> np.ndarray:
    """(512, 512, 3) folds painted from nose to mouth."""
    drawn = [wrinkles(base, np.random.default_rng(seed), 1.0).density for seed in range(8)]
    place = base.regions.mask("smile_lines") > 0.9
    return max(drawn, key=lambda density: density[place].sum()) * place[..., None]


@pytest.fixture(scope="module")
def lined(base, lines):
    """The face with these lines as its own."""
    painted = to_srgb(base.linear * np.exp(-lines))
    return replace(base, crop=np.round(255 * painted).astype(np.uint8))


@pytest.fixture(scope="module")
def density(lined) -> np.ndarray:
    return lifted.lift(lined, FOLDS)["wrinkles"]


def test_lines_are_found_where_they_were_drawn(lines, density):
    drawn, found = lines.mean(axis=2), density.mean(axis=2)
    assert found[drawn > 0.1].mean() > 0.5 * drawn[drawn > 0.1].mean()
    assert np.abs(density[lines.max(axis=2) == 0]).mean() < 0.02


def test_the_face_without_them_is_nearer_to_the_one_before(base, lines, lined, density):
    clean, there = lifted.without(lined, density), lines.mean(axis=2) > 0.1
    off = [np.abs(one.crop.astype(float) - base.crop)[there].mean() for one in (clean, lined)]
    assert off[0] < 0.8 * off[1]


def test_laid_lines_stay_on_skin_and_in_their_zone(base, density):
    shifted = base.points + np.float32([6, -4])  # as if found on a face that lies elsewhere
    folds = {"wrinkles": render.stored(density)}
    bank = lifted.Bank((lifted.Lifted(folds, shifted, FOLDS),))
    assert bank.has("wrinkles") and not bank.has("dark_circles")
    layer = bank.lay("wrinkles", base, np.random.default_rng(1), 1.0)
    assert layer.kind == "wrinkles" and layer.density.max() > 0.1
    assert np.abs(layer.density[base.skin == 0]).max() == 0
    zone = base.regions.mask("smile_lines")
    assert np.abs(layer.density[zone == 0]).max() < 0.05  # softened a little beyond
    there, moved = density.mean(axis=2), layer.density.mean(axis=2)
    assert _alike(moved, np.roll(there, (4, -6), (0, 1))) > max(0.8, _alike(moved, there))


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_a_lined_face_is_the_sample_that_it_is(lined, density, monkeypatch):
    """Its stored base with its own lines and all else of its own painted back is the photo."""
    monkeypatch.setattr(render, "mixture", lambda *_: [])
    monkeypatch.setattr(render, "_SHOWN", dict.fromkeys(render._SHOWN, 1.0))
    monkeypatch.setattr(render, "_AMPLIFIED", dict.fromkeys(render._SHOWN, (1.0, 1.0)))
    own = lifted.Lifted({"wrinkles": render.stored(density)}, lined.points, FOLDS)
    sample = render.sample(lined, np.random.default_rng(0), taken=own)
    kinds = [render.NETWORK_KINDS[at] for at in sample["kinds"]]
    assert kinds == ["wrinkles", *render.OWN]
    density = sample["density"].astype(np.float32).sum(axis=0) * STEP
    again = replace(lined, crop=sample["crop"]).linear * np.exp(-density)
    off = np.abs(255 * to_srgb(again) - lined.crop)
    assert off.mean() < 1 and np.percentile(off, 99) < 4


def test_dark_circles_come_off_and_leave_the_skin_they_are_compared_with(base):
    painted = dark_circles(base, np.random.default_rng(2), 1.0).density
    tired = lifted.without(base, -painted)
    extra = (lifted.lift(one, ["lids"])["dark_circles"].mean(axis=2) for one in (tired, base))
    more = np.subtract(*extra)
    place = base.regions.mask("under_eyes") > 0.9
    assert _alike(more[place], painted.mean(axis=2)[place]) > 0.5
    assert np.abs(more[base.regions.mask("under_eyes") == 0]).max() < 0.02


def test_every_listed_face_has_zones_that_there_are():
    known = {zone for zones in lifted.ZONES.values() for zone in zones}
    assert len(lifted.FACES) > 20
    assert all(zones and set(zones) <= known for zones in lifted.FACES.values())
