"""What observations add up to: by scene, recency, source; and not at all without habits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from memory.observation import Observation
from memory.recall import MILD, weigh
from memory.scene import FEATURES, scene_of

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


def photo(seed, **features):
    """A scene like no other, but for the features named."""
    rng = np.random.default_rng(seed)
    faces = {"faces": 0.25, "size": 0.3}
    return scene_of(dict(zip(FEATURES, rng.random(12), strict=True)) | faces | features)


def reduced(strength, scene=None, at=0, kind="wrinkles", source="accepted"):
    return Observation(
        kind=kind, region="face", polarity="reduce", strength=strength, source=source,
        scene=scene, time=NOON + timedelta(hours=at),
    )  # fmt: skip


def kept(scene, at=0, source="accepted"):
    return Observation(
        kind="freckles", region="face", polarity="keep", source=source, scene=scene,
        time=NOON + timedelta(hours=at),
    )  # fmt: skip


def only(seen, scene=None):
    (preference,) = weigh(seen, scene)
    return preference


@pytest.mark.parametrize("feature", ["colour", "size", "key", "softness"])
def test_tastes_that_hang_on_any_feature_of_the_scene_are_found(feature):
    low, high = {feature: 0.1}, {feature: 0.8}
    seen = [
        reduced(strength, photo(at, **which), at)
        for at, (strength, which) in enumerate([(0.2, low), (0.8, high)] * 6)
    ]
    assert only(seen, photo(99, **low)).strength < 0.3
    assert only(seen, photo(98, **high)).strength > 0.7


def test_in_the_same_scene_the_newer_count_more():
    scene = photo(1)
    seen = [reduced(0.2 if at < 6 else 0.4, scene, at) for at in range(12)]
    assert 0.3 < only(seen, scene).strength < 0.4


def test_what_was_accepted_weighs_more_than_what_was_merely_saved():
    scene = photo(1)
    pair = [reduced(0.6, scene, 0), reduced(0.2, scene, 1, source="inferred")]
    assert only(pair, scene).strength > 0.45


def test_a_first_photo_is_repeated_in_the_same_scene_and_halved_in_another():
    seen = [reduced(0.1, photo(1))]
    assert only(seen, photo(1)).strength == 0.1
    assert 0.1 < only(seen, photo(2)).strength < MILD


def test_tastes_that_nothing_foretells_are_not_learnt():
    rng = np.random.default_rng(0)
    seen = [
        reduced(float(rng.random()), photo(at), at, kind)
        for at in range(12)
        for kind in ("wrinkles", "acne", "redness", "shine")
    ]
    for preference in weigh(seen, photo(99)):
        assert preference.strength == pytest.approx(MILD, abs=0.05)
        assert preference.confidence < 0.1


def test_steady_tastes_are_repeated_with_confidence():
    seen = [reduced(0.15, photo(at), at) for at in range(6)]
    assert only(seen, photo(99)).strength == pytest.approx(0.15, abs=0.02)
    assert only(seen, photo(99)).confidence > 0.6


def test_keeps_are_told_by_how_often_and_where():
    near = {"size": 0.7}
    seen = [kept(photo(at, **near), at) for at in range(5)]
    seen.append(
        Observation(
            kind="freckles", region="face", polarity="reduce", strength=1.0, source="accepted",
            scene=photo(7, **near), time=NOON - timedelta(hours=1),
        )
    )  # fmt: skip
    seen += [kept(photo(20 + at), at) for at in range(3)]
    preference = only(seen, photo(50, **near))
    assert preference.polarity == "keep"
    assert preference.reason == "you asked for that in 5 of 6 close-ups"


def test_a_rule_holds_in_every_scene_and_beats_what_was_accepted():
    rule = reduced(0.9, None, 0, source="explicit")
    seen = [rule, *(reduced(0.2, photo(at), at) for at in range(1, 8))]
    assert only(seen, photo(99)).strength == 0.9
    assert only(seen, photo(99)).confidence == 1


def test_light_and_colour_have_amounts():
    seen = [
        Observation(
            kind="temperature", region="image", polarity="shift", amount=-0.3, source="accepted",
            scene=photo(at), time=NOON,
        )
        for at in range(4)
    ]  # fmt: skip
    preference = only(seen, photo(9))
    assert (preference.polarity, preference.strength) == ("shift", None)
    assert preference.amount == pytest.approx(-0.3, abs=0.05)


def test_nothing_adds_up_to_nothing():
    assert weigh([], photo(1)) == ()
