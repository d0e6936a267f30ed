"""JPEG, PNG, WebP and HEIC: bytes to `Raster` and back, metadata carried explicitly.

Pillow's decoders are made directly rather than by `Image.open`: its pixel limits are global
switches of the host program, and ours (`raster.MAX_PIXELS`) is checked on the header anyway.
"""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pillow_heif
import pyvips
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vision import exif, photoshop
from vision.colour import named_profile
from vision.raster import Raster, Refusal, check_size, from_vips, join, split, to_vips

_EXIF_PREFIX = b"Exif\0\0"
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_SEGMENT_LIMIT = 65533  # bytes in one JPEG segment
_PROFILE_LIMIT = 255 * (_SEGMENT_LIMIT - 14)  # it is numbered by a byte and spread over so many
_SUBSAMPLING = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # Pillow's numbers for 4:4:4, 4:2:2, 4:2:0
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0"
_PNG_CARRIED = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
# Chunks that decide pixels; Pillow refuses others for their length, and none of them is lost.
_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_ROOMY = threading.Lock()
_MAX_INFLATED = 1 << 26  # a profile or packet that inflates beyond this is an attack


class _Jpeg(JpegImageFile):
    """Pillow's reader without its look into EXIF, which warns about damage nobody asked about."""

    def _read_dpi_from_exif(self) -> None:
        return


def decode_jpeg(data: bytes) -> Raster:
    """The first picture of the file; previews and gain maps behind it are not read."""
    image = _Jpeg(io.BytesIO(data))
    check_size(*image.size)
    if image.mode == "CMYK":
        raise Refusal("is a CMYK JPEG; convert it to RGB first")
    pixels, _ = samples_of(image)
    info = image.info
    blob = unprefixed(info.get("exif"))
    return Raster(
        pixels,
        icc=info.get("icc_profile"),
        exif=blob,
        xmp=info.get("xmp"),
        orientation=exif.orientation(blob),
        encoding=_jpeg_encoding(image),
    )


