"""Photos in and out: bits, colours, metadata and orientation survive, and errors teach."""

from __future__ import annotations

import io
import os
import stat
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import pyvips
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms, ImageOps

from vision import photo as photo_module
from vision.photo import MAX_PIXELS, Photo, PhotoError, load, save

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PRIMARIES = {  # columns: red, green, blue in D50 XYZ
    "prophoto": (
        ((0.7977, 0.2880, 0.0000), (0.1352, 0.7119, 0.0000), (0.0313, 0.0001, 0.8249)), 1.8,
    ),
    "adobe": (
        ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)), 2.2,
    ),
}  # fmt: skip
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="Mia">'
    b"<tiff:Orientation>8</tiff:Orientation></rdf:Description></x:xmpmeta>"
)
LOSSLESS = ("png", "tif")


def profile(name: str) -> bytes:
    """A matrix (or, for "grey", a curve) ICC profile, version 2.4, built by hand."""

    def s15(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + s15(*values)

    grey = name == "grey"
    colorants, gamma = ((), 1.8) if grey else PRIMARIES[name]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\x02x\0" + bytes(80), b"wtpt": xyz(0.9642, 1, 0.8249)}
    tags |= {b"kTRC": curve} if grey else {c + b"TRC": curve for c in (b"r", b"g", b"b")}
    tags |= {c + b"XYZ": xyz(*v) for c, v in zip((b"r", b"g", b"b"), colorants, strict=False)}
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += tag + struct.pack(">II", at + len(body), len(value))
        body += value
    header = struct.pack(">I", at + len(body)) + b"lcms\x02\x40\0\0mntr"
    header += (b"GRAY" if grey else b"RGB ") + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    header += s15(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + table + body


def scene(height: int = 48, width: int = 64, channels: int = 3, bits: int = 8) -> np.ndarray:
    """A smooth picture that is different at every corner."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = np.stack([x, y, (x + y) / 2, 1 - y / 2], axis=-1)[..., :channels]
    top = 2**bits - 1
    return np.rint(planes * top).astype(np.uint8 if bits == 8 else np.uint16)


def exif_bytes(orientation: int = 1, order: str = "<") -> bytes:
    """IFD0 with camera, orientation and EXIF directory, and IFD1 with a thumbnail."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112], exif[0x8298] = "Zeiss", orientation, "© Mia"
    exif.get_ifd(0x8769)[0x829A] = 0.004
    exif.get_ifd(0x8769)[0x927C] = b"maker note"
    exif.get_ifd(0x8825)[0x0001] = "N"
    blob = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    at = struct.unpack_from(order + "I", blob, 4)[0]
    (count,) = struct.unpack_from(order + "H", blob, at)
    struct.pack_into(order + "I", blob, at + 2 + 12 * count, len(blob))
    return bytes(blob) + struct.pack(order + "HHHIII", 1, 0x0201, 4, 1, 8, 0)


def read_back(path: Path) -> Image.Image:
    """The file as another program sees it."""
    return pillow_heif.open_heif(path).to_pillow() if path.suffix == ".heic" else Image.open(path)


samples = st.tuples(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.sampled_from([np.uint8, np.uint16])
).flatmap(lambda s: arrays.arrays(s[3], s[:3]))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(array=samples, ending=st.sampled_from(LOSSLESS), icc=st.sampled_from([None, SRGB]))
def test_lossless_formats_keep_every_bit(tmp_path, array, ending, icc):
    source = load(array)
    source = Photo(source.pixels, source.alpha, icc=icc)
    again = load(save(source, tmp_path / f"a.{ending}", overwrite=True))
    assert again.digest == source.digest
    assert again.bits == 8 * array.itemsize and again.icc == icc
    third = load(save(again, tmp_path / f"b.{ending}", overwrite=True))
    assert third.digest == source.digest


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(array=samples, ending=st.sampled_from(["jpg", "webp", "heic"]))
def test_lossy_formats_keep_size_and_meaning(tmp_path, array, ending):
    source = load(array)
    again = load(save(source, tmp_path / f"a.{ending}", overwrite=True))
    assert again.pixels.shape[:2] == array.shape[:2]
    assert again.bits == (source.bits if ending == "heic" else 8)
    seen_through = source.alpha is not None and ending != "jpg"
    if ending == "webp" and seen_through:  # libwebp leaves out an alpha that hides nothing
        seen_through = source.to_pil().getextrema()[-1][0] < 255
    assert (again.alpha is not None) == seen_through


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("ending", ["jpg", "webp", "heic", "png", "tif"])
def test_a_smooth_picture_looks_the_same_in_every_format(tmp_path, ending, bits):
    source = load(scene(bits=bits))
    again = load(save(source, tmp_path / f"a.{ending}"))
    assert np.abs(again.srgb8().astype(int) - source.srgb8()).max() <= 6


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA"])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_every_pillow_mode_is_read_as_pillow_shows_it(tmp_path, mode, ending):
    image = Image.fromarray(scene(channels=4)).convert("RGBA" if mode != "1" else "L")
    image = image.convert("RGB").quantize(7) if mode in ("P", "PA") else image.convert(mode)
    if mode == "PA" and ending == "png":
        image.info["transparency"] = 3
    image.save(tmp_path / f"a.{ending}")
    photo = load(tmp_path / f"a.{ending}")
    expected = np.asarray(Image.open(tmp_path / f"a.{ending}").convert("RGBA"))
    assert np.array_equal(np.asarray(photo.to_pil().convert("RGBA")), expected)
    assert photo.pixels.shape[2] == (1 if mode in ("1", "L", "LA") else 3)


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_png_transparent_colours_become_alpha(depth):
    """A grey PNG whose value 1 is transparent, at every depth."""
    row = {2: bytes([0b00011011]), 4: bytes([0x01, 0x23]), 8: bytes(range(4))}.get(depth)
    row = row or struct.pack(">4H", 0, 1, 2, 3)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", 4, 1, depth, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", 1)),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ):
        data += struct.pack(">I", len(body)) + kind + body
        data += struct.pack(">I", zlib.crc32(kind + body))
    photo = load(data)
    top = 2**photo.bits - 1
    assert photo.alpha.tolist() == [[top, 0, top, top]]
    assert photo.bits == (16 if depth == 16 else 8)
    assert photo.pixels[0, 3, 0] == {2: 255, 4: 51}.get(depth, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_orientation_is_applied_and_reset(tmp_path, ending, orientation):
    stored = Image.fromarray(scene())
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Zeiss"
    path = tmp_path / f"a.{ending}"
    stored.save(path, exif=exif, quality=95, lossless=True)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    photo = load(path)
    assert np.array_equal(photo.pixels, expected)
    out = read_back(save(photo, tmp_path / f"b.{ending}"))
    assert out.size == (photo.width, photo.height)
    assert out.getexif()[0x0112] == 1 and out.getexif()[0x010F] == "Zeiss"
    assert load(tmp_path / f"b.{ending}").pixels.shape == photo.pixels.shape


def test_orientation_of_16_bit_and_alpha(tmp_path):
    source = load(scene(channels=4, bits=16))
    path = save(Photo(source.pixels, source.alpha, exif=exif_bytes(6)), tmp_path / "a.png")
    turned = path.read_bytes().replace(exif_bytes_saved(path), exif_bytes(6), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = load(fix_crc(turned, b"eXIf"))
    assert np.array_equal(photo.pixels, np.rot90(source.pixels, -1))
    assert np.array_equal(photo.alpha, np.rot90(source.alpha, -1))


def exif_bytes_saved(path: Path) -> bytes:
    data = path.read_bytes()
    at = data.index(b"eXIf")
    return data[at + 4 : at + 4 + struct.unpack_from(">I", data, at - 4)[0]]


def fix_crc(png: bytes, kind: bytes) -> bytes:
    at = png.index(kind)
    end = at + 4 + struct.unpack_from(">I", png, at - 4)[0]
    return png[:end] + struct.pack(">I", zlib.crc32(png[at:end])) + png[end + 4 :]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "heic"])
