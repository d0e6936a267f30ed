"""`freckle retouch --region-mask`: masks that are refused, and one that is filled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

CHEEK = np.s_[128:134, 201:207]  # of the astronaut


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """The astronaut with a black patch on the cheek."""
    pixels = data.astronaut()
    pixels[CHEEK] = 10
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def region(path: Path, *places: tuple[slice, slice], shape: tuple[int, int] = (512, 512)) -> Path:
    """A mask of these places, as a file."""
    marked = np.zeros(shape, bool)
    for place in places:
        marked[place] = True
    Image.fromarray(marked).save(path)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("memory.db")}


def test_what_is_marked_is_filled_and_apply_repeats_it(freckle, photo, tmp_path):
    mask = region(tmp_path / "region.png", CHEEK)
    out, recipe, report, edited = (
        tmp_path / name for name in ("out.png", "recipe.json", "report.json", "edited.png")
    )
    done = freckle(
        "retouch", photo, "", "--region-mask", mask, "-o", out,
        "--recipe", recipe, "--report", report, "--mask", edited,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "What you marked is filled with skin" in done.out
    before, after = np.asarray(Image.open(photo)), np.asarray(Image.open(out))
    marked = np.asarray(Image.open(mask))
    assert (after == before)[~marked].all()
    assert after[marked].mean() > 100
    assert np.array_equal(np.asarray(Image.open(edited)) > 0, marked)
    (edit,) = json.loads(report.read_text())["edits"]
    assert (edit["what"], edit["phrase"]) == ("other", "marked area")

    again = tmp_path / "again.png"
    assert freckle("apply", photo, recipe, "-o", again).code == 0
    assert again.read_bytes() == out.read_bytes()
    written = json.loads(recipe.read_text())
    written["fills"][0]["mask"] = written["fills"][0]["mask"][:40]
    recipe.write_text(json.dumps(written))
    refused = freckle("apply", photo, recipe, "-o", tmp_path / "third.png")
    assert refused.code == 2 and refused.err.count("\n") == 1 and "mask" in refused.err


def test_the_request_is_carried_out_as_well(freckle, photo, tmp_path):
    mask, report = region(tmp_path / "region.png", CHEEK), tmp_path / "report.json"
    wish = "remove the wrinkles"
    done = freckle("retouch", photo, wish, "--region-mask", mask, "--report", report)
    assert done.code == 0, done.err
    written = json.loads(report.read_text())
    assert [edit["what"] for edit in written["edits"]] == ["wrinkles", "other"]
    assert written["reply"] in done.out and "What you marked" in written["reply"]
    assert written["outside_max_change"] == 0


def test_a_request_that_cannot_be_done_leaves_the_fill(freckle, photo, tmp_path):
    mask = region(tmp_path / "region.png", CHEEK)
    done = freckle("retouch", photo, "make my nose smaller", "--region-mask", mask)
    assert done.code == 0, done.err
    assert "filled with skin" in done.out and "outside of what I do" in done.out


def test_a_mask_on_no_face_is_exit_3_and_no_file(freckle, photo, tmp_path):
    mask = region(tmp_path / "region.png", np.s_[480:, :30])
    before = names(tmp_path)
    outcome = freckle("retouch", photo, "remove the wrinkles", "--region-mask", mask)
    assert outcome.code == 3 and "touches no face" in outcome.err
    assert names(tmp_path) == before


def test_the_part_on_no_face_is_left_and_told(freckle, photo, tmp_path):
    corner = np.s_[480:, :30]
    mask, out = region(tmp_path / "region.png", CHEEK, corner), tmp_path / "out.png"
    done = freckle("retouch", photo, "", "--region-mask", mask, "-o", out)
    assert done.code == 0 and "lies on no face was left" in done.out
    assert np.array_equal(np.asarray(Image.open(out))[corner], data.astronaut()[corner])


def test_masks_that_are_refused(freckle, photo, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    region(tmp_path / "small.png", CHEEK, shape=(300, 400))
    region(tmp_path / "black.png")
    before = names(tmp_path)
    for name, told in (
        ("text.png", "not a photo that can be read"),
        ("missing.png", "does not exist"),
        ("small.png", "400 x 300 pixels, but the photo 512 x 512"),
        ("black.png", "marks nothing"),
    ):
        outcome = freckle("retouch", photo, "", "--region-mask", tmp_path / name)
        assert (outcome.code, outcome.out) == (2, "")
        assert name in outcome.err and told in outcome.err and outcome.err.count("\n") == 1
    assert names(tmp_path) == before


def test_the_mask_is_an_input_and_never_replaced(freckle, photo, tmp_path):
    mask = region(tmp_path / "region.png", CHEEK)
    outcome = freckle("retouch", photo, "", "--region-mask", mask, "-o", mask, "--overwrite")
    assert outcome.code == 2 and "is the input" in outcome.err


def test_an_empty_request_without_a_mask_is_a_wrong_call(freckle, photo):
    outcome = freckle("retouch", photo, "")
    assert outcome.code == 2 and "empty" in outcome.err


def test_a_mask_follows_the_turn_of_a_photo_stored_on_its_side(freckle, photo, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    upright = Image.open(photo).crop((0, 0, 400, 512))
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    marked = np.zeros((512, 400), bool)
    marked[CHEEK] = True
    Image.fromarray(np.rot90(marked)).save(tmp_path / "region.png")
    out, edited = tmp_path / "out.png", tmp_path / "edited.png"
    done = freckle(
        "retouch", tmp_path / "turned.png", "", "--region-mask", tmp_path / "region.png",
        "-o", out, "--mask", edited,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert np.array_equal(np.asarray(Image.open(edited)) > 0, marked)
