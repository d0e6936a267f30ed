"""`freckle detect`: what a prompt means, and where it is."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image


def test_detect_says_where_and_how_much(freckle, portrait, tmp_path):
    mask = tmp_path / "mask.png"
    outcome = freckle("detect", portrait, "wrinkles", "--json", "-o", mask)
    assert outcome.code == 0, outcome.err
    (face,) = json.loads(outcome.out)["faces"]
    assert face["as"] == "wrinkles"
    assert 0 < face["found"] < 0.5 and 0 < face["severity"] <= 1
    x, y, width, height = face["box"]
    marks = np.asarray(Image.open(mask))
    assert marks.shape == (512, 512)
    inside = marks[y : y + height, x : x + width].max()
    assert inside > 127 and marks[400:].max() == 0  # the space suit has none
    assert "wrinkles" in freckle("detect", portrait, "wrinkles").out
    assert freckle("detect", portrait, "the space suit").code == 3
    out = tmp_path / "none.png"
    nothing = freckle("detect", portrait, "yellow teeth on my nose", "--json", "-o", out)
    assert nothing.code == 3 and json.loads(nothing.out)["faces"][0]["found"] == 0
    assert not out.exists()


def test_detect_reads_what_is_asked_and_where(freckle, portrait):
    """Shares and severity speak of the same place; a prompt may name a group, a place, a side."""
    seen = {
        prompt: json.loads(freckle("detect", portrait, prompt, "--json").out)["faces"][0]
        for prompt in ("yellow teeth", "blemishes", "wrinkles", "wrinkles on my left cheek")
    }
    teeth = seen["yellow teeth"]
    assert teeth["found"] > 0 and set(teeth["where"]) == {"teeth"}
    assert seen["blemishes"]["as"] == "blemishes"
    part, whole = seen["wrinkles on my left cheek"], seen["wrinkles"]
    assert part["as"] == "wrinkles" and 0 <= part["found"] < whole["found"]
    assert set(part["where"]) < set(whole["where"])


def test_detect_looks_at_the_face_that_is_named(freckle, portrait, tmp_path):
    pair, mask = tmp_path / "two.png", tmp_path / "mask.png"
    one = np.asarray(Image.open(portrait).convert("RGB"))[:, 60:400]
    Image.fromarray(np.concatenate([one, one], axis=1)).save(pair)
    prompt = "wrinkles of the person on the left"
    outcome = freckle("detect", pair, prompt, "--json", "-o", mask)
    left, right = json.loads(outcome.out)["faces"]
    assert left["found"] > 0 == right["found"]
    marks = np.asarray(Image.open(mask))
    assert marks[:, :340].max() > 127 and marks[:, 340:].max() == 0
    nobody = freckle("detect", portrait, "wrinkles of the third person from the left")
    assert nobody.code == 3 and "no such face" in nobody.err