def test_metadata_goes_along(tmp_path, ending, bits, order):
    icc = profile("adobe")
    photo = Photo(scene(bits=bits), icc=icc, exif=exif_bytes(6, order), xmp=XMP)
    first = load(save(photo, tmp_path / f"a.{ending}"))
    again = load(save(first, tmp_path / f"b.{ending}"))
    for copy in (first, again):
        assert copy.icc == icc
        assert copy.xmp == XMP.replace(b'"6"', b'"1"').replace(b">8<", b">1<")
    out = read_back(tmp_path / f"b.{ending}")
    exif = Image.Exif()
    exif.load(again.exif)
    seen = [exif] if ending == "heic" else [exif, out.getexif()]
    for tags in seen:
        assert tags[0x010F] == "Zeiss" and tags.get(0x0112, 1) == 1
        assert float(tags.get_ifd(0x8769)[0x829A]) == pytest.approx(0.004)
        assert tags.get_ifd(0x8769)[0x927C] == b"maker note"
        assert tags.get_ifd(0x8825)[0x0001] == "N"
        assert not tags.get_ifd(0x0201) and 0x0201 not in tags
    assert out.info["icc_profile"] == icc


def test_the_exif_blob_changes_only_in_two_places(tmp_path):
    photo = Photo(scene(), exif=exif_bytes(6))
    again = load(save(photo, tmp_path / "a.jpg"))
    changed = [i for i, (a, b) in enumerate(zip(photo.exif, again.exif, strict=True)) if a != b]
    assert 0 < len(changed) <= 6  # the orientation and the link to the thumbnail


