"""What the evaluation calls good is good, and the shipped network is."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from training.evaluate import vision as evaluation
from training.evaluate.filters import FILTERS, inpaint
from training.evaluate.native import detail_ratio
from training.evaluate.removal import (
    MASK,
    OTHERS,
    average_precision,
    both_face,
    freckle,
    measure_all,
    measure_kept,
    measure_kinds,
    mixed_face,
    paint,
)
from training.faces import spread
from training.imperfections import painters
from vision.changes import DOTS
from vision.engine import FOUND, engine
from vision.vocabulary import NETWORK_KINDS


@pytest.fixture(scope="module")
def truth(base):
    kinds = ("acne", "moles", "wrinkles", "dark_circles")
    rng = np.random.default_rng(8)
    return paint(base, [painters[kind](base, rng, 0.7) for kind in kinds])


def test_average_precision_of_a_perfect_and_of_a_blind_detector():
    truth = np.array([True, False, True, False])
    assert average_precision(np.array([0.9, 0.1, 0.8, 0.2]), truth) == 1.0
    assert average_precision(np.array([0.1, 0.9, 0.2, 0.8]), truth) < 0.5


def test_a_perfect_remover_and_one_that_does_nothing(base, truth):
    def perfect(truth, base, asked):
        return truth.without[asked[0]]

    for numbers in measure_kinds(truth, base, perfect).values():
        assert numbers["removed"] == 1 and numbers["spill"] < 0.3 / 255
        assert numbers["after"] > 90
    for numbers in measure_kinds(truth, base, OTHERS["nothing"]).values():
        assert numbers["removed"] == 0 == numbers["spill"] == numbers["clean"]
        assert numbers["after"] == numbers["before"]
        assert numbers["off_after"] == pytest.approx(numbers["off_before"], nan_ok=True)


def test_the_lead_kind_is_on_every_face(base):
    rng = np.random.default_rng(0)
    for index, kind in enumerate(NETWORK_KINDS):
        if kind != "yellow_teeth":  # a closed mouth has no room for it
            assert kind in mixed_face(base, index, rng)[1].without


def test_the_shipped_network_does_better_than_filters_and_than_nothing(base, truth):
    made = {**OTHERS, "Freckle": freckle(engine())}
    numbers = {n: measure_all(truth, base, remove, None) for n, remove in made.items()}
    ours = numbers.pop("Freckle")
    assert all(ours["inside"] > other["inside"] for other in numbers.values())
    assert ours["all"] > numbers["nothing"]["all"]


def test_the_shipped_network_takes_what_is_asked_and_not_the_rest(base, truth):
    numbers = evaluation.by_kind([measure_kinds(truth, base, freckle(engine()))])
    assert set(numbers) == set(truth.without)
    assert np.mean([n["after"] - n["before"] for n in numbers.values()]) > 2
    assert np.mean([n["selectivity"] for n in numbers.values()]) < 0.3
    # She has lines of her own where circles are painted, which go with those that are painted.
    assert all(n["selectivity"] < 0.1 for kind, n in numbers.items() if kind != "wrinkles")


def test_a_bare_face_is_left_alone(base):
    unseen, plain, evened = evaluation.restraint(base, engine())
    assert 0 < unseen < plain < 4.0  # false finds of the network's own count in the second alone
    assert 0 < evened < 4.0


def test_the_tables_hold_what_was_measured(base, truth, monkeypatch):
    monkeypatch.setattr(evaluation, "held_out", lambda data, faces: [(base, truth)] * 3)
    report = evaluation.evaluate(None, engine(), 3, {"nothing": OTHERS["nothing"]})
    assert report.monotone
    lines = evaluation.kinds_table(report).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| moles | 3 |" in "\n".join(lines) and lines[0].count("IoU") == 1
    assert "| Freckle, told to keep the freckles | 1 |" in evaluation.kept_table(report)
    assert evaluation.tones_table(report).count("third | 1 |") == 3
    table = evaluation.comparison_table(report)
    assert "| nothing |" in table and "| Freckle |" in table
    assert "of 255" in evaluation.restraint_lines(report)


def engine_that_sees(owners):
    """One network for all kinds, which finds these owners on every face."""
    sees = SimpleNamespace(kinds=NETWORK_KINDS, detect=lambda *_: SimpleNamespace(owners=owners))
    sees.of = lambda kind: sees
    return sees


def test_overlap_is_one_for_the_true_mask_and_none_for_another(base, truth):
    def sees(owner):
        owners = np.zeros((len(NETWORK_KINDS), *owner.shape), np.float32)
        owners[NETWORK_KINDS.index("moles")] = owner
        return engine_that_sees(owners)

    mask = np.abs(truth.without["moles"] - truth.painted).mean(axis=2) > MASK
    right, wrong = (evaluation.precisions(truth, base, sees(m))["moles"] for m in (mask, ~mask))
    assert right == {"precision": 1.0, "iou": 1.0}
    assert wrong["iou"] == 0


def test_what_a_face_brought_along_is_no_false_find(base, truth, monkeypatch):
    mask = np.abs(truth.without["moles"] - truth.painted).mean(axis=2) > MASK
    elsewhere = np.roll(mask, 40, axis=1) & ~mask & (base.skin > 0.5)
    owners = np.zeros((len(NETWORK_KINDS), *mask.shape), np.float32)
    owners[NETWORK_KINDS.index("moles")] = mask | elsewhere
    sees = engine_that_sees(owners)
    found = []
    for own in (elsewhere, np.zeros_like(mask)):
        monkeypatch.setattr(evaluation, "own_marks", lambda base, own=own: own)
        found.append(evaluation.precisions(truth, base, sees)["moles"]["iou"])
    assert found[0] == 1 > found[1]


def test_what_is_kept_stays_while_the_rest_goes(base):
    both = both_face(base, ("acne", "freckles"), 1)
    plain, told = (
        measure_kept(both, base, remove, "acne", "freckles")
        for remove in (freckle(engine()), freckle(engine(), "freckles"))
    )
    assert told["removed"] > 0.2
    assert told["changed"] <= plain["changed"]
    assert told["changed"] < 0.05
    everything = measure_kept(
        both, base, lambda truth, base, asked: truth.clean, "acne", "freckles"
    )
    # Where marks of both kinds meet, each one's own change is known to a rounding of the paint.
    assert everything == pytest.approx({"removed": 1.0, "changed": 1.0}, abs=0.01)
    assert measure_kept(both, base, OTHERS["nothing"], "acne", "moles") == {}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_smooth_the_skin_and_nothing_else(base, name):
    photo = (base.crop / 255).astype(np.float32)
    made = FILTERS[name](photo, base.skin)
    assert np.array_equal(made[base.skin == 0], photo[base.skin == 0])
    skin = base.skin > 0.99
    assert 0 < np.abs(made - photo)[skin].mean() < 0.05


def test_filling_replaces_the_marks_alone():
    photo = np.full((64, 64, 3), 0.6, np.float32)
    marks = np.zeros((64, 64), bool)
    marks[20:30, 20:30] = True
    photo[marks] = 0.1
    np.testing.assert_allclose(inpaint(photo, marks), 0.6, atol=0.01)


def test_plastic_skin_has_a_detail_ratio_below_one():
    rng = np.random.default_rng(0)
    image = np.clip(128 + rng.normal(0, 6, (64, 64, 3)), 0, 255).astype(np.uint8)
    inside = np.zeros((64, 64), bool)
    inside[20:44, 20:44] = True
    assert detail_ratio(image, inside, ~inside) == pytest.approx(1, abs=0.1)
    image[inside] = 128
    assert detail_ratio(image, inside, ~inside) < 0.3


def test_faces_are_measured_from_all_over_the_list():
    """The manifest is sorted by source: its first rows are one studio's."""
    assert spread(list(range(100)), 4) == [0, 25, 50, 75]
    assert spread([1, 2, 3], 8) == [1, 2, 3]


def test_where_skin_is_evened_freckles_that_nobody_named_stay_in_the_benchmark_too(base):
    rng = np.random.default_rng(3)
    truth = paint(base, [painters[kind](base, rng, 0.9) for kind in ("freckles", "uneven_tone")])
    change = np.abs(freckle(engine())(truth, base, ("uneven_tone",)) - truth.painted).mean(axis=2)
    owners = engine().detect(truth.crop, base.surfaces).owners
    dots = owners[[NETWORK_KINDS.index(kind) for kind in DOTS]].max(axis=0) > FOUND
    assert dots.sum() > 50 and change.max() > 2 / 255
    assert change[dots].max() == 0
