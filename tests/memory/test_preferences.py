from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from memory.preferences import Observation, PreferenceError

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


def reduce(kind="wrinkles", strength=0.5, source="accepted", hours=0, **place):
    place = {"region": "face", **place}
    time = NOON + timedelta(hours=hours)
    return Observation(
        kind=kind, polarity="reduce", strength=strength, source=source, time=time, **place
    )


def keep(kind="freckles", source="explicit", hours=0, **place):
    place = {"region": "face", **place}
    time = NOON + timedelta(hours=hours)
    return Observation(kind=kind, polarity="keep", source=source, time=time, **place)


def only(memory, user="mia"):
    (preference,) = memory.recall(user)
    return preference


def test_accepted_strengths_are_averaged_and_newer_ones_count_more(memory):
    memory.learn("mia", [reduce(strength=s, hours=n) for n, s in enumerate((0.2, 0.2, 0.8))])
    assert 0.4 < only(memory).strength < 0.5
    assert only(memory).among == 3


def test_what_was_said_outright_beats_what_was_accepted_later(memory):
    memory.learn("mia", [keep(hours=0)])
    memory.learn("mia", [reduce("freckles", 1.0, hours=n) for n in range(1, 5)])
    assert only(memory).polarity == "keep"


def test_of_two_things_said_outright_the_newer_counts(memory):
    memory.learn("mia", [reduce(strength=0.9, source="explicit"), keep("wrinkles", hours=1)])
    assert only(memory).polarity == "keep"
    memory.learn("mia", [reduce(strength=0.3, source="explicit", hours=2)])
    assert (only(memory).polarity, only(memory).strength) == ("reduce", 0.3)


def test_places_sides_and_own_words_are_apart(memory):
    memory.learn(
        "mia",
        [
            reduce(region="forehead"),
            reduce(region="cheeks", side="left"),
            reduce(region="cheeks"),
            keep("other", phrase="Cold sore"),
            keep("other", phrase="cold sore"),
            keep("other", phrase="bruise"),
        ],
    )
    assert len(memory.recall("mia")) == 5


def test_every_preference_tells_its_reason(memory):
    memory.learn("mia", [keep(), reduce(), reduce(hours=30)])
    reasons = {one.kind: one.reason for one in memory.show("mia")}
    assert reasons == {
        "freckles": "you asked for that on 3 May 2026",
        "wrinkles": "you were happy with about that in 2 of 2 photos",
    }


def test_users_are_apart(memory):
    memory.learn("mia", [keep()])
    memory.learn("Mia", [reduce()])
    assert only(memory, "mia").kind == "freckles"
    assert only(memory, "Mia").kind == "wrinkles"
    assert memory.forget("Mia") == 1
    assert len(memory.recall("mia")) == 1


def test_nobody_is_not_remembered(memory, file):
    assert memory.learn(None, [keep()]) == 0
    assert memory.recall(None) == ()
    assert not file.exists()


def test_reading_creates_nothing(memory, file):
    assert memory.recall("mia") == () == memory.show("mia")
    assert memory.forget("mia") == 0
    assert memory.export("mia")["observations"] == []
    assert not file.parent.exists()


def test_forgetting_one_kind_leaves_the_others(memory):
    memory.learn("mia", [keep("freckles"), keep("moles"), reduce("acne"), reduce("redness")])
    assert memory.forget("mia", "freckles") == 1
    assert memory.forget("mia", "blemishes") == 2
    assert only(memory).kind == "moles"


def test_forgotten_is_gone_from_the_disk(memory, file):
    memory.learn("a-user-to-forget", [keep("other", phrase="a-phrase-to-forget")])
    memory.learn("mia", [keep()])
    assert memory.forget("a-user-to-forget") == 1
    left = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"a-user-to-forget" not in left
    assert b"a-phrase-to-forget" not in left
    assert b"mia" in left


def test_export_and_import_carry_everything_once(memory):
    seen = [keep(), reduce(side="left", region="cheeks"), keep("other", phrase="bruise")]
    memory.learn("mia", seen)
    export = memory.export("mia")
    assert export["version"] == 2
    assert "mia" not in str(export)
    assert memory.import_("ben", export) == 3
    assert memory.import_("ben", export) == 0
    assert memory.recall("ben") == memory.recall("mia")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"version": 3, "observations": []}, "version 3"),
        ({"observations": [{"kind": "hats"}]}, "observations.0.kind"),
        ([1], "not an export"),
        ({"version": 1, "observations": [], "photo": "x"}, "photo"),
    ],
)
def test_what_is_no_export_is_refused_in_one_line(memory, data, told):
    with pytest.raises(PreferenceError, match=told) as error:
        memory.import_("mia", data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("user", ["", "  ", "x" * 201])
def test_a_user_needs_a_name(memory, user):
    with pytest.raises(PreferenceError):
        memory.learn(user, [keep()])


def test_observations_make_sense():
    with pytest.raises(ValidationError):
        keep(strength=0.5)
    with pytest.raises(ValidationError):
        reduce(strength=None)
    with pytest.raises(ValidationError):
        reduce("everything")


def test_a_moment_without_a_zone_is_one_of_utc(memory):
    data = {
        "version": 2,
        "observations": [keep().model_dump(mode="json") | {"time": "2026-05-03T12:00:00"}],
    }
    assert [memory.import_("mia", data) for _ in range(2)] == [1, 0]
    assert memory.why("mia", "freckles")[0].time == NOON
    data["observations"][0]["time"] = "0001-01-01T00:00:00+14:00"
    with pytest.raises(PreferenceError, match="no such moment"):
        memory.import_("mia", data)


def test_a_name_that_is_no_text_is_refused(memory):
    memory.learn("mia", [keep()])
    for use in (memory.show, memory.paused, memory.forget):
        with pytest.raises(PreferenceError, match="write it in UTF-8"):
            use("caf\udce9")