def test_metadata_crosses_formats(tmp_path):
    photo = Photo(scene(bits=16), icc=profile("prophoto"), exif=exif_bytes(), xmp=XMP)
    for i, ending in enumerate(["tif", "png", "jpg", "webp", "heic", "tiff"]):
        photo = load(save(photo, tmp_path / f"{i}.{ending}"))
        exif = Image.Exif()
        exif.load(photo.exif)
        assert photo.icc == profile("prophoto") and b"Mia" in photo.xmp
        assert exif[0x010F] == "Zeiss" and exif.get_ifd(0x8769)[0x927C] == b"maker note"


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


def test_jpeg_comment_and_iptc_are_kept(tmp_path):
    iptc = b"\xff\xed\x00\x1aPhotoshop 3.0\x008BIM\x04\x04\0\0\0\0"
    Image.fromarray(scene()).save(tmp_path / "a.jpg", comment=b"hello", extra=iptc)
    save(load(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    data = (tmp_path / "b.jpg").read_bytes()
    assert iptc in data and Image.open(tmp_path / "b.jpg").info["comment"] == b"hello"


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_stays_lossless_only_if_it_was(tmp_path, lossless):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 4), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.webp", lossless=lossless, exact=True)
    photo = load(tmp_path / "a.webp")
    again = load(save(photo, tmp_path / "b.webp"))
    assert (again.digest == photo.digest) == lossless
    assert again.encoding["lossless"] == lossless
    if lossless:
        assert np.array_equal(photo.pixels, noise[..., :3])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "packbits"])
