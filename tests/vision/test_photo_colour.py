"""Colours of photos: profiles are understood, and come back."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips

from tests.vision.made_photos import (
    PRIMARIES,
    SRGB,
    XMP,
    profile,
    scanner_profile,
    scene,
)
from vision.photo import Photo, load, save


def test_identity_without_a_profile_or_with_srgb():
    for icc in (None, SRGB):
        photo = Photo(scene(), icc=icc)
        assert np.array_equal(photo.srgb8(), photo.pixels)
        values = photo.to_srgb(photo.pixels)
        assert values.dtype == np.float32
        assert np.array_equal(np.rint(photo.from_srgb(values)), photo.pixels)
        assert photo.srgb8() is photo.srgb8()


def reference(pixels: np.ndarray, name: str) -> np.ndarray:
    """Matrix profile to linear sRGB by the book: D50 XYZ, Bradford-adapted sRGB primaries."""
    to_xyz, gamma = np.array(PRIMARIES[name][0]).T, PRIMARIES[name][1]
    srgb = np.array([[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    linear = (pixels / np.iinfo(pixels.dtype).max) ** gamma @ to_xyz.T @ np.linalg.inv(srgb).T
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", ["adobe", "prophoto"])
def test_wide_gamut_colours_are_right_and_come_back(name, bits):
    top = 2**bits - 1
    rng = np.random.default_rng(2)
    skin = rng.uniform(0.1, 0.8, (50, 40, 1)) * rng.uniform([1.0, 0.85, 0.8], 1, (50, 40, 3))
    block = np.rint(skin * top).astype(np.uint8 if bits == 8 else np.uint16)
    photo = Photo(block, icc=profile(name))
    values = photo.to_srgb(block)
    assert np.abs(values - reference(block, name)).max() < 0.003
    assert np.abs(photo.srgb8() / 255 - reference(block, name)).max() < 0.006
    native = photo.from_srgb(values)
    assert native.dtype == np.float32 and native.shape == block.shape
    assert np.abs(native - block).max() < 0.5 / 255 * top


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("icc", [None, profile("grey")])
def test_grey_photos_convert_both_ways(icc, bits):
    block = scene(channels=1, bits=bits)
    photo = Photo(block, icc=icc)
    values = photo.to_srgb(block)
    assert values.shape == (48, 64, 3) and photo.srgb8().shape == (48, 64, 3)
    assert np.ptp(values, axis=2).max() < 1e-3
    if icc is not None:
        linear = (block / (2**bits - 1)) ** 1.8
        shown = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        assert np.abs(values[..., :1] - shown).max() < 0.006
    native = photo.from_srgb(values)
    assert native.shape == block.shape and np.abs(native - block).max() < 0.008 * (2**bits - 1)


@pytest.mark.parametrize(
    "icc", [b"no profile", SRGB[:150], profile("grey"), scanner_profile()],
    ids=["none", "cut", "grey", "one way"],
)  # fmt: skip
def test_a_useless_profile_is_carried_but_reads_as_srgb(tmp_path, icc):
    photo = Photo(scene(), icc=icc)
    assert np.array_equal(photo.srgb8(), photo.pixels)
    assert np.array_equal(np.rint(photo.from_srgb(photo.to_srgb(photo.pixels))), photo.pixels)
    for ending in ("jpg", "png", "webp", "tif"):
        assert load(save(photo, tmp_path / f"a.{ending}")).icc == icc


def test_wide_gamut_16_bit_tiff_round_trip(tmp_path):
    photo = Photo(scene(bits=16), icc=profile("prophoto"), xmp=XMP)
    again = load(save(photo, tmp_path / "a.tif"))
    assert again.digest == photo.digest and again.icc == photo.icc
    assert pyvips.Image.new_from_file(str(tmp_path / "a.tif")).get("icc-profile-data") == photo.icc
