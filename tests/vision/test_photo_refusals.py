"""What is no photo, or cannot be written: one line that teaches, and nothing is lost."""

from __future__ import annotations

import io
import os
import stat
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.vision.made_photos import (
    scene,
)
from vision import photo as photo_module
from vision.photo import MAX_PIXELS, Photo, PhotoError, load, save


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert message and "\n" not in message
    return message


def bomb() -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head
    data += struct.pack(">I", zlib.crc32(head))
    body = b"IDAT" + zlib.compress(bytes(1000))
    data += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def animation(format: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.fromarray(scene()), Image.fromarray(scene()[::-1])]
    frames[0].save(out, format, save_all=True, append_images=frames[1:])
    return out.getvalue()


def tiff(array: np.ndarray, **options) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


def encoded(mode: str, format: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene()).convert(mode).save(out, format)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"just some text", "JPEG, PNG, WebP, TIFF or HEIC"),
        (encoded("RGB", "GIF"), "JPEG, PNG, WebP, TIFF or HEIC"),
        (encoded("CMYK", "JPEG"), "CMYK"),
        (encoded("CMYK", "TIFF"), "CMYK"),
        (encoded("LAB", "TIFF"), "Lab"),
        (bomb(), "megapixels"),
        (animation("PNG"), "animated"),
        (animation("WEBP"), "animated"),
        (animation("TIFF"), "pages"),
        (tiff(np.zeros((4, 4, 3), np.float32), photometric="rgb"), "floating-point"),
        (tiff(np.zeros((4, 4), np.uint32)), "32 bit"),
        (tiff(np.zeros((9, 9, 6), np.uint8), photometric="rgb", planarconfig="contig"), "extra"),
        (tiff(np.zeros((4, 4), np.uint8), extratags=[(50706, 1, 4, b"\1\4\0\0", True)]), "raw"),
    ],
)
def test_refusals_name_the_file_the_reason_and_the_way_out(tmp_path, data, says):
    path = tmp_path / "mia.jpg"
    path.write_bytes(data)
    with pytest.raises(PhotoError, match=says) as error:
        load(path)
    assert str(path) in one_line(error)
    with pytest.raises(PhotoError, match=says) as error:
        load(data)
    one_line(error)


@pytest.mark.parametrize("path", ["nowhere.jpg", ".", "a\0b.jpg", "x" * 300 + ".jpg"])
def test_paths_that_are_no_files(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PhotoError) as error:
        load(path)
    one_line(error)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = save(Photo(scene()), tmp_path / "a.png")
    path.chmod(0)
    with pytest.raises(PhotoError, match="permission"):
        load(path)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(PhotoError, match="cannot be written"):
        save(Photo(scene()), tmp_path / "b.png")


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros((4, 4, 3), np.int32), np.zeros((0, 4), np.uint8),
     np.zeros((4, 4, 5), np.uint8), np.zeros(4, np.uint8)],
)  # fmt: skip
def test_arrays_that_are_no_photos(array):
    with pytest.raises(PhotoError) as error:
        load(array)
    one_line(error)


def test_pillow_images_that_are_no_photos():
    for mode in ("CMYK", "F", "I"):
        with pytest.raises(PhotoError, match=mode):
            load(Image.new(mode, (4, 4)))


def test_large_photos_open_without_a_word_and_pillow_keeps_its_own_limits(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    out = io.BytesIO()
    Image.fromarray(scene()).save(out, "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(out.getvalue()).height == 48
    assert Image.MAX_IMAGE_PIXELS == 100 and MAX_PIXELS == 200_000_000


@pytest.mark.parametrize(
    ("target", "says"),
    [("a.gif", "ending"), ("a", "ending"), ("no/a.png", "folder"), ("dir.png", "folder"),
     ("there.png", "already exists"), ("x" * 300 + ".png", "cannot be written"),
     ("a\0.png", "cannot be written")],
)  # fmt: skip
def test_targets_that_cannot_be_written(tmp_path, target, says):
    (tmp_path / "dir.png").mkdir()
    (tmp_path / "there.png").write_bytes(b"mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PhotoError, match=says) as error:
        save(Photo(scene()), tmp_path / target)
    assert "png" in one_line(error)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.png").read_bytes() == b"mine"


def test_overwriting_is_asked_for_and_never_hits_the_source(tmp_path):
    path = save(Photo(scene()), tmp_path / "a.png")
    photo = load(path)
    other = save(photo, tmp_path / "b.png")
    assert save(photo.with_pixels(photo.pixels[::-1]), other, overwrite=True) == other
    assert np.array_equal(load(other).pixels, scene()[::-1])
    with pytest.raises(PhotoError, match="being edited"):
        save(photo, path, overwrite=True)
    (tmp_path / "link.png").symlink_to(path)
    with pytest.raises(PhotoError, match="being edited"):
        save(photo, tmp_path / "link.png", overwrite=True)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_behind_when_writing_fails(tmp_path, monkeypatch, step, error):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(photo_module.os, step, fail)
    expected = PhotoError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        save(Photo(scene()), path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"] and path.read_bytes() == b"old"


def test_what_jpeg_and_webp_cannot_hold_is_said(tmp_path):
    with pytest.raises(PhotoError, match="XMP"):
        save(Photo(scene(), xmp=b"x" * 70_000), tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="profile"):
        save(Photo(scene(), icc=bytes(17_000_000)), tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="16383"):
        save(Photo(np.zeros((1, 16384, 3), np.uint8)), tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())


def test_new_files_get_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    path = save(Photo(scene()), tmp_path / "a.png")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_50_megapixel_photo_is_seen_without_float_copies():
    """In a process of its own: 150 MB of pixels, 150 MB of sRGB, and little else."""
    script = (
        "import resource, numpy as np\n"
        "from vision.photo import Photo\n"
        "import pyvips\n"
        "icc = bytes(pyvips.Operation.call('profile_load', 'p3'))\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "photo = Photo(np.full((6250, 8000, 3), 90, np.uint8), icc=icc)\n"
        "assert photo.srgb8().shape == (6250, 8000, 3)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(run.stdout) * 1024 < 600e6