def test_tiff_keeps_its_compression(tmp_path, compression, bits):
    array = scene(bits=bits)
    image = pyvips.Image.new_from_array(array).copy(interpretation="srgb" if bits == 8 else "rgb16")
    image.tiffsave(str(tmp_path / "a.tif"), compression=compression, predictor="none")
    save(load(tmp_path / "a.tif"), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as a, tifffile.TiffFile(tmp_path / "b.tif") as b:
        assert a.pages[0].compression == b.pages[0].compression
        assert a.pages[0].predictor == b.pages[0].predictor
    assert np.array_equal(load(tmp_path / "b.tif").pixels, array)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("extra", ["assocalpha", "unassalpha", "unspecified"])
def test_tiff_alpha_of_every_kind_is_bit_exact(tmp_path, extra, bigtiff, order, bits):
    rng = np.random.default_rng(1)
    top = 2**bits - 1
    alpha = rng.integers(0, top + 1, (30, 20, 1))
    colours = np.minimum(rng.integers(0, top + 1, (30, 20, 3)), alpha)
    stored = np.concatenate([colours, alpha], -1).astype(np.uint8 if bits == 8 else np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", extrasamples=[extra], bigtiff=bigtiff,
        byteorder=order, resolution=(240, 240), resolutionunit=2, description="Mia",
    )  # fmt: skip
    save(load(tmp_path / "a.tif"), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as out:
        page = out.pages[0]
        assert [int(e) for e in page.extrasamples] == [
            {"unspecified": 0, "assocalpha": 1, "unassalpha": 2}[extra]
        ]
        assert page.tags["XResolution"].value == (240, 1) and page.tags["ResolutionUnit"].value == 2
        assert page.description == "Mia"
        assert np.array_equal(page.asarray(), stored)


def test_premultiplied_colour_is_straightened(tmp_path):
    stored = np.array([[[64, 32, 0, 128]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    assert load(tmp_path / "a.tif").pixels.tolist() == [[[128, 64, 0]]]


@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero_tiffs_are_not_negatives(tmp_path, bits):
    array = scene(channels=1, bits=bits)[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    photo = load(tmp_path / "a.tif")
    assert np.array_equal(photo.pixels[..., 0], 2**bits - 1 - array)
    assert load(save(photo, tmp_path / "b.tif")).digest == photo.digest


def test_ten_bit_heic_keeps_its_depth(tmp_path):
    photo = load(save(Photo(scene(bits=16)), tmp_path / "a.heic"))
    assert photo.bits == 16
    again = load(save(photo, tmp_path / "b.heic"))
    assert again.bits == 16
    assert pillow_heif.open_heif(tmp_path / "b.heic").info["bit_depth"] == 10
    assert np.abs(again.pixels.astype(int) - photo.pixels).max() < 1500

    white = Photo(np.full((16, 16, 3), 65535, np.uint16))
    assert load(save(white, tmp_path / "white.heic")).pixels.min() == 65535


def heic(**options) -> bytes:
    out = io.BytesIO()
    pillow_heif.encode("RGB", (64, 48), scene().tobytes(), out, quality=95, **options)
    return out.getvalue()


def test_heic_turned_by_its_container_is_not_turned_twice():
    photo = load(heic(exif=b"Exif\0\0" + exif_bytes(6)))
    assert (photo.height, photo.width) == (64, 48)
    assert np.abs(photo.pixels.astype(int) - np.rot90(scene(), -1)).max() < 12


def test_heic_colour_code_points():
    assert load(heic(color_primaries=1, transfer_characteristic=13)).icc is None
    wide = load(heic(color_primaries=12, transfer_characteristic=13))
    assert np.abs(wide.srgb8().astype(int) - wide.pixels).max() > 10
    with pytest.raises(PhotoError, match="HDR"):
        load(heic(color_primaries=9, transfer_characteristic=16))


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


@pytest.mark.parametrize("icc", [b"no profile", SRGB[:150], profile("grey")])
def test_a_useless_profile_is_carried_but_reads_as_srgb(tmp_path, icc):
    photo = Photo(scene(), icc=icc)
    assert np.array_equal(photo.srgb8(), photo.pixels)
    for ending in ("jpg", "png", "webp", "tif"):
        assert load(save(photo, tmp_path / f"a.{ending}")).icc == icc


def test_wide_gamut_16_bit_tiff_round_trip(tmp_path):
    photo = Photo(scene(bits=16), icc=profile("prophoto"), xmp=XMP)
    again = load(save(photo, tmp_path / "a.tif"))
    assert again.digest == photo.digest and again.icc == photo.icc
    assert pyvips.Image.new_from_file(str(tmp_path / "a.tif")).get("icc-profile-data") == photo.icc


def test_alpha_is_laid_over_white_for_jpeg(tmp_path):
    pixels = np.full((16, 16, 3), 200, np.uint8)
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:, 8:] = 0
    out = load(save(Photo(pixels, alpha), tmp_path / "a.jpg")).pixels
    assert abs(int(out[0, 0, 0]) - 200) <= 2 and out[0, -1, 0] >= 253


def test_digest_sees_pixels_alpha_shape_and_type():
    base = Photo(scene())
    others = [
        Photo(scene()[::-1]), Photo(scene().reshape(64, 48, 3)), Photo(scene(bits=16)),
        Photo(scene(), np.zeros((48, 64), np.uint8)),
    ]  # fmt: skip
    assert base.digest == Photo(scene(), icc=SRGB).digest
    assert len({base.digest, *(o.digest for o in others)}) == 5


def test_sources_of_every_kind(tmp_path):
    array = scene()
    path = save(load(array), tmp_path / "a.png")
    photos = [load(array), load(path), load(str(path)), load(path.read_bytes()),
              load(Image.open(path)), load(Image.fromarray(array))]  # fmt: skip
    assert len({p.digest for p in photos}) == 1
    assert photos[1].path == path and photos[0].path is None and photos[0].format == "png"
    array[:] = 0
    assert photos[0].pixels.any(), "the photo keeps its own copy"
    with pytest.raises(ValueError):
        photos[0].pixels[0] = 0


def test_with_pixels_and_to_pil():
    photo = Photo(scene(channels=3, bits=16), np.full((48, 64), 65535, np.uint16), icc=SRGB)
    other = photo.with_pixels(photo.pixels[::-1])
    assert other.icc == SRGB and other.digest != photo.digest
    assert np.array_equal(other.srgb8(), photo.srgb8()[::-1]), "the cache is not taken along"
    assert photo.to_pil().mode == "RGBA" and photo.to_pil().size == (64, 48)
    with pytest.raises(ValueError):
        photo.with_pixels(photo.pixels[:10])
    with pytest.raises(ValueError):
        photo.with_pixels(photo.pixels.astype(np.uint8))


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
    with pytest.raises(PhotoError, match="EXIF"):
        save(Photo(scene(), exif=exif_bytes() + bytes(70_000)), tmp_path / "a.jpg")
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


PORTRAIT = Path(__file__).parents[3] / "shared/data/pairs/ffhqr_00000_before.jpg"


@pytest.mark.skipif(not PORTRAIT.exists(), reason="the shared photos are not here")
def test_a_real_portrait_goes_through_every_format(tmp_path):
    photo = load(PORTRAIT)
    again = load(save(photo, tmp_path / "a.jpg"))
    a, b = Image.open(PORTRAIT), Image.open(tmp_path / "a.jpg")
    assert a.quantization == b.quantization and a.layer == b.layer
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 1
    for ending in LOSSLESS:
        assert load(save(photo, tmp_path / f"a.{ending}")).digest == photo.digest
