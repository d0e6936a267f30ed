"""JPEG: written as it came, whichever way up, with all that it held."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFile

from tests.vision.made_photos import exif_bytes, scene
from vision.photo import load, save


def off(a: np.ndarray, b: np.ndarray) -> float:
    """Decibels between two images of 0..255."""
    return float(10 * np.log10(255**2 / max(((a.astype(float) - b) ** 2).mean(), 1e-9)))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [35, 88, 100])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_is_written_with_its_own_tables(tmp_path, mode, quality, subsampling):
    options = {"quality": quality, "subsampling": subsampling, "progressive": quality == 88}
    Image.fromarray(scene()).convert(mode).save(tmp_path / "a.jpg", dpi=(300, 300), **options)
    save(load(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    a, b = Image.open(tmp_path / "a.jpg"), Image.open(tmp_path / "b.jpg")
    assert a.quantization == b.quantization and a.mode == b.mode
    assert a.layer == b.layer or mode == "L"  # sampling factors of a single plane mean nothing
    assert a.info["dpi"] == b.info["dpi"] and a.info.get("progressive") == b.info.get("progressive")
    assert np.abs(np.asarray(a).astype(int) - np.asarray(b)).max() <= 255 // quality + 12


def test_a_noisy_progressive_jpeg_can_be_written(tmp_path):
    """It takes more than the two bytes a pixel that Pillow has room for."""
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    options = {"quality": 100, "subsampling": 0, "progressive": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFile, "MAXBLOCK", 1 << 24)
        Image.fromarray(noise).save(tmp_path / "a.jpg", **options)
    assert (tmp_path / "a.jpg").stat().st_size > 2 * 600 * 600
    save(load(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    again = Image.open(tmp_path / "b.jpg")
    assert again.info["progressive"]
    assert np.abs(np.asarray(again).astype(int) - load(tmp_path / "a.jpg").pixels).max() <= 4


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_that_lies_on_its_side_loses_no_more_than_one_that_does_not(tmp_path, subsampling):
    """Its tables and its colours' resolution, which differ across and down, are turned, too."""
    losses = []
    portrait = Image.fromarray(skimage.data.astronaut()[:256, 100:420])
    for orientation in (1, 6):
        file, exif = tmp_path / f"{orientation}.jpg", b"Exif\0\0" + exif_bytes(orientation)
        portrait.save(file, exif=exif, quality=83, subsampling=subsampling)
        photo = load(file)
        assert photo.turned == orientation
        save(photo, tmp_path / "out.jpg", overwrite=True)
        losses.append(off(load(tmp_path / "out.jpg").pixels, photo.pixels))
    upright, turned = losses
    assert turned > upright - (4 if subsampling != 1 else 9)
    if subsampling != 1:  # Pillow cannot write 4:4:0
        source, written = Image.open(tmp_path / "6.jpg"), Image.open(tmp_path / "out.jpg")
        for number, table in source.quantization.items():
            turned_table = np.reshape(written.quantization[number], (8, 8)).T
            assert np.array_equal(np.reshape(table, (8, 8)), turned_table)


def test_exif_of_many_segments_is_kept(tmp_path):
    blob = exif_bytes() + bytes(range(256)) * 600
    save(load(_with_exif(tmp_path / "a.jpg", blob)), tmp_path / "b.jpg")
    data = (tmp_path / "b.jpg").read_bytes()
    assert data.count(b"Exif\0\0") == 3
    assert load(tmp_path / "b.jpg").exif[200:] == blob[200:]


def _with_exif(path, blob: bytes):
    buffer = io.BytesIO()
    parts = [b"Exif\0\0" + blob[at : at + 65_527] for at in range(0, len(blob), 65_527)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(p) + 2) + p for p in parts)
    Image.fromarray(scene()).save(buffer, "JPEG", extra=segments)
    path.write_bytes(buffer.getvalue())
    return path


def test_width_and_height_in_exif_are_those_of_the_upright_photo(tmp_path):
    exif = Image.Exif()
    height, width = scene().shape[:2]
    exif[0x0112], exif[0x0100], exif[0x0101] = 6, width, height
    Image.fromarray(scene()).save(tmp_path / "a.jpg", exif=exif)
    save(load(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    again = Image.open(tmp_path / "b.jpg")
    assert again.size == (height, width)
    assert (again.getexif()[0x0100], again.getexif()[0x0101]) == again.size


def test_rgb_without_a_marker_stays_rgb(tmp_path):
    Image.fromarray(scene()).save(tmp_path / "marked.jpg", keep_rgb=True, quality=95)
    data = (tmp_path / "marked.jpg").read_bytes()
    at = data.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", data, at + 2)
    (tmp_path / "bare.jpg").write_bytes(data[:at] + data[at + 2 + length :])
    photo = load(tmp_path / "bare.jpg")
    save(photo, tmp_path / "b.jpg")
    moved = np.abs(load(tmp_path / "b.jpg").pixels.astype(int) - photo.pixels)
    assert np.array_equal(photo.pixels, load(tmp_path / "marked.jpg").pixels) and moved.max() <= 2
