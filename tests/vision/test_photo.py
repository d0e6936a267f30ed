"""Photos in and out: bits, metadata and orientation survive."""

from __future__ import annotations

import struct
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
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from tests.vision.made_photos import (
    SRGB,
    XMP,
    exif_bytes,
    heic,
    profile,
    read_back,
    scene,
)
from vision.photo import Photo, PhotoError, load, save

PORTRAIT = Path(__file__).parents[3] / "shared/data/pairs/ffhqr_00000_before.jpg"
LOSSLESS = ("png", "tif")
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


@pytest.mark.parametrize("key", ["Comment", "XML:com.adobe.xmp"])
def test_a_png_with_long_texts_is_read_and_keeps_them(tmp_path, key):
    texts = PngInfo()
    texts.add_itxt(key, "freckle " * 200_000, zip=True)
    Image.fromarray(scene()).save(tmp_path / "a.png", pnginfo=texts)
    photo = load(tmp_path / "a.png")
    assert np.array_equal(photo.pixels, scene())
    save(photo, tmp_path / "b.png")
    chunk = b"iTXt" + key.encode()
    assert chunk in (tmp_path / "b.png").read_bytes() and np.array_equal(
        load(tmp_path / "b.png").pixels, scene()
    )


def test_jpeg_comment_and_iptc_are_kept(tmp_path):
    iptc = b"\xff\xed\x00\x1aPhotoshop 3.0\x008BIM\x04\x04\0\0\0\0"
    Image.fromarray(scene()).save(tmp_path / "a.jpg", comment=b"hello", extra=iptc)
    save(load(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    data = (tmp_path / "b.jpg").read_bytes()
    assert iptc in data and Image.open(tmp_path / "b.jpg").info["comment"] == b"hello"


def resource(number: int, value: bytes) -> bytes:
    """One of Photoshop's image resources without a name."""
    padding = b"\0" * (len(value) % 2)
    return b"8BIM" + struct.pack(">HHI", number, 0, len(value)) + value + padding


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_photoshops_thumbnail_of_the_photo_before_is_left_out(tmp_path, ending):
    credit, thumbnail = resource(1028, b"\x1c\x02P\0\x08Jane Doe"), resource(1036, b"face" * 30_001)
    resources = resource(1005, b"dpi") + thumbnail + credit
    file = tmp_path / f"a.{ending}"
    if ending == "jpg":
        parts = [resources[at : at + 60_000] for at in range(0, len(resources), 60_000)]
        bodies = [b"Photoshop 3.0\0" + part for part in parts]
        extra = b"".join(b"\xff\xed" + struct.pack(">H", len(b) + 2) + b for b in bodies)
        Image.fromarray(scene()).save(file, extra=extra)
    else:
        tags = [(34377, 7, len(resources), resources, True)]
        tifffile.imwrite(file, scene(), photometric="rgb", extratags=tags)
    save(load(file), tmp_path / f"b.{ending}")
    data = (tmp_path / f"b.{ending}").read_bytes()
    assert resource(1005, b"dpi") + credit in data and b"facefaceface" not in data


@pytest.mark.parametrize("order", ["<", ">"])
def test_iptc_is_a_stream_of_bytes_whatever_its_writer_calls_it(tmp_path, order):
    credit = b"\x1c\x02P\0\x08Jane Doe\x1c\x02\0"
    numbers = struct.unpack(f"{order}4I", credit)
    tags = [(33723, 4, 4, numbers, True)]
    tifffile.imwrite(
        tmp_path / "a.tif", scene(), photometric="rgb", byteorder=order, extratags=tags
    )
    assert credit in (tmp_path / "a.tif").read_bytes()
    save(load(tmp_path / "a.tif"), tmp_path / "b.tif")
    assert credit in (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_width_and_height_in_the_metadata_are_those_of_the_upright_photo(
    tmp_path, orientation, order
):
    height, width = scene().shape[:2]
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0xA002: width, 0xA003: height})
    xmp = XMP.replace(
        b"</x:xmpmeta>",
        b'<r exif:PixelXDimension="%d" exif:PixelYDimension="%d"/></x:xmpmeta>' % (width, height),
    )
    assert xmp != XMP
    Image.fromarray(scene()).save(tmp_path / "a.jpg", exif=exif, xmp=xmp)
    again = load(save(load(tmp_path / "a.jpg"), tmp_path / "b.jpg"))
    stored = Image.open(tmp_path / "b.jpg").getexif().get_ifd(0x8769)
    assert (stored[0xA002], stored[0xA003]) == (again.width, again.height)
    said = b'exif:PixelXDimension="%d" exif:PixelYDimension="%d"' % (again.width, again.height)
    assert said in again.xmp
    assert (again.width == height) == (orientation in (6, 8)) and width != height


def test_a_saved_selection_of_a_tiff_is_no_transparency(tmp_path):
    stored = np.dstack([scene(), np.zeros(scene().shape[:2], np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["unspecified"])
    photo = load(tmp_path / "a.tif")
    assert photo.to_pil().mode == "RGB"
    assert np.array_equal(load(save(photo, tmp_path / "b.png")).pixels, scene())
    seen = load(save(photo, tmp_path / "b.jpg")).pixels
    assert np.abs(seen.astype(int) - scene()).mean() < 3


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


@pytest.mark.skipif(not PORTRAIT.exists(), reason="the shared photos are not here")
def test_a_real_portrait_goes_through_every_format(tmp_path):
    photo = load(PORTRAIT)
    again = load(save(photo, tmp_path / "a.jpg"))
    a, b = Image.open(PORTRAIT), Image.open(tmp_path / "a.jpg")
    assert a.quantization == b.quantization and a.layer == b.layer
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 1
    for ending in LOSSLESS:
        assert load(save(photo, tmp_path / f"a.{ending}")).digest == photo.digest


def test_a_tiff_with_the_layers_of_an_editor_is_read(tmp_path):
    layers = bytes(60_000_000)
    file = tmp_path / "layers.tif"
    tags = [(37724, 7, len(layers), layers, True)]
    tifffile.imwrite(file, scene(), photometric="rgb", extratags=tags)
    assert np.array_equal(load(file).pixels, scene())


def test_a_pillow_image_brings_its_xmp(tmp_path):
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>1</a></x:xmpmeta>'
    file = tmp_path / "a.jpg"
    Image.fromarray(scene()).save(file, xmp=packet)
    with Image.open(file) as image:
        assert load(image).xmp == packet
