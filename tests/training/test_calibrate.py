"""How gates and passes are chosen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from training import calibrate
from vision.errors import FreckleError
from vision.prompts import OwnWords
from vision.vocabulary import NETWORK_KINDS
from vision.weights_file import RETOUCH_FOLDER, load_calibration, save_calibration


def test_the_plainest_choice_within_a_twentieth_of_the_least_error():
    scores = {(0.0, 1): 0.52, (0.5, 1): 0.50, (-0.5, 1): 0.55, (0.0, 2): 0.499}
    assert calibrate._plainest(scores) == (0.0, 1)
    assert calibrate._plainest({(0.0, 1): 0.53, (0.5, 1): 0.50, (0.0, 2): 0.495}) == (0.5, 1)
    assert calibrate._plainest({(0.0, 1): 0.60, (0.5, 2): 0.50, (0.0, 2): 0.505}) == (0.0, 2)


def test_a_gate_names_every_kind_in_order():
    gate = calibrate._gate({"moles": (0.5, 3)})
    at = NETWORK_KINDS.index("moles")
    assert gate.openness[at] == 0.5 and gate.passes[at] == 3
    assert sum(gate.openness) == 0.5 and sum(gate.passes) == len(NETWORK_KINDS) + 2


ROW = SimpleNamespace(path=Path("faces/1.jpg"))


def copy_weights(folder: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        (folder / name).write_bytes((RETOUCH_FOLDER / name).read_bytes())


@pytest.mark.parametrize("found", [[], [ROW]], ids=["no faces", "killed"])
def test_until_the_choice_is_made_the_old_one_stays(tmp_path, monkeypatch, found):
    def killed(row):
        raise KeyboardInterrupt

    copy_weights(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    monkeypatch.setattr(calibrate, "rows", lambda data, split: found)
    monkeypatch.setattr(calibrate, "base_of", killed)
    with pytest.raises(KeyboardInterrupt if found else FreckleError):
        calibrate.calibrate(tmp_path, tmp_path)
    assert (tmp_path / "config.json").read_bytes() == before


def test_words_are_believed_from_where_a_tower_is_right_four_times_in_five(monkeypatch):
    """Of a tower that calls everything alike, nothing below that: its cosines start at 0.8."""
    monkeypatch.setattr(calibrate, "PHRASES", {"acne": ("pimples",)})
    monkeypatch.setattr(calibrate, "text_tower", lambda name: name)
    rng = np.random.default_rng(0)
    likeness = rng.uniform(0.8, 1, 400)
    right = rng.random(400) < expit(60 * (likeness - 0.9))
    readings = [
        ("acne", OwnWords("acne" if one else "moles", float(x), np.zeros(2)))
        for x, one in zip(likeness, right, strict=True)
    ]
    readings += [("none", OwnWords("acne", 0.82, np.zeros(2)))] * 20
    monkeypatch.setattr(calibrate, "read", lambda phrases, tower: readings)
    assert 0.9 < calibrate.least_likeness("a CLIP") < 0.95


def test_the_choice_is_stored_and_what_never_came_stays_as_it_was(base, tmp_path, monkeypatch):
    copy_weights(tmp_path)
    monkeypatch.setattr(calibrate, "rows", lambda data, split: [ROW])
    monkeypatch.setattr(calibrate, "base_of", lambda row: base)
    for name in ("OPENNESS", "SKIN_OPENNESS"):
        monkeypatch.setattr(calibrate, name, (0.5,))
    monkeypatch.setattr(calibrate, "PASSES", 1)
    monkeypatch.setattr(calibrate, "least_likeness", lambda tower: 0.5)
    scores = calibrate.calibrate(tmp_path, tmp_path, faces=1)
    assert 0 < len(scores) < len(NETWORK_KINDS)
    gate, least = load_calibration(tmp_path)
    assert least == 0.5
    openness = dict(zip(NETWORK_KINDS, gate.openness, strict=True))
    assert {kind for kind in scores if openness[kind] == 0.5} == set(scores)
    earlier = calibrate._choices(load_calibration(RETOUCH_FOLDER)[0])
    assert all(openness[kind] == earlier[kind][0] for kind in set(NETWORK_KINDS) - set(scores))
    (kind, *_) = scores
    before = dict.fromkeys(NETWORK_KINDS, (0.25, 2))
    save_calibration(calibrate._gate(before), 0.5, tmp_path)
    assert set(calibrate.calibrate(tmp_path, tmp_path, faces=1, only=[kind])) == {kind}
    gate = load_calibration(tmp_path)[0]
    assert calibrate._choices(gate) == before | {kind: (0.5, 1)}
