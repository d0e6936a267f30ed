"""The measures of detection on real photos and on words, on cases whose answer is known."""

from __future__ import annotations

import csv
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy.special import expit

from training.evaluate import detection
from training.evaluate.removal import paint
from training.faces import FaceRow, aligned
from training.imperfections import painters
from training.imperfections.base import Base
from vision import engine, faces, prompts
from vision.prompts import PHRASES, OwnWords, text_tower
from vision.regions import Surfaces
from vision.vocabulary import NETWORK_KINDS

SHAPE = (512, 512)


def reading(meant: str, taken: str, likeness: float) -> detection.Reading:
    return meant, OwnWords(taken, likeness, np.zeros(384, np.float32))


@pytest.fixture
def few_phrases(monkeypatch):
    """Three known phrases a kind, which embed in no time."""
    few = {kind: some[:3] for kind, some in PHRASES.items()}
    for module in (detection, engine, prompts):
        monkeypatch.setattr(module, "PHRASES", few)
    engine._known_phrases.cache_clear()
    yield few
    engine._known_phrases.cache_clear()


@pytest.fixture
def turned() -> faces.Alignment:
    """Photo pixels doubled, turned by a right angle (x -> y, y -> -x) and moved."""
    return faces.Alignment(np.array([[0.0, -2.0, 400.0], [2.0, 0.0, 20.0]]))