def _jpeg_encoding(image: JpegImageFile) -> dict[str, Any]:
    """Options that make Pillow write with this file's own tables, subsampling and segments."""
    options: dict[str, Any] = {"progressive": "progressive" in image.info}
    tables = [component[3] for component in image.layer]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()  # the encoder repeats the last table for the components that follow
    options["qtables"] = [list(image.quantization[number]) for number in tables]
    if image.layers == 3:
        (_, h, v, _), (_, ch, cv, _) = image.layer[:2]
        # Ratios that Pillow cannot write (4:4:0, 4:1:1) become 4:4:4: never coarser than before.
        options["subsampling"] = _SUBSAMPLING.get((h // ch, v // cv), 0)
        options["keep_rgb"] = _is_rgb(image)
    if image.info.get("jfif_unit") in (1, 2):
        options["dpi"] = image.info["dpi"]
    if "comment" in image.info:
        options["comment"] = image.info["comment"]
    options["extra"] = b"".join(_segment(number, body) for number, body in _carried(image.applist))
    return options


def _is_rgb(image: JpegImageFile) -> bool:
    """As libjpeg decides it: by Adobe's marker, and without any by the components' names."""
    if "adobe" in image.info:
        return image.info.get("adobe_transform") == 0
    return "jfif" not in image.info and bytes(one[0] for one in image.layer) == b"RGB"


def lying(encoding: dict[str, Any]) -> dict[str, Any]:
    """Options of `_jpeg_encoding` for pixels that were turned by a quarter since: as fine across
    as they were down."""
    tables = [np.reshape(table, (8, 8)).T.ravel().tolist() for table in encoding["qtables"]]
    turned = encoding | {"qtables": tables}
    if turned.get("subsampling") == _SUBSAMPLING[2, 1]:
        turned["subsampling"] = 0  # 4:4:0, which Pillow cannot write
    return turned


def _carried(segments: list[tuple[str, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Of a JPEG's APP segments, those that go along as they are, by number: more XMP, and what
    Photoshop wrote, which may be one stream over several segments, but its thumbnail."""
    resources = b""
    for name, body in segments:
        if name == "APP13" and body.startswith(photoshop.PREFIX):
            resources += body.removeprefix(photoshop.PREFIX)
        elif name == "APP13" or (name == "APP1" and body.startswith(_XMP_EXTENSION)):
            yield int(name[3:]), body
    resources = photoshop.without_thumbnail(resources)
    for at in range(0, len(resources), photoshop.SEGMENT):
        yield 13, photoshop.PREFIX + resources[at : at + photoshop.SEGMENT]


def encode_jpeg(raster: Raster) -> bytes:
    """Without the source's tables: quality 95, no subsampling."""
    options = dict(raster.encoding or {"quality": 95, "subsampling": 0})
    held = (("XMP", raster.xmp, _SEGMENT_LIMIT - 29), ("profile", raster.icc, _PROFILE_LIMIT))
    for name, body, most in held:
        if len(body or b"") > most:
            size = len(body or b"")
            raise Refusal(f"a JPEG cannot hold its {name} of {size} bytes; save as PNG or TIFF")
    # Pillow reads EXIF that is spread over several segments as one, and would write one only.
    blob, part = raster.exif or b"", _SEGMENT_LIMIT - len(_EXIF_PREFIX)
    parts = [_EXIF_PREFIX + blob[at : at + part] for at in range(0, len(blob), part)]
    segments = b"".join(_segment(1, body) for body in parts)
    options["extra"] = segments + options.get("extra", b"")
    return _pillow_bytes(raster, "JPEG", xmp=raster.xmp, icc_profile=raster.icc, **options)


def _segment(number: int, body: bytes) -> bytes:
    """A JPEG's APP segment."""
    return struct.pack(">BBH", 0xFF, 0xE0 + number, len(body) + 2) + body


def decode_png(data: bytes) -> Raster:
    """Palette and 1, 2, 4 bit files become 8 bit; a transparent colour becomes alpha."""
    chunks = list(_png_chunks(data))
    kinds = dict(chunks)
    width, height, depth, colour_type = struct.unpack_from(">IIBB", kinds.get(b"IHDR", b""))
    check_size(width, height)
    if b"acTL" in kinds and kinds[b"acTL"][:4] != b"\0\0\0\1":
        raise Refusal("is an animated PNG; save one frame of it as a file of its own")
    if depth == 16 or (b"tRNS" in kinds and colour_type != 3):
        pixels, alpha = split(from_vips(pyvips.Image.pngload_buffer(data, fail_on="error")))
    else:
        pixels, alpha = samples_of(PngImageFile(io.BytesIO(_bare_png(data))))
    icc = _inflated(kinds[b"iCCP"].split(b"\0", 1)[-1][1:]) if b"iCCP" in kinds else None
    if icc is None and len(kinds.get(b"cICP", b"")) == 4:
        icc = named_profile(*kinds[b"cICP"][:2])
    packets = [body for kind, body in chunks if kind == b"iTXt" and body.startswith(_PNG_XMP)]
    blob = unprefixed(kinds.get(b"eXIf"))
    return Raster(
        pixels,
        alpha,
        icc=icc,
        exif=blob,
        xmp=_international_text(packets[0]) if packets else None,
        orientation=exif.orientation(blob),
        encoding={"chunks": [c for c in chunks if c[0] in _PNG_CARRIED and c[1] not in packets]},
    )


def encode_png(raster: Raster) -> bytes:
    """Pixels through Pillow (8 bit) or libvips (16 bit), every other chunk written here."""
    if raster.pixels.dtype == np.uint16:
        data = to_vips(join(raster)).pngsave_buffer(keep="none", filter="sub")
    else:
        data = _pillow_bytes(raster, "PNG")
    metadata = list(raster.encoding.get("chunks", ()))
    if raster.icc:
        metadata.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(raster.icc)))
    if raster.exif:
        metadata.append((b"eXIf", raster.exif))
    if raster.xmp:
        metadata.append((b"iTXt", _PNG_XMP + b"\0\0\0\0" + raster.xmp))
    image = [c for c in _png_chunks(data) if c[0] in (b"IHDR", b"IDAT", b"IEND")]
    parts = [_PNG_SIGNATURE]
    for kind, body in (image[0], *metadata, *image[1:]):
        crc = zlib.crc32(body, zlib.crc32(kind))
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", crc)]
    return b"".join(parts)


def decode_webp(data: bytes) -> Raster:
    """Lossless files are recognised, and stay lossless."""
    if len(data) < 8 or struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise Refusal("is cut short; use another copy of the file")
    image = WebPImageFile(io.BytesIO(data))
    check_size(*image.size)
    if image.is_animated:
        raise Refusal("is an animated WebP; save one frame of it as a file of its own")
    pixels, alpha = samples_of(image)
    blob = unprefixed(image.info.get("exif"))
    return Raster(
        pixels,
        alpha,
        icc=image.info.get("icc_profile"),
        exif=blob,
        xmp=image.info.get("xmp"),
        orientation=exif.orientation(blob),
        encoding={"lossless": b"VP8L" in _webp_chunks(data)},
    )


def encode_webp(raster: Raster) -> bytes:
    """Lossless where the source was (`exact`: colours under full transparency too), else 95."""
    lossless = raster.encoding.get("lossless", False)
    return _pillow_bytes(
        raster,
        "WEBP",
        lossless=lossless,
        exact=lossless,
        quality=80 if lossless else 95,  # for lossless this is the effort, not the quality
        exif=raster.exif or b"",
        xmp=raster.xmp or b"",
        icc_profile=raster.icc,
    )


def decode_heif(data: bytes) -> Raster:
    """The primary image, upright already: HEIC turns pixels itself and its EXIF tag is void.

    10 and 12 bit files become 16 bit with the lowest bits repeated from the highest, so that
    white is 65535.
    """
    image = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    check_size(*image.size)
    colour = image.info.get("nclx_profile", {})
    icc = image.info.get("icc_profile") or named_profile(
        colour.get("color_primaries", 2), colour.get("transfer_characteristics", 2)
    )
    samples = np.asarray(image)
    if samples.dtype == np.uint16:
        samples = samples | (samples >> image.info["bit_depth"])
    pixels, alpha = split(samples, image.premultiplied_alpha)
    return Raster(
        pixels,
        alpha,
        icc=icc,
        exif=unprefixed(image.info.get("exif")),
        xmp=image.info.get("xmp"),
        encoding={"chroma": image.info.get("chroma", 444)},
    )


def encode_heif(raster: Raster) -> bytes:
    """Quality 95 (HEIC files do not say theirs); 16 bit samples are written with 10 bits."""
    samples = join(raster)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[samples.shape[2]]
    deep = ";16" if samples.dtype == np.uint16 else ""
    options: dict[str, Any] = {"quality": 95, "chroma": 444} | raster.encoding
    # At this quality x265's slower presets take six times as long for no better picture.
    options["enc_params"] = {"preset": "ultrafast"}
    if raster.icc:
        options |= {"icc_profile": raster.icc, "icc_profile_type": "prof"}
    out = io.BytesIO()
    pillow_heif.encode(
        mode + deep,
        (samples.shape[1], samples.shape[0]),
        np.ascontiguousarray(samples).tobytes(),
        out,
        exif=_EXIF_PREFIX + raster.exif if raster.exif else None,
        xmp=raster.xmp,
        **options,
    )
    return out.getvalue()


def samples_of(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels (H, W, 1 or 3) and alpha of a Pillow image; refuses what has no exact 8 or 16 bit
    grey or RGB form."""
    if image.mode in ("P", "PA", "1") or "transparency" in image.info:
        clear = image.mode == "PA" or "transparency" in image.info
        base = "L" if image.mode in ("1", "L") else "RGB"
        image = image.convert(base + "A" * clear)
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        raise Refusal(f"has Pillow mode {image.mode}; convert it to RGB first")
    return split(np.array(image))


def _pillow_bytes(raster: Raster, format: str, **options: Any) -> bytes:
    samples = join(raster)
    out = io.BytesIO()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    try:
        image.save(out, format, **options)
    except OSError:
        if not options.get("progressive"):
            raise
        # Pillow gives a progressive JPEG one buffer of two bytes a pixel, which noise can exceed.
        out = io.BytesIO()
        with _roomy(2 * samples.nbytes + _SEGMENT_LIMIT):
            image.save(out, format, **options)
    return out.getvalue()


@contextmanager
def _roomy(size: int) -> Iterator[None]:
    """Pillow's buffers of at least so many bytes; they have no other switch."""
    with _ROOMY:
        usual, ImageFile.MAXBLOCK = ImageFile.MAXBLOCK, size
        try:
            yield
        finally:
            ImageFile.MAXBLOCK = usual


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _bare_png(data: bytes) -> bytes:
    """The same pixels without anything beside them; what is damaged or cut short still is."""
    parts, at = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while at + 8 <= len(data):
        length = 12 + struct.unpack_from(">I", data, at)[0]
        if data[at + 4 : at + 8] in _PNG_PIXELS:
            parts.append(data[at : at + length])
        at += length
    return b"".join(parts)


def _webp_chunks(data: bytes) -> set[bytes]:
    kinds, at = set(), 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        kinds.add(data[at : at + 4])
        at += 8 + length + length % 2
    return kinds


def _inflated(data: bytes) -> bytes | None:
    """Deflated metadata, or None when it is damaged or suspiciously large."""
    try:
        inflater = zlib.decompressobj()
        text = inflater.decompress(data, _MAX_INFLATED)
    except zlib.error:
        return None
    return text if inflater.eof else None


def _international_text(body: bytes) -> bytes | None:
    """The text of an iTXt chunk: keyword, two flags, language, translated keyword, text."""
    parts = body[len(_PNG_XMP) + 2 :].split(b"\0", 2)
    if len(parts) < 3:
        return None
    return _inflated(parts[2]) if body[len(_PNG_XMP)] else parts[2]


def unprefixed(blob: bytes | None) -> bytes | None:
    return blob.removeprefix(_EXIF_PREFIX) or None if blob else None
