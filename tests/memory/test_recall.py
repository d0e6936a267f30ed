"""What observations add up to: by scene, recency, source; and not at all without habits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from memory.observation import Observation
from memory.recall import MILD, overview, weigh
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


def test_a_first_photo_is_repeated_in_the_same_scene_and_only_hinted_at_in_another():
    seen = [reduced(0.1, photo(1))]
    assert only(seen, photo(1)).strength == 0.1
    hinted = only(seen, photo(2))
    assert 0.35 < hinted.strength < MILD
    assert hinted.reason == "that is what one of your portraits suggests"
    assert hinted.confidence < only(seen, photo(1)).confidence


def test_two_habits_add_up_in_a_kind_of_photo_never_seen():
    near, grey = {"size": 0.8}, {"colour": 0.0}
    kinds = [({}, 0.3), (near, 0.7), (grey, 0.1)]
    seen = [
        reduced(strength, photo(at, **({"colour": 0.5} | which)), at)
        for at, (which, strength) in enumerate(kinds * 6)
    ]
    assert only(seen, photo(99, **near, **grey)).strength == pytest.approx(0.5, abs=0.06)
    assert only(seen, photo(98, colour=0.5, **near)).strength == pytest.approx(0.7, abs=0.06)


def test_what_divides_photos_for_one_kind_helps_to_understand_another():
    def choice(at, kind, low, high):
        near = at % 2 == 0
        scene = photo(at, size=0.8 if near else 0.2)
        return reduced(high if near else low, scene, at, kind)

    few = [choice(at, "acne", 0.2, 0.6) for at in range(6)]
    many = [choice(at, kind, 0.1, 0.9) for at in range(6) for kind in ("wrinkles", "shine")]
    here = photo(99, size=0.25)

    def missed(seen):
        (found,) = (one for one in weigh(seen, here) if one.kind == "acne")
        return abs(found.strength - 0.2)

    assert missed(few + many) < 0.05 < 0.08 < missed(few)


def test_a_kind_without_habits_does_not_hide_the_others():
    rng = np.random.default_rng(1)
    seen = [
        reduced(float(rng.random()) if kind == "shine" else 0.2, photo(at), at, kind)
        for at in range(10)
        for kind in ("acne", "redness", "shine")
    ]
    found = {one.kind: one for one in weigh(seen, photo(99))}
    assert found["acne"].strength == pytest.approx(0.2, abs=0.03)
    assert found["shine"].strength == pytest.approx(MILD, abs=0.05)
    assert found["shine"].confidence < 0.1 < 0.6 < found["acne"].confidence


def test_where_it_was_taken_divides_photos():
    def at_place(at, setting):
        return photo(at).model_copy(update={"setting": setting})

    seen = [
        reduced(strength, at_place(at, setting), at)
        for at, (setting, strength) in enumerate([("outdoors", 0.2), ("indoors", 0.8)] * 6)
    ]
    assert only(seen, at_place(99, "outdoors")).strength < 0.3
    assert only(seen, at_place(98, "indoors")).strength > 0.7


def test_remembered_in_another_kind_of_photo_it_is_a_choice_like_others():
    near = {"size": 0.8}
    seen = [reduced(0.2, photo(at), at) for at in range(0, 12, 2)]
    seen += [reduced(0.8, photo(at, **near), at) for at in range(1, 12, 2)]
    seen.append(reduced(0.9, photo(50, **near), 20, source="explicit"))
    assert only(seen, photo(99)).strength == pytest.approx(0.2, abs=0.05)
    assert only(seen, photo(98, **near)).strength == 0.9


def test_one_exception_is_no_end_of_a_habit():
    strengths = {"acne": [0.2] * 8 + [0.8], "redness": [0.4] * 9}
    seen = [
        reduced(strength, photo(at), at, kind)
        for kind, run in strengths.items()
        for at, strength in enumerate(run)
    ]
    found = {one.kind: one for one in weigh(seen, photo(99))}
    assert 0.2 <= found["acne"].strength < 0.4
    assert found["acne"].reason == "you were happy with about that in 8 of 9 portraits"
    assert found["acne"].confidence < found["redness"].confidence


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


def test_contradictory_choices_are_told_with_little_confidence_where_no_photo_is_at_hand():
    rng = np.random.default_rng(2)
    random = [reduced(float(rng.random()), photo(at), at) for at in range(12)]
    steady = [reduced(0.4, photo(at), at) for at in range(12)]
    assert only(random).confidence < 0.6 < 0.8 < only(steady).confidence


def test_people_are_shown_what_holds_in_which_photos():
    close, group = (scene_of({"faces": 0.25, "size": 0.6}), scene_of({"faces": 1.0, "size": 0.1}))
    seen = [
        Observation(
            kind="wrinkles", region="face", polarity="reduce", strength=strength,
            source="accepted", scene=scene, visit=f"{strength}{at}",
        )
        for strength, scene in ((0.8, close), (0.2, group))
        for at in range(4)
    ]  # fmt: skip
    shown = {one.framing: one for one in overview(seen)}
    assert shown["close-up"].strength > 0.7 and shown["group"].strength < 0.3
    assert "close-ups" in shown["close-up"].reason
    (alike,) = overview(seen[:4])
    assert alike.framing is None
    rule = Observation(
        kind="wrinkles",
        region="face",
        polarity="reduce",
        strength=0.3,
        source="explicit",
        time=NOON,
    )
    later = seen[0].model_copy(update={"source": "explicit"})
    both = {one.framing: one.strength for one in overview([rule, later])}
    assert both == {None: 0.3, "close-up": 0.8}
