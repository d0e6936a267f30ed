"""Damaged files: a Photo or a PhotoError, never another exception, and never a trace on disk."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from vision import exif
from vision.photo import Photo, PhotoError, load, save

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = ["a.jpg", "grey.jpg", "a.png", "a16.png", "a.webp", "a.tif", "a16.tif", "a.heic"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """One small file of every kind, with a profile, EXIF and XMP in it."""
    folder = tmp_path_factory.mktemp("whole")
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "Zeiss"
    tags.get_ifd(0x8769)[0x829A] = 0.004
    blob = tags.tobytes().removeprefix(b"Exif\0\0")
    rng = np.random.default_rng(0)
    found = {}
    for kind in KINDS:
        dtype = np.uint16 if "16" in kind else np.uint8
        channels = 1 if "grey" in kind else 3
        pixels = rng.integers(0, np.iinfo(dtype).max + 1, (48, 40, channels)).astype(dtype)
        alpha = pixels[..., 0] if kind in ("a.png", "a16.tif", "a.webp") else None
        photo = Photo(pixels, alpha, icc=SRGB, exif=blob, xmp=b"<x:xmpmeta>Mia</x:xmpmeta>")
        found[kind] = save(photo, folder / kind).read_bytes()
    return found


def try_it(data: bytes, folder) -> Photo | None:
    """Load and, where that works, save; only a one-line PhotoError may come out of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            photo = load(data)
            assert photo.srgb8().shape == (photo.height, photo.width, 3)
            ending = {"jpeg": "jpg", "tiff": "tif", "heif": "heic"}.get(photo.format, photo.format)
            save(photo, folder / f"out.{ending}").unlink()
        except PhotoError as error:
            assert "\n" not in str(error)
            photo = None
    assert not list(folder.iterdir())
    return photo


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_is_refused(files, tmp_path, kind, capfd):
    data = files[kind]
    for share in np.linspace(0.001, 0.97, 60):
        assert try_it(data[: int(share * len(data))], tmp_path) is None, share
    for length in range(1, 40):
        assert try_it(data[:length], tmp_path) is None, length
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_damaged_header_byte_is_survived(files, tmp_path, kind, capfd):
    data = files[kind]
    start = len(data) - 400 if kind.endswith("tif") else 0  # where TIFF keeps its directory
    for place in [*range(16), *range(start, start + 400, 7)]:
        for value in (0x00, 0xFF, data[place] ^ 0x01):
            damaged = bytearray(data)
            damaged[place] = value
            try_it(bytes(damaged), tmp_path)
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=250, suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32), hits=st.integers(1, 12))
def test_random_damage_anywhere_is_survived(files, tmp_path, kind, seed, hits):
    rng = random.Random(seed)
    damaged = bytearray(files[kind])
    for _ in range(hits):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    try_it(bytes(damaged), tmp_path)


@settings(deadline=None, max_examples=150)
@given(head=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ",
                             b"II*\0", b"MM\0*", b"II+\0", b"\0\0\0\x18ftypheic"]),
       tail=st.binary(max_size=200))  # fmt: skip
def test_made_up_files_are_refused(head, tail):
    with pytest.raises(PhotoError):
        load(head + tail)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(max_size=80), st.builds(lambda b: b"II*\0\x08\0\0\0" + b, st.binary())))
def test_any_bytes_pass_as_an_exif_blob(blob):
    assert 1 <= exif.orientation(blob) <= 8
    assert len(exif.upright(blob)) == len(blob)
    assert exif.orientation(exif.upright(blob)) == 1


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    blob=st.one_of(
        st.binary(max_size=60), st.builds(lambda b: b"MM\0*\0\0\0\x08" + b, st.binary())
    ),
    name=st.sampled_from(["a.tif", "a.png", "a.jpg"]),
)
def test_photos_with_broken_exif_can_still_be_saved(tmp_path, blob, name):
    photo = Photo(np.zeros((4, 4, 3), np.uint8), exif=blob)
    assert load(save(photo, tmp_path / name, overwrite=True)).digest
