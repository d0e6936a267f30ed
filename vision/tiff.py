"""TIFF, 8 and 16 bit: samples through libvips, tags carried as raw entries.

Samples come back bit for bit, premultiplied ones too. Strips or tiles, byte order and colour
layout are written anew; compression, predictor, resolution and descriptive tags are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyvips

from vision import exif, photoshop
from vision.exif import Entry
from vision.raster import Raster, Refusal, check_size, from_vips, join, split, to_vips

XMP, IPTC, PHOTOSHOP, ICC, EXTRA_SAMPLES, DNG_VERSION = 700, 33723, 34377, 34675, 338, 50706
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
UNSPECIFIED, PREMULTIPLIED = 0, 1  # of extra samples: what the fourth channel is (2: opacity)
_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PREDICTOR, _FORMAT = (
    254, 258, 259, 262, 277, 317, 339,
)  # fmt: skip
_PHOTOMETRIC_NAMES = {5: "CMYK", 8: "Lab", 9: "Lab", 10: "Lab", 32803: "camera raw", 34892: "raw"}
# Lossy and rare schemes are rewritten losslessly with deflate.
_COMPRESSIONS = {1: "none", 5: "lzw", 32773: "packbits"}


def decode(data: bytes) -> Raster:
    """A TIFF file's only full-size page. Raises Refusal, exif.Malformed, pyvips.Error."""
    header = exif.read_header(data)
    entries, following = exif.read_directory(data, header.first, header, whole=True)
    tags = {e.tag: e for e in entries}
    _refuse_raw(data, tags)
    _refuse_pages(data, following, header)
    _refuse_layout(tags)
    premultiplied = _number(tags, EXTRA_SAMPLES, 0) == PREMULTIPLIED
    if premultiplied:  # libvips would divide by alpha and cut the fraction off
        patched = bytearray(data)
        struct.pack_into(header.order + "H", patched, tags[EXTRA_SAMPLES].at, 2)
        data = bytes(patched)
    # Unlimited is the memory for tags and strips, of which layered files of 50 MB and more have
    # much; the size of the picture is checked already.
    samples = from_vips(pyvips.Image.tiffload_buffer(data, fail_on="error", unlimited=True))
    if samples.dtype not in (np.uint8, np.uint16) or samples.shape[2] > 4:
        raise Refusal("has an unusual layout of samples; save it as 8 or 16 bit RGB")
    pixels, alpha = split(samples, premultiplied)
    return Raster(
        pixels,
        alpha,
        icc=_bytes(tags, ICC),
        xmp=_bytes(tags, XMP),
        exif=exif.blob(described) if (described := exif.descriptive(data)) else None,
        orientation=_number(tags, exif.ORIENTATION, 1),
        encoding={
            "compression": _COMPRESSIONS.get(_number(tags, _COMPRESSION, 1), "deflate"),
            "predictor": "horizontal" if _number(tags, _PREDICTOR, 1) == 2 else "none",
            "extra_samples": _number(tags, EXTRA_SAMPLES, 2),
            "tags": tuple(_carried(tags)),
        },
    )


def _carried(tags: dict[int, Entry]) -> Iterator[Entry]:
    """IPTC, and what Photoshop wrote but its thumbnail, which shows the photo as it was."""
    if IPTC in tags:
        yield tags[IPTC]
    if resources := _bytes(tags, PHOTOSHOP):
        yield Entry(PHOTOSHOP, 7, photoshop.without_thumbnail(resources))


def encode(raster: Raster) -> bytes:
    """The whole file. LZW with a predictor, straight alpha unless `raster.encoding` says else."""
    options: dict[str, Any] = {
        "compression": "lzw",
        "predictor": "horizontal",
        "extra_samples": 2,
        "tags": (),
    }
    options |= raster.encoding
    samples = join(raster, premultiplied=options["extra_samples"] == PREMULTIPLIED)
    data = to_vips(samples).tiffsave_buffer(
        compression=options["compression"], predictor=options["predictor"], keep="none"
    )
    entries = [*options["tags"], Entry(exif.ORIENTATION, 3, b"\1\0")]
    if raster.exif:
        entries += exif.descriptive(raster.exif)
    if raster.alpha is not None:
        entries.append(Entry(EXTRA_SAMPLES, 3, struct.pack("<H", options["extra_samples"])))
    entries += [Entry(tag, 7, v) for tag, v in ((ICC, raster.icc), (XMP, raster.xmp)) if v]
    return _with_entries(data, tuple(entries))


def _with_entries(data: bytes, entries: tuple[Entry, ...]) -> bytes:
    """A little-endian TIFF file with `entries` added to, or replacing those of, its directory."""
    header = exif.read_header(data)
    own, _ = exif.read_directory(data, header.first, header)
    if len(data) % 2:
        data += b"\0"  # directories start on a word
    directory = exif.write_directory((*own, *entries), len(data))
    return b"".join([data[:4], struct.pack("<I", len(data)), memoryview(data)[8:], directory])


def _refuse_raw(data: bytes, tags: dict[int, Entry]) -> None:
    """Camera raw files wear a TIFF header; their first page is a thumbnail."""
    if DNG_VERSION in tags or data[8:10] == b"CR" or _number(tags, _SUBFILE, 0) & 1:
        raise Refusal("is a camera raw file; develop it to a JPEG or TIFF first")


def _refuse_pages(data: bytes, following: int, header: exif.Header) -> None:
    """Further pages would be lost on saving; reduced copies of the first one may go."""
    seen = set()
    while following and following not in seen:
        seen.add(following)
        entries, following = exif.read_directory(data, following, header)
        if not _number({e.tag: e for e in entries}, _SUBFILE, 0) & 1:
            raise Refusal("has several pages; save the page you want as a file of its own")


def _refuse_layout(tags: dict[int, Entry]) -> None:
    check_size(_number(tags, 256, 0), _number(tags, 257, 0))
    bits = set(tags[_BITS].numbers()) if _BITS in tags else {1}
    formats = set(tags[_FORMAT].numbers()) if _FORMAT in tags else {1}
    if formats - {1, 4} or len(bits) > 1 or not bits <= {1, 2, 4, 8, 16}:
        kind = "floating-point" if 3 in formats else f"{max(bits)} bit"
        raise Refusal(f"holds {kind} samples; save it with 8 or 16 bits per channel")
    photometric = _number(tags, _PHOTOMETRIC, MIN_IS_BLACK)
    jpeg = _number(tags, _COMPRESSION, 1) == 7
    readable = {MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE} | ({YCBCR} if jpeg else set())
    if photometric not in readable:
        name = _PHOTOMETRIC_NAMES.get(photometric, f"colour encoding {photometric}")
        raise Refusal(f"is a {name} TIFF; convert it to RGB first")
    extra = _number(tags, _SAMPLES, 1) - (3 if photometric in (RGB, YCBCR) else 1)
    if extra not in (0, 1) or (extra and photometric == PALETTE):
        raise Refusal("has extra channels beside one alpha; flatten it to RGB first")


def _number(tags: dict[int, Entry], tag: int, default: int) -> int:
    return tags[tag].numbers()[0] if tag in tags else default


def _bytes(tags: dict[int, Entry], tag: int) -> bytes | None:
    value = tags[tag].value if tag in tags else None
    return value if isinstance(value, bytes) else None