@pytest.fixture
def photo(base: Base, tmp_path) -> FaceRow:
    """The astronaut's crop as a photo of a manifest, smaller, with the landmarks it came with."""
    file = tmp_path / "imperfections" / "wrinkles" / "00000.jpg"
    file.parent.mkdir(parents=True)
    small = cv2.resize(base.crop, (384, 384), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(file), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    points = np.column_stack([base.points * 0.75, np.zeros(len(base.points))])
    return FaceRow(file, "imperfection", "acne severity 2 (ACNE04)", "evaluate", "test", points)


def engine_that_finds(kind: str, where: np.ndarray, much: float = 0.9, little: float = 0.1):
    """Stands for the network: gives a kind `much` of the pixels of a mask, `little` elsewhere."""

    def detect(crop: np.ndarray, on: Surfaces, words: OwnWords | None = None):
        owners = np.zeros((len(NETWORK_KINDS), *SHAPE), np.float32)
        channel = NETWORK_KINDS.index(words.kind if words else kind)
        owners[channel] = np.where(where, much, little)
        return SimpleNamespace(owners=owners, amplitude=np.full(SHAPE, 0.1, np.float32))

    return SimpleNamespace(detect=detect, kinds=NETWORK_KINDS)


def with_minilm(**more):
    """Stands for an engine whose prompts the packaged text tower embeds."""
    config = SimpleNamespace(tower="minilm")
    one = SimpleNamespace(network=SimpleNamespace(config=config), kinds=NETWORK_KINDS, **more)
    one.of = lambda kind: one
    return one


def test_a_box_lands_where_the_alignment_puts_it(turned):
    inside = detection.covered(turned, [(10, 30, 20, 5)])
    expected = np.zeros(SHAPE, bool)
    # Photo x 10..30 becomes y 20 + 2x, photo y 30..35 becomes x 400 - 2y, both from pixel corners.
    expected[40 - 1 : 80 - 1, 330 + 2 : 340 + 2] = True
    np.testing.assert_array_equal(inside, expected)


def test_boxes_add_up_and_none_is_nowhere(turned):
    first, second = (10, 30, 20, 5), (60, 100, 8, 8)
    both = detection.covered(turned, [first, second])
    apart = [detection.covered(turned, [box]) for box in (first, second)]
    assert (both == (apart[0] | apart[1])).all()
    assert not detection.covered(turned, []).any()


def test_a_box_around_the_eyes_lands_on_the_eyes_of_the_crop(photo):
    eyes = photo.points[[33, 263], :2]
    left, top = eyes.min(axis=0) - 4
    width, height = np.ptp(eyes, axis=0) + 8
    _, points, alignment = aligned(photo)
    inside = detection.covered(alignment, [(left, top, width, height)])
    x, y = points[[33, 263]].round().astype(int).T
    assert inside[y, x].all()
    assert not inside[points[1, 1].astype(int), points[1, 0].astype(int)]  # the tip of the nose


def test_nothing_beyond_the_border_of_a_photo_is_looked_at(photo):
    seen = []
    network = SimpleNamespace(detect=lambda crop, on: seen.append(on))
    _, alignment, on, _ = detection.look(photo, network)
    outside = ~detection.covered(alignment, [(0, 0, 384, 384)])
    assert seen == [on]
    assert on.skin.max() > 0.9
    assert not on.skin[outside].any()


def test_the_ratio_is_one_of_means_and_not_a_mean_of_ratios():
    numbers = detection.summary([0.4, 0.2, np.nan, 0.9], [0.1, 0.2, 0.1, np.nan])
    assert numbers["faces"] == 2
    assert numbers["inside"] == pytest.approx(0.3)
    assert numbers["outside"] == pytest.approx(0.15)
    assert numbers["ratio"] == pytest.approx(2.0)
    assert numbers["clear"] == pytest.approx(0.5)


def test_a_map_made_by_hand_gives_its_ratio(photo, monkeypatch):
    data = photo.path.parents[2]
    chin = photo.points[152, :2]  # wide enough to be on the skin, here and in the crop
    box = (*(chin - (40, 60)), 80, 40)
    with (data / "boxes.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["file", "label", "x", "y", "w", "h", "source"])
        name = photo.path.relative_to(data).as_posix()
        table.writerow([name, "wrinkle_sad_smile", *box, "test"])
        table.writerow([name, "wrinkle_masseter", 0, 0, 50, 384, "test"])  # says nothing
        table.writerow(["imperfections/wrinkles/00001.jpg", "wrinkle_forehead", *box, "test"])
    monkeypatch.setattr(detection, "rows", lambda *args, **filters: [photo])
    where = detection.covered(aligned(photo)[2], [box])
    numbers = detection.boxed(data, engine_that_finds("wrinkles", where))["wrinkles"]
    assert numbers["ratio"] == pytest.approx(9)
    assert (numbers["faces"], numbers["clear"], numbers["skipped"]) == (1, 1.0, 1)
    assert np.isnan(numbers["denied"])
    assert "| wrinkles | 1 | 1 | 0.900 | 0.100 | 9.00 | 100% | – |" in detection.table(
        detection.COLUMNS["boxes"], {"wrinkles": numbers}
    )


def test_grades_come_from_labels_and_are_compared_by_rank(photo, monkeypatch):
    grades, shares = (0, 1, 2, 3), (0.1, 0.4, 0.2, 0.9)
    kinds = iter(("acne", "moles", "acne", "acne"))
    some = [replace(photo, label=f"acne severity {grade} (ACNE04)") for grade in grades]
    some.insert(1, replace(photo, label="acne (source label)"))
    monkeypatch.setattr(detection, "rows", lambda *args, **filters: some)
    left = iter(shares)

    def detect(crop, on):
        share, kind = next(left), next(kinds)
        found = engine_that_finds("acne", np.ones(SHAPE, bool), share).detect(crop, on)
        if kind == "moles":  # on the second photo both are seen alike
            found.owners[NETWORK_KINDS.index("moles")] = share
        return found

    numbers = detection.graded(photo.path.parent, with_minilm(detect=detect))
    assert numbers["photos"] == 4
    assert numbers["called"] == pytest.approx(2 / 3)  # two photos show acne, one of them moles
    assert numbers["correlation"] == pytest.approx(0.8)  # 1 - 6 (0 + 1 + 1 + 0) / (4 (16 - 1))


def test_rank_agreement_is_one_for_any_rising_scale():
    numbers = detection.rank_agreement([0, 1, 2, 3, 3], [0.001, 0.01, 0.1, 5, 5])
    assert numbers["correlation"] == pytest.approx(1)
    assert numbers["p"] < 0.01


def test_no_held_out_phrase_is_one_that_teaches():
    assert detection.bare("Dark SPOTS") == detection.bare("dark spot")
    groups = [
        {detection.bare(phrase) for kind in NETWORK_KINDS for phrase in PHRASES[kind]},
        *({detection.bare(phrase) for phrase in some} for some in detection.own_phrases().values()),
    ]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_there_are_words_for_every_kind_and_for_none():
    phrases = detection.own_phrases()
    assert set(phrases) == {*NETWORK_KINDS, "none", "calibration_none"}
    assert all(len(phrases[kind]) >= 10 for kind in NETWORK_KINDS)
    assert len(phrases["calibration_none"]) == 40


def test_phrases_are_read_as_the_engine_reads_them(few_phrases):
    phrase = detection.own_phrases()["pores"][0]
    meant, words = detection.read({"pores": [phrase]}, text_tower())[0]
    alone = engine.own_words.__wrapped__(phrase)
    assert (meant, words.kind) == ("pores", alone.kind)
    assert words.likeness == pytest.approx(alone.likeness, abs=1e-4)
    np.testing.assert_allclose(words.embedding, alone.embedding, atol=1e-4)


def test_a_known_phrase_does_not_answer_for_itself(few_phrases):
    ((_, words),) = detection.read({"freckles": [PHRASES["freckles"][0]]}, text_tower())
    assert words.likeness < 0.999
    assert words.kind == "freckles"


def test_accuracy_leaves_out_what_means_no_kind():
    some = [reading("acne", "acne", 0.9), reading("acne", "moles", 0.5), reading("none", "acne", 1)]
    numbers = detection.accuracy(some)
    assert numbers["acne"] == {"phrases": 2, "right": 0.5}
    assert numbers["all"] == {"phrases": 2, "right": 0.5}


def test_thresholds_count_what_is_accepted_and_rejected():
    kinds = [("acne", 0.9), ("acne", 0.4), ("moles", 0.6)]
    some = [reading("acne", taken, likeness) for taken, likeness in kinds]
    some += [reading("none", "shine", likeness) for likeness in (0.55, 0.3)]
    numbers = detection.thresholds(some, [0.3, 0.5])
    assert numbers["0.30"] == pytest.approx({"right": 2 / 3, "wrong": 1 / 3, "rejected": 0})
    assert numbers["0.50"] == pytest.approx({"right": 1 / 3, "wrong": 1 / 3, "rejected": 0.5})


def test_the_logistic_fit_finds_the_curve_it_was_drawn_from():
    rng = np.random.default_rng(0)
    likeness = rng.uniform(0, 1, 20_000)
    right = rng.random(20_000) < expit(8 * likeness - 4)
    slope, offset = detection.fit_platt(likeness, right, np.ones(20_000))
    assert slope == pytest.approx(8, abs=0.4)
    assert offset == pytest.approx(-4, abs=0.3)


@pytest.mark.parametrize("right", [[0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0], [1, 1, 1, 1]], ids=str)
def test_confidence_never_falls_with_likeness(right):
    slope, offset = detection.fit_platt(
        np.array([0.2, 0.4, 0.6, 0.8]), np.array(right, bool), np.ones(4)
    )
    assert slope >= 0
    assert np.isfinite([slope, offset]).all()


def test_the_proposed_likeness_rises_with_the_share_of_phrases_that_mean_nothing():
    rng = np.random.default_rng(1)
    known = [reading("acne", "acne" if rng.random() < x else "moles", x)
             for x in rng.uniform(0.3, 1, 300)]  # fmt: skip
    known += [reading("none", "acne", x) for x in rng.uniform(0.2, 0.6, 40)]
    few, many = (detection.calibrate(known, known, share) for share in (0.05, 0.5))
    assert few["least"] < many["least"]
    assert expit(few["slope"] * few["least"] + few["offset"]) == pytest.approx(detection.SURE)
    assert few["believed"] == pytest.approx(few["correct"], abs=0.02)


def test_words_taken_for_another_kind_lose_precision(base):
    rng = np.random.default_rng(3)
    layer = painters["moles"](base, rng, 1.0)
    truth, moles = paint(base, [layer]), np.abs(layer.density).max(axis=2) > 0.05
    right, wrong = (OwnWords(kind, 0.9, np.zeros(384)) for kind in ("moles", "wrinkles"))

    def detect(crop, on, words=None):
        where = ~moles if words is wrong else moles
        return engine_that_finds("moles", where).detect(crop, on, words)

    network = with_minilm(detect=detect)
    ((kind, prompt, own),) = detection.precisions(base, truth, network, {"moles": [right]})
    assert kind == "moles"
    assert prompt == own > 0.5
    ((_, _, lost),) = detection.precisions(base, truth, network, {"moles": [right, wrong]})
    assert lost < 0.7 * prompt


def test_the_loss_through_words_is_reported_per_kind_and_on_average(base, monkeypatch, few_phrases):
    pairs = [("acne", 0.8, 0.6), ("acne", 0.4, 0.3), ("moles", 0.2, 0.2)]
    monkeypatch.setattr(detection, "precisions", lambda *args: pairs)
    numbers = detection.reworded([(base, None)], with_minilm(), words=1)
    assert list(numbers) == ["acne", "moles", "mean"]
    assert numbers["acne"]["loss"] == pytest.approx(0.25)
    assert numbers["moles"]["loss"] == pytest.approx(0)
    assert numbers["mean"]["loss"] == pytest.approx(1 - 0.325 / 0.4)


def patch(base: Base, colour: tuple[int, int, int]) -> Base:
    return Base(np.full((*SHAPE, 3), colour, np.uint8), base.regions, base.blur)


def test_pale_skin_has_a_larger_typology_angle_than_brown_skin(base):
    pale, tan, brown = (
        detection.tone_angle(patch(base, colour))
        for colour in ((240, 208, 186), (198, 150, 120), (98, 66, 46))
    )
    assert 90 > pale > 41 > tan > 10 > brown > -90
