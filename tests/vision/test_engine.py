"""Removal in passes on a real face with the shipped weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vision.engine import RetouchEngine
from vision.vocabulary import NETWORK_KINDS

WRINKLES, SHINE = (NETWORK_KINDS.index(kind) for kind in ("wrinkles", "shine"))


@pytest.fixture(scope="module")
def engine() -> RetouchEngine:
    return RetouchEngine()


@pytest.fixture(scope="module")
def found(engine, astronaut):
    face = astronaut.faces[0]
    return engine.detect(face.crop, face.surfaces)


def test_every_pass_takes_more_away(engine, found, astronaut):
    face = astronaut.faces[0]
    steps = list(engine.heal_in_passes(face.crop, face.surfaces, found, (WRINKLES,), (3,)))
    assert len(steps) == 3
    for less, more in zip(steps, steps[1:], strict=False):
        assert np.array_equal(more.gates > 0.03, less.gates > 0.03)  # no new places
        assert np.abs(more.changes).sum() > np.abs(less.changes).sum()


def test_a_kind_with_one_pass_is_left_alone_by_the_next(engine, found, astronaut):
    face = astronaut.faces[0]
    asked = (WRINKLES, SHINE)
    first, last = engine.heal_in_passes(face.crop, face.surfaces, found, asked, (2, 1))
    assert np.array_equal(first.changes[1], last.changes[1])
    assert not np.array_equal(first.changes[0], last.changes[0])


def test_the_calibrated_number_of_passes_is_made(astronaut, found):
    face, engine = astronaut.faces[0], RetouchEngine()
    engine.gate = replace(engine.gate, passes=(1,) * len(NETWORK_KINDS))
    once = engine.heal(face.crop, face.surfaces, found, (WRINKLES,))
    engine.gate = replace(engine.gate, passes=(2,) * len(NETWORK_KINDS))
    twice = engine.heal(face.crop, face.surfaces, found, (WRINKLES,))
    assert np.abs(twice.changes).sum() > np.abs(once.changes).sum()


def test_nothing_changes_off_the_skin_and_the_teeth(engine, found, astronaut):
    face = astronaut.faces[0]
    healing = engine.heal(face.crop, face.surfaces, found, tuple(range(len(NETWORK_KINDS))))
    assert np.abs(healing.changes[:, face.surfaces.both == 0]).max() == 0
