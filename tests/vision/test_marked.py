"""Masks of every form that Pillow opens, and those that fit no photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vision import photo as photos
from vision.marked import MaskError, pack, read, unpack

HEIGHT, WIDTH = 20, 30
MARKED = np.zeros((HEIGHT, WIDTH), bool)
MARKED[2:7, 11:25] = True
GREY = np.where(MARKED, 129, 126).astype(np.uint8)  # either side of half white
PHOTO = photos.load(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def grey(alpha: int | None = None, depth: str = "L") -> Image.Image:
    image = Image.fromarray(GREY).convert(depth)
    if alpha is not None:
        image.putalpha(alpha)
    return image


IMAGES = {
    "l.png": grey(),
    "l.bmp": grey(),
    "l.tif": grey(),
    "l.pgm": grey(),
    "l.gif": grey(),
    "la.png": grey(255, "LA"),
    "rgb.png": grey(depth="RGB"),
    "rgb.webp": Image.fromarray(MARKED).convert("RGB"),
    "rgba.png": grey(255, "RGBA"),
    "palette.png": Image.fromarray(MARKED).convert("P"),
    "one.png": Image.fromarray(MARKED),
    "one.tif": Image.fromarray(MARKED),
    "sixteen.png": Image.fromarray(GREY.astype(np.uint16) * 257),
    "sixteen.tif": Image.fromarray(GREY.astype(np.uint16) * 257),
    "thirty_two.tif": Image.fromarray(GREY.astype(np.int32) * 257),
    "cmyk.tif": grey(depth="RGB").convert("CMYK"),
    "transparent.png": Image.merge(
        "LA", (Image.new("L", (WIDTH, HEIGHT), 255), Image.fromarray(GREY))
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_forms_of_images(tmp_path, name):
    IMAGES[name].save(tmp_path / name)
    for source in (tmp_path / name, str(tmp_path / name), Image.open(tmp_path / name)):
        assert np.array_equal(read(source, PHOTO), MARKED)


@pytest.mark.parametrize("array", [MARKED, np.where(MARKED, 128, 127).astype(np.uint8)])
def test_forms_of_arrays(array):
    assert np.array_equal(read(array, PHOTO), MARKED)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("name", ["photo.jpg", "photo.tif"])
def test_a_mask_of_the_stored_size_is_turned_like_the_photo(tmp_path, orientation, name):
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (WIDTH, HEIGHT), "tan").save(tmp_path / name, exif=exif)
    photo = photos.load(tmp_path / name)
    upright = photos.upright(MARKED, orientation)
    assert np.array_equal(read(upright, photo), upright)
    if orientation > 4:  # the others have the upright size as they are stored
        Image.fromarray(MARKED).save(tmp_path / "mask.png")
        assert np.array_equal(read(tmp_path / "mask.png", photo), upright)
        assert np.array_equal(read(MARKED, photo), upright)
    # One that says itself how it is to be turned.
    Image.fromarray(MARKED).convert("L").save(tmp_path / "mask.tif", exif=exif)
    assert np.array_equal(read(tmp_path / "mask.tif", photo), upright)


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (MARKED[:, 1:], "29 x 20 pixels, but the photo 30 x 20"),
        (MARKED.T, "20 x 30 pixels"),
        (np.zeros_like(MARKED), "marks nothing"),
        (MARKED.astype(float), "float64"),
        (np.dstack([MARKED] * 3), "give .H, W."),
    ],
)
def test_arrays_that_are_no_mask_of_the_photo(array, told):
    with pytest.raises(MaskError, match=told):
        read(array, PHOTO)


def test_files_that_are_no_mask_are_named(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    Image.fromarray(MARKED).save(tmp_path / "whole.png")
    (tmp_path / "short.png").write_bytes((tmp_path / "whole.png").read_bytes()[:45])
    for name in ("text.png", "empty.png", "short.png", "missing.png", "."):
        with pytest.raises(MaskError) as error:
            read(tmp_path / name, PHOTO)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_packing_loses_nothing():
    for marked in (MARKED, MARKED[:1, :13], np.random.default_rng(0).random((33, 41)) > 0.5):
        assert np.array_equal(unpack(pack(marked)), marked)
    with pytest.raises(MaskError):
        unpack(b"no PNG")


def test_a_square_mask_is_taken_upright():
    """A photo stored on its side swaps height and width; of a square nobody could tell."""
    square = replace(photos.load(np.full((30, 30, 3), 90, np.uint8)), turned=6)
    marked = np.zeros((30, 30), bool)
    marked[2:5, 10:28] = True
    assert np.array_equal(read(marked, square), marked)
